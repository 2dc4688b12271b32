"""Begin a search from what an earlier one knows: the subtrees below the actions taken since."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from rollout import _native
from rollout.search.tree import SearchTree

ANY_DEPTH = 1 << 30
_MOST_TIMES = 8  # nodes of a row by default, for each simulation


@dataclass(frozen=True, slots=True)
class Reuse:
    """The trees that a search begins from, and what is kept of them."""

    tree: SearchTree
    subtrees: _native.SearchSubtrees


def find(
    tree: SearchTree | None,
    tree_action: Tensor | None,
    shape: tuple[int, int],
    *,
    simulations: int,
    max_nodes: int | None,
    max_depth: int | None,
    invalid: Tensor | None,
) -> Reuse | None:
    """Check the arguments of a search that say where it begins; return None for no earlier tree.

    shape: B, A. The others are the search's.
    """
    if max_nodes is not None and max_nodes <= simulations:
        raise ValueError(
            f"max_nodes: expected at least num_simulations + 1 = {simulations + 1}, got {max_nodes}"
        )
    if tree is None:
        if tree_action is not None:
            raise ValueError("tree_action: expected None without a tree; give the earlier one's")
        return None
    if not isinstance(tree, SearchTree):
        raise TypeError(
            f"tree: expected the search_tree of an earlier search, got {type(tree).__name__}"
        )
    if (tree.batch_size, tree.num_actions) != shape:
        raise ValueError(
            f"tree: expected one of [B={shape[0]}, A={shape[1]}] as the root, got "
            f"[{tree.batch_size}, {tree.num_actions}]"
        )
    most = max_nodes or _MOST_TIMES * simulations
    subtrees = tree.native.subtrees(
        _check_actions(tree_action, *shape).numpy(),
        nodes=max(most - simulations, 1),
        depth=max_depth or ANY_DEPTH,
        invalid=None if invalid is None else invalid.numpy(),
    )
    return Reuse(tree, subtrees)


def _check_actions(actions: Tensor | None, rows: int, number: int) -> Tensor:
    """Return the actions as [B, D] in host memory."""
    want = (
        f"tree_action: expected int64 [B={rows}], or [B, D], of what each row did since, "
        "SearchTree.NOTHING_DONE where that is nothing"
    )
    if not isinstance(actions, Tensor):
        raise TypeError(f"{want}; got {type(actions).__name__}")
    if actions.dtype != torch.int64 or actions.dim() not in (1, 2) or len(actions) != rows:
        kind = str(actions.dtype).removeprefix("torch.")
        raise ValueError(f"{want}; got {kind} {list(actions.shape)}")
    if bool((actions >= number).any()):
        raise ValueError(f"tree_action: expected actions below A={number}, got {actions.max()}")
    return actions.detach().cpu().view(rows, -1).contiguous()
