"""What rules cut off in a planner's trees, and how likely they made what they forbid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from rollout.planning.carried import CarryingTree
from rollout.planning.rules import Rejection
from rollout.search.tree import Closed


@dataclass(frozen=True, slots=True)
class Pruned:
    """A branch that a rule cut off."""

    # actions from the root, each a number or a tuple of numbers; the last went too far
    path: tuple[Any, ...]
    event: str
    limit: float
    probability: float  # of the event somewhere along the path
    value: float  # the return that the path would have had


def pruned(tree: CarryingTree, row: int) -> tuple[Pruned, ...]:
    """Return what was cut off in a row, in order of time; a branch over two limits comes twice."""
    closed = [one for one in tree.closed(row) if one.excess > 0]
    if not closed:
        return ()
    slots = torch.tensor([one.slot for one in closed])
    likely = tree.chances(torch.full_like(slots, row), slots).tolist()
    actions: Tensor | None = tree.edge_actions(row)
    return tuple(
        Pruned(_actions(one, actions), rule.event, rule.limit, chance, one.value)
        for one, branch in zip(closed, likely, strict=True)
        for rule, chance in zip(tree.ruled, branch, strict=True)
        if chance > rule.limit
    )


def _actions(closed: Closed, actions: Tensor | None) -> tuple[Any, ...]:
    """Return the actions along a path. actions: [N, K, ...] of candidates, None for all."""
    if actions is None:
        return closed.path
    taken = actions[list(closed.nodes), list(closed.path)].tolist()
    return tuple(tuple(action) if isinstance(action, list) else action for action in taken)


def rejections(tree: CarryingTree, first: Tensor) -> tuple[Rejection, ...]:
    """Return a record for each rule. first: [B] int64, the actions that the plan takes.

    Where a row has nothing left, its own line is the branch that breaks the limits least.
    """
    rows, count = tree.batch_size, len(tree.ruled)
    first = first.cpu()
    own = tree.chances(torch.arange(rows), tree.end_slots(first))
    rejected = torch.zeros(rows, count, dtype=torch.int64)
    forgone = torch.full((rows, count), float("-inf"))
    feasible = tree.feasible.tolist()
    limits = torch.tensor([rule.limit for rule in tree.ruled])
    for row in range(rows):
        closed = [one for one in tree.closed(row) if one.excess > 0]
        if not closed:
            continue
        slots = torch.tensor([one.slot for one in closed])
        likely = tree.chances(torch.full_like(slots, row), slots)
        over = likely > limits
        values = torch.tensor([one.value for one in closed])[:, None]
        rejected[row] = over.sum(0)
        forgone[row] = torch.where(over, values, float("-inf")).amax(0)
        if not feasible[row]:
            branch = [i for i, one in enumerate(closed) if one.path[0] == first[row]]
            own[row] = likely[min(branch, key=lambda i: closed[i].excess)]
    return tuple(
        Rejection(rule.event, rule.limit, own[:, f], rejected[:, f], forgone[:, f])
        for f, rule in enumerate(tree.ruled)
    )
