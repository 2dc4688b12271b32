"""Infos as gymnasium's vector environments lay them out: dense arrays, each with a mask of rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

Fields = Mapping[str, NDArray[Any] | None]


def add(infos: dict[str, Any], fields: Fields, rows: NDArray[np.bool_]) -> None:
    """Add the fields that are there, each with a mask `_name` of the rows where it is valid."""
    for name, values in fields.items():
        if values is not None:
            infos[name], infos[f"_{name}"] = values, rows.copy()


def move_to_final(
    infos: dict[str, Any], final_obs: Any, final_fields: Fields, ended: NDArray[np.bool_]
) -> None:
    """Move what belongs to the episodes that ended in this step under the final_ keys.

    infos:        of the step so far; its rows in `ended` are taken out.
    final_obs:    last observations, an array [n, ...] or a dict or a tuple of them, or None.
    final_fields: other fields that describe the last states, valid in the rows `ended`.
    ended:        [n] bool.
    """
    final_info: dict[str, Any] = {}
    for name in [name for name in infos if not name.startswith("_")]:
        last = infos[name].copy()
        last[~ended] = 0
        add(final_info, {name: last}, ended)
        infos[name][ended] = 0
        infos[f"_{name}"] &= ~ended
    for values in final_fields.values():
        if values is not None:
            values[~ended] = 0
    add(final_info, final_fields, ended)
    if final_obs is not None:
        boxes = np.full(len(ended), None, dtype=object)
        for row in np.flatnonzero(ended):
            boxes[row] = take(final_obs, row)
        infos.update(final_obs=boxes, _final_obs=ended)
    infos.update(final_info=final_info, _final_info=ended.copy())


def take(obs: Any, row: Any) -> Any:
    """Return row `row` of a batch of observations; their arrays are views where NumPy's are."""
    if isinstance(obs, dict):
        return {name: part[row] for name, part in obs.items()}
    if isinstance(obs, tuple):
        return tuple(part[row] for part in obs)
    return obs[row]
