"""How a search grows: time against rows, simulations, actions, depth and threads, and memory.

    python benches/scaling.py --out docs/planning

Writes scaling.png and prints its numbers. The model is one that costs nothing, so that the time is
the tree's and the drive's; "deep" gives one action nearly all the prior, so that trees are chains.
The memory beside ours is that of mctx's dense arrays: six [B, N, A] and five [B, N] of 4 bytes.
Takes a minute; nothing else may run.
"""

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import torch

from rollout.search import RecurrentOutput, Root, gumbel_muzero_policy, muzero_policy

POLICIES = {"muzero": muzero_policy, "gumbel": gumbel_muzero_policy}
SECONDS = 0.4  # a point, about


def searcher(policy: str, rows: int, simulations: int, actions: int, **settings) -> Callable:
    """A search over a model that costs nothing; `deep` lengthens its trees."""
    logits, zero, one = torch.zeros(rows, actions), torch.zeros(rows), torch.ones(rows)
    if settings.pop("deep", False):
        logits[:, 0] = 8.0
    said = RecurrentOutput(reward=zero, discount=one, prior_logits=logits, value=zero)
    root = Root(logits, zero, torch.zeros(rows, 1))
    settings = {"num_threads": 1} | settings
    return lambda: POLICIES[policy](
        root, lambda action, embedding: (said, embedding), simulations, **settings
    )


def milliseconds(run: Callable) -> float:
    """The median time of a call."""
    run()
    taken, end = [], time.perf_counter() + SECONDS
    while len(taken) < 3 or time.perf_counter() < end:
        start = time.perf_counter()
        run()
        taken.append(time.perf_counter() - start)
    return 1000 * statistics.median(taken)


def dense_bytes(rows: int, nodes: int, actions: int) -> int:
    """What mctx's arrays take."""
    return 4 * rows * nodes * (6 * actions + 5)


def measure() -> dict[str, dict[str, list[tuple[float, float]]]]:
    """Every panel's lines, as points (x, y)."""
    panels: dict[str, dict[str, list[tuple[float, float]]]] = {}
    rows, simulations, actions = (
        panels.setdefault(name, {})
        for name in ("rows B (A=18, S=50)", "simulations S (A=18, B=64)", "actions A (B=64, S=50)")
    )
    for policy in POLICIES:
        rows[policy] = [
            (b, milliseconds(searcher(policy, b, 50, 18))) for b in (1, 4, 16, 64, 256, 1024)
        ]
        simulations[policy] = [
            (s, milliseconds(searcher(policy, 64, s, 18))) for s in (10, 25, 50, 100, 200, 400)
        ]
        actions[policy] = [
            (a, milliseconds(searcher(policy, 64, 50, a))) for a in (2, 8, 32, 82, 362, 1024)
        ]
    deep = panels.setdefault("mean depth of leaves (muzero, A=18, B=64, S=100)", {})
    points = []
    for most in (1, 2, 4, 8, 16, 32, 64):
        run = searcher("muzero", 64, 100, 18, deep=True, max_depth=most)
        points.append((run().search_tree.mean_depth, milliseconds(run)))
    deep["muzero"] = points
    threads = panels.setdefault("threads (muzero, A=18, S=50)", {})
    for b in (64, 1024, 4096):
        threads[f"B={b}"] = [
            (n, milliseconds(searcher("muzero", b, 50, 18, num_threads=n))) for n in (1, 2)
        ]
    memory = panels.setdefault("memory: MB of 1024 trees against A (S=200)", {})
    sizes = (4, 18, 32, 82, 362)
    memory["ours"] = [
        (a, searcher("muzero", 1024, 200, a)().search_tree.nbytes / 1e6) for a in sizes
    ]
    memory["mctx's arrays"] = [(a, dense_bytes(1024, 201, a) / 1e6) for a in sizes]
    return panels


def draw(panels: dict[str, dict[str, list[tuple[float, float]]]], path: Path) -> None:
    """Six panels, log on both axes."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(2, 3, figsize=(11, 6), layout="constrained")
    for axis, (name, lines) in zip(axes.flat, panels.items(), strict=True):
        for label, points in lines.items():
            axis.plot(*zip(*points, strict=True), marker="o", markersize=3, label=label)
        axis.set(xscale="log", yscale="log", title=name)
        axis.title.set_fontsize(9)
        ticks = sorted({round(x, 1) for points in lines.values() for x, _ in points})
        axis.set_xticks(ticks, [f"{x:g}" for x in ticks], fontsize=8)
        axis.minorticks_off()
        axis.set_ylabel("MB" if name.startswith("memory") else "ms a search", fontsize=8)
        axis.grid(alpha=0.3)
        axis.legend(fontsize=8, frameon=False)
    figure.savefig(path, dpi=130)
    pyplot.close(figure)


def main() -> None:
    """Measure, print, draw."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder of scaling.png")
    asked = parser.parse_args()
    asked.out.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    panels = measure()
    print(json.dumps(panels, indent=1))
    draw(panels, asked.out / "scaling.png")


if __name__ == "__main__":
    main()
