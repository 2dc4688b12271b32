"""`rollout train`: learn a world model from play, with live progress."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    from rich.console import RenderableType

    from rollout.learn import Progress


def train(
    task: Annotated[str, typer.Argument(help="`cartpole` or `kitchen`")] = "cartpole",
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="the run's folder [default: runs/TASK-SEED]")
    ] = None,
    seed: Annotated[int, typer.Option(help="decides everything random in the run")] = 0,
    iterations: Annotated[
        int | None, typer.Option("--iterations", help="steps of every environment row")
    ] = None,
    minutes: Annotated[float | None, typer.Option(help="stop after so much training time")] = None,
    num_envs: Annotated[int | None, typer.Option("--num-envs", help="environment rows")] = None,
    simulations: Annotated[int | None, typer.Option(help="simulations of a search")] = None,
    threads: Annotated[
        int | None, typer.Option(help="threads of torch, the environment and the search")
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            "-s",
            metavar="NAME=VALUE",
            help="any other field of the config, its value as JSON; may be given often",
        ),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="go on with the run in --out")] = False,
) -> None:
    """Learn a world model **from its own play**: search, replay, reanalysis, updates.

    The run's folder holds `model.safetensors` (for `rollout eval` and `rollout play`),
    `checkpoint.safetensors` (for `--resume`, which continues bit for bit), `config.json` and
    `run.png`. Ctrl-C saves and stops; `--resume` goes on.

        rollout train cartpole --seed 1

        rollout train kitchen --minutes 50 -s batch=512 -s 'bots=["cook"]'
    """
    import signal

    from rich.console import Console, Group
    from rich.live import Live
    from rich.progress import BarColumn, TextColumn, TimeElapsedColumn
    from rich.progress import Progress as Bar

    from rollout.learn import PRESETS, Trainer

    if task not in PRESETS:
        raise ValueError(f"task: expected one of {sorted(PRESETS)}, got {task!r}")
    folder = out or Path("runs") / f"{task}-{seed}"
    named = {
        "iterations": iterations,
        "minutes": minutes,
        "num_envs": num_envs,
        "simulations": simulations,
        "threads": threads,
    }
    changes = {name: value for name, value in named.items() if value is not None}
    changes |= parse_changes(change or [])
    if resume:
        if changes:
            raise ValueError(
                f"--resume: expected no changes to the config, got {sorted(changes)}; "
                "a resumed run keeps its own"
            )
        trainer = Trainer.resume(folder)
    else:
        trainer = Trainer(PRESETS[task](seed=seed, **changes), folder)

    console = Console()
    bar = Bar(
        TextColumn("[bold]{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        console=console,
    )
    total = trainer.config.iterations
    work = bar.add_task(f"train {task}", total=total, completed=trainer.iteration)

    with Live(bar, console=console, refresh_per_second=4) as live:

        def watch(progress: Progress) -> None:
            bar.update(work, completed=progress.iteration)
            live.update(Group(bar, numbers(progress)))
            if progress.evaluation is not None:
                live.console.print(
                    f"evaluation after {progress.steps:,} steps, {progress.seconds / 60:.1f} min: "
                    f"[bold]{progress.evaluation:.1f}[/]"
                )

        # an iteration is not left half done: what is saved must go on bit for bit
        usual = signal.signal(signal.SIGINT, lambda *_: trainer.stop())
        try:
            trainer.run(watch)
        finally:
            signal.signal(signal.SIGINT, usual)
    if not console.is_terminal:
        console.line()
    if not trainer.done:
        console.print(f"stopped; go on with `rollout train {task} --out {folder} --resume`")
        raise typer.Exit(130)
    console.print(
        f"trained {trainer.iteration * trainer.config.num_envs:,} steps and "
        f"{trainer.learner.updates:,} updates in {trainer.seconds / 60:.1f} min"
        + (f", best evaluation {trainer.best:.1f}" if trainer.best is not None else "")
    )
    console.print(f"see it play: [bold]rollout eval {folder}[/]")


def numbers(progress: Progress) -> RenderableType:
    """Return the numbers of a report, as many side by side as the terminal holds."""
    from rich.columns import Columns

    shown: dict[str, str] = {
        "steps": f"{progress.steps:,}",
        "updates": f"{progress.updates:,}",
        "steps/s": f"{progress.steps_per_second:,.0f}",
        "return": "-" if progress.returned is None else f"{progress.returned:.1f}",
    }
    shown |= {name: f"{loss:.3f}" for name, loss in progress.losses.items()}
    return Columns([f"[dim]{name}[/] {number}" for name, number in shown.items()], padding=(0, 2))


def parse_changes(pairs: list[str]) -> dict[str, Any]:
    """Read NAME=VALUE pairs; a value that is no JSON is taken as text.

    Raises ValueError naming a pair without "=".
    """
    import json

    changes: dict[str, Any] = {}
    for pair in pairs:
        name, sign, text = pair.partition("=")
        if not sign:
            raise ValueError(f"--set: expected NAME=VALUE, got {pair!r}; say --set batch=512")
        try:
            changes[name] = json.loads(text)
        except json.JSONDecodeError:
            changes[name] = text
    return changes
