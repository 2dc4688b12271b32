"""`rollout bench`: time the project beside its rivals and its floors."""

import subprocess
import sys
from pathlib import Path
from typing import Annotated

import typer


def bench(
    select: Annotated[
        str,
        typer.Option("--select", "-k", help="only benches whose name holds this, as pytest's -k"),
    ] = "",
    mark: Annotated[
        str,
        typer.Option(
            "--mark", "-m", help="`gate`: those that guard a stated ratio; `info`: the others"
        ),
    ] = "gate or info",
    out: Annotated[Path, typer.Option("--out", help="folder for bench.json and bench.png")] = Path(
        "out"
    ),
) -> None:
    """Time us beside rivals and floors, and print **one table of ratios**.

    Each row is a pair measured in one run on one thread: the same work done by this project and by
    another package, or by the least that any implementation must do (the floor: say, the bare
    network calls of a search). Read differences below 1.4x as equal on a shared machine.

    Needs a checkout of the project with the test tools: `make bench` sets both up.

        rollout bench --select stepping
    """
    root = Path(__file__).resolve().parents[2]
    if not (root / "benches" / "report.py").is_file():
        raise FileNotFoundError(
            f"the benches are not part of the installed package (looked in {root / 'benches'}); "
            "clone the project and run `make bench` there"
        )
    out.mkdir(parents=True, exist_ok=True)
    raw = (out / "bench-raw.json").resolve()
    pytest = [sys.executable, "-m", "pytest", "benches", "-q", "-p", "no:cacheprovider"]
    choice = ["-m", mark, "-k", select]
    # a bench that cannot be collected should fail with its own error, not with the plugin's warning
    lenient = ["-W", "ignore::pytest_benchmark.logger.PytestBenchmarkWarning"]
    record = [f"--benchmark-json={raw}", "--benchmark-quiet", *lenient]
    timed = subprocess.run([*pytest, *choice, *record], cwd=root, check=False)
    if timed.returncode != 0:
        raise typer.Exit(timed.returncode)
    report = [sys.executable, str(root / "benches" / "report.py"), str(raw), "--out", str(out)]
    raise typer.Exit(subprocess.run(report, check=False).returncode)
