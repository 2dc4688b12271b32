"""What a planner's tree keeps of a node beside the model's state.

The search moves all of it as it moves states, row by row, so that it is there for whichever leaves
a call of the model is about: fewer than the batch's rows, or several of one row.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rollout.planning.rules import Rule
from rollout.search import CandidateTree, SearchTree

Carried = dict[str, Tensor]


def join(state: Any, carried: Carried) -> Any:
    """Return a node's embedding: the model's state, with what is carried where there is any."""
    return (state, carried) if carried else state


def split(embedding: Any, carries: bool) -> tuple[Any, Carried]:
    """Return the model's state and what is carried beside it."""
    return embedding if carries else (embedding, {})


def chances(carried: Carried) -> Tensor:
    """Return the probability of each rule's event on the way to some nodes, [M, F]."""
    return 1.0 - carried["clear"]


class CarryingTree(SearchTree):
    """The trees of a search whose embeddings are (state, carried)."""

    ruled: tuple[Rule, ...] = ()  # what closed steps of it
    carries_goal: bool = False  # whether each node keeps the weights of its row's goal

    def chances(self, rows: Tensor, slots: Tensor) -> Tensor:
        """Return the probability of each rule's event on the way to some slots, [M, F]."""
        return chances(self.carried(rows, slots)).cpu()

    def reasons(self, row: int = 0) -> dict[tuple[int, ...], str]:
        """Say in words why each path of a row was closed."""
        found = super().reasons(row)
        closed = [one for one in self.closed(row) if one.excess > 0]
        slots = torch.tensor([one.slot for one in closed], dtype=torch.int64)
        likely = self.chances(torch.full_like(slots, row), slots).tolist() if closed else []
        for one, branch in zip(closed, likely, strict=True):
            found[one.path] = " and ".join(
                f"{rule.event} {100 * chance:.3g}% > {100 * rule.limit:.3g}%"
                for rule, chance in zip(self.ruled, branch, strict=True)
                if chance > rule.limit
            )
        return found

    @property
    def embeddings(self) -> Any:
        """The model's states, leaves [B, N, ...], on their device; a copy."""
        return super().embeddings[0]

    def states(self, rows: Tensor, slots: Tensor) -> Any:
        """Return the model's states at some slots, leaves [M, ...]; rows, slots: [M] int64."""
        return super().states(rows, slots)[0]

    def carried(self, rows: Tensor, slots: Tensor) -> Carried:
        """Return what is kept beside them, [M, ...] each."""
        found: Carried = super().states(rows, slots)[1]
        return found

    def end_slots(self, first: Tensor) -> Tensor:
        """Return the slot where each row's principal path ends, [B].

        first: [B] int64, the action that starts it; one that the tree does not have ends at once.
        """
        slots = self.principal_slots(first).long()
        last = (slots >= 0).sum(1) - 1
        end = slots.gather(1, last.clamp(min=0)[:, None])[:, 0]
        return torch.where(last < 0, 0, end)


class _CarryingCandidates(CarryingTree, CandidateTree):
    """The same where nodes have candidates of their own."""


def carrying(
    tree: SearchTree, ruled: tuple[Rule, ...] = (), carries_goal: bool = False
) -> CarryingTree:
    """Return the same trees, whose embeddings are (state, carried)."""
    kind = _CarryingCandidates if isinstance(tree, CandidateTree) else CarryingTree
    made = kind.__new__(kind)
    made.__dict__.update(tree.__dict__)
    made.ruled, made.carries_goal = ruled, carries_goal
    return made
