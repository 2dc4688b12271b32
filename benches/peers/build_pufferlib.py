"""Build PufferLib's CartPole from its source distribution, for the Python that runs this.

Its setup.py downloads archives that CartPole has no need of, even where pip only asks for the
package's name. So pip is asked to keep what it has unpacked although that fails, empty folders
stand for the archives, and the other games are left out.
"""

import os
import subprocess
import sys
import sysconfig
import tempfile
from pathlib import Path

ARCHIVES = ("raylib-5.5_webassembly", "box2d-web", "box2d-linux-amd64")


def unpacked(folder: Path) -> Path:
    """Have pip unpack the source below a folder; return where it is."""
    pip = [sys.executable, "-m", "pip", "--disable-pip-version-check", "-q", "download"]
    options = ["--no-deps", "--no-build-isolation", "--no-clean", "-d", str(folder)]
    done = subprocess.run(
        [*pip, *options, "pufferlib==3.0.0"],
        env=os.environ | {"TMPDIR": str(folder)},
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    for setup in folder.glob("pip-*/pufferlib_*/setup.py"):
        return setup.parent
    sys.exit(done.stderr)


def main() -> None:
    """Unpack, build in place, and let this Python find it."""
    source = unpacked(Path(tempfile.mkdtemp(prefix="pufferlib-", dir=sys.prefix)))
    for archive in ARCHIVES:
        (source / archive).mkdir(exist_ok=True)
    for binding in source.glob("pufferlib/ocean/*/binding.c"):
        if binding.parent.name != "cartpole":
            binding.unlink()
    build = [sys.executable, "setup.py", "-q", "build_c", "--inplace"]
    subprocess.run(build, cwd=source, env=os.environ | {"NO_TRAIN": "1"}, check=True)
    Path(sysconfig.get_path("purelib"), "pufferlib.pth").write_text(f"{source}\n")


if __name__ == "__main__":
    main()
