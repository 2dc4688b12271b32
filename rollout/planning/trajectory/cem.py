"""The cross-entropy method: fit a distribution to the best candidates, again and again."""

from __future__ import annotations

from typing import Any, Unpack

from rollout.models.protocol import WorldModel
from rollout.planning.trajectory.optimiser import (
    Common,
    Run,
    TrajectoryOptimiser,
    at_least,
    share,
)
from rollout.planning.trajectory.proposals import Floats


class CEM(TrajectoryOptimiser):
    """Draw, keep the best, fit to them, and so on; act on the mean.

    population: candidates an iteration. elites: of which so many are fitted to. iterations: how
        often. Choices are fitted by how often the elites make them (categorical CEM).
    momentum, std_momentum: how much of the old mean (or chances) and deviation a fit keeps;
        std_momentum None is `momentum`.
    The other arguments are those of `TrajectoryOptimiser`.
    Source: Rubinstein and Kroese 2004; Chua et al. 2018 (PETS) for planning.
    """

    def __init__(
        self,
        model: WorldModel[Any],
        *,
        population: int = 500,
        elites: int = 50,
        iterations: int = 5,
        momentum: float = 0.1,
        std_momentum: float | None = None,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(model, **common)
        self.population = at_least("population", population, 1)
        self.num_elites = at_least("elites", elites, 1)
        if elites > population:
            raise ValueError(f"elites: expected at most population={population}, got {elites}")
        self._iterations = at_least("iterations", iterations, 1)
        self.momentum = share("momentum", momentum)
        self.std_momentum = self.momentum if std_momentum is None else std_momentum
        share("std_momentum", self.std_momentum)

    @property
    def iterations(self) -> int:
        """How often candidates are drawn, scored and fitted to."""
        return self._iterations

    def count(self, iteration: int) -> int:
        """Return `population`."""
        return self.population

    def weigh(self, run: Run) -> Floats:
        """Share all weight among the elites."""
        return self.elite_weights(run.ranked, self.num_elites)

    def fit(self, run: Run) -> None:
        """Move to the elites, keeping some of the old."""
        self.proposal.fit(run.population, run.weights, self.momentum, self.std_momentum)
