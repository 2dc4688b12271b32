"""Batched tree search for any model that is a function on tensors: MuZero and Gumbel MuZero.

Names, arguments and defaults are mctx's, so that a loop written for it moves here by renaming. The
semantics are mctx's too (its golden trees are replayed in the tests), with two differences: a
forbidden action is never drawn whatever the temperature, and a row that forbids every action is an
error. Randomness is counter-based: row r of a search depends on (seed, r) and on its own inputs,
not on threads or on the rows around it.
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any, Literal, TypeAlias, TypedDict, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rollout import _native
from rollout.search import reuse
from rollout.search.candidates import with_actions
from rollout.search.drive import drive
from rollout.search.latents import Latents
from rollout.search.qtransform import (
    QTransformLike,
    qtransform_by_parent_and_siblings,
    qtransform_completed_by_mix_value,
    resolve,
)
from rollout.search.selection import Selection, resolve_selection
from rollout.search.sparse import keep
from rollout.search.tree import SearchTree
from rollout.search.types import PolicyOutput, RecurrentFn, Root, Seed

_MOST_ACTIONS = 65536
_MOST_PLAYERS = 16

NativeRule: TypeAlias = (
    "_native.SearchPuct | _native.SearchGumbel | _native.SearchRegularised | _native.SearchCustom"
    " | _native.SearchOpenLoop"
)
# drives a search: (search, root, model, invalid, latents, stop_at, edges)
Driver: TypeAlias = Callable[
    [_native.Search, Root, Any, Tensor | None, Latents, float | None, int], None
]


class Limits(TypedDict, total=False):
    """How far and how wide a search goes; all may be left out.

    wave:               leaves of a row that are evaluated in one call of recurrent_fn, which then
                        sees B * wave rows. Each counts as a visit while it is out, so that they
                        differ. More a call, and a little less is learned from each: 1 is the plain
                        search.
    early_stop:         rows stop when more simulations could not change their action: one action
                        is allowed, or (muzero_policy at temperature 0) no other can catch up.
    zero_discount_ends: descents stop at a node whose discount is 0, as at one that is `done`. mctx
                        goes on below it.
    deadline_ms:        no call of recurrent_fn is begun that would end later than this many
                        milliseconds after the start, going by the slowest so far; the answer is
                        then the best of what was done. Without one simulation it follows the
                        prior.
    num_outcomes:       C, the most outcomes of a state that awaits one of chance, where the model
                        has such states (`RecurrentOutput.chance`). Its prior_logits and
                        invalid_actions are then [L, F], F = max(A, C); entries past a state's own
                        are not read.
    top_k:              each node keeps its top_k likeliest allowed actions, the prior normalised
                        over them: for A in the thousands and beyond. gumbel_muzero_policy adds its
                        noise to choose the root's, so what it considers is among them. The output's
                        `actions` says which they are, its `dense_weights` spreads the weights out
                        over all A; trees are over columns.
    disagreement_bonus, disagreement_penalty: what selection adds to the Q of an edge for a unit of
                        what the model does not know below it, and what a reward loses for a unit of
                        its step's spread. Both need `RecurrentOutput.spread`.
    tree, tree_action:  begin from the trees of an earlier search, below the actions that were taken
                        since: [B] int64, or [B, D] of several in order. A row starts afresh where
                        one of them is -1 (say so where an episode ended) or was never tried, and
                        goes on at the same root where it is `SearchTree.NOTHING_DONE`. The new
                        root's prior, value and state are those of `root`; its actions keep their
                        visits, values and subtrees, but those of `invalid_actions`. Steps below it
                        that were forbidden stay so; its own may be tried again.
    max_nodes:          most nodes of a row's tree, those of this search included; the least visited
                        of an earlier search are let go first. None for 8 a simulation.
    overlap:            search the rows in two halves that take turns, so that the tree of one is
                        worked on while the model has the other. recurrent_fn is called twice as
                        often, with half the rows; where a row's outputs do not depend on the rows
                        beside it, results are the same. In host memory what it returned must stay
                        as it is during its next call, and with num_threads=1 it has no effect.
    """

    wave: int
    early_stop: bool
    zero_discount_ends: bool
    deadline_ms: float | None
    num_outcomes: int
    top_k: int | None
    disagreement_bonus: float
    disagreement_penalty: float
    tree: SearchTree | None
    tree_action: Tensor | None
    max_nodes: int | None
    overlap: bool


def muzero_policy(
    root: Root,
    recurrent_fn: RecurrentFn,
    num_simulations: int | Tensor,
    *,
    invalid_actions: Tensor | None = None,
    max_depth: int | None = None,
    qtransform: QTransformLike = qtransform_by_parent_and_siblings,
    dirichlet_fraction: float = 0.25,
    dirichlet_alpha: float = 0.3,
    dirichlet_legal_only: bool = False,
    pb_c_init: float = 1.25,
    pb_c_base: float = 19652.0,
    temperature: float = 1.0,
    choice: Literal["visits", "lower_bound"] = "visits",
    deviations: float = 2.0,
    root_selection: Selection | None = None,
    interior_selection: Selection | None = None,
    seed: Seed = 0,
    num_threads: int | None = None,
    **limits: Unpack[Limits],
) -> PolicyOutput:
    """Search with PUCT, as MuZero does.

    root:            prior_logits [B, A] and value [B] float32; embedding, a pytree of [B, ...].
    recurrent_fn:    (action [B] int64, embedding) -> (RecurrentOutput, embedding), called once a
                     simulation under inference_mode. Its inputs are buffers that the next
                     simulation overwrites: copy what you keep.
    num_simulations: calls of recurrent_fn, and nodes added to every row's tree; or [B] ints, a
                     budget for each row.
    invalid_actions: [B, A] bool or 0/1, true where an action is not allowed at the root; below it
                     the model says so, see `RecurrentOutput`.
    max_depth:       most edges from the root to a leaf; leaves there are evaluated again.
    dirichlet_fraction, dirichlet_alpha: the share of Dirichlet noise in the root's prior, and its
                     concentration. dirichlet_legal_only: draw it for allowed actions only; mctx
                     draws it for all, and the share that falls to others is lost.
    pb_c_init, pb_c_base: c1 and c2 of the PUCT formula.
    temperature:     the action is drawn from visits^(1 / temperature); 0 takes the most visited.
    choice:          "lower_bound" takes the action whose mean return less `deviations` standard
                     errors is highest, of those with a tenth of the most visits, in place of that.
    root_selection, interior_selection: rules of your own in place of PUCT, at the root and below
                     it; see `selection_rule`.
    seed:            an int, row r then drawing from (seed, r); or B ints, one a row, and then a row
                     is the same wherever in a batch it stands.
    num_threads:     threads for the trees, None for all processors; results do not depend on it.
    limits:          see `Limits`.

    Returns action, action_weights = shares of the visits, and the trees.
    Raises ValueError or TypeError naming the argument or the head: a wrong shape or dtype, a row
    with no action allowed, a NaN or an infinity and the first row that has it.
    """
    puct = puct_rule(
        qtransform,
        dirichlet_fraction=dirichlet_fraction,
        dirichlet_alpha=dirichlet_alpha,
        dirichlet_legal_only=dirichlet_legal_only,
        pb_c_init=pb_c_init,
        pb_c_base=pb_c_base,
        temperature=temperature,
        choice=choice,
        deviations=deviations,
    )
    rule: NativeRule = puct
    if root_selection is not None or interior_selection is not None:
        rule = _native.SearchCustom(
            puct,
            root=resolve_selection("root_selection", root_selection),
            below=resolve_selection("interior_selection", interior_selection),
        )
    return run_search(
        rule,
        root,
        recurrent_fn,
        num_simulations,
        invalid_actions=invalid_actions,
        max_depth=max_depth,
        seed=seed,
        num_threads=num_threads,
        **limits,
    )


def gumbel_muzero_policy(
    root: Root,
    recurrent_fn: RecurrentFn,
    num_simulations: int | Tensor,
    *,
    invalid_actions: Tensor | None = None,
    max_depth: int | None = None,
    qtransform: QTransformLike = qtransform_completed_by_mix_value,
    max_num_considered_actions: int = 16,
    gumbel_scale: float = 1.0,
    seed: Seed = 0,
    num_threads: int | None = None,
    **limits: Unpack[Limits],
) -> PolicyOutput:
    """Search with Gumbel MuZero: sequential halving at the root, a deterministic rule below it.

    max_num_considered_actions: root actions sampled without replacement, at most.
    gumbel_scale:    of the noise that samples them; 0 for none, as in evaluation.
    The other arguments, and what is raised, are those of `muzero_policy`.

    Returns the best of the most visited actions, action_weights = softmax(logits + completed Q),
    and the trees.
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
    return run_search(
        rule,
        root,
        recurrent_fn,
        num_simulations,
        invalid_actions=invalid_actions,
        max_depth=max_depth,
        seed=seed,
        num_threads=num_threads,
        **limits,
    )


