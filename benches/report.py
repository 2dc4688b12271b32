"""Turn the records of benchmark runs into one table of ratios, a JSON file and a picture.

    python benches/report.py out/bench-raw-*.json --out out

Each record is one pass over the benches. A pair's ratio is taken within a pass; of several passes
the one with the middle ratio is shown, and the lowest and the highest beside it. Exits 1 when a
gate misses its bound. The keys it reads are described in conftest.py.
"""

import argparse
import itertools
import json
import sys
from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from rich.console import Console
from rich.table import Table

BASELINE = Path(__file__).parent / "baseline.json"


@dataclass(frozen=True, slots=True)
class Timing:
    """One side of a pair in one pass; `rate` is of the median round."""

    pair: str
    role: str
    name: str
    unit: str
    rate: float
    ratio_at_least: float | None
    rate_at_least: float | None


@dataclass(frozen=True, slots=True)
class Row:
    """Ours against one other, or alone; `ratio` is of speeds, above 1 where ours is faster."""

    pair: str
    note: str
    other: str
    role: str
    unit: str
    ours_rate: float
    other_rate: float | None
    ratio: float | None
    ratio_at_least: float | None
    rate_at_least: float | None
    ratios: tuple[float, ...] = ()

    @property
    def met(self) -> bool:
        """Whether the gate's bound holds; a row with none always meets it."""
        near = self.ratio_at_least is None or (self.ratio or 0) >= self.ratio_at_least
        return near and (self.rate_at_least is None or self.ours_rate >= self.rate_at_least)

    @property
    def bound(self) -> str:
        """What the gate asks for."""
        if self.ratio_at_least is not None:
            return f">= {times(self.ratio_at_least)}x"
        return "" if self.rate_at_least is None else f">= {short(self.rate_at_least)}/s"


def timings(record: dict) -> Iterator[Timing]:
    """Read one side a benchmark; `work` units were done in each call."""
    for bench in record["benchmarks"]:
        info = bench["extra_info"]
        missing = {"pair", "role", "work", "unit"} - info.keys()
        if missing:
            raise SystemExit(f"{bench['fullname']}: extra_info lacks {sorted(missing)}")
        yield Timing(
            pair=info["pair"],
            role=info["role"],
            name=info.get("name", info["role"]),
            unit=info["unit"],
            rate=info["work"] / bench["stats"]["median"],
            ratio_at_least=info.get("ratio_at_least"),
            rate_at_least=info.get("rate_at_least"),
        )


def rows(sides: list[Timing]) -> Iterator[Row]:
    """Set ours beside each other side of its pair, in the order in which they were run."""
    ours: dict[str, Timing] = {}
    for side in sides:
        if side.role == "ours" and ours.setdefault(side.pair, side) is not side:
            raise SystemExit(f"{side.pair}: two benches time ours")
    accompanied = {side.pair for side in sides if side.role != "ours"}
    for side in sides:
        if side.pair not in ours:
            raise SystemExit(f"{side.pair}: timed {side.name}, but nothing of ours beside it")
        mine, alone = ours[side.pair], side.role == "ours"
        if alone and side.pair in accompanied:
            continue
        yield Row(
            pair=mine.pair,
            note="" if mine.name == "ours" else mine.name,
            other="" if alone else side.name,
            role=side.role,
            unit=mine.unit,
            ours_rate=mine.rate,
            other_rate=None if alone else side.rate,
            ratio=None if alone else mine.rate / side.rate,
            ratio_at_least=None if alone else side.ratio_at_least,
            rate_at_least=mine.rate_at_least,
        )


