"""Random actions for any environment, legal where there are rules; equal worlds get equal ones."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rollout.envs import VectorEnv


def chances(env: VectorEnv, steps: int, seed: int = 1) -> NDArray[np.float64]:
    """Uniform numbers [steps, n, parts of an action]: what `actions` makes actions from."""
    space = env.single_action_space
    parts = 1 if isinstance(space, spaces.Discrete) else space.shape[0]
    return np.random.default_rng(seed).random((steps, env.num_envs, parts))


def actions(env: VectorEnv, chance: NDArray[np.float64], infos: Mapping[str, Any]) -> Any:
    """One action a row from uniform numbers [n, parts], legal by the masks of the last infos."""
    return actions_for(env, chance, infos.get("action_mask"))


def actions_for(
    env: VectorEnv, chance: NDArray[np.float64], mask: NDArray[np.int8] | None
) -> NDArray[Any]:
    """As `actions`, for R rows with this mask [R, A]; action 0 where nothing is legal."""
    space = env.single_action_space
    if isinstance(space, spaces.Box):
        low, high = np.maximum(space.low, -2.0), np.minimum(space.high, 2.0)
        return (low + (high - low) * chance).astype(np.float32)
    if isinstance(space, spaces.MultiDiscrete):
        return (chance * space.nvec).astype(np.int64)
    if mask is None:
        return (chance[:, 0] * space.n).astype(np.int64)
    # the k-th legal action, k uniform
    pick = (chance[:, 0] * mask.sum(axis=1)).astype(np.int64)
    return np.argmax(mask.cumsum(axis=1) > pick[:, None], axis=1)


def leaves(value: Any) -> list[NDArray[Any]]:
    """The arrays of an observation or of infos, in order of their names; masks of rows left out."""
    if isinstance(value, Mapping):
        names = sorted(name for name in value if name[0] != "_" and "final" not in name)
        return [leaf for name in names for leaf in leaves(value[name])]
    if isinstance(value, tuple):
        return [leaf for part in value for leaf in leaves(part)]
    return [] if value is None else [value]


class RowHashes:
    """A hash a row of all that a step gave it, in the order of its steps; uint64 [n]."""

    def __init__(self, num_envs: int) -> None:
        self.values = np.zeros(num_envs, np.uint64)

    def add(self, step: tuple[Any, ...], rows: Any = slice(None)) -> None:
        """Take in what `step` or `recv` returned, of these rows."""
        infos = {name: part for name, part in step[4].items() if name != "env_id"}
        for part in [*leaves(step[0]), *step[1:4], *leaves(infos)]:
            data = np.ascontiguousarray(part).reshape(len(part), -1).view(np.uint8)
            odd = np.random.default_rng(data.shape[1]).integers(0, 2**63, data.shape[1], np.uint64)
            with np.errstate(over="ignore"):
                now = self.values[rows] * np.uint64(0x9E3779B97F4A7C15)
                self.values[rows] = now + data.astype(np.uint64) @ (odd * np.uint64(2) + 1)
