"""Value prefixes: a model that predicts sums of rewards, searched as one that predicts rewards.

Which of the next steps pays is hard to tell; how much was paid up to a step is easier (Ye et al.
2021, "Mastering Atari games with limited data"). Such a model keeps a memory, an LSTM's as a rule,
and says after each step what was paid since the memory was last empty.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from rollout.recurrent import RecurrentOutput
from rollout.search.types import Embedding, RecurrentFn


class PrefixState(NamedTuple):
    """What a search keeps of a state of such a model."""

    latent: Embedding  # leaves [B, ...], the model's state
    memory: Embedding  # leaves [B, ...], what the prefix is predicted from
    prefix: Tensor  # [B] or [B, P] float32, the sum since the memory was empty
    steps: Tensor  # [B] int64, steps since then, less than the horizon


class ValuePrefix:
    """Turns a model of value prefixes into a recurrent function with rewards.

    recurrent_fn: (action [L], (latent, memory)) -> (RecurrentOutput, (latent, memory)), in which
        `reward` [L], or [L, P], is the prefix: what was paid since the memory was all zeros, this
        step included.
    horizon: after this many steps the memory is zeros again, and the prefix begins anew.
    discount: of the prefix. 1 where it is a plain sum, r_1 + ... + r_t, as in EfficientZero; less
        where the model was trained on r_1 + discount r_2 + discount^2 r_3 + ... What the search
        discounts by is the RecurrentOutput's own, in either case.

    The reward of an edge is (prefix_t - prefix_(t-1)) / discount^(t-1). Search from
    `Root(..., embedding=fn.begin(latent, memory))`. Steps are counted from the root, so all paths
    empty the memory at the same depths. Torch operations only, on any device; nothing is changed in
    place.
    """

    def __init__(self, recurrent_fn: RecurrentFn, horizon: int, *, discount: float = 1.0) -> None:
        if horizon < 1:
            raise ValueError(f"horizon: expected at least 1 step, got {horizon}")
        if not 0.0 < discount <= 1.0:
            raise ValueError(f"discount: expected a number in (0, 1], got {discount}")
        self.recurrent_fn, self.horizon, self.discount = recurrent_fn, horizon, discount

    def begin(self, latent: Embedding, memory: Embedding, *, players: int = 1) -> PrefixState:
        """Return the root's embedding: nothing paid, an empty memory.

        latent: leaves [B, ...]. memory: leaves [B, ...], for their shape; zeros are kept.
        players: P, where the model tells rewards of several apart.
        """
        empty = pytree.tree_map(torch.zeros_like, memory)
        leaves = pytree.tree_leaves(latent) + pytree.tree_leaves(memory)
        if not leaves or not all(isinstance(leaf, Tensor) for leaf in leaves):
            raise TypeError("latent, memory: expected pytrees of tensors [B, ...]")
        batch, device = leaves[0].shape[0], leaves[0].device
        shape = (batch,) if players == 1 else (batch, players)
        prefix = torch.zeros(shape, device=device)
        return PrefixState(
            latent, empty, prefix, torch.zeros(batch, dtype=torch.int64, device=device)
        )

    def __call__(self, action: Tensor, state: PrefixState) -> tuple[RecurrentOutput, PrefixState]:
        """Step the model once; a `RecurrentFn`."""
        output, (latent, memory) = self.recurrent_fn(action, (state.latent, state.memory))
        prefix = output.reward
        if prefix.shape != state.prefix.shape:
            raise ValueError(
                f"recurrent_fn: reward: expected the prefix {list(state.prefix.shape)}, got "
                f"{list(prefix.shape)}; begin(..., players=P) is for [L, P]"
            )
        if output.to_play is not None and prefix.dim() == 1:
            raise ValueError(
                "recurrent_fn: to_play: a prefix sums rewards of one player, and the mover "
                "changes; give value and reward as [L, P]"
            )
        reward = prefix - state.prefix
        if self.discount != 1.0:
            reward = reward / _column(self.discount**state.steps, reward)
        steps = state.steps + 1
        full = steps == self.horizon
        memory = pytree.tree_map(lambda leaf: leaf.masked_fill(_column(full, leaf), 0), memory)
        kept = PrefixState(
            latent,
            memory,
            prefix.masked_fill(_column(full, prefix), 0),
            steps.masked_fill(full, 0),
        )
        return output._replace(reward=reward), kept


def _column(rows: Tensor, like: Tensor) -> Tensor:
    """Return [B] as [B, 1, ...], with the dimensions of `like`."""
    return rows.view(-1, *[1] * (like.dim() - 1))
