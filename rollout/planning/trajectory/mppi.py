"""MPPI: model predictive path integral control."""

from __future__ import annotations

from typing import Any, Unpack

import numpy as np

from rollout import _native
from rollout.models.protocol import WorldModel
from rollout.planning.trajectory.optimiser import (
    Common,
    Run,
    TrajectoryOptimiser,
    at_least,
    with_defaults,
)
from rollout.planning.trajectory.proposals import Floats, Gaussian


class MPPI(TrajectoryOptimiser):
    """Average candidates by exp(score / temperature); the deviation of the noise stays.

    population: candidates an iteration; iterations: how often.
    temperature: lambda, in reward units. Small takes the best, large averages all.
    control_cost: how much of the information-theoretic control cost is charged: 1 is
        lambda * mean^T Sigma^-1 noise as in Williams et al. 2018, 0 none. Of numbers only.
    The other arguments are those of `TrajectoryOptimiser`. Smooth MPPI is `noise=Rate()` with a
    `rate_cost`, spline MPPI `noise=Spline(knots)`.
    """

    def __init__(
        self,
        model: WorldModel[Any],
        *,
        population: int = 1000,
        iterations: int = 1,
        temperature: float = 1.0,
        control_cost: float = 1.0,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(model, **with_defaults(common, std=1.0))
        self.population = at_least("population", population, 1)
        self._iterations = at_least("iterations", iterations, 1)
        if temperature <= 0:
            raise ValueError(f"temperature: expected a positive number, got {temperature}")
        if control_cost < 0:
            raise ValueError(f"control_cost: expected at least 0, got {control_cost}")
        self.temperature, self.control_cost = temperature, control_cost

    @property
    def iterations(self) -> int:
        """How often candidates are drawn, scored and averaged."""
        return self._iterations

    def count(self, iteration: int) -> int:
        """Return `population`."""
        return self.population

    def weigh(self, run: Run) -> Floats:
        """Weigh all candidates by their scores, less the cost of control."""
        ranked = run.ranked
        if self.control_cost and isinstance(self.proposal, Gaussian):
            # the part that is the same for all candidates of a row changes no weight
            proposal = self.proposal
            pull = proposal.mean / np.maximum(np.square(proposal.std), 1e-12)
            cost = _native.trajectory_dot(self.pool, run.population, pull.astype(np.float32))
            ranked = ranked - np.float32(self.control_cost * self.temperature) * cost
        return self.softmax(ranked, self.temperature)

    def fit(self, run: Run) -> None:
        """Move the mean, or the chances."""
        self.proposal.fit(run.population, run.weights, 0.0, 1.0)
