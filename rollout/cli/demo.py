"""`rollout demo`: a planner that never saw the rules cooks in a kitchen that it only imagines."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray
    from PIL import Image
    from rich.console import Console

    from rollout.envs import VectorEnv
    from rollout.envs.kitchen import Layout
    from rollout.evaluation import PlannerPlayer, Scores, Work

_FRAME_MS = 140
_FILM_STEPS = 240  # as long as a film is worth watching


def demo(
    layout: Annotated[str, typer.Option(help="the kitchen; `rollout envs` lists them")] = (
        "cramped_room"
    ),
    kitchens: Annotated[int, typer.Option(min=2, help="kitchens at once, one episode each")] = 16,
    steps: Annotated[int, typer.Option(min=1, help="steps an episode")] = 400,
    simulations: Annotated[
        int | None, typer.Option(min=1, help="imagined steps a plan [default: the model's card]")
    ] = None,
    partner: Annotated[
        str | None,
        typer.Option(help="cook, onions, random, stay or mixed [default: the model's card]"),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="kitchen i is seeded seed + i")] = 2_000_000,
    model: Annotated[
        Path | None, typer.Option(help="a kitchen model [default: the one that came along]")
    ] = None,
    gif: Annotated[Path, typer.Option(help="film of the first kitchen, its plan drawn in")] = Path(
        "out/demo.gif"
    ),
    json_file: Annotated[
        Path | None, typer.Option("--json", help="write the numbers here too")
    ] = None,
) -> None:
    """Cook with a **world model learned from play**, with and without planning in it.

    A random player, the model's policy head alone (its likeliest actions, and actions drawn from
    it), and a planner that searches in the model each play the same kitchens beside the same
    scripted partner. Prints their mean scores with standard
    errors and what the imagination cost, and films the planner with the plan it had in mind.

        rollout demo

        rollout demo --kitchens 4 --steps 100 --simulations 16
    """
    import torch
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn

    import rollout
    from rollout.cli.kitchen_model import load_kitchen_model, read_layout
    from rollout.evaluation import (
        PlannerPlayer,
        Player,
        PolicyPlayer,
        RandomPlayer,
        score,
    )
    from rollout.goals import parse
    from rollout.planning import TreeSearch
    from rollout.render import save_gif

    console = Console()
    # the network is too small to share between threads
    torch.set_num_threads(1)
    kitchen = read_layout(layout)
    learned = load_kitchen_model(kitchen, model)
    card = learned.card
    options: dict[str, Any] = {
        "dynamics": card.env_options.get("dynamics", "old"),
        "partner": partner or card.env_options.get("partner", "cook"),
        "partner_noise": card.env_options.get("partner_noise", 0.0),
    }
    env = rollout.make_vec(
        "Kitchen-v0", kitchens, layout=kitchen.text, horizon=steps, events=True, **options
    )
    planner = TreeSearch(
        learned.model,
        num_simulations=simulations or card.eval_simulations or card.simulations,
        discount=card.discount,
        goal=parse(card.goal) if card.goal else None,
        gumbel_scale=0.0,
        paths=False,
    )
    planning = PlannerPlayer(planner, seed=seed)
    players: dict[str, Player] = {
        "random": RandomPlayer(6, seed=seed),
        "policy head, greedy": PolicyPlayer(learned.model, seed=seed),
        "policy head, sampled": PolicyPlayer(learned.model, greedy=False, seed=seed),
        "planner": planning,
    }
    film: list[Image.Image] = []
    scores: dict[str, Scores] = {}
    columns = (TextColumn("{task.description:<20}"), BarColumn(), TextColumn("{task.fields[told]}"))
    with Progress(*columns, TimeElapsedColumn(), console=console) as progress:
        for name, player in players.items():
            task = progress.add_task(name, total=steps, told="")

            def watch(
                step: int,
                returns: NDArray[np.float64],
                task: Any = task,
                filmed: bool = player is planning,
            ) -> None:
                told = f"step {step + 1:>3}  mean score {returns.mean():5.1f}"
                progress.update(task, completed=step + 1, told=told)
                if filmed and step < _FILM_STEPS:
                    film.append(_frame(env, kitchen, steps, planning, float(returns[0])))

            scores[name] = score(env, player, seed=seed, watch=watch)
            told = f"{steps} steps  mean score {scores[name].mean:5.1f}"
            progress.update(task, completed=steps, told=told)
    env.close()
    partner_told = f"scripted {options['partner']}, {options['partner_noise']:.0%} noise"
    _tell(console, scores, planning.work, kitchen.name, steps, partner_told)
    console.print(f"[dim]film:[/] {save_gif(gif, film, frame_ms=_FRAME_MS)}", soft_wrap=True)
    if json_file is not None:
        _write(json_file, scores, planning.work, kitchens, steps, seed)
        console.print(f"[dim]numbers:[/] {json_file}", soft_wrap=True)


def _frame(
    env: VectorEnv, layout: Layout, horizon: int, player: PlannerPlayer, score: float
) -> Image.Image:
    """Draw the first kitchen with what its planner has in mind."""
    from rollout.render import draw_kitchen, intent, kitchen_scene
    from rollout.worlds import foresee

    scene = kitchen_scene(layout.grid, env.get_attr("state")[0], horizon=horizon, score=score)
    if player.plan is None:
        return draw_kitchen(scene)
    *_, (path, expected) = foresee(player.planner, player.state, player.plan)
    return draw_kitchen(scene, [intent(scene, 0, path, expected)])


def _tell(
    console: Console, scores: dict[str, Scores], work: Work, layout: str, steps: int, partner: str
) -> None:
    """Print who scored what, by how much planning was better, and what it cost."""
    from rich.table import Table

    kitchens = len(scores["planner"].returns)
    console.print(
        f"[bold]{layout}[/]: {kitchens} kitchens x {steps} steps, partner: {partner}",
        soft_wrap=True,
    )
    table = Table()
    table.add_column("player")
    for column in ("mean score", "± s.e.", "worst", "best", "planner ahead by"):
        table.add_column(column, justify="right")
    for name, result in scores.items():
        lead = ""
        if name != "planner":
            # the same seeds for all, so the difference is taken kitchen by kitchen
            ahead = scores["planner"].returns - result.returns
            lead = f"{ahead.mean():.1f} ± {ahead.std(ddof=1) / kitchens**0.5:.1f}"
        table.add_row(
            name,
            f"{result.mean:.1f}",
            f"{result.error:.1f}",
            f"{result.returns.min():.0f}",
            f"{result.returns.max():.0f}",
            lead,
        )
    console.print(table)
    costs = Table.grid(padding=(0, 2))
    costs.add_column(justify="right")
    for count, what in (
        (work.simulations, "simulations, each an imagined step"),
        (work.plans, "imagined rollouts, one a decision"),
    ):
        costs.add_row(f"[bold]{count:,}[/]", what, f"[bold]{count / work.seconds:,.0f}[/] a second")
    share = work.model_seconds / work.seconds
    costs.add_row(f"[bold]{share:.0%}[/]", "of the wall time inside the network itself", "")
    console.print(costs)


def _write(
    path: Path, scores: dict[str, Scores], work: Work, kitchens: int, steps: int, seed: int
) -> None:
    """Write the numbers as JSON."""
    import json
    from dataclasses import asdict

    numbers = {
        "kitchens": kitchens,
        "steps": steps,
        "seed": seed,
        "players": {
            name: {
                "mean": result.mean,
                "standard_error": result.error,
                "returns": result.returns.tolist(),
                "seconds": result.seconds,
            }
            for name, result in scores.items()
        },
        "planning": asdict(work),
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(numbers, indent=1) + "\n", encoding="utf-8")
