"""A native rollout engine for world models: stepping, imagination and planning."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rollout.envs import list_envs as list_envs
    from rollout.envs import make_vec as make_vec
    from rollout.imagination import imagine as imagine

# resolved on first use, so that the command line answers before torch is loaded
_HOMES = {
    "imagine": "rollout.imagination",
    "list_envs": "rollout.envs",
    "make_vec": "rollout.envs",
}

__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    """Import the home of a public name when it is first asked for."""
    if name not in _HOMES:
        raise AttributeError(f"module 'rollout' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
