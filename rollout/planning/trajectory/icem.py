"""iCEM: the cross-entropy method with coloured noise, elites that live on, and ever fewer draws."""

from __future__ import annotations

from typing import Any, ClassVar, Unpack

import numpy as np

from rollout.models.protocol import WorldModel
from rollout.planning.trajectory.cem import CEM
from rollout.planning.trajectory.noise import Coloured
from rollout.planning.trajectory.optimiser import Common, Run, share, with_defaults
from rollout.planning.trajectory.proposals import Floats


class ICEM(CEM):
    """CEM with the improvements of Pinneri et al. 2020; acts on the best sequence of all.

    beta: colour of the noise over time; 0.25 for fast motion, 2 to 3.5 for slow (see `Coloured`).
    decay: iteration i draws max(2 * elites, population / decay**i) candidates.
    kept: share of the elites that the next iteration scores again, and that the next plan starts
        with, shifted by a step. They and, in the last iteration, the mean take the places of new
        draws, so the number of candidates does not depend on them.
    The other arguments are those of `CEM` and `TrajectoryOptimiser`; `noise` takes beta's place.
    """

    repeat_last: ClassVar[bool] = True

    def __init__(
        self,
        model: WorldModel[Any],
        *,
        population: int = 100,
        elites: int = 10,
        iterations: int = 3,
        momentum: float = 0.1,
        std_momentum: float | None = None,
        beta: float = 2.0,
        decay: float = 1.25,
        kept: float = 0.3,
        **common: Unpack[Common],
    ) -> None:
        super().__init__(
            model,
            population=population,
            elites=elites,
            iterations=iterations,
            momentum=momentum,
            std_momentum=std_momentum,
            **with_defaults(common, act="best", noise=Coloured(beta)),
        )
        if decay < 1.0:
            raise ValueError(f"decay: expected a number >= 1, got {decay}")
        self.decay = decay
        self.num_kept = round(share("kept", kept) * elites)
        self._elites: Floats | None = None  # [H, B, kept, W]

    def count(self, iteration: int) -> int:
        """Return how many candidates an iteration has: fewer in each."""
        return max(2 * self.num_elites, int(self.population / self.decay**iteration))

    def place(self, run: Run, iteration: int) -> None:
        """Score elites again, those of the last plan at first; and the mean at last."""
        if self._elites is not None and self.num_kept:
            warm = np.flatnonzero(~run.fresh) if iteration == 0 else np.arange(len(run.fresh))
            run.population[:, warm, -self.num_kept :] = self._elites[:, warm]
        if iteration == self.iterations - 1:
            run.population[:, :, :1] = self.proposal.centre()

    def fit(self, run: Run) -> None:
        """Fit, and keep some elites."""
        super().fit(run)
        if self.num_kept:
            self._elites = run.take(self.elites(run.ranked, self.num_kept))

    def finish(self, run: Run) -> None:
        """Shift the elites by a step for the next plan, repeating their last action."""
        if self._elites is not None:
            self._elites = np.concatenate((self._elites[1:], self._elites[-1:]))
