"""The seeds that a planner gives its plans where its caller gives none."""

from __future__ import annotations

_STEP = 0x9E3779B97F4A7C15  # odd, so that the seeds of a planner's plans are distinct
_MASK = (1 << 64) - 1


class Seeds:
    """The seeds of one planner's plans."""

    def __init__(self, seed: int) -> None:
        self._seed, self._plans = seed, 0

    def next(self) -> int:
        """Return the seed of the next plan."""
        seed = (self._seed + self._plans * _STEP) & _MASK
        self._plans += 1
        return seed
