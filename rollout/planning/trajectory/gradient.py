"""Improve sequences along the gradient of their score in a differentiable model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from rollout.planning.trajectory.proposals import Floats, Gaussian, Proposal, from_actions
from rollout.planning.trajectory.scoring import Scorer


@dataclass(frozen=True, slots=True)
class Refine:
    """How to climb: Adam on the actions, each step put back inside the bounds.

    steps: of the gradient. rate: of a step, in half ranges of the action. candidates: how many of a
    row's best are refined; the best of all is taken, and never one worse than before.
    """

    steps: int = 10
    rate: float = 0.05
    candidates: int = 4

    def __post_init__(self) -> None:
        if self.steps < 1 or self.candidates < 1 or self.rate <= 0:
            raise ValueError(
                "refine: expected at least one step and one candidate and a positive rate, got "
                f"{self}"
            )


def refined(
    scorer: Scorer, state: Any, proposal: Proposal, sequences: Floats, how: Refine
) -> Floats:
    """Return sequences [H, B, C, D] after some gradient steps.

    Raises ValueError for choices, or for a model whose reward does not depend on the actions in a
    way that can be differentiated.
    """
    if not isinstance(proposal, Gaussian):
        raise ValueError(
            f"refine: expected a model with Box actions, got {scorer.spec.action}; choices have no "
            "gradient"
        )
    device = scorer.spec.device
    rows, count = sequences.shape[1:3]
    low, high, half = (
        torch.from_numpy(x).to(device) for x in (proposal.low, proposal.high, proposal.half)
    )
    problems = torch.arange(rows, device=device).repeat_interleave(count)
    flat = torch.from_numpy(sequences).flatten(1, 2).to(device)
    with torch.enable_grad():
        actions = flat.clone().requires_grad_(True)
        mean, square = torch.zeros_like(flat), torch.zeros_like(flat)
        for step in range(1, how.steps + 1):
            score = scorer.sequences(state, problems, actions).score
            if not score.requires_grad:
                raise ValueError(
                    "refine: the score of this model has no gradient in its actions; leave refine "
                    "out for models that are not differentiable"
                )
            (slope,) = torch.autograd.grad(score.sum(), actions)
            with torch.no_grad():
                slope = slope.nan_to_num(0.0, 0.0, 0.0) * half
                mean.lerp_(slope, 0.1)
                square.lerp_(slope * slope, 0.001)
                move = mean / (1 - 0.9**step) / ((square / (1 - 0.999**step)).sqrt() + 1e-8)
                actions.copy_(torch.clamp(actions + how.rate * half * move, low, high))
    return from_actions(actions.detach(), rows)
