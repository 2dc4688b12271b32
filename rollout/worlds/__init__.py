"""People, planners, scripted players and recordings in one running world.

The world runs at a fixed tick that none of them can stop: who is late gets a default action, and
it is counted. Everything that was proposed, stopped and done is recorded, and replays equal.
"""

from rollout.worlds.participants import Bot, Participant, Person, Proposal, Recorded
from rollout.worlds.recording import (
    Recorder,
    Recording,
    RecordingError,
    ReplayError,
    load_recording,
    replay,
)
from rollout.worlds.world import Clock, SharedWorld, Tick, View, WallClock, WorldSpec

__all__ = [
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
    "load_recording",
    "replay",
]
