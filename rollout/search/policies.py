"""Batched tree search for any model that is a function on tensors: MuZero and Gumbel MuZero.

Names, arguments and defaults are mctx's, so that a loop written for it moves here by renaming. The
semantics are mctx's too (its golden trees are replayed in the tests), with two differences: a
forbidden action is never drawn whatever the temperature, and a row that forbids every action is an
error. Randomness is counter-based: row r of a search depends on (seed, r) and on its own inputs,
not on threads or on the rows around it.
"""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rollout import _native
from rollout.search.drive import drive
from rollout.search.latents import Latents
from rollout.search.qtransform import (
    QTransformLike,
    qtransform_by_parent_and_siblings,
    qtransform_completed_by_mix_value,
    resolve,
)
from rollout.search.tree import SearchTree
from rollout.search.types import PolicyOutput, RecurrentFn, Root, Seed


def muzero_policy(
    root: Root,
    recurrent_fn: RecurrentFn,
    num_simulations: int,
    *,
    invalid_actions: Tensor | None = None,
    max_depth: int | None = None,
    qtransform: QTransformLike = qtransform_by_parent_and_siblings,
    dirichlet_fraction: float = 0.25,
    dirichlet_alpha: float = 0.3,
    pb_c_init: float = 1.25,
    pb_c_base: float = 19652.0,
    temperature: float = 1.0,
    seed: Seed = 0,
    num_threads: int | None = None,
) -> PolicyOutput:
    """Search with PUCT, as MuZero does.

    root:            prior_logits [B, A] and value [B] float32; embedding, a pytree of [B, ...].
    recurrent_fn:    (action [B] int64, embedding) -> (RecurrentOutput, embedding), called once a
                     simulation under inference_mode. Its inputs are buffers that the next
                     simulation overwrites: copy what you keep.
    num_simulations: calls of recurrent_fn, and nodes added to every row's tree.
    invalid_actions: [B, A] bool or 0/1, true where an action is not allowed at the root.
    max_depth:       most edges from the root to a leaf; leaves there are evaluated again.
    dirichlet_fraction, dirichlet_alpha: the share of Dirichlet noise in the root's prior, and its
                     concentration.
    pb_c_init, pb_c_base: c1 and c2 of the PUCT formula.
    temperature:     the action is drawn from visits^(1 / temperature); 0 takes the most visited.
    seed:            an int, row r then drawing from (seed, r); or B ints, one a row, and then a row
                     is the same wherever in a batch it stands.
    num_threads:     threads for the trees, None for all processors; results do not depend on it.

    Returns action, action_weights = shares of the visits, and the trees.
    Raises ValueError or TypeError naming the argument or the head: a wrong shape or dtype, a row
    with no action allowed, a NaN or an infinity and the first row that has it.
    """
    _check_number("dirichlet_fraction", dirichlet_fraction, 0.0, 1.0)
    _check_number("dirichlet_alpha", dirichlet_alpha, 1e-6)
    _check_number("pb_c_init", pb_c_init, 0.0)
    _check_number("pb_c_base", pb_c_base, 1e-6)
    _check_number("temperature", temperature, 0.0)
    rule = _native.SearchPuct(
        resolve(qtransform),
        pb_c_init=pb_c_init,
        pb_c_base=pb_c_base,
        dirichlet_fraction=dirichlet_fraction,
        dirichlet_alpha=dirichlet_alpha,
        temperature=temperature,
    )
    return _search(
        rule, root, recurrent_fn, num_simulations, invalid_actions, max_depth, seed, num_threads
    )


def gumbel_muzero_policy(
    root: Root,
    recurrent_fn: RecurrentFn,
    num_simulations: int,
    *,
    invalid_actions: Tensor | None = None,
    max_depth: int | None = None,
    qtransform: QTransformLike = qtransform_completed_by_mix_value,
    max_num_considered_actions: int = 16,
    gumbel_scale: float = 1.0,
    seed: Seed = 0,
    num_threads: int | None = None,
) -> PolicyOutput:
    """Search with Gumbel MuZero: sequential halving at the root, a deterministic rule below it.

    max_num_considered_actions: root actions sampled without replacement, at most.
    gumbel_scale: of the root's noise; 0 for evaluation where everything is known.
    The other arguments, and the errors, are those of `muzero_policy`.

    Returns the best of the most visited actions; action_weights = softmax(logits + completed Q)
    over the allowed actions, which improves on the prior even after few simulations; the trees.
    Source: Danihelka et al. 2022, "Policy improvement by planning with Gumbel".
    """
    if max_num_considered_actions < 1:
        raise ValueError(
            f"max_num_considered_actions: expected at least 1, got {max_num_considered_actions}"
        )
    _check_number("gumbel_scale", gumbel_scale, 0.0)
    rule = _native.SearchGumbel(
        resolve(qtransform),
        max_num_considered_actions=max_num_considered_actions,
        gumbel_scale=gumbel_scale,
    )
    return _search(
        rule, root, recurrent_fn, num_simulations, invalid_actions, max_depth, seed, num_threads
    )


