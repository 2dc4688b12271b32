"""Sparse children: each node keeps the k likeliest of its allowed actions, out of very many.

A tree over A = 47,049 actions then takes what one over k takes. The prior is normalised over what
is kept, so the share of the actions left out falls to the others. With k at least A nothing is left
out, and the search is the plain one to the last bit.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rollout import _native
from rollout.recurrent import RecurrentOutput
from rollout.search.candidates import choose
from rollout.search.executor import CompiledRecurrent
from rollout.search.types import RecurrentFn, Root


class Kept(NamedTuple):
    """A search over k columns in place of A actions."""

    root: Root  # prior_logits [B, k]; its embedding is (embedding, ids [B, k] int32)
    recurrent_fn: RecurrentFn
    invalid: Tensor | None  # [B, k] bool
    actions: Tensor  # [B, k] int64, ascending


def keep(
    rule: object,
    root: Root,
    recurrent_fn: RecurrentFn,
    top_k: int,
    invalid: Tensor | None,
    seed: int | NDArray[np.uint64],
) -> Kept:
    """Return the search over each node's `top_k` likeliest allowed actions.

    invalid: [B, A] bool in host memory. seed: as the native search takes it.
    A Gumbel search keeps by logits + noise at the root, of all A actions: those it would consider
    are kept as long as there are not more than top_k of them. Its rule gets their noise.
    """
    logits = root.prior_logits
    batch, actions = logits.shape
    mask = None if invalid is None else invalid.to(logits.device)
    score, noise = logits, None
    if isinstance(rule, _native.SearchGumbel) and rule.gumbel_scale > 0 and top_k < actions:
        drawn = torch.from_numpy(_native.search_gumbel_noise(seed, batch, actions))
        noise = drawn * rule.gumbel_scale
        score = logits + noise.to(logits.device)
    ids = _best(score, mask, top_k)
    if noise is not None and isinstance(rule, _native.SearchGumbel):
        rule.set_noise(noise.gather(1, ids.cpu()).numpy())
    if isinstance(recurrent_fn, CompiledRecurrent):
        recurrent_fn = recurrent_fn.bind(root.embedding)

    def step(column: Tensor, state: Any) -> tuple[RecurrentOutput, Any]:
        embedding, kept = state
        made, after = recurrent_fn(choose(kept, column).long(), embedding)
        output = RecurrentOutput(*made)
        ids = _best(output.prior_logits, output.invalid_actions, top_k)
        return output._replace(
            prior_logits=output.prior_logits.gather(1, ids),
            invalid_actions=_gathered(output.invalid_actions, ids),
        ), (after, ids.int())

    columns = root._replace(
        prior_logits=logits.gather(1, ids), embedding=(root.embedding, ids.int())
    )
    return Kept(columns, step, _gathered(invalid, ids.cpu()), ids)


def _best(logits: Tensor, invalid: Tensor | None, k: int) -> Tensor:
    """Return the k likeliest allowed actions of each node, ascending, [L, k] int64.

    Where fewer are allowed, others fill up.
    """
    nodes, actions = logits.shape
    if k >= actions:
        return torch.arange(actions, device=logits.device).expand(nodes, -1)
    if invalid is not None:
        if invalid.shape != logits.shape:
            raise ValueError(
                f"recurrent_fn: invalid_actions: expected bool {list(logits.shape)} as "
                f"prior_logits, got {list(invalid.shape)}"
            )
        logits = logits.masked_fill(invalid, -torch.inf)
    return logits.topk(k, sorted=False).indices.sort().values


def _gathered(invalid: Tensor | None, ids: Tensor) -> Tensor | None:
    return None if invalid is None else invalid.gather(1, ids)
