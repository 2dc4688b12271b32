"""Gymnasium's spaces from what a native environment tells of itself."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rollout import _native


def observation_space(facts: _native._EnvFacts, picture_size: int = 0) -> spaces.Space[Any]:
    """Return the space of one row's observation.

    picture_size: not 0 where observations are pictures, [size, size, 3] uint8.
    """
    if picture_size:
        return spaces.Box(0, 255, (picture_size, picture_size, 3), np.uint8)
    fields = facts["obs_fields"]
    if facts["obs_is_single"]:
        return _field_space(fields[0])
    if fields[0]["name"] == "":
        return spaces.Tuple([_field_space(field) for field in fields])
    return spaces.Dict({field["name"]: _field_space(field) for field in fields})


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
