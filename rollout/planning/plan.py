"""What every planner offers, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from torch import Tensor

from rollout.search import SearchTree

StateIn = TypeVar("StateIn", contravariant=True)


@dataclass(frozen=True, slots=True)
class Plan:
    """What a planner decided for B rows, and what it expects. A actions, D steps ahead.

    Tensors are on the model's device but for the paths, which are in host memory.
    """

    action: Tensor  # [B] int64, to be taken
    action_weights: Tensor  # [B, A] float32, the planner's policy: a target for the model's
    value: Tensor  # [B] float32, the discounted return that the planner found
    prior: Tensor  # [B, A] float32, the model's policy before planning
    q_values: Tensor  # [B, A] float32, return of each action; 0 where visit_counts is 0
    visit_counts: Tensor  # [B, A] float32
    path_actions: Tensor  # [B, D] int64, the line expected from here, -1 after its end
    path_rewards: Tensor  # [B, D] float32, under the goal; 0 after a path's end
    path_events: Tensor | None  # [B, D, *event_shape] float32 expected counts; None = no events
    search_tree: SearchTree
    mean_depth: float  # steps ahead that a simulation looked, on average
    model_seconds: float  # of `seconds`, in calls of the model
    seconds: float


class Planner(Protocol[StateIn]):
    """Anything that chooses actions by looking ahead in a model."""

    def plan(
        self,
        state: StateIn,
        *,
        goal: Any = None,
        invalid_actions: Tensor | None = None,
        seed: Any = None,
    ) -> Plan:
        """Plan from B states at once.

        state: the model's pytree of B rows. goal: what is wanted, None for the planner's own.
        invalid_actions: [B, A] bool, true where an action must not be taken now. seed: fixes every
        random choice of this plan.
        """
