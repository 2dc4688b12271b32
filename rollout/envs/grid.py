"""MiniGrid's worlds from Python: names for numbers."""

from __future__ import annotations

from rollout import _native

ACTIONS = ("left", "right", "forward", "pickup", "drop", "toggle", "done")
KINDS = (
    "unseen",
    "empty",
    "wall",
    "floor",
    "door",
    "key",
    "ball",
    "box",
    "goal",
    "lava",
)
COLORS = ("red", "green", "blue", "purple", "yellow", "grey")
DOOR_STATES = ("open", "closed", "locked")
LEVELS: tuple[str, ...] = tuple(_native.GRID_MISSIONS)


def missions(id: str) -> tuple[str, ...]:
    """Return the texts that the numbers in a level's `obs["mission"]` stand for.

    Raises ValueError for an id that is not in LEVELS.
    """
    if id not in LEVELS:
        raise ValueError(f"id: expected one of rollout.envs.grid.LEVELS, got {id!r}")
    return _native.GRID_MISSIONS[id]
