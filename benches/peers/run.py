"""Install the rivals of benches/peers.txt and time them.

    python benches/peers/run.py --out out/peers.json [--venvs build/peers] [NAME ...]

Each gets a virtual environment under --venvs, made once. What they print goes to the JSON file, and
so does why one could not be installed or run: report.py shows both. Takes minutes, and the network.
"""

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

BENCHES = Path(__file__).resolve().parents[1]
ONE_THREAD = {
    "JAX_PLATFORMS": "cpu",
    "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1",
    "OMP_NUM_THREADS": "1",
}


def pins() -> dict[str, list[str]]:
    """The requirements of each rival."""
    found: dict[str, list[str]] = {}
    for line in (BENCHES / "peers.txt").read_text().splitlines():
        line = line.partition("#")[0].strip()
        if line.startswith("["):
            current = found.setdefault(line.strip("[]"), [])
        elif line:
            current.append(line)
    return found


def last_words(done: subprocess.CompletedProcess[str]) -> str:
    """The last line of what went wrong."""
    lines = [line for line in (done.stderr or done.stdout).splitlines() if line.strip()]
    errors = [line for line in lines if "rror" in line]
    return (errors or lines or [f"exit code {done.returncode}"])[-1].strip()[:200]


def install(name: str, requirements: list[str], venvs: Path) -> Path | str:
    """Make a rival's environment unless it is there; return its Python, or why not."""
    venv = venvs / name
    python, ready = venv / "bin" / "python", venv / "installed"
    wanted = "\n".join(requirements)
    if ready.is_file() and ready.read_text() == wanted:
        return python
    subprocess.run([sys.executable, "-m", "venv", "--clear", str(venv)], check=True)
    pip = [str(python), "-m", "pip", "--disable-pip-version-check", "-q", "install"]
    steps = {"pip": [*pip, *requirements]}
    recipe = BENCHES / "peers" / f"build_{name}.py"
    if recipe.is_file():
        steps["build"] = [str(python), "-P", str(recipe)]
    for step, command in steps.items():
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode != 0:
            return f"{step}: {last_words(done)}"
    ready.write_text(wanted)
    return python


def measure(name: str, python: Path, folder: Path) -> list[dict] | str:
    """Run a rival's script; return its lines, or why there are none."""
    # -P: a script must not be taken for the package that it times
    command = [str(python), "-P", "-m", f"peers.{name}"]
    environment = os.environ | ONE_THREAD | {"PYTHONPATH": str(BENCHES)}
    done = subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode != 0:
        return last_words(done)
    return [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]


def main() -> None:
    """Install, time, write."""
    known = pins()
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help=f"some of {', '.join(known)}; all by default")
    parser.add_argument("--out", type=Path, default=Path("out/peers.json"))
    parser.add_argument("--venvs", type=Path, default=BENCHES.parent / "build" / "peers")
    asked = parser.parse_args()
    if unknown := set(asked.names) - known.keys():
        sys.exit(f"peers: there is no {', '.join(sorted(unknown))}; there are {', '.join(known)}")
    timed, missing = [], {}
    for name in asked.names or known:
        print(f"rival: {name}", flush=True)
        python = install(name, known[name], asked.venvs)
        # some leave files in the working folder
        lines = measure(name, python, asked.venvs) if isinstance(python, Path) else python
        if isinstance(lines, str):
            missing[name] = lines
        else:
            timed += lines
    asked.out.parent.mkdir(parents=True, exist_ok=True)
    asked.out.write_text(json.dumps({"timed": timed, "missing": missing}, indent=1) + "\n")


if __name__ == "__main__":
    main()
