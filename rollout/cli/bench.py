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
    passes: Annotated[
        int, typer.Option(min=1, help="times to run them all; the middle ratio is shown")
    ] = 3,
    peers: Annotated[
        bool,
        typer.Option(
            help="also time rivals that need environments of their own (installs them; minutes)"
        ),
    ] = False,
    out: Annotated[Path, typer.Option("--out", help="folder for bench.json and bench.png")] = Path(
        "out"
    ),
) -> None:
    """Time us beside rivals and floors, and print **one table of ratios**.

    Each row is a pair measured in one run on one thread: the same work done by this project and by
    another package, or by the least that any implementation must do (the floor: say, the bare
    network calls of a search). Of several passes the one with the middle ratio is shown. Read
    differences below 1.4x as equal on a shared machine.

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
    times = (out / "peers.json").resolve()
    times.unlink(missing_ok=True)
    if peers:
        script = [sys.executable, str(root / "benches" / "peers" / "run.py")]
        subprocess.run([*script, "--out", str(times)], cwd=root, check=True)
    # a bench that cannot be collected should fail with its own error, not with the plugin's warning
    lenient = ["-W", "ignore::pytest_benchmark.logger.PytestBenchmarkWarning"]
    pytest = [sys.executable, "-m", "pytest", "benches", "-q", "-p", "no:cacheprovider", *lenient]
    choice = ["-m", mark, "-k", select, "--benchmark-quiet", "--benchmark-max-time=0.5"]
    records = [(out / f"bench-raw-{number}.json").resolve() for number in range(passes)]
    for record in records:
        command = [*pytest, *choice, f"--benchmark-json={record}"]
        code = subprocess.run(command, cwd=root, check=False).returncode
        if code != 0:
            raise typer.Exit(code)
    report = [sys.executable, str(root / "benches" / "report.py"), *map(str, records)]
    where = ["--out", str(out), "--peers", str(times)]
    raise typer.Exit(subprocess.run([*report, *where], check=False).returncode)
