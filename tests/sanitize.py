"""Run tests with the native code under a sanitizer.

    python tests/sanitize.py address            memory errors and undefined behaviour (ASAN, UBSAN)
    python tests/sanitize.py thread             data races (TSAN)
    python tests/sanitize.py thread native      the first part alone

First stress.cc with the native core and no Python, where the sanitizer sees every access. Then the
extension is built once more into build/<kind>, and pytest runs on it: on TESTS, or on the arguments
that follow. Needs g++ and what the tests need. Exits with 1 if either found something.
"""

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = {"address": "libasan.so", "thread": "libtsan.so"}
# optimised a little, or kernels are too slow to test; -g1 is lines alone, which reports need
COMMON = ["-O1", "-g1", "-fno-omit-frame-pointer"]
FLAGS = {
    "address": [*COMMON, "-fsanitize=address,undefined", "-fno-sanitize-recover=undefined"],
    "thread": [*COMMON, "-fsanitize=thread"],
}
# what stress.cc needs
NATIVE = ("core", "vec", "search", "trajectory", "envs/kitchen", "envs/draw")
# what runs our own native code most, without other packages' processes beside it
TESTS = {
    "address": [
        "tests/core",
        "tests/envs",
        "tests/search",
        "tests/planning/test_trajectory_kernels.py",
    ],
    "thread": ["tests/core", "tests/envs/plugins", "tests/envs/test_determinism.py"],
}
# the oracles run in processes of their own, and starting those takes long under a sanitizer
LEFT_OUT = "not parity and not oracle and not gymnasiums and not fresh_process"
OPTIONS = {
    # the interpreter and its libraries never free all that they took
    "ASAN_OPTIONS": "detect_leaks=0:halt_on_error=1:alloc_dealloc_mismatch=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    # other libraries' threads are not instrumented: what they do to one another is theirs
    "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:halt_on_error=1:die_after_fork=0",
}


def stress(kind: str, fixed_places: list[str]) -> bool:
    """Build stress.cc and the native core and run it; return whether it found nothing."""
    folder = ROOT / "build" / kind / "native"
    folder.mkdir(parents=True, exist_ok=True)
    places = [ROOT / "csrc" / place for place in NATIVE]
    sources = [ROOT / "tests" / "stress.cc", *(s for place in places for s in place.rglob("*.cc"))]
    compiler = ["g++", "-std=c++20", "-pthread", "-ffp-contract=off", *FLAGS[kind], "-Icsrc"]

    def compiled(source: Path) -> Path:
        out = folder / "_".join(source.relative_to(ROOT).with_suffix(".o").parts)
        subprocess.run([*compiler, "-c", str(source), "-o", str(out)], cwd=ROOT, check=True)
        return out

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compiled, sources))
    program = folder / "stress"
    subprocess.run([*compiler, *map(str, objects), "-o", str(program)], cwd=ROOT, check=True)
    command = [*fixed_places, str(program)]
    return subprocess.run(command, env=os.environ | OPTIONS, check=False).returncode == 0


def built(kind: str) -> Path:
    """Build the package with a sanitizer; return the folder that holds it."""
    base = ROOT / "build" / kind
    library = base / "lib"
    command = [sys.executable, "setup.py", "-q", "build", "--build-base", str(base)]
    environment = os.environ | {"ROLLOUT_SANITIZE": " ".join(FLAGS[kind])}
    subprocess.run([*command, "--build-lib", str(library)], cwd=ROOT, env=environment, check=True)
    return library


def runtime(kind: str) -> list[str]:
    """The words before a command that load the sanitizer first."""
    found = subprocess.run(
        ["g++", f"-print-file-name={LIBRARIES[kind]}"], capture_output=True, text=True, check=True
    )
    preload = ["env", f"LD_PRELOAD={found.stdout.strip()}"]
    # some kernels place memory where TSAN has its own: then ask for fixed places
    for words in (preload, ["setarch", "-R", *preload]):
        if subprocess.run([*words, "true"], capture_output=True, check=False).returncode == 0:
            return words
    sys.exit(f"sanitize: {LIBRARIES[kind]} does not start here: {' '.join(preload)} true")


def main() -> None:
    """Build, load the sanitizer, run the tests."""
    kind, *asked = sys.argv[1:] or [""]
    if kind not in LIBRARIES:
        sys.exit(f"sanitize: expected one of {', '.join(LIBRARIES)}, got {kind!r}")
    words = runtime(kind)
    if asked in ([], ["native"]) and not stress(kind, words[: words.index("env")]):
        sys.exit("sanitize: tests/stress.cc found something, see above")
    if asked == ["native"]:
        return
    library = built(kind)
    environment = os.environ | OPTIONS | {"PYTHONPATH": str(library), "PYTHONMALLOC": "malloc"}
    # -P: the package in the working folder is not the one to test
    python = [*words, sys.executable, "-P"]
    where = "from rollout import _native; print(_native.__file__)"
    loaded = subprocess.run(
        [*python, "-c", where],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    if not loaded.stdout.strip().startswith(str(library)):
        sys.exit(f"sanitize: loaded {loaded.stdout.strip()!r}, not {library}\n{loaded.stderr}")
    choice = asked or [*TESTS[kind], "-k", LEFT_OUT]
    pytest = [*python, "-m", "pytest", "-q", "-p", "no:cacheprovider", "--timeout=1200", *choice]
    sys.exit(subprocess.run(pytest, cwd=ROOT, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
