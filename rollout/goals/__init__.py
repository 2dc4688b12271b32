"""What is wanted, in terms of named events, and why a plan was chosen, in words.

A goal weights the events that a world model predicts, so it can be stated, or changed, after
training: the next plan follows it.
"""

from rollout.goals.explain import Expectation, expectations, explain
from rollout.goals.goal import KITCHEN_GOAL, Goal, parse

__all__ = ["KITCHEN_GOAL", "Expectation", "Goal", "expectations", "explain", "parse"]
