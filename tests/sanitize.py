"""Run tests with the native code under a sanitizer.

    python tests/sanitize.py address            memory errors and undefined behaviour (ASAN, UBSAN)
    python tests/sanitize.py thread             data races (TSAN)
    python tests/sanitize.py thread native      the first part alone

The extension is built once more into build/<kind>. First tests/stress runs, the native core without
Python, where the sanitizer sees every access. Then pytest: on TESTS, or on the arguments that
follow. Needs g++ and what the tests need. Exits with 1 if either found something.
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
    "address": [
        *COMMON,
        "-fsanitize=address,undefined,float-cast-overflow",
        "-fno-sanitize-recover=all",
        "-D_GLIBCXX_ASSERTIONS",
    ],
    "thread": [*COMMON, "-fsanitize=thread"],
}
# what runs our own native code most, without other packages' processes beside it; for races, what
# several threads do
TESTS = {
    "address": [
        "tests/core",
        "tests/envs",
        "tests/search",
        "tests/planning/test_trajectory_kernels.py",
    ],
    "thread": [
        "tests/core",
        "tests/search",
        "tests/planning/test_trajectory_kernels.py",
        "tests/envs/plugins",
        "tests/envs/test_async.py",
        "tests/envs/test_playouts.py",
        "tests/envs/test_processes.py",
        "tests/envs/test_rollout_from.py",
        "tests/envs/test_snapshot.py",
        "tests/envs/test_vector_env.py",
        "tests/envs/test_determinism.py",  # last: it chooses itself what goes to the threads
    ],
}
# for races all loops go to the threads, however short they are
BEFORE = {"address": "", "thread": "from rollout import _native; _native.force_threads(7); "}
# the oracles run in processes of their own, and starting those takes long under a sanitizer; the
# others allow a call 2 ms, and it takes longer here
SLOW = "not parity and not oracle and not gymnasiums and not late_at_most"
# TSAN gives up where a child of a fork starts threads: it takes them for those of its parent. And
# what torch compiles is not instrumented; compiling it takes minutes.
LEFT_OUT = {"address": SLOW, "thread": SLOW + " and not fork and not compiled"}
OPTIONS = {
    # the interpreter and its libraries never free all that they took
    "ASAN_OPTIONS": "detect_leaks=0:halt_on_error=1:alloc_dealloc_mismatch=0",
    "UBSAN_OPTIONS": "print_stacktrace=1:halt_on_error=1",
    # other libraries' threads are not instrumented: what they do to one another is theirs
    "TSAN_OPTIONS": "ignore_noninstrumented_modules=1:halt_on_error=1:die_after_fork=0",
}


def built(kind: str) -> Path:
    """Build the package with a sanitizer; return the folder that holds it and its object files."""
    base = ROOT / "build" / kind
    command = [sys.executable, "setup.py", "-q", "build", "--build-base", str(base)]
    environment = os.environ | {"ROLLOUT_SANITIZE": " ".join(FLAGS[kind])}
    subprocess.run(
        [*command, "--build-lib", str(base / "lib")], cwd=ROOT, env=environment, check=True
    )
    return base


def stress(kind: str, base: Path, fixed_places: list[str]) -> bool:
    """Build tests/stress with the core's object files and run it; return if it found nothing."""
    compiler = ["g++", "-std=c++20", "-pthread", "-ffp-contract=off", *FLAGS[kind], "-Icsrc"]
    folder = base / "stress"
    folder.mkdir(exist_ok=True)

    def compiled(source: Path) -> Path:
        out = folder / source.with_suffix(".o").name
        subprocess.run([*compiler, "-c", str(source), "-o", str(out)], cwd=ROOT, check=True)
        return out

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        objects = list(pool.map(compiled, sorted((ROOT / "tests" / "stress").glob("*.cc"))))
    objects += base.glob("temp*/csrc/**/*.o")
    program = folder / "stress"
    subprocess.run([*compiler, *map(str, objects), "-o", str(program)], cwd=ROOT, check=True)
    command = [*fixed_places, str(program)]
    environment = os.environ | OPTIONS | {"ASAN_OPTIONS": "halt_on_error=1"}  # leaks count here
    return subprocess.run(command, env=environment, check=False).returncode == 0


def runtime(kind: str) -> list[str]:
    """The words before a command that load the sanitizer first."""

    def found(library: str) -> str:
        command = ["g++", f"-print-file-name={library}"]
        asked = subprocess.run(command, capture_output=True, text=True, check=True)
        return asked.stdout.strip()

    # the interpreter has no C++ of its own, and what throws must be there when the sanitizer starts
    preload = ["env", f"LD_PRELOAD={found(LIBRARIES[kind])}:{found('libstdc++.so.6')}"]
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
    base = built(kind)
    library = base / "lib"
    if asked in ([], ["native"]) and not stress(kind, base, words[: words.index("env")]):
        sys.exit("sanitize: tests/stress found something, see above")
    if asked == ["native"]:
        return
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
    choice = asked or [*TESTS[kind], "-k", LEFT_OUT[kind]]
    run = f"import sys, pytest; {BEFORE[kind]}sys.exit(pytest.main(sys.argv[1:]))"
    # what a sanitizer says goes to the terminal, not to pytest, which dies with the process
    pytest = [*python, "-c", run, "-q", "--capture=sys", "-p", "no:cacheprovider"]
    pytest += ["--timeout=1200", *choice]
    sys.exit(subprocess.run(pytest, cwd=ROOT, env=environment, check=False).returncode)


if __name__ == "__main__":
    main()
