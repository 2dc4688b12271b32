"""Model states of a search: one arena [N, B, ...] a leaf of their pytree, node slot first.

States in host memory are moved by the native search, row by row, while a row is in cache; their
arenas are its own. States on another device stay there: torch gathers and scatters them by indices
that the search hands out.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from rollout import _native


class Latents:
    """How a search's model states are built, and a buffer a leaf for those to step from.

    embedding: the root's pytree, leaves [B, ...]. batch: B. simulations: S of a row; there are
    S + 1 nodes, or more with `inherit`. device: where they must be. wave: leaves that a row may
    have out at once.
    """

    def __init__(
        self, embedding: Any, batch: int, simulations: int, device: torch.device, wave: int = 1
    ) -> None:
        self.batch, self.nodes, self.lanes = batch, simulations + 1, batch * wave
        self.single = isinstance(embedding, Tensor)
        leaves: list[Any] = [embedding]
        self.spec: pytree.TreeSpec | None = None  # None for a lone tensor, the usual state
        if not self.single:
            leaves, self.spec = pytree.tree_flatten(embedding)
        for i, leaf in enumerate(leaves):
            if not isinstance(leaf, Tensor):
                raise TypeError(
                    f"root: embedding: expected a pytree of tensors, leaf {i} is a "
                    f"{type(leaf).__name__}; register_dataclass of torch.utils._pytree makes a "
                    "dataclass a pytree"
                )
            if leaf.dim() == 0 or leaf.shape[0] != batch or leaf.device != device:
                raise ValueError(
                    f"root: embedding: expected leaves [B={batch}, ...] on {device} as "
                    f"prior_logits, leaf {i} is {list(leaf.shape)} on {leaf.device}"
                )
        self.roots = tuple(leaf.detach() for leaf in leaves)
        self.buffers = tuple(
            torch.empty((self.lanes, *leaf.shape[1:]), dtype=leaf.dtype, device=device)
            for leaf in leaves
        )
        self.arenas: tuple[Tensor, ...] = ()  # of states that are not in host memory
        self._earlier: tuple[Latents, _native.SearchSubtrees] | None = None
        self._kept = True

    def forget(self) -> None:
        """Keep no states: nodes of this search have none."""
        self._kept, self.buffers = False, ()

    def inherit(self, earlier: Latents, subtrees: _native.SearchSubtrees) -> None:
        """Begin from states of an earlier search; the native search copies those in host memory."""
        if not (self._kept and earlier._kept):
            raise ValueError("tree: expected None in an open-loop search, and none of its trees")
        for i, (mine, theirs) in enumerate(zip(self.roots, earlier.roots, strict=False)):
            if (mine.shape, mine.dtype, mine.device) != (theirs.shape, theirs.dtype, theirs.device):
                raise ValueError(
                    f"root: embedding: expected leaf {i} as in the earlier tree, {theirs.dtype} "
                    f"{list(theirs.shape)} on {theirs.device}, got {mine.dtype} "
                    f"{list(mine.shape)} on {mine.device}"
                )
        if self.spec != earlier.spec:
            raise ValueError(
                f"root: embedding: expected the structure of the earlier tree's, {earlier.spec}, "
                f"got {self.spec}"
            )
        self.nodes += subtrees.nodes - 1
        if earlier.arenas:
            self._earlier = earlier, subtrees

    def use(self, arenas: Sequence[Tensor], buffers: tuple[Tensor, ...]) -> None:
        """Keep states on a device, in arenas [N * B or more, ...], and step from these buffers."""
        self.buffers = buffers
        self.arenas = tuple(
            arena[: self.nodes * self.batch].view(self.nodes, *root.shape)
            for arena, root in zip(arenas, self.roots, strict=True)
        )
        if self._earlier is not None:
            earlier, subtrees = self._earlier
            self._earlier = None
            slots = torch.from_numpy(subtrees.slots()).clamp_(min=0).t()
            at = (slots * self.batch + torch.arange(self.batch)).flatten()
            for arena, old in zip(self.arenas, earlier.arenas, strict=True):
                kept = old.flatten(0, 1).index_select(0, at.to(old.device))
                arena[: len(slots)].copy_(kept.view_as(arena[: len(slots)]))
        for arena, root in zip(self.arenas, self.roots, strict=True):
            arena[0].copy_(root)

    def build(self, lanes: int, first: int = 0) -> Any:
        """Return `lanes` rows of the buffers, from `first` on, as the pytree that a model takes."""
        if lanes == self.lanes:
            return self.join(self.buffers)
        return self.join([buffer[first : first + lanes] for buffer in self.buffers])

    def leaves(self, embedding: Any) -> tuple[Tensor, ...]:
        """Return the leaves of what the model gave back; it must be built like the root's."""
        if self.single:
            return (embedding,)
        leaves, spec = pytree.tree_flatten(embedding)
        if spec != self.spec:
            raise ValueError(
                f"recurrent_fn: embedding: expected the structure of the root's, {self.spec}, "
                f"got {spec}"
            )
        return tuple(leaves)

    def all(self, search: _native.Search, reached: Tensor) -> Any:
        """Return every node's state, leaves [B, N, ...]; zeros where no simulation came.

        reached: [B, N] bool; the root counts as reached.
        Raises ValueError where nodes have no state.
        """
        if not self._kept:
            raise ValueError("embeddings: a node of an open-loop search has no state")
        empty = ~reached.t()
        empty[0] = False
        views = []
        for i, root in enumerate(self.roots):
            arena = self._arena(search, i)
            mask = empty.to(arena.device).view(self.nodes, self.batch, *[1] * (root.dim() - 1))
            views.append(arena.masked_fill(mask, 0).transpose(0, 1))
        return self.join(views)

    def at(self, search: _native.Search, rows: Tensor, slots: Tensor) -> Any:
        """Return the states that were kept at some slots, leaves [M, ...].

        rows, slots: [M] int64. A slot that no simulation reached holds garbage.
        """
        found = []
        for i, root in enumerate(self.roots):
            index = (slots.to(root.device), rows.to(root.device))
            found.append(self._arena(search, i)[index])
        return self.join(found)

    def _arena(self, search: _native.Search, i: int) -> Tensor:
        """Return the states of one leaf, [N, B, ...]: a view."""
        if self.arenas:
            return self.arenas[i]
        root = self.roots[i]
        return (
            torch.from_numpy(search.arena(i))
            .flatten()
            .view(root.dtype)
            .view(self.nodes, *root.shape)
        )

    def join(self, leaves: Sequence[Tensor]) -> Any:
        """Return leaves as the pytree that the model takes."""
        return leaves[0] if self.spec is None else pytree.tree_unflatten(leaves, self.spec)
