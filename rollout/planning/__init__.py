"""Planners: what to do next, by looking ahead in a world model."""

from rollout.planning.alphazero import AlphaZero
from rollout.planning.goal import EventGoal, goal_weights
from rollout.planning.joint_search import JointSearch
from rollout.planning.plan import JointPlan, Plan, Planner, TrajectoryPlan, TreePlan
from rollout.planning.presets import PRESETS, make_planner, tdmpc2_discount
from rollout.planning.pruning import Pruned
from rollout.planning.rules import Rejection
from rollout.planning.trajectory import CEM, ICEM, MPPI, TDMPC, RandomShooting
from rollout.planning.tree_search import TreeSearch

__all__ = [
    "CEM",
    "ICEM",
    "MPPI",
    "PRESETS",
    "TDMPC",
    "AlphaZero",
    "EventGoal",
    "JointPlan",
    "JointSearch",
    "Plan",
    "Planner",
    "Pruned",
    "RandomShooting",
    "Rejection",
    "TrajectoryPlan",
    "TreePlan",
    "TreeSearch",
    "goal_weights",
    "make_planner",
    "tdmpc2_discount",
]
