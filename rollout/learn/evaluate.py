"""Play whole episodes on fresh seeds and count what they return."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

# (observations [N, ...], step) -> actions [N] int64
Player = Callable[[NDArray[Any], int], NDArray[np.int64]]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One number an episode; the episodes are independent, so the error is their spread's."""

    returns: NDArray[np.float64]  # [episodes] undiscounted environment reward
    lengths: NDArray[np.int64]  # [episodes] steps

    @property
    def mean(self) -> float:
        """Mean return."""
        return float(self.returns.mean())

    @property
    def error(self) -> float:
        """Standard error of the mean return; 0 for a single episode."""
        if self.returns.size < 2:
            return 0.0
        return float(self.returns.std(ddof=1) / np.sqrt(self.returns.size))


def evaluate(env: Any, player: Player, *, seed: int) -> Evaluation:
    """Play one episode in every row of `env`, from its reset to its end.

    env:    a vector environment; left wherever its rows are when the longest episode ends.
    player: chooses the actions of all rows, finished ones included (theirs are not counted).
    seed:   row i is seeded seed + i.
    """
    obs, _ = env.reset(seed=seed)
    running = np.ones(env.num_envs, np.bool_)
    returns = np.zeros(env.num_envs)
    lengths = np.zeros(env.num_envs, np.int64)
    step = 0
    while running.any():
        obs, reward, terminated, truncated, _ = env.step(player(obs, step))
        returns += np.where(running, reward, 0.0)
        lengths += running
        running &= ~(terminated | truncated)
        step += 1
    return Evaluation(returns, lengths)
