"""Environments that are a finite Markov decision process, written out as arrays."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rollout import _native
from rollout.envs.registry import make_vec


@dataclass(frozen=True, slots=True)
class Transitions:
    """What every action in every state leads to, and with which probability.

    S states, A actions, and at most K outcomes of an action; where there are fewer, the last have
    a probability of 0.

    next_state: [S, A, K] int64.
    prob:       [S, A, K] float64; sums to 1 over K.
    reward:     [S, A, K] float64.
    terminated: [S, A, K] bool; the episode ends on the way, so `next_state` is worth nothing.
    start:      [S] float64, the probability to begin there.
    """

    next_state: NDArray[np.int64]
    prob: NDArray[np.float64]
    reward: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    start: NDArray[np.float64]


def transitions(id: str, **kwargs: Any) -> Transitions:
    """Return the table from which the environment `id`, made with `kwargs`, is played.

    It has what gymnasium's `env.P` has. FrozenLake, CliffWalking and Taxi have one. Whether a
    fickle passenger changes their mind depends on more than the state, and is left out.

    Raises TypeError for an environment without a table, and as `make_vec` does.
    """
    env = make_vec(id, 1, num_threads=1, **kwargs)
    return Transitions(*_native.tabular_transitions(env._open()))
