"""TD-MPC's planner: MPPI over the elites, with proposals of the policy and a terminal value."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np
import torch
from torch import Tensor

from rollout.models.noise import CounterNoise
from rollout.models.protocol import Prior, WorldModel
from rollout.planning.trajectory.optimiser import (
    Common,
    Run,
    TrajectoryOptimiser,
    at_least,
    with_defaults,
)
from rollout.planning.trajectory.policy_head import sampled_action
from rollout.planning.trajectory.proposals import Floats, Gaussian, from_actions


class TDMPC(TrajectoryOptimiser):
    """Average the elites by exp(score / temperature); act on one of them by its weight.

    population: candidates an iteration. elites: of which so many are averaged. iterations: how
        often.
    proposals: candidates of every iteration that the model's policy makes, sampled; none for a
        model without one.
    temperature: in reward units. TD-MPC2 multiplies by 0.5 where this divides by 2.
    noisy: whether the action taken has the distribution's noise added, to explore while learning.
    The other arguments are those of `TrajectoryOptimiser`.
    Source: Hansen et al. 2022, 2024 (TD-MPC2).
    """

    def __init__(
        self,
        model: WorldModel[Any],
        *,
        population: int = 512,
        elites: int = 64,
        iterations: int = 6,
        proposals: int = 24,
        temperature: float = 2.0,
        noisy: bool = False,
        **common: Unpack[Common],
    ) -> None:
        common = with_defaults(common, horizon=3, std=2.0, min_std=0.05, max_std=2.0, act="sample")
        super().__init__(model, **common)
        self.population = at_least("population", population, 1)
        self.num_elites = at_least("elites", elites, 1)
        self._iterations = at_least("iterations", iterations, 1)
        self.num_proposals = at_least("proposals", proposals, 0) * isinstance(model, Prior)
        if max(elites, self.num_proposals) > population:
            raise ValueError(
                f"population: expected at least elites={elites} and proposals="
                f"{self.num_proposals}, got {population}"
            )
        if temperature <= 0:
            raise ValueError(f"temperature: expected a positive number, got {temperature}")
        self.temperature, self.noisy = temperature, noisy
        self._proposed: Floats | None = None

    @property
    def iterations(self) -> int:
        """How often candidates are drawn, scored and averaged."""
        return self._iterations

    def count(self, iteration: int) -> int:
        """Return `population`."""
        return self.population

    def prepare(self, run: Run) -> None:
        """Follow the policy from each state, as often as there are proposals."""
        if not self.num_proposals:
            return
        with torch.inference_mode():
            device = self.model.spec.device
            rows = len(run.fresh)
            index = torch.arange(rows, device=device).repeat_interleave(self.num_proposals)
            noise = CounterNoise(0, run.scorer.ids[:, 0])
            state, actions = self.model.take(run.state, index), []
            for time in range(self.horizon):
                draws = noise.at(time)
                actions.append(sampled_action(self.model, state, draws, self.num_proposals))
                if time < self.horizon - 1:
                    state, _ = self.model.step(state, actions[-1], draws.take(index))
            sequences = from_actions(torch.stack(actions), rows)
        self._proposed = self.proposal.clip(sequences)

    def place(self, run: Run, iteration: int) -> None:
        """Let the policy's sequences stand in for some draws."""
        if self.num_proposals and self._proposed is not None:
            run.population[:, :, -self.num_proposals :] = self._proposed

    def weigh(self, run: Run) -> Floats:
        """Weigh the elites by their scores."""
        index = self.elites(run.ranked, self.num_elites)
        elite = np.full_like(run.ranked, -np.inf)
        np.put_along_axis(elite, index, np.take_along_axis(run.ranked, index, 1), 1)
        return self.softmax(elite, self.temperature)

    def last_touch(self, run: Run, action: Tensor) -> Tensor:
        """Add the distribution's noise where that is asked for."""
        if not (self.noisy and isinstance(self.proposal, Gaussian)):
            return action
        drawn = CounterNoise(0, run.scorer.ids[:, 0].cpu()).normal(
            "trajectory.explore", (action.shape[1],)
        )
        noised = action.numpy() + self.proposal.std[:, 0] * drawn.numpy()
        return torch.from_numpy(self.proposal.clip(noised))
