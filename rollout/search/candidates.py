"""Nodes with actions of their own: K candidates each, in place of 0 to A - 1 for all.

A tree searches over columns 0 to K - 1. What a column stands for is part of its node's state: it
travels in the arena as further leaves of the embedding, and the model is handed the action itself.
So the native search needs to know nothing of it, and trees cost what K actions cost.

Letters: L nodes, K candidates of a node; the others are those of `rollout.search.types`.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from rollout.search.tree import SearchTree
from rollout.search.types import Embedding, PolicyOutput

_NEVER = -1e9  # a logit of a candidate that the policy never takes; the search wants finite ones


class Candidates(NamedTuple):
    """K actions that each of L nodes chooses among, and how likely they were to be among them.

    The prior over candidates is that of Sampled MuZero, (beta_hat / beta) pi, where pi is the
    policy, beta what the candidates were drawn from, and beta_hat the share of draws that gave an
    action. The search normalises it over a node's candidates. Equal candidates become one, with
    their shares added up.
    Source: Hubert et al. 2021, "Learning and planning in complex action spaces".
    """

    actions: Any  # a pytree of [L, K, ...]; their dtypes are the model's
    # [L, K] float32: log pi of each, and log beta, both up to a constant of the node; densities
    # for numbers. For draws without replacement, which come once each, log_proposal is the
    # probability of being among the K. None, both: drawn from the policy itself
    log_policy: Tensor | None = None
    log_proposal: Tensor | None = None
    invalid: Tensor | None = None  # [L, K] bool, true where a column is no candidate

    def prior(self, source: str) -> tuple[Tensor, Tensor | None]:
        """Return logits [L, K], and true [L, K] where a column must not be chosen, or None.

        source: whose candidates they are, for errors.
        Raises ValueError for shapes that do not fit, and for an action that is not finite.
        """
        nodes, count = self._check(source)
        log_policy, log_proposal = self.log_policy, self.log_proposal
        if log_policy is None or log_proposal is None:
            device = pytree.tree_leaves(self.actions)[0].device
            logits = torch.zeros(nodes, count, device=device)
        else:
            logits = (log_policy - log_proposal).clamp(min=_NEVER)
        equal = _equal(self.actions)
        if equal is None:
            return logits, self.invalid
        if self.invalid is not None:
            equal &= ~self.invalid[:, None]
        shares = equal.sum(-1)
        copies = equal.tril(-1).any(-1)
        if self.invalid is not None:
            copies |= self.invalid
        return logits + shares.clamp(min=1).log(), copies

    def _check(self, source: str) -> tuple[int, int]:
        """Return L and K."""
        leaves = pytree.tree_leaves(self.actions)
        if not leaves or not all(isinstance(leaf, Tensor) and leaf.dim() > 1 for leaf in leaves):
            raise ValueError(
                f"{source}: candidates: actions: expected a pytree of tensors [L, K, ...], got "
                f"{[list(leaf.shape) if isinstance(leaf, Tensor) else leaf for leaf in leaves]}"
            )
        lead = leaves[0].shape[:2]
        for leaf in leaves:
            if leaf.shape[:2] != lead:
                raise ValueError(
                    f"{source}: candidates: actions: expected leaves of equal [L, K], got "
                    f"{list(lead)} and {list(leaf.shape[:2])}"
                )
            if leaf.is_floating_point() and not bool(torch.isfinite(leaf).all()):
                row = int((~torch.isfinite(leaf)).nonzero()[0, 0])
                raise ValueError(
                    f"{source}: candidates: actions: row {row} is not finite (NaN or infinity)"
                )
        if (self.log_policy is None) != (self.log_proposal is None):
            raise ValueError(
                f"{source}: candidates: expected log_policy and log_proposal, or neither where "
                "candidates were drawn from the policy itself; got one of them"
            )
        for name, part, dtype in (
            ("log_policy", self.log_policy, torch.float32),
            ("log_proposal", self.log_proposal, torch.float32),
            ("invalid", self.invalid, torch.bool),
        ):
            if part is not None and (part.shape != lead or part.dtype != dtype):
                raise ValueError(
                    f"{source}: candidates: {name}: expected {dtype} {list(lead)} as actions, got "
                    f"{part.dtype} {list(part.shape)}"
                )
        return int(lead[0]), int(lead[1])


def _equal(actions: Any) -> Tensor | None:
    """Return which candidates of a node are equal, [L, K, K] bool; None where all differ."""
    equal: Tensor | None = None
    for leaf in pytree.tree_leaves(actions):
        for number in leaf.reshape(*leaf.shape[:2], math.prod(leaf.shape[2:])).unbind(-1):
            same = number[:, :, None] == number[:, None, :]
            equal = same if equal is None else equal & same
            if int(equal.count_nonzero()) == number.numel():  # each equals itself alone
                return None
    return equal


def choose(actions: Any, column: Tensor) -> Any:
    """Return one action a node, [L, ...]. actions: a pytree of [L, K, ...]. column: [L] int64."""
    rows = torch.arange(len(column), device=column.device)
    return pytree.tree_map(lambda leaf: leaf[rows, column], actions)


class CandidateTree(SearchTree):
    """The trees of a search whose nodes have candidates: in its arrays an action is a column."""

    @classmethod
    def of(cls, tree: SearchTree) -> CandidateTree:
        """Return the same trees, whose states are (embedding, actions, ...)."""
        made = cls.__new__(cls)
        made.__dict__.update(tree.__dict__)
        return made

    @property
    def embeddings(self) -> Embedding:
        """The root embedding's pytree with leaves [B, N, ...], on its device; a copy."""
        return super().embeddings[0]

    def states(self, rows: Tensor, slots: Tensor) -> Embedding:
        """Return the states at some slots, leaves [M, ...]; rows, slots: [M] int64."""
        return super().states(rows, slots)[0]

    @property
    def actions(self) -> Any:
        """What each node's columns stand for: a pytree of [B, N, K, ...]; a copy."""
        return super().embeddings[1]

    def edge_actions(self, row: int) -> Any:
        """Return what the columns of a row's nodes stand for: a pytree of [N, K, ...]."""
        slots = torch.arange(self.num_simulations + 1)
        return super().states(torch.full_like(slots, row), slots)[1]

    def actions_along(self, columns: Tensor) -> Any:
        """Return the actions of a path of columns, as `principal_path` gives it.

        columns: [B, D] int64, -1 after a path's end. Returns a pytree of [B, D, ...]; after a
        path's end whole numbers are -1 and others NaN.
        """
        rows = torch.arange(self.batch_size)
        parents, entries = self.parents, self.action_from_parent
        slot = torch.zeros(self.batch_size, dtype=torch.int64)
        slots = []
        for column in columns.t():
            slots.append(slot)
            child = (parents == slot[:, None]) & (entries == column[:, None])
            slot = child.int().argmax(1)
        path = torch.stack(slots, 1)
        ended = columns < 0

        def along(leaf: Tensor) -> Tensor:
            ends = ended.view(*columns.shape, *[1] * (leaf.dim() - 3)).to(leaf.device)
            taken = leaf[rows[:, None], path, columns.clamp(min=0)]
            return taken.masked_fill(ends, math.nan if leaf.is_floating_point() else -1)

        return pytree.tree_map(along, self.actions)


def with_actions(
    output: PolicyOutput, actions: Any, logits: Tensor, invalid: Tensor | None
) -> PolicyOutput:
    """Return what a search over columns found, in terms of the roots' candidates [B, K, ...].

    logits: [B, K], their prior. invalid: [B, K] bool, columns that are none.
    """
    if invalid is not None:
        logits = logits.masked_fill(invalid.to(logits.device), -math.inf)
    return PolicyOutput(
        action=choose(actions, output.action),
        action_weights=output.action_weights,
        search_tree=CandidateTree.of(output.search_tree),
        actions=actions,
        column=output.action,
        prior=logits.softmax(-1),
    )