def puct_rule(
    qtransform: QTransformLike,
    *,
    dirichlet_fraction: float,
    dirichlet_alpha: float,
    dirichlet_legal_only: bool,
    pb_c_init: float,
    pb_c_base: float,
    temperature: float,
    choice: str,
    deviations: float,
) -> _native.SearchPuct:
    """Check the arguments of PUCT and return what the native search takes."""
    _check_number("dirichlet_fraction", dirichlet_fraction, 0.0, 1.0)
    _check_number("dirichlet_alpha", dirichlet_alpha, 1e-6)
    _check_number("pb_c_init", pb_c_init, 0.0)
    _check_number("pb_c_base", pb_c_base, 1e-6)
    _check_number("temperature", temperature, 0.0)
    _check_number("deviations", deviations, 0.0)
    if choice not in ("visits", "lower_bound"):
        raise ValueError(f"choice: expected 'visits' or 'lower_bound', got {choice!r}")
    return _native.SearchPuct(
        resolve(qtransform),
        pb_c_init=pb_c_init,
        pb_c_base=pb_c_base,
        dirichlet_fraction=dirichlet_fraction,
        dirichlet_alpha=dirichlet_alpha,
        dirichlet_legal=dirichlet_legal_only,
        temperature=temperature,
        lower_bound=choice == "lower_bound",
        deviations=deviations,
    )


