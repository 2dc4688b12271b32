"""Stored experience: the replay and the windows that training reads from it."""

from rollout.data.replay import Replay
from rollout.data.segments import Segments

__all__ = ["Replay", "Segments"]
