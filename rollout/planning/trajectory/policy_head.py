"""Actions of a model's policy head, for any kind of action; see `rollout.models.Prior`.

A head says [R, sum(nvec) + 2 D]: the logits of each choice, then D means, then D log deviations.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rollout.models.noise import CounterNoise
from rollout.models.protocol import ActionSpec, Box, Discrete, Hybrid, MultiDiscrete


def likeliest_action(model: Any, state: Any) -> Tensor:
    """Return the action that the head prefers, [R, *action shape]."""
    out: Tensor = model.policy(state)
    nvec, numbers = _parts(model.spec.action)
    choices = [part.argmax(-1) for part in out[:, : sum(nvec)].split_with_sizes(nvec, -1)]
    mean = out[:, sum(nvec) :].chunk(2, -1)[0] if numbers else None
    return _join(model.spec.action, choices, mean)


def sampled_action(model: Any, state: Any, noise: CounterNoise, count: int) -> Tensor:
    """Return actions drawn from the head, [R * count, *action shape].

    state: of R * count rows, those of one row of noise [R] together.
    """
    out: Tensor = model.policy(state)
    nvec, numbers = _parts(model.spec.action)
    options = sum(nvec)
    choices, mean = [], None
    if nvec:
        drawn = noise.gumbel("trajectory.policy", (count, options)).flatten(0, 1)
        perturbed = (out[:, :options] + drawn).split_with_sizes(nvec, -1)
        choices = [part.argmax(-1) for part in perturbed]
    if numbers:
        mean, log_std = out[:, options:].chunk(2, -1)
        # a site of its own where choices are drawn too
        site = "trajectory.policy.numbers" if nvec else "trajectory.policy"
        mean = mean + log_std.exp() * noise.normal(site, (count, numbers)).flatten(0, 1)
    return _join(model.spec.action, choices, mean)


def action_bounds(action: ActionSpec, device: torch.device) -> tuple[Tensor, Tensor]:
    """Return the lowest and highest legal actions on a device."""
    low, high = (torch.as_tensor(bound).to(device) for bound in action.bounds())
    return low, high


def _parts(action: ActionSpec) -> tuple[list[int], int]:
    """Return the options of each choice, and how many numbers there are."""
    if isinstance(action, Discrete):
        return [action.n], 0
    nvec = list(action.nvec) if isinstance(action, MultiDiscrete | Hybrid) else []
    numbers = len(action.low) if isinstance(action, Box | Hybrid) else 0
    return nvec, numbers


def _join(action: ActionSpec, choices: list[Tensor], numbers: Tensor | None) -> Tensor:
    """Return actions as the model takes them, numbers cut to their bounds."""
    if isinstance(action, Discrete):
        return choices[0]
    if numbers is None:
        return torch.stack(choices, -1)
    columns = torch.cat([*(choice[:, None].to(numbers.dtype) for choice in choices), numbers], -1)
    return torch.clamp(columns, *action_bounds(action, numbers.device))
