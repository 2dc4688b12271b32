"""Arrays that steps fill again and again: ours or the caller's, for NumPy and torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from rollout import _native
from rollout.envs.snapshot import View


@dataclass(frozen=True, slots=True, eq=False)
class StepBuffers:
    """What one step fills: `VectorEnv.buffers` makes it and `VectorEnv.step_into` writes to it.

    obs:         [n, *observation shape], or a dict or a tuple of such arrays; None if not observed.
    reward:      [n] float64. terminated, truncated: [n] bool.
    events:      [n, event_rows, E] uint8 (no event_rows axis when there is one), or None.
    signals:     name -> [n, width] float32, views of one array.
    stepped:     [n] bool, False where the row was reset instead; None without events and signals.
    action_mask: [n, A] int8, and to_play: [n] int64, in games; else None.
    final:       in "same_step" mode what was to be seen at the end of an episode; other rows hold
                 what they held.
    """

    obs: Any
    reward: Any
    terminated: Any
    truncated: Any
    events: Any
    signals: Mapping[str, Any]
    stepped: Any
    action_mask: Any
    to_play: Any
    final: View | None
    _native: _native.StepArrays | None = None

    def torch(self) -> StepBuffers:
        """Return the same memory as torch tensors; `step_into` wants this object, not that one."""
        from torch import from_numpy  # torch takes seconds to import, and most callers do not ask

        def tensors(value: Any) -> Any:
            return None if value is None else map_arrays(from_numpy, value)

        parts = {name: tensors(getattr(self, name)) for name in FIELDS}
        final = None if self.final is None else View(*map(tensors, view_parts(self.final)))
        return StepBuffers(**parts, final=final)


FIELDS = (
    "obs",
    "reward",
    "terminated",
    "truncated",
    "events",
    "signals",
    "stepped",
    "action_mask",
    "to_play",
)


def make_buffers(
    batch: _native.EnvBatch, signals: Mapping[str, slice], given: Mapping[str, Any], pin: bool
) -> StepBuffers:
    """Make the buffers of `batch`, with the caller's arrays where they are given.

    pin: the arrays that are not given lie in page-locked memory. Raises RuntimeError without CUDA.
    """
    flat: dict[str, Any] = {}
    for name, value in given.items():
        flat |= _by_name(name, value)
    native = _native.StepArrays(batch, _arrays(flat))
    if pin:
        pinned = {
            name: _pinned_like(array)
            for name, array in _named_arrays(native.arrays()).items()
            if name not in flat
        }
        native = _native.StepArrays(batch, _arrays(flat | pinned))
    obs, reward, terminated, truncated, events, whole, stepped, mask, to_play, final = (
        native.arrays()
    )
    return StepBuffers(
        obs,
        reward,
        terminated,
        truncated,
        events,
        {} if whole is None else {name: whole[:, part] for name, part in signals.items()},
        stepped,
        mask,
        to_play,
        None if final is None else View(*final),
        native,
    )


def map_arrays(function: Callable[[Any], Any], value: Any) -> Any:
    """Apply a function to an array, or to all those in a dict or a tuple."""
    if isinstance(value, Mapping):
        return {name: map_arrays(function, part) for name, part in value.items()}
    if isinstance(value, tuple):
        return tuple(map_arrays(function, part) for part in value)
    return function(value)


def view_parts(view: View) -> tuple[Any, Any, Any]:
    """Return a view's parts in order."""
    return view.obs, view.action_mask, view.to_play


def _by_name(name: str, value: Any) -> dict[str, Any]:
    """Name each array of a dict or a tuple as the native batch does: obs['board'], obs[0]."""
    if isinstance(value, Mapping):
        return {f"{name}['{key}']": part for key, part in value.items()}
    if isinstance(value, tuple):
        return {f"{name}[{number}]": part for number, part in enumerate(value)}
    return {name: value}


def _named_arrays(outputs: _native._Outputs) -> dict[str, NDArray[Any]]:
    *parts, final = outputs
    named = dict(zip(FIELDS, parts, strict=True))
    if final is not None:
        names = ("final_obs", "final_action_mask", "final_to_play")
        named |= dict(zip(names, final, strict=True))
    flat: dict[str, NDArray[Any]] = {}
    for name, value in named.items():
        if value is not None:
            flat |= _by_name(name, value)
    return flat


def _arrays(values: Mapping[str, Any]) -> dict[str, Any]:
    """Turn tensors in host memory into arrays over the same memory; leave the rest as it is."""
    return {
        name: np.asarray(value) if hasattr(value, "__array__") else value
        for name, value in values.items()
    }


def _pinned_like(array: NDArray[Any]) -> Any:
    import torch

    return torch.empty(array.shape, dtype=torch.from_numpy(array).dtype, pin_memory=True)
