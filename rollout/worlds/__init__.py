"""People, planners, scripted players and recordings in one running world.

The world runs at a fixed tick that none of them can stop: who is late gets a default action, and
it is counted. Everything that was proposed, stopped and done is recorded, and replays equal.
"""

from typing import TYPE_CHECKING, Any

from rollout.worlds.participants import (
    Bot,
    Participant,
    Person,
    Proposal,
    Recorded,
    recorded_proposals,
)
from rollout.worlds.recording import (
    Recorder,
    Recording,
    RecordingError,
    ReplayError,
    load_recording,
    replay,
)
from rollout.worlds.world import Clock, SharedWorld, Tick, View, WallClock, WorldSpec

if TYPE_CHECKING:
    from rollout.worlds.agent import Agent, foresee

__all__ = [
    "Agent",
    "Bot",
    "Clock",
    "Participant",
    "Person",
    "Proposal",
    "Recorded",
    "Recorder",
    "Recording",
    "RecordingError",
    "ReplayError",
    "SharedWorld",
    "Tick",
    "View",
    "WallClock",
    "WorldSpec",
    "foresee",
    "load_recording",
    "recorded_proposals",
    "replay",
]


def __getattr__(name: str) -> Any:
    """Import the planners' part on first use: it loads torch, which a replay does not need."""
    if name not in ("Agent", "foresee"):
        raise AttributeError(f"module 'rollout.worlds' has no attribute {name!r}")
    from rollout.worlds import agent

    return getattr(agent, name)