def _search(
    rule: _native.SearchPuct | _native.SearchGumbel,
    root: Root,
    recurrent_fn: RecurrentFn,
    num_simulations: int,
    invalid_actions: Tensor | None,
    max_depth: int | None,
    seed: Seed,
    num_threads: int | None,
) -> PolicyOutput:
    """Check the arguments that all policies share, then search."""
    if num_simulations < 1:
        raise ValueError(f"num_simulations: expected at least 1, got {num_simulations}")
    if max_depth is not None and max_depth < 1:
        raise ValueError(f"max_depth: expected at least 1, or None, got {max_depth}")
    if num_threads is not None and num_threads < 1:
        raise ValueError(f"num_threads: expected at least 1, or None, got {num_threads}")
    batch, actions = _check_root(root)
    invalid = _check_invalid(invalid_actions, batch, actions)
    search = _native.Search(
        rule,
        _check_seed(seed, batch),
        batch=batch,
        actions=actions,
        simulations=num_simulations,
        max_depth=max_depth or num_simulations,
        num_threads=num_threads or 0,
    )
    latents = Latents(root.embedding, batch, num_simulations + 1, root.prior_logits.device)
    drive(search, root, recurrent_fn, num_simulations, invalid, latents)
    action = torch.empty(batch, dtype=torch.int64)
    weights = torch.empty(batch, actions)
    search.act(action, weights)
    device = root.prior_logits.device
    tree = SearchTree(search, latents, invalid, actions)
    return PolicyOutput(action.to(device), weights.to(device), tree)


def _check_number(name: str, value: float, low: float, high: float = float("inf")) -> None:
    if not low <= value <= high or value == float("inf"):
        bounds = f"in [{low:g}, {high:g}]" if high < float("inf") else f"at least {low:g}"
        raise ValueError(f"{name}: expected a finite number {bounds}, got {value}")


def _check_root(root: Root) -> tuple[int, int]:
    """Return B and A."""
    logits, value = root.prior_logits, root.value
    if logits.dim() != 2 or logits.dtype != torch.float32 or 0 in logits.shape:
        raise ValueError(
            f"root: prior_logits: expected float32 [B, A], got {_describe(logits)}"
            + ("; add the batch axis with [None]" if logits.dim() == 1 else "")
        )
    batch, actions = logits.shape
    if value.shape != (batch,) or value.dtype != torch.float32 or value.device != logits.device:
        raise ValueError(
            f"root: value: expected float32 [B={batch}] on {logits.device}, got "
            f"{_describe(value)} on {value.device}"
        )
    return batch, actions


def _check_invalid(invalid: Tensor | None, batch: int, actions: int) -> Tensor | None:
    """Return the mask as a contiguous bool tensor in host memory."""
    if invalid is None:
        return None
    if not isinstance(invalid, Tensor):
        raise TypeError(f"invalid_actions: expected a torch.Tensor, got {type(invalid).__name__}")
    if invalid.shape != (batch, actions):
        raise ValueError(
            f"invalid_actions: expected bool [B={batch}, A={actions}], got {_describe(invalid)}"
        )
    host = invalid.detach().to("cpu")
    if host.dtype != torch.bool:
        if not bool(((host == 0) | (host == 1)).all()):
            raise ValueError(
                "invalid_actions: expected a bool mask, or numbers that are 0 or 1, got "
                f"{_describe(invalid)} with other numbers; 1 marks an action that is not allowed"
            )
        host = host == 1
    host = host.contiguous()
    closed = host.all(-1)
    if bool(closed.any()):
        raise ValueError(
            f"invalid_actions: row {int(closed.nonzero()[0])} allows no action; leave finished "
            "rows out of the batch or allow them any one action"
        )
    return host


def _check_seed(seed: Seed, batch: int) -> int | NDArray[np.uint64]:
    """Return one seed for all rows, or one for each, [B] uint64."""
    if isinstance(seed, int):
        if not 0 <= seed < 1 << 64:
            raise ValueError(f"seed: expected an int in [0, 2**64), got {seed}")
        return seed
    seeds = np.asarray(seed.cpu() if isinstance(seed, Tensor) else seed)
    if seeds.shape != (batch,) or seeds.dtype.kind not in "iu" or (seeds < 0).any():
        raise ValueError(
            f"seed: expected an int, or B={batch} ints that are not negative, got {seed!r}"
        )
    return seeds.astype(np.uint64)


def _describe(tensor: Tensor) -> str:
    return f"{str(tensor.dtype).removeprefix('torch.')} {list(tensor.shape)}"
