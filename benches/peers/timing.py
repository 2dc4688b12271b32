"""What the rivals' scripts share: how long to time, and how to say it.

A script prints a JSON object a line: the pair (as in our benches), who did the work and how, the
unit, and the rate, the median of REPEATS. Actions are made before the timed part; whatever else
the rival does in a step, its automatic reset included, is in it.
"""

import json
import os
import statistics
import time
from collections.abc import Callable

REPEATS = 5
SECONDS = 0.2  # of one repeat, about
SLOW = 2.0  # seconds of one call, from which one repeat is enough
ROWS = (8, 64, 1024)  # where a rival has rows


def one_core() -> None:
    """Stay on one processor, as ours does with one thread."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def scanned(rows: int) -> int:
    """How many steps to put into one call, where what it costs to begin one is spread over them."""
    return max(128, 32768 // rows)


def say(
    pair: str,
    name: str,
    run: Callable[[], object],
    work: float,
    unit: str = "steps",
    before: Callable[[], object] = lambda: None,
) -> None:
    """Time `run`, which does `work` units, and print the rate; `before` is called untimed."""

    def seconds() -> float:
        before()
        start = time.perf_counter()
        run()
        return time.perf_counter() - start

    seconds()  # whatever only happens the first time
    once = seconds()
    calls, repeats = max(1, round(SECONDS / once)), REPEATS if once < SLOW else 1
    rates = [work * calls / sum(seconds() for _ in range(calls)) for _ in range(repeats)]
    line = {"pair": pair, "name": name, "unit": unit, "rate": statistics.median(rates)}
    print(json.dumps(line), flush=True)
