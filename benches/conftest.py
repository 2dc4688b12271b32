"""Shared by the benches: pin the threads, and describe the machine in the record.

A bench tells its pair through `benchmark.extra_info`; `report.py` reads it from the saved record:

    pair            what is compared: "CartPole-v1, n=1024"; the same text in each role
    role            "ours", "floor" or "rival"
    name            who did the work, for the table: "gymnasium vector"; ours needs none
    work, unit      how much of what one call does: 1024, "steps"
    ratio_at_least  on a floor or rival, optional: the least speed ratio (ours over it) allowed
    rate_at_least   on ours, optional: the least rate allowed, in units a second
"""

import os

import pytest
import torch


@pytest.fixture(autouse=True)
def one_thread():
    """Give every side one thread; a bench about threads says so and asks for its own."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Insist on one of the two markers, so that `-m gate` and `-m info` share the benches out."""
    for item in items:
        if (item.get_closest_marker("gate") is None) == (item.get_closest_marker("info") is None):
            raise pytest.UsageError(f"{item.nodeid}: mark it either gate or info")


def pytest_benchmark_update_machine_info(config: pytest.Config, machine_info: dict) -> None:
    """Add what the ratios depend on and the plugin leaves out."""
    from rollout import _native

    machine_info["cores"] = len(os.sched_getaffinity(0))
    machine_info["torch"] = torch.__version__
    machine_info["native"] = f"{_native.compiler()}, {_native.simd_level()}"
