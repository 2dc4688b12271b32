"""Where a planner's random numbers come from: a seed for each plan, and a row's noise."""

from __future__ import annotations

import torch

from rollout.models.noise import CounterNoise
from rollout.search.types import Seed

_STEP = 0x9E3779B97F4A7C15  # odd, so that the seeds of a planner's plans are distinct
_MASK = (1 << 64) - 1
_ROW_MASK = (1 << 32) - 1


class Seeds:
    """The seeds of one planner's plans."""

    def __init__(self, seed: int) -> None:
        self._seed, self._plans = seed, 0

    def next(self) -> int:
        """Return the seed of the next plan."""
        seed = (self._seed + self._plans * _STEP) & _MASK
        self._plans += 1
        return seed


def row_noise(seed: Seed, rows: int, device: torch.device) -> CounterNoise:
    """Return the noise of a model that draws: the same for a row wherever it stands."""
    if isinstance(seed, int):
        return CounterNoise(seed, rows, device=device)
    ids = torch.as_tensor(seed, dtype=torch.int64) & _ROW_MASK
    return CounterNoise(0, ids.to(device))
