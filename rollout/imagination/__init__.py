"""Imagination: rolling a world model forward, and measuring how far it can be trusted."""

from rollout.imagination.drift import DriftReport, drift
from rollout.imagination.returns import returns, weights
from rollout.imagination.roll import imagine

__all__ = ["DriftReport", "drift", "imagine", "returns", "weights"]
