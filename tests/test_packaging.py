"""The source distribution carries all that a build from it needs."""

import subprocess
import sys
import tarfile
from pathlib import Path

ROOT = Path(__file__).parents[1]
BUILT = {".so", ".pyc"}


def test_the_sdist_holds_every_source_and_data_file(tmp_path):
    command = [sys.executable, "setup.py", "-q", "egg_info", "--egg-base", str(tmp_path)]
    done = subprocess.run(
        [*command, "sdist", "--dist-dir", str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (archive,) = tmp_path.glob("*.tar.gz")
    with tarfile.open(archive) as tar:
        packed = {name.partition("/")[2] for name in tar.getnames()}
    needed = {
        str(path.relative_to(ROOT))
        for folder in ("csrc", "bindings", "rollout", "tests", "benches", "docs", "examples")
        for path in (ROOT / folder).rglob("*")
        if path.is_file() and path.suffix not in BUILT
    } | {"setup.py", "pyproject.toml", "README.md", "Makefile", "constraints.txt"}
    assert sorted(needed - packed) == []
    assert not any(Path(name).suffix in BUILT for name in packed)


def test_an_installed_package_holds_the_headers_of_plugins(tmp_path):
    command = [sys.executable, "setup.py", "-q", "build_py", "--build-lib", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    headers = ROOT / "csrc" / "include" / "rollout"
    for header in ("env.h", "random.h", "selection.h"):
        installed = tmp_path / "rollout" / "include" / "rollout" / header
        assert installed.read_text() == (headers / header).read_text()