def run_search(
    rule: NativeRule,
    root: Root,
    model: Any,
    num_simulations: int | Tensor,
    *,
    invalid_actions: Tensor | None,
    max_depth: int | None,
    seed: Seed,
    num_threads: int | None,
    wave: int = 1,
    early_stop: bool = False,
    zero_discount_ends: bool = False,
    deadline_ms: float | None = None,
    num_outcomes: int = 0,
    top_k: int | None = None,
    tree: SearchTree | None = None,
    tree_action: Tensor | None = None,
    max_nodes: int | None = None,
    driver: Driver = drive,
    disagreement_bonus: float = 0.0,
    disagreement_penalty: float = 0.0,
    overlap: bool = False,
) -> PolicyOutput:
    """Check the arguments that all policies share, then search; the model is the driver's."""
    start = perf_counter()
    if max_depth is not None and max_depth < 1:
        raise ValueError(f"max_depth: expected at least 1, or None, got {max_depth}")
    if num_threads is not None and num_threads < 1:
        raise ValueError(f"num_threads: expected at least 1, or None, got {num_threads}")
    if wave < 1:
        raise ValueError(f"wave: expected at least 1, got {wave}")
    if deadline_ms is not None:
        _check_number("deadline_ms", deadline_ms, 0.0)
    if not 0 <= num_outcomes <= _MOST_ACTIONS:
        raise ValueError(f"num_outcomes: expected 0 to {_MOST_ACTIONS}, got {num_outcomes}")
    if top_k is not None and top_k < 1:
        raise ValueError(f"top_k: expected at least 1, or None, got {top_k}")
    if top_k is not None and (num_outcomes or driver is not drive):
        raise ValueError(
            f"top_k: expected None with outcomes of chance, and in open loop, got {top_k}"
        )
    _check_number("disagreement_bonus", disagreement_bonus, 0.0)
    _check_number("disagreement_penalty", disagreement_penalty, 0.0)
    if top_k is not None and tree is not None:
        raise ValueError("tree: expected None with top_k, whose columns are others at every root")
    batch, actions, players = _check_root(root, top_k)
    simulations, budgets = _check_budget(num_simulations, batch)
    invalid = check_invalid(invalid_actions, batch, actions)
    seeds = check_seed(seed, batch)
    kept: Tensor | None = None
    if top_k is not None:
        root, model, invalid, kept = keep(rule, root, model, top_k, invalid, seeds)
        actions = kept.shape[1]
    wave = min(wave, simulations)
    threads = num_threads or _native.hardware_threads()
    reused = reuse.find(
        tree,
        tree_action,
        (batch, actions),
        simulations=simulations,
        max_nodes=max_nodes,
        max_depth=max_depth,
        invalid=invalid,
    )
    search = _native.Search(
        rule,
        seeds,
        batch=batch,
        actions=actions,
        simulations=simulations,
        max_depth=max_depth or reuse.ANY_DEPTH,
        num_threads=threads,
        wave=wave,
        players=players,
        signs=root.to_play is not None and players == 1,
        zero_discount_ends=zero_discount_ends,
        early_stop=early_stop,
        budgets=budgets,
        outcomes=num_outcomes,
        disagreement_bonus=disagreement_bonus,
        disagreement_penalty=disagreement_penalty,
        subtrees=None if reused is None else reused.subtrees,
        halves=overlap and (threads > 1 or not root.prior_logits.is_cpu),
    )
    latents = Latents(root.embedding, batch, simulations, root.prior_logits.device, wave)
    if reused is not None:
        search.inherit(reused.tree.native, reused.subtrees)
        latents.inherit(reused.tree.latents, reused.subtrees)
    stop_at = None if deadline_ms is None else start + deadline_ms / 1000
    driver(search, root, model, invalid, latents, stop_at, max(actions, num_outcomes))
    action = torch.empty(batch, dtype=torch.int64)
    weights = torch.empty(batch, actions)
    search.act(action, weights)
    device = root.prior_logits.device
    found = SearchTree(search, latents, invalid, actions, simulations)
    output = PolicyOutput(action.to(device), weights.to(device), found)
    if kept is None:
        return output
    return with_actions(output, kept, root.prior_logits, invalid)


