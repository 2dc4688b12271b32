"""Model states of a search: one arena [N, B, ...] a leaf, node slot first.

Leaves in host memory are moved by the native search, row by row, while a row is in cache. Leaves on
another device stay there: torch gathers and scatters them by indices that the search hands out.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree


class Latents:
    """The arenas of one search, and a batch buffer a leaf that holds the states to step from.

    embedding: the root's pytree, leaves [B, ...]; it is copied. The batch buffers are overwritten
    at every simulation.
    """

    def __init__(self, embedding: Any, batch: int, nodes: int) -> None:
        self.batch, self.nodes = batch, nodes
        self.single = isinstance(embedding, Tensor)
        leaves, self._spec = pytree.tree_flatten(embedding)
        for i, leaf in enumerate(leaves):
            if not isinstance(leaf, Tensor):
                raise TypeError(
                    f"root: embedding: expected a pytree of tensors, leaf {i} is a "
                    f"{type(leaf).__name__}; register_dataclass of torch.utils._pytree makes a "
                    "dataclass a pytree"
                )
            if leaf.dim() == 0 or leaf.shape[0] != batch:
                raise ValueError(
                    f"root: embedding: expected leaves [B={batch}, ...], "
                    f"leaf {i} is {list(leaf.shape)}"
                )
        self.arenas = [
            torch.empty((nodes, *leaf.shape), dtype=leaf.dtype, device=leaf.device)
            for leaf in leaves
        ]
        self.buffers = [
            torch.empty(leaf.shape, dtype=leaf.dtype, device=leaf.device) for leaf in leaves
        ]
        for arena, leaf in zip(self.arenas, leaves, strict=True):
            arena[0].copy_(leaf.detach())

    def build(self) -> Any:
        """Return the batch buffers as the pytree that the model takes."""
        if self.single:
            return self.buffers[0]
        return pytree.tree_unflatten(self.buffers, self._spec)

    def leaves(self, embedding: Any) -> tuple[Tensor, ...]:
        """Return the leaves of what the model gave back; it must be built like the root's."""
        if self.single:
            return (embedding,)
        leaves, spec = pytree.tree_flatten(embedding)
        if spec != self._spec:
            raise ValueError(
                f"recurrent_fn: embedding: expected the structure of the root's, {self._spec}, "
                f"got {spec}"
            )
        return tuple(leaves)

    def all(self, reached: Tensor) -> Any:
        """Return every node's state, leaves [B, N, ...]; zeros where no simulation came.

        reached: [B, N] bool; the root counts as reached.
        """
        empty = ~reached.t()
        empty[0] = False
        for arena in self.arenas:
            arena[empty.to(arena.device)] = 0
        views = [arena.transpose(0, 1) for arena in self.arenas]
        return views[0] if self.single else pytree.tree_unflatten(views, self._spec)
