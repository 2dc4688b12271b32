"""Turn the record of a benchmark run into one table of ratios, a JSON file and a picture.

    python benches/report.py out/bench-raw.json --out out

Exits 1 when a gate misses its bound. The keys it reads are described in conftest.py.
"""

import argparse
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

BASELINE = Path(__file__).parent / "baseline.json"


@dataclass(frozen=True, slots=True)
class Timing:
    """One side of a pair: medians over the rounds, `spread` is the middle half over the median."""

    pair: str
    role: str
    name: str
    unit: str
    rate: float
    spread: float
    ratio_at_least: float | None
    rate_at_least: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """Ours against one other; `ratio` is a ratio of speeds, above 1 where ours is faster."""

    pair: str
    other: str
    role: str
    unit: str
    ours_rate: float
    other_rate: float
    ratio: float
    spread: float
    bound: str
    met: bool


def timings(record: dict) -> Iterator[Timing]:
    """Read one side a benchmark; `work` units were done in each call."""
    for bench in record["benchmarks"]:
        info, stats = bench["extra_info"], bench["stats"]
        missing = {"pair", "role", "work", "unit"} - info.keys()
        if missing:
            raise SystemExit(f"{bench['fullname']}: extra_info lacks {sorted(missing)}")
        yield Timing(
            pair=info["pair"],
            role=info["role"],
            name=info.get("name", info["role"]),
            unit=info["unit"],
            rate=info["work"] / stats["median"],
            spread=stats["iqr"] / stats["median"],
            ratio_at_least=info.get("ratio_at_least"),
            rate_at_least=info.get("rate_at_least"),
        )


def rows(sides: list[Timing]) -> Iterator[Row]:
    """Set ours beside each other side of its pair, in the order in which they were run."""
    ours = {side.pair: side for side in sides if side.role == "ours"}
    for side in sides:
        if side.role == "ours":
            continue
        if side.pair not in ours:
            raise SystemExit(f"{side.pair}: timed {side.name}, but nothing of ours beside it")
        mine = ours[side.pair]
        ratio = mine.rate / side.rate
        bound, met = judge(mine, side, ratio)
        yield Row(
            pair=side.pair,
            other=side.name,
            role=side.role,
            unit=side.unit,
            ours_rate=mine.rate,
            other_rate=side.rate,
            ratio=ratio,
            spread=max(mine.spread, side.spread),
            bound=bound,
            met=met,
        )


def judge(mine: Timing, other: Timing, ratio: float) -> tuple[str, bool]:
    """Say what the gate asks for, and whether it was met; a bench with no bound always meets it."""
    if other.ratio_at_least is not None:
        return f">= {other.ratio_at_least:.2f}x", ratio >= other.ratio_at_least
    if mine.rate_at_least is not None:
        return f">= {short(mine.rate_at_least)}/s", mine.rate >= mine.rate_at_least
    return "", True


def short(number: float) -> str:
    """Write a rate with three digits and a k or an M."""
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}"


def table(result: list[Row], machine: str, before: dict[tuple[str, str], float]) -> Table:
    """Lay the rows out; `before` has the committed ratio of each pair and other."""
    shown = Table(
        title="speed of ours over the other's, same work in the same run", caption=machine
    )
    for column in ("what", "beside", "ours", "theirs", "ratio", "spread", "gate", "committed"):
        shown.add_column(column, justify="left" if column in ("what", "beside") else "right")
    for row in result:
        verdict = row.bound and f"{row.bound} [green]met[/]" * row.met
        old = before.get((row.pair, row.other))
        shown.add_row(
            row.pair,
            f"{row.other} (floor)" if row.role == "floor" else row.other,
            f"{short(row.ours_rate)} {row.unit}/s",
            f"{short(row.other_rate)} {row.unit}/s",
            f"[bold]{row.ratio:.2f}x[/]",
            f"{row.spread:.0%}",
            verdict if row.met else f"{row.bound} [bold red]missed[/]",
            "" if old is None else f"{old:.2f}x",
        )
    return shown


def picture(result: list[Row], machine: str, path: Path) -> None:
    """Draw one bar a row on a log axis; the line at 1 is the other side."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.42 * len(result)), layout="constrained")
    places = range(len(result), 0, -1)
    colors = ["#8a8f98" if row.role == "floor" else "#2f6db3" for row in result]
    # bars grow from 1, so that slower points left and faster points right
    lengths = [row.ratio - 1 for row in result]
    axes.barh(places, lengths, left=1, color=colors, height=0.62)
    for place, row in zip(places, result, strict=True):
        axes.annotate(
            f"{row.ratio:.2f}x",
            (row.ratio, place),
            xytext=(4 if row.ratio >= 1 else -4, 0),
            textcoords="offset points",
            ha="left" if row.ratio >= 1 else "right",
            va="center",
            fontsize=8,
        )
    axes.set_xscale("log")
    low, high = min(row.ratio for row in result), max(row.ratio for row in result)
    axes.set_xlim(min(low, 1) * 0.6, max(high, 1) * 2)
    axes.xaxis.set_major_formatter(lambda value, _: f"{value:g}x")
    axes.axvline(1, color="black", linewidth=0.8)
    axes.set_yticks(places, [f"{row.pair}\nbeside {row.other}" for row in result], fontsize=7)
    axes.set_xlabel("speed of ours over the other's (grey: the floor, 1 is the best possible)")
    axes.set_title(machine, fontsize=8)
    axes.spines[["top", "right"]].set_visible(False)
    figure.savefig(path, dpi=140)
    pyplot.close(figure)


def describe(record: dict) -> str:
    """Name the machine in one line."""
    info = record["machine_info"]
    cpu = info.get("cpu", {}).get("brand_raw", info.get("processor", "unknown processor"))
    return (
        f"{cpu}, {info['cores']} cores, Python {info['python_version']}, torch {info['torch']}, "
        f"{info['native']}"
    )


def committed() -> dict[tuple[str, str], float]:
    """Read the ratios that the repository carries, if it carries any."""
    if not BASELINE.is_file():
        return {}
    saved = json.loads(BASELINE.read_text())
    return {(row["pair"], row["other"]): row["ratio"] for row in saved["rows"]}


def main() -> None:
    """Read the record, write the table, the JSON and the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("record", type=Path, help="what pytest --benchmark-json wrote")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for what is written")
    asked = parser.parse_args()
    record = json.loads(asked.record.read_text())
    result = list(rows(list(timings(record))))
    if not result:
        raise SystemExit(f"{asked.record}: holds no pair; were all benches deselected?")
    machine = describe(record)
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table(result, machine, committed()))

    asked.out.mkdir(parents=True, exist_ok=True)
    saved = {
        "made_by": "make bench",
        "commit": record["commit_info"].get("id"),
        "date": record["datetime"],
        "machine": machine,
        "rows": [asdict(row) for row in result],
    }
    (asked.out / "bench.json").write_text(json.dumps(saved, indent=1) + "\n")
    picture(result, machine, asked.out / "bench.png")
    console.print(f"saved {asked.out / 'bench.json'} and {asked.out / 'bench.png'}")
    sys.exit(any(not row.met for row in result))


if __name__ == "__main__":
    main()