def _check_number(name: str, value: float, low: float, high: float = float("inf")) -> None:
    if not low <= value <= high or value == float("inf"):
        bounds = f"in [{low:g}, {high:g}]" if high < float("inf") else f"at least {low:g}"
        raise ValueError(f"{name}: expected a finite number {bounds}, got {value}")


def _check_root(root: Root, top_k: int | None) -> tuple[int, int, int]:
    """Return B, A and P."""
    logits, value, to_play = root.prior_logits, root.value, root.to_play
    if logits.dim() != 2 or logits.dtype != torch.float32 or 0 in logits.shape:
        raise ValueError(
            f"root: prior_logits: expected float32 [B, A], got {_describe(logits)}"
            + ("; add the batch axis with [None]" if logits.dim() == 1 else "")
        )
    batch, actions = logits.shape
    if min(actions, top_k or actions) > _MOST_ACTIONS:
        raise ValueError(
            f"root: prior_logits: expected at most {_MOST_ACTIONS} actions, got {actions}; search "
            "the likeliest of each node with top_k"
        )
    good = value.dtype == torch.float32 and value.device == logits.device
    if not good or value.shape[:1] != (batch,) or value.dim() > 2:
        raise ValueError(
            f"root: value: expected float32 [B={batch}] on {logits.device}, got "
            f"{_describe(value)} on {value.device}"
        )
    players = value.shape[1] if value.dim() == 2 else 1
    if not 1 <= players <= _MOST_PLAYERS:
        raise ValueError(
            f"root: value: expected [B, P] of 2 to {_MOST_PLAYERS} players, got {_describe(value)}"
        )
    if to_play is None and players > 1:
        raise ValueError("root: to_play: expected [B] int64 with a value for each player, got None")
    if to_play is not None and (to_play.shape != (batch,) or to_play.dtype != torch.int64):
        raise ValueError(
            f"root: to_play: expected int64 [B={batch}] or None, got {_describe(to_play)}"
        )
    return batch, actions, players


def _check_budget(num_simulations: int | Tensor, batch: int) -> tuple[int, list[int]]:
    """Return the most simulations of a row, and each row's where they differ."""
    if isinstance(num_simulations, int):
        if num_simulations < 1:
            raise ValueError(f"num_simulations: expected at least 1, got {num_simulations}")
        return num_simulations, []
    budgets = torch.as_tensor(num_simulations)
    whole = not budgets.is_floating_point() and budgets.dtype != torch.bool
    if budgets.shape != (batch,) or not whole or bool((budgets < 1).any()):
        raise ValueError(
            f"num_simulations: expected an int, or B={batch} ints of at least 1, got "
            f"{_describe(budgets)}"
        )
    numbers = [int(budget) for budget in budgets.tolist()]
    return max(numbers), numbers


def check_invalid(invalid: Tensor | None, batch: int, actions: int) -> Tensor | None:
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


def check_seed(seed: Seed, batch: int) -> int | NDArray[np.uint64]:
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
