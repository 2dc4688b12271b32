"""Search over sequences of actions, for models that draw what comes next.

A tree of states keeps one drawn successor an action, and plans as if it were sure to come. Here a
node stands for the actions that led to it: every simulation steps the model from the root again,
with fresh noise, and what a node knows is a mean over the states it was seen in. Plans do not react
to what will be seen, so values are those of the best fixed sequence, at every length.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from rollout import _native
from rollout.recurrent import RecurrentOutput
from rollout.search.device import same_device, unpack
from rollout.search.drive import Clock
from rollout.search.latents import Latents
from rollout.search.policies import puct_rule, run_search
from rollout.search.qtransform import QTransformLike, qtransform_by_parent_and_siblings
from rollout.search.types import Embedding, PolicyOutput, Root, Seed

_TO_PLAY = RecurrentOutput._fields.index("to_play") - 4  # among the heads that may be left out
_UNREAD = ("chance", "forbidden", "spread")

StepFn: TypeAlias = Callable[[Tensor, Embedding, Tensor], tuple[RecurrentOutput, Embedding]]


def open_loop_policy(
    root: Root,
    step_fn: StepFn,
    num_simulations: int | Tensor,
    *,
    noise_size: int = 1,
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
    early_stop: bool = False,
    zero_discount_ends: bool = False,
    deadline_ms: float | None = None,
    seed: Seed = 0,
    num_threads: int | None = None,
) -> PolicyOutput:
    """Search sequences of actions with PUCT, each simulation through newly drawn states.

    step_fn: (action [L] int64, embedding, noise [L, noise_size] float32) -> (RecurrentOutput,
        embedding). One step of L rows, of B or, once some are done, fewer; a row whose path ended
        starts again from the root's embedding in the next call. The noise is uniform in [0, 1),
        and the only randomness there should be: then a row depends on its seed alone.
    noise_size: uniform numbers a step.
    num_simulations: paths; one has at most as many steps as the tree is deep, or max_depth.
    The other arguments are those of `muzero_policy`.

    A node's prior is that of the first state seen there; its Q is the mean of sampled returns. A
    path ends at a new node, at max_depth, and where the sampled state is `done`. Actions that the
    sampled state does not allow are left out where it is passed, their visits and Q too, and the
    prior is scaled up on the others. The trees' rewards and discounts are means, and nodes have no
    embedding. `to_play` is not taken: a negative discount says that the mover changed.

    Returns and raises as `muzero_policy`.
    """
    if noise_size < 0:
        raise ValueError(f"noise_size: expected at least 0, got {noise_size}")
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
    if root.to_play is not None or root.value.dim() > 1:
        raise ValueError(
            "root: expected the values of one player and no to_play; a negative discount says that "
            "the mover changed"
        )
    return run_search(
        _native.SearchOpenLoop(puct),
        root,
        step_fn,
        num_simulations,
        invalid_actions=invalid_actions,
        max_depth=max_depth,
        seed=seed,
        num_threads=num_threads,
        early_stop=early_stop,
        zero_discount_ends=zero_discount_ends,
        deadline_ms=deadline_ms,
        driver=partial(_drive, noise_size=noise_size),
    )


def _drive(
    search: _native.Search,
    root: Root,
    step_fn: StepFn,
    invalid: Tensor | None,
    latents: Latents,
    stop_at: float | None,
    edges: int,
    *,
    noise_size: int,
) -> None:
    """Run all simulations, a step of every row a call. States stay in torch: a row has one."""
    device, clock = root.prior_logits.device, None if stop_at is None else Clock(stop_at)
    latents.forget()
    actions = torch.empty(latents.batch, dtype=torch.int64)
    starts = torch.empty(latents.batch, dtype=torch.bool)
    noise = torch.empty(latents.batch, noise_size)
    with torch.inference_mode():
        (lanes,) = search.begin(root.prior_logits.cpu(), root.value.cpu(), invalid, (), actions, ())
        rows = torch.arange(latents.batch)
        roots = states = latents.roots
        while lanes > 0 and (clock is None or clock.more()):
            if lanes < len(rows):
                left = torch.from_numpy(search.lane_rows())
                kept = torch.isin(rows, left).nonzero()[:, 0].to(device)
                rows = left
                roots = tuple(leaf[kept] for leaf in roots)
                states = tuple(leaf[kept] for leaf in states)
            search.path_steps(starts, noise)
            first = starts[:lanes].to(device)
            states = tuple(
                torch.where(first.view(-1, *[1] * (leaf.dim() - 1)), leaf, state)
                for leaf, state in zip(roots, states, strict=True)
            )
            result = step_fn(
                actions[:lanes].to(device), latents.join(states), noise[:lanes].to(device)
            )
            heads, extras, embedding = unpack(result, "step_fn")
            if extras[_TO_PLAY] is not None:
                raise ValueError(
                    "step_fn: to_play: expected None; a negative discount says that the mover "
                    "changed"
                )
            for name, extra in zip(RecurrentOutput._fields[4:], extras, strict=False):
                if name in _UNREAD and extra is not None:
                    raise ValueError(f"step_fn: {name}: expected None in an open-loop search")
            states = _like(latents.leaves(embedding), states)
            heads = [head.cpu() for head in same_device(heads, device)]
            extras = tuple(extra if extra is None else extra.cpu() for extra in extras)
            lanes = search.advance(0, *heads, (), *extras)  # type: ignore[call-arg]


def _like(fresh: tuple[Tensor, ...], states: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Return the states; raise ValueError for one that is not like the one before."""
    for i, (new, old) in enumerate(zip(fresh, states, strict=True)):
        if new.shape != old.shape or new.dtype != old.dtype or new.device != old.device:
            raise ValueError(
                f"step_fn: embedding: expected tensor {i} as it was given, {old.dtype} "
                f"{list(old.shape)}, got {new.dtype} {list(new.shape)}"
            )
    return fresh
