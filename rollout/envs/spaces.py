"""Gymnasium's spaces from what a native environment tells of itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from rollout import _native


def observation_space(facts: _native._EnvFacts) -> spaces.Space[Any]:
    """Return the space of one row's observation."""
    fields = facts["obs_fields"]
    space: spaces.Space[Any]
    if facts["obs_is_single"]:
        space = _field_space(fields[0])
    elif fields[0]["name"] == "":
        space = spaces.Tuple([_field_space(field) for field in fields])
    else:
        space = spaces.Dict({field["name"]: _field_space(field) for field in fields})
    return space if facts["frame_stack"] == 1 else batch_space(space, facts["frame_stack"])


def action_space(facts: _native._EnvFacts) -> spaces.Space[Any]:
    """Return the space of one row's action."""
    choices = facts["action_nvec"]
    if not choices:
        low, high = (np.array(facts[key], np.float32) for key in ("action_low", "action_high"))
        return spaces.Box(low, high)
    if facts["action_is_scalar"]:
        return spaces.Discrete(choices[0])
    return spaces.MultiDiscrete(choices)


def _field_space(field: _native._ObsField) -> spaces.Space[Any]:
    if field["nvec"]:
        return spaces.Discrete(field["nvec"][0])
    shape, dtype = field["shape"], field["dtype"]

    def bound(values: list[float]) -> NDArray[Any]:
        flat = np.array(values, np.float64).astype(dtype)
        return np.broadcast_to(flat.reshape(shape if len(values) > 1 else ()), shape)

    return spaces.Box(bound(field["low"]), bound(field["high"]), shape, dtype.type)
