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
SECONDS = 0.3  # of one repeat, about
N = 1024  # rows, where a rival has rows


def one_core() -> None:
    """Stay on one processor, as ours does with one thread."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})


def say(pair: str, name: str, run: Callable[[], object], work: float, unit: str = "steps") -> None:
    """Time `run`, which does `work` units, and print the rate."""
    run()  # whatever only happens the first time
    start = time.perf_counter()
    run()
    calls = max(1, round(SECONDS / (time.perf_counter() - start)))
    rates = []
    for _ in range(REPEATS):
        start = time.perf_counter()
        for _ in range(calls):
            run()
        rates.append(work * calls / (time.perf_counter() - start))
    line = {"pair": pair, "name": name, "unit": unit, "rate": statistics.median(rates)}
    print(json.dumps(line), flush=True)
