"""Imagining: many rows, many steps, one call, any world model.

Stateless, so safe to call from any thread. Beside the model's own calls it costs one draw of noise
a roll when actions are sampled, and one check of the heads at the end. Gradients flow when the
caller has not turned them off.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, TypeVar

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from rollout.models.noise import CounterNoise
from rollout.models.protocol import (
    Discrete,
    ModelSpec,
    Path,
    Prior,
    Rolls,
    Transition,
    WorldModel,
    check_actions,
    check_finite,
)

State = TypeVar("State")
Policy = Callable[[State], Tensor]


def imagine(
    model: WorldModel[State],
    state: State,
    policy_or_actions: Policy[State] | Tensor | Literal["prior"],
    horizon: int,
    *,
    seed: int,
    rows: Tensor | None = None,
) -> Path[State]:
    """Roll every row of a state forward.

    state: R rows, as `model.observe` or `model.take` gave them; not changed.
    policy_or_actions: one of
        actions, [R, horizon, *action shape], in the dtype of `model.spec.action`;
        a function of the state that returns actions [R, *action shape], or, where actions are
        discrete, float logits [R, A] to sample from;
        "prior": the model's own policy head, sampled.
    horizon: H >= 1 steps.
    seed: fixes everything random. rows: [R] int64 ids that key the noise of each row (0..R-1 by
        default): a row imagined under its id alone, or among others, is the same row.
    Returns a `Path`: states 0..H, transitions and actions of each step.
    Raises ValueError for actions of a wrong shape or out of range, and when a head gave a NaN or an
    infinity, naming the head, the row and the step.
    """
    spec = model.spec
    leaves = pytree.tree_leaves(state)
    if not leaves or any(not isinstance(x, Tensor) or x.dim() == 0 for x in leaves):
        raise ValueError("state: expected a pytree of tensors [R, ...]; see model.observe")
    count = leaves[0].shape[0]
    if any(x.shape[0] != count for x in leaves):
        raise ValueError(
            f"state: expected R rows in every leaf, got {[x.shape[0] for x in leaves]}"
        )
    if horizon < 1:
        raise ValueError(f"horizon: expected at least 1 step, got {horizon}")
    if rows is not None and rows.shape != (count,):
        raise ValueError(f"rows: expected [R={count}] int64 ids, got {list(rows.shape)}")
    noise = CounterNoise(seed, count if rows is None else rows, device=leaves[0].device)

    if isinstance(policy_or_actions, Tensor):
        actions = policy_or_actions
        check_actions(spec.action, actions, (count, horizon), "actions")
        if isinstance(model, Rolls):
            path = model.roll(state, actions, noise.at(torch.arange(horizon, device=noise.device)))
        else:
            path = _roll(model, state, lambda time, _: actions[:, time], horizon, noise)
    else:
        policy = _prior(model) if policy_or_actions == "prior" else policy_or_actions
        if not callable(policy):
            raise ValueError(
                f"policy_or_actions: expected a tensor, a function or 'prior', got {policy!r}"
            )
        path = _roll(model, state, _Chooser(spec, policy, noise, horizon), horizon, noise)
        check_actions(spec.action, path.actions, (count, horizon), "the policy's actions")
    for name, head in zip(Transition._fields, path.trans, strict=True):
        if head is not None:
            check_finite(name, head)
    return path


def _roll(
    model: WorldModel[State],
    state: State,
    choose: Callable[[int, State], Tensor],
    horizon: int,
    noise: CounterNoise,
) -> Path[State]:
    """Step a model, choosing each action from the state before it."""
    states, transitions, actions = [state], [], []
    for time in range(horizon):
        actions.append(choose(time, state))
        state, transition = model.step(state, actions[-1], noise.at(time))
        states.append(state)
        transitions.append(transition)
    heads = (
        None if fields[0] is None else torch.stack(fields, 1)
        for fields in zip(*transitions, strict=True)
    )
    stacked: State = pytree.tree_map(lambda *leaves: torch.stack(leaves, 1), *states)
    return Path(stacked, Transition(*heads), torch.stack(actions, 1))


def _prior(model: WorldModel[State]) -> Policy[State]:
    """Return the model's own policy head."""
    if not isinstance(model, Prior):
        raise ValueError(
            f"policy_or_actions: 'prior' needs a model with a policy head, and "
            f"{type(model).__name__} has none; pass a function of the state"
        )
    return model.policy


class _Chooser:
    """Turns what a policy returns into actions: logits are sampled, actions pass through."""

    def __init__(
        self, spec: ModelSpec, policy: Policy[Any], noise: CounterNoise, horizon: int
    ) -> None:
        self.action = spec.action
        self.policy = policy
        self.noise = noise
        self.horizon = horizon
        self.gumbel: Tensor | None = None

    def __call__(self, time: int, state: Any) -> Tensor:
        out = self.policy(state)
        rows = self.noise.rows.shape[0]
        if out.dtype == self.action.dtype and out.shape == (rows, *self.action.shape):
            return out
        if not isinstance(self.action, Discrete) or not out.is_floating_point():
            raise ValueError(
                f"policy: expected actions [R={rows}, *{list(self.action.shape)}] "
                f"{self.action.dtype}, got {list(out.shape)} {out.dtype}; see model.spec.action"
            )
        if out.shape != (rows, self.action.n):
            raise ValueError(
                f"policy: expected logits [R={rows}, A={self.action.n}] or actions [R={rows}] "
                f"int64, got {list(out.shape)} {out.dtype}"
            )
        if self.gumbel is None:
            # one draw for the whole roll: a draw costs the same whatever its size
            times = torch.arange(self.horizon, device=self.noise.device)
            self.gumbel = self.noise.at(times).gumbel("imagine.action", (self.action.n,))
        return (out + self.gumbel[:, time]).argmax(1)