def middle(passes: list[list[Row]]) -> Iterator[Row]:
    """Of each row in several passes, keep the one with the middle ratio (alone: middle rate)."""
    found: dict[tuple[str, str], list[Row]] = {}
    for row in itertools.chain.from_iterable(passes):
        found.setdefault((row.pair, row.other), []).append(row)
    for same in found.values():
        same.sort(key=lambda row: row.ours_rate if row.ratio is None else row.ratio)
        ratios = tuple(row.ratio for row in same if row.ratio is not None)
        yield replace(same[len(same) // 2], ratios=ratios)


def short(number: float) -> str:
    """Write a rate with three digits and a k or an M."""
    for size, letter in ((1e9, " G"), (1e6, " M"), (1e3, " k")):
        if number >= size:
            return f"{number / size:.3g}{letter}"
    return f"{number:.3g}"


def times(ratio: float) -> str:
    """Write a ratio with two digits after the point while it is small."""
    return f"{ratio:.2f}" if ratio < 10 else f"{ratio:.0f}"


def table(result: list[Row], machine: str, before: dict[tuple[str, str], float]) -> Table:
    """Lay the rows out; `before` has the committed ratio of each pair and other."""
    title = "speed of ours over the other's: same work, same run, one thread"
    shown = Table(title=title, caption=machine)
    columns = ("what", "beside", "ours", "theirs", "ratio", "passes", "gate")
    for column in (*columns, "committed") if before else columns:
        shown.add_column(column, justify="left" if column in ("what", "beside") else "right")
    for row in result:
        verdict = "[green]met[/]" if row.met else "[bold red]missed[/]"
        old = before.get((row.pair, row.other))
        cells = (
            f"{row.pair} [dim]({row.note})[/]" if row.note else row.pair,
            f"{row.other} [dim](floor)[/]" if row.role == "floor" else row.other,
            f"{short(row.ours_rate)} {row.unit}/s",
            "" if row.other_rate is None else f"{short(row.other_rate)}",
            "" if row.ratio is None else f"[bold]{times(row.ratio)}x[/]",
            f"{times(row.ratios[0])} to {times(row.ratios[-1])}" if len(row.ratios) > 1 else "",
            f"{row.bound} {verdict}" if row.bound else "",
            "" if old is None else f"{times(old)}x",
        )
        shown.add_row(*cells[: len(shown.columns)])
    return shown


def picture(result: list[Row], machine: str, path: Path) -> None:
    """Draw one bar a pair on a log axis; the line at 1 is the other side."""
    import matplotlib

    matplotlib.use("Agg")
    from matplotlib import pyplot

    result = [row for row in result if row.ratio is not None]
    if not result:
        return
    figure, axes = pyplot.subplots(figsize=(9, 1.2 + 0.42 * len(result)), layout="constrained")
    places = range(len(result), 0, -1)
    colors = ["#8a8f98" if row.role == "floor" else "#2f6db3" for row in result]
    # bars grow from 1, so that slower points left and faster points right
    lengths = [row.ratio - 1 for row in result]
    axes.barh(places, lengths, left=1, color=colors, height=0.62)
    for place, row in zip(places, result, strict=True):
        axes.annotate(
            f"{times(row.ratio)}x",
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


def rivals(path: Path | None, pairs: set[str]) -> tuple[list[Timing], str]:
    """Read what peers/run.py timed of these pairs; say in words who is missing."""
    if path is None or not path.is_file():
        return [], "more rivals, each in an environment of its own: make bench PEERS=1"
    saved = json.loads(path.read_text())
    sides = [
        Timing(line["pair"], "rival", line["name"], line["unit"], line["rate"], None, None)
        for line in saved["timed"]
        if line["pair"] in pairs
    ]
    missing = [f"{name} is not installed ({why})" for name, why in saved["missing"].items()]
    return sides, "; ".join(missing)


def committed() -> dict[tuple[str, str], float]:
    """Read the ratios that the repository carries, if it carries any."""
    if not BASELINE.is_file():
        return {}
    saved = json.loads(BASELINE.read_text())
    return {(row["pair"], row["other"]): row["ratio"] for row in saved["rows"] if row["ratio"]}


def main() -> None:
    """Read the records, write the table, the JSON and the picture."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("records", type=Path, nargs="+", help="what pytest --benchmark-json wrote")
    parser.add_argument("--out", type=Path, default=Path("out"), help="folder for what is written")
    parser.add_argument("--peers", type=Path, help="what peers/run.py wrote")
    asked = parser.parse_args()
    records = [json.loads(path.read_text()) for path in asked.records]
    passes = [list(timings(record)) for record in records]
    others, missing = rivals(asked.peers, {side.pair for side in passes[0]})
    result = list(middle([list(rows([*sides, *others])) for sides in passes]))
    machine = describe(records[0])
    console = Console(width=None if sys.stdout.isatty() else 160)
    console.print(table(result, machine, committed()))
    if missing:
        console.print(missing, highlight=False)

    asked.out.mkdir(parents=True, exist_ok=True)
    saved = {
        "made_by": "make bench",
        "commit": records[0]["commit_info"].get("id"),
        "date": records[0]["datetime"],
        "machine": machine,
        "passes": len(records),
        "rows": [{**asdict(row), "met": row.met} for row in result],
    }
    (asked.out / "bench.json").write_text(json.dumps(saved, indent=1) + "\n")
    picture(result, machine, asked.out / "bench.png")
    console.print(f"saved {asked.out / 'bench.json'} and {asked.out / 'bench.png'}")
    sys.exit(any(not row.met for row in result))


if __name__ == "__main__":
    main()
