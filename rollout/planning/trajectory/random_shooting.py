"""Random shooting: the best of many candidates, or predictive sampling around the last plan."""

from __future__ import annotations

from typing import Any, Unpack

from rollout.models.protocol import WorldModel
from rollout.planning.trajectory.optimiser import (
    Common,
    Run,
    TrajectoryOptimiser,
    at_least,
    with_defaults,
)
from rollout.planning.trajectory.proposals import Floats


class RandomShooting(TrajectoryOptimiser):
    """Take the best of `population` sequences drawn around the last plan, which is one of them.

    The other arguments are those of `TrajectoryOptimiser`; `act` is "best".
    """

    def __init__(
        self, model: WorldModel[Any], *, population: int = 1000, **common: Unpack[Common]
    ) -> None:
        super().__init__(model, **with_defaults(common, act="best"))
        self.population = at_least("population", population, 1)

    def count(self, iteration: int) -> int:
        """Return `population`."""
        return self.population

    def place(self, run: Run, iteration: int) -> None:
        """Keep the last plan, or the middle of the bounds, as the first candidate."""
        run.population[:, :, :1] = self.proposal.centre()

    def weigh(self, run: Run) -> Floats:
        """Give all weight to the best."""
        return self.elite_weights(run.ranked, 1)
