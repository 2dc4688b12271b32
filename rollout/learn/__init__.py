"""Learning a world model from play: a vector environment, a search, a replay and an optimizer."""

from rollout.learn.config import PRESETS, TrainConfig
from rollout.learn.trainer import Progress, Trainer

__all__ = ["PRESETS", "Progress", "TrainConfig", "Trainer"]
