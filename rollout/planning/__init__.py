"""Planners: what to do next, by looking ahead in a world model."""

from rollout.planning.goal import EventGoal, goal_weights
from rollout.planning.plan import Plan, Planner
from rollout.planning.tree_search import TreeSearch

__all__ = ["EventGoal", "Plan", "Planner", "TreeSearch", "goal_weights"]
