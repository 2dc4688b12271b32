"""Fuzz whatever reads what others wrote: layouts, plug-ins' descriptions, snapshots.

    python tests/fuzz/run.py [SECONDS]      60 for each by default

The native targets need clang with libFuzzer (on Debian 12: clang and libclang-rt-14-dev); without
it they are left out, and that is said. The snapshot decoder is Python: libFuzzer comes to it with
the package atheris, and chance without. What crashes a target is kept under build/fuzz.
"""

import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "build" / "fuzz"
# the target, the sources that it needs, and where good inputs to begin with are
NATIVE = {
    "layout": (["csrc/envs/kitchen"], "rollout/envs/layouts"),
    "plugin": (["csrc/plugin", "csrc/vec/kernel.cc"], None),
}
FLAGS = [
    *("-std=c++20", "-O1", "-g", "-Icsrc"),
    *("-fsanitize=fuzzer,address,undefined", "-fno-sanitize-recover=undefined"),
]


def clang() -> str | None:
    """A clang++ that can build a fuzzer."""
    versions = ["clang++", *(f"clang++-{number}" for number in range(25, 13, -1))]
    for name in filter(shutil.which, versions):
        command = [name, *FLAGS, "-x", "c++", "-", "-o", "/dev/null"]
        # older ones have no libFuzzer, or cannot read this compiler's library
        code = """
#include <algorithm>
#include <ranges>
#include <string_view>
extern "C" int LLVMFuzzerTestOneInput(const char* data, unsigned long size) {
  return std::ranges::all_of(std::string_view(data, size), [](char c) { return c == 0; }) ? 0 : 0;
}
"""
        done = subprocess.run(command, input=code, text=True, capture_output=True, check=False)
        if done.returncode == 0:
            return name
    return None


def fuzz(compiler: str, target: str, seconds: int) -> int:
    """Build one target and run it."""
    places, good = NATIVE[target]
    sources = [ROOT / "tests" / "fuzz" / f"{target}.cc"]
    for place in places:
        path = ROOT / place
        sources += sorted(path.glob("*.cc")) if path.is_dir() else [path]
    program, corpus = OUT / target, OUT / f"{target}-corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    build = [compiler, *FLAGS, *map(str, sources), "-o", str(program)]
    subprocess.run(build, cwd=ROOT, check=True)
    limits = [
        f"-max_total_time={seconds}",
        "-timeout=10",
        "-rss_limit_mb=2048",
        "-print_final_stats=1",
    ]
    seeds = [str(ROOT / good)] if good else []
    command = [str(program), str(corpus), *seeds, *limits, f"-artifact_prefix={OUT}/{target}-"]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def main() -> None:
    """Fuzz every target; exit 1 if one found something."""
    seconds = int(sys.argv[1]) if len(sys.argv) > 1 else 60
    codes = []
    compiler = clang()
    if compiler is None:
        print(f"fuzz: no clang with libFuzzer here: {', '.join(NATIVE)} are left out")
    else:
        codes = [fuzz(compiler, target, seconds) for target in NATIVE]
    snapshot = ROOT / "tests" / "fuzz" / "snapshot.py"
    codes.append(
        subprocess.run([sys.executable, snapshot, str(seconds)], cwd=ROOT, check=False).returncode
    )
    sys.exit(any(codes))


if __name__ == "__main__":
    main()
