"""What goes into a search and what comes out. Letters: B rows of a batch, A actions, N nodes.

C outcomes of chance, and F = max(A, C), the most edges of a node.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeAlias

from torch import Tensor

from rollout.recurrent import RecurrentOutput
from rollout.search.tree import SearchTree

Embedding: TypeAlias = Any  # a pytree of tensors [B, ...]
Seed: TypeAlias = int | Sequence[int] | Tensor


class Root(NamedTuple):
    """What the model says of the states to search from."""

    prior_logits: Tensor  # [B, A] float32
    value: Tensor  # [B] float32; [B, P] of P players
    embedding: Embedding  # leaves [B, ...]: what recurrent_fn steps from
    to_play: Tensor | None = None  # [B] int64, the player who moves; for games of several players


RecurrentFn: TypeAlias = Callable[[Tensor, Embedding], tuple[RecurrentOutput, Embedding]]


@dataclass(frozen=True, slots=True)
class PolicyOutput:
    """The outcome of a search; where nodes have K candidates of their own, A is K."""

    action: Tensor  # [B] int64, to be taken; of candidates, their pytree with [B, ...]
    action_weights: Tensor  # [B, A] float32, the target for training a policy; rows sum to 1
    search_tree: SearchTree
    actions: Any = None  # candidates, a pytree of [B, K, ...]; None where column a is action a
    column: Tensor | None = None  # [B] int64, which of them `action` is
    prior: Tensor | None = None  # [B, K] float32, the policy over candidates; rows sum to 1

    def dense_weights(self, num_actions: int) -> Tensor:
        """Return action_weights over all actions 0 to num_actions - 1, [B, num_actions].

        Of a search over a list, or a part of it; actions that were no candidates have 0.
        """
        if self.actions is None:
            return self.action_weights
        weights = self.action_weights.new_zeros(len(self.action_weights), num_actions)
        return weights.scatter_add(1, self.actions, self.action_weights)

    @property
    def feasible(self) -> Tensor:
        """[B] bool, false where every action was `forbidden` and the least of them was taken."""
        return self.search_tree.feasible

    @property
    def q_value(self) -> Tensor:
        """[B] float32, the return of `action`; 0 where it was never visited."""
        chosen = (self.action if self.column is None else self.column).cpu()
        return self.search_tree.summary().qvalues.gather(1, chosen[:, None])[:, 0]

    @property
    def value(self) -> Tensor:
        """[B] float32, the root's mean return; see `SearchSummary` for other root values."""
        return self.search_tree.summary().value
