"""Goals as a planner sees them: a weight on each event that the model predicts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol, TypeAlias, runtime_checkable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rollout.models.protocol import ModelSpec


@runtime_checkable
class EventGoal(Protocol):
    """Anything that weights named events: a `rollout.goals.Goal`."""

    def vector(self, events: tuple[str, ...], event_rows: int) -> NDArray[np.floating[Any]]:
        """Return the weights, [event_rows, E]; raise ValueError for a name that is not there."""


GoalLike: TypeAlias = EventGoal | Sequence[EventGoal] | Tensor


def goal_weights(goal: GoalLike, spec: ModelSpec, rows: int) -> Tensor:
    """Return a goal's weights on the model's events.

    goal: one goal, a goal for each of the `rows` rows, or weights [*event_shape] or
        [rows, *event_shape].
    Returns [*event_shape] or [rows, *event_shape] float32 on the model's device.
    Raises ValueError for a model without events, an event it does not have, or a wrong shape.
    """
    shape = spec.event_shape
    if not spec.events:
        raise ValueError(
            "goal: expected None, since the model predicts no events to weight; train it with "
            "events, or leave the goal out to plan for its reward"
        )
    if isinstance(goal, Tensor):
        weights = goal.to(spec.device, torch.float32)
    elif isinstance(goal, EventGoal):
        weights = _vector(goal, spec)
    else:
        weights = torch.stack([_vector(one, spec) for one in goal])
    if weights.shape not in (shape, (rows, *shape)):
        raise ValueError(
            f"goal: expected weights {list(shape)} or [B={rows}, {str(list(shape))[1:]}, got "
            f"{list(weights.shape)}; give one goal, or one for each row"
        )
    return weights


def weigh(events: Tensor, weights: Tensor) -> Tensor:
    """Return the worth of each row's events, [R]. events: [R, *event_shape]."""
    return (events * weights).flatten(1).sum(1)


def _vector(goal: EventGoal, spec: ModelSpec) -> Tensor:
    vector = torch.as_tensor(np.asarray(goal.vector(spec.events, spec.event_rows), np.float32))
    return vector.reshape(spec.event_shape).to(spec.device)
