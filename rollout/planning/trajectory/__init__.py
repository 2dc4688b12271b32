"""Trajectory optimisation: planners that search over whole action sequences."""

from rollout.planning.trajectory.cem import CEM
from rollout.planning.trajectory.gradient import Refine
from rollout.planning.trajectory.icem import ICEM
from rollout.planning.trajectory.mppi import MPPI
from rollout.planning.trajectory.noise import Coloured, Rate, Spline, White
from rollout.planning.trajectory.optimiser import TrajectoryOptimiser
from rollout.planning.trajectory.random_shooting import RandomShooting
from rollout.planning.trajectory.scoring import Objective
from rollout.planning.trajectory.tdmpc import TDMPC

__all__ = [
    "CEM",
    "ICEM",
    "MPPI",
    "TDMPC",
    "Coloured",
    "Objective",
    "RandomShooting",
    "Rate",
    "Refine",
    "Spline",
    "TrajectoryOptimiser",
    "White",
]
