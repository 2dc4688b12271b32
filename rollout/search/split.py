"""Trees whose nodes are of two kinds, each with states of its own: which rows are which, and where
their states are kept.

A search has one batch of leaves and one arena a tensor of state. Here a batch is split by what the
leaves' parents are, each part goes to its own network, and what comes back is put together again;
tensors of the two kinds of state that are alike share an arena, since no node is of both kinds.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias

from torch import Tensor
from torch.utils import _pytree as pytree

Columns: TypeAlias = list[Any]  # tensors with as many rows, or None for none
Step: TypeAlias = Callable[[Tensor, tuple[Tensor, ...]], Columns]


class Shelves:
    """Where the tensors of two pytrees, `one` and `other`, are kept: a list in which those of the
    same dtype and shape of a row share a place.
    """

    def __init__(self, one: Any, other: Any) -> None:
        self._specs: list[pytree.TreeSpec] = []
        self._places: list[list[int]] = []
        self.size = 0
        kinds: list[Any] = []
        for tree in (one, other):
            leaves, spec = pytree.tree_flatten(tree)
            free = list(range(self.size))
            places = []
            for leaf in leaves:
                kind = leaf.dtype, leaf.shape[1:]
                place = next((i for i in free if kinds[i] == kind), self.size)
                if place == self.size:
                    kinds.append(kind)
                    self.size += 1
                else:
                    free.remove(place)
                places.append(place)
            self._specs.append(spec)
            self._places.append(places)

    def store(self, which: int, tree: Any, name: str) -> Columns:
        """Return the tensors of a pytree by place. which: 0 for `one`, 1 for `other`.

        Raises ValueError naming `name` where it is not built like the first of its kind.
        """
        leaves, spec = pytree.tree_flatten(tree)
        if spec != self._specs[which]:
            raise ValueError(f"{name}: expected the structure {self._specs[which]}, got {spec}")
        columns: Columns = [None] * self.size
        for place, leaf in zip(self._places[which], leaves, strict=True):
            columns[place] = leaf
        return columns

    def load(self, which: int, columns: Sequence[Tensor]) -> Any:
        """Return the pytree that was stored."""
        leaves = [columns[place] for place in self._places[which]]
        return pytree.tree_unflatten(leaves, self._specs[which])


def route(
    flags: Tensor, edge: Tensor, tensors: tuple[Tensor, ...], steps: tuple[Step, Step]
) -> Columns:
    """Have each row stepped by the function of its kind, called only where it has rows.

    flags: [L] bool, true for the second function. edge: [L] int64. tensors: [L, ...], the states.
    steps: (edge [R], tensors [R, ...]) -> columns [R, ...], as many from both.
    Returns columns [L, ...]. One that only one kind has is zero in the rows of the other.
    """
    rows = [(~flags).nonzero()[:, 0], flags.nonzero()[:, 0]]
    parts = []
    for mine, step in zip(rows, steps, strict=True):
        if len(mine) == len(edge):
            return step(edge, tensors)
        if len(mine) > 0:
            picked = tuple(tensor.index_select(0, mine) for tensor in tensors)
            parts.append(step(edge.index_select(0, mine), picked))
    return [_merge(rows, column) for column in zip(*parts, strict=True)]


def _merge(rows: list[Tensor], parts: Sequence[Any]) -> Tensor | None:
    """Return one column of all rows; None where no part has it."""
    given = [part for part in parts if part is not None]
    if not given:
        return None
    shape = (sum(map(len, rows)), *given[0].shape[1:])
    out: Tensor = given[0].new_zeros(shape)
    for index, part in zip(rows, parts, strict=True):
        if part is not None:
            out.index_copy_(0, index, part)
    return out
