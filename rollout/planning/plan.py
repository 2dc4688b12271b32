"""What every planner offers, and what it returns."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol, TypeVar

from torch import Tensor

from rollout.planning.carried import CarryingTree
from rollout.planning.pruning import Pruned, pruned
from rollout.planning.rules import Rejection
from rollout.search import SearchTree

StateIn = TypeVar("StateIn", contravariant=True)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a planner decided for B rows, and what it expects. D steps ahead.

    Tensors are on the model's device but for the paths, which are in host memory.
    """

    action: Tensor  # [B, *action shape], to be taken, in the dtype of `model.spec.action`
    value: Tensor  # [B] float32, the discounted return that the planner found
    path_actions: (
        Tensor  # [B, D, *action shape], the line expected; int64 ones are -1 after its end
    )
    path_rewards: Tensor  # [B, D] float32, under the goal; 0 after a path's end
    # [B, D, *event_shape] float32 expected counts, by the chance to get so far; None = no events
    path_events: Tensor | None
    model_seconds: float  # of `seconds`, in calls of the model
    seconds: float


@dataclass(frozen=True, slots=True, kw_only=True)
class TreePlan(Plan):
    """What a tree search decided. A actions, or as many candidates of each row.

    Where the actions are numbers, path_actions is NaN after a path's end.
    """

    action_weights: Tensor  # [B, A] float32, the planner's policy: a target for the model's
    prior: Tensor  # [B, A] float32, the model's policy before planning
    q_values: Tensor  # [B, A] float32, return of each action; 0 where visit_counts is 0
    q_value: Tensor  # [B] float32, that of `action`
    raw_value: Tensor  # [B] float32, the model's value before planning; `value` is the searched one
    mixed_value: Tensor  # [B] float32, see rollout.search.SearchSummary
    visit_counts: Tensor  # [B, A] float32
    search_tree: SearchTree
    mean_depth: float  # steps ahead that a simulation looked, on average
    feasible: Tensor  # [B] bool, false where nothing kept to every rule, and the least was taken
    rejections: tuple[Rejection, ...] = ()  # one a rule of `forbid`
    goal_weights: Tensor | None = None  # what the plan was for: see `goal_weights`; None for reward
    # [B, A, *action shape], what each column of the four above stands for; None: column a is a
    actions: Tensor | None = None

    def pruned(self, row: int = 0) -> tuple[Pruned, ...]:
        """Return the branches of a row that rules cut off: path, event and its probability."""
        if not self.rejections:
            return ()
        assert isinstance(self.search_tree, CarryingTree)
        return pruned(self.search_tree, row)


@dataclass(frozen=True, slots=True, kw_only=True)
class JointPlan(Plan):
    """What a search for a team decided. P players of at most A actions."""

    action_weights: Tensor  # [B, P, A] float32, a player's given the choices of those before it
    prior: Tensor  # [B, P, A] float32, the model's policies before planning
    search_tree: SearchTree
    mean_depth: float  # choices ahead that a simulation looked, on average; P make a step


@dataclass(frozen=True, slots=True, kw_only=True)
class TrajectoryPlan(Plan):
    """What a trajectory optimiser decided, looking H steps ahead: D is H.

    Without `paths` the planner does not step along its line: path_rewards is [B, 0] and value is
    what the candidates behind the plan were worth on average.
    """

    candidates: int  # sequences scored for each row, over all iterations
    nonfinite: Tensor  # [B] int64, those whose score was a NaN or an infinity, and which lost
    feasible: Tensor  # [B] bool, false where no candidate kept to every rule
    rejections: tuple[Rejection, ...]  # one a rule of `forbid`


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
