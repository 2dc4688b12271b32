"""A run as one picture: what it returned, what it lost, how fast it went."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from matplotlib.figure import Figure


def plot_run(history: Sequence[Mapping[str, Any]], path: Path, *, title: str = "") -> None:
    """Draw a run's history (`Trainer.history`) as a PNG with three panels over environment steps.

    Raises ValueError if the history is empty.
    """
    if not history:
        raise ValueError("history: expected at least one record, got none; train for longer")
    figure = Figure(figsize=(7, 9), layout="constrained")
    returns, losses, speed = figure.subplots(3, 1, sharex=True)
    figure.suptitle(title)
    steps = [record["steps"] for record in history]

    played = [
        (record["steps"], record["returned"])
        for record in history
        if record["returned"] is not None
    ]
    returns.plot(*_columns(played), label="in play (last episodes)", linewidth=1)
    judged = [
        (record["steps"], record["evaluation"])
        for record in history
        if record["evaluation"] is not None
    ]
    if judged:
        returns.plot(*_columns(judged), "o-", label="evaluation", markersize=4)
    returns.set_ylabel("return")
    returns.legend()

    for name in history[-1]["losses"]:
        points = [
            (record["steps"], record["losses"][name])
            for record in history
            if record["losses"].get(name, 0) > 0
        ]
        losses.plot(*_columns(points), label=name, linewidth=1)
    losses.set_yscale("log")
    losses.set_ylabel("loss")
    if losses.lines:
        losses.legend(fontsize="small", ncols=2)

    speed.plot(steps, [record["steps_per_second"] for record in history], linewidth=1)
    speed.set_ylabel("environment steps a second")
    speed.set_xlabel("environment steps")
    figure.savefig(path, dpi=110)


def _columns(points: Sequence[tuple[float, float]]) -> tuple[list[float], list[float]]:
    """Turn points into the two lists that a plot takes."""
    return [x for x, _ in points], [y for _, y in points]
