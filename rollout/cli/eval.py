"""`rollout eval`: play whole episodes on fresh seeds and compare who plays."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def evaluate(
    what: Annotated[
        str, typer.Argument(help="a run's folder, a model file, or a task: `cartpole`, `kitchen`")
    ],
    players: Annotated[
        list[str] | None,
        typer.Option(
            "--player",
            "-p",
            help="who plays: `planner`, `head` (the policy without planning), `random`, or a "
            "scripted bot as `bot:cook`; may be given often [default: planner, head, random]",
        ),
    ] = None,
    episodes: Annotated[int, typer.Option(min=2, help="episodes a player, side by side")] = 100,
    seed: Annotated[int, typer.Option(help="episode i is seeded seed + i")] = 1_000_000,
    simulations: Annotated[
        int | None, typer.Option(help="simulations of a search [default: as in training]")
    ] = None,
    task: Annotated[
        str | None, typer.Option(help="whose environment a lone model file is to play")
    ] = None,
) -> None:
    """Play **fresh episodes** and print each player's mean return and its standard error.

    Every player meets the same seeds. A model plays greedily: no exploration noise.

        rollout eval runs/cartpole-0

        rollout eval kitchen --player random --player bot:cook
    """
    import torch
    from rich.console import Console
    from rich.table import Table

    from rollout.evaluation import score
    from rollout.learn import PRESETS, TrainConfig
    from rollout.learn.build import build_env
    from rollout.learn.players import make_player
    from rollout.models import load

    path, config, model = Path(what), None, None
    if what in PRESETS:
        config = PRESETS[what]()
    else:
        beside = (path if path.is_dir() else path.parent) / "config.json"
        if task is not None:
            if task not in PRESETS:
                raise ValueError(f"--task: expected one of {sorted(PRESETS)}, got {task!r}")
            config = PRESETS[task]()
        elif beside.is_file():
            config = TrainConfig.model_validate_json(beside.read_text())
        else:
            raise ValueError(
                f"{what}: expected a task ({', '.join(sorted(PRESETS))}), a run's folder, or a "
                "model file with its run's config.json beside it; say --task to name its world"
            )
        model = load(path / "model.safetensors" if path.is_dir() else path)

    torch.set_num_threads(config.threads)
    default = ["random"] if model is None else ["planner", "head", "random"]
    table = Table(title=f"{config.env}, {episodes} episodes from seed {seed}")
    table.add_column("player")
    for column in ("mean return", "± s.e.", "median", "worst", "best", "steps/s"):
        table.add_column(column, justify="right")
    console = Console()
    for name in players or default:
        env = build_env(config, episodes)
        with console.status(f"{name} plays"):
            player = make_player(name, env, model, config, seed=seed, simulations=simulations)
            result = score(env, player, seed=seed)
        env.close()
        ordered = sorted(result.returns)
        table.add_row(
            name,
            f"{result.mean:.1f}",
            f"{result.error:.1f}",
            f"{ordered[len(ordered) // 2]:.0f}",
            f"{ordered[0]:.0f}",
            f"{ordered[-1]:.0f}",
            f"{result.lengths.sum() / result.seconds:,.0f}",
        )
    console.print(table)
