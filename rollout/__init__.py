"""A native rollout engine for world models: stepping, imagination and planning."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

# at once, since it tells gymnasium the ids: `import rollout` is all that gymnasium.make_vec needs
from rollout.envs import list_envs, make_vec

if TYPE_CHECKING:
    from rollout.envs.parallel import make_parallel
    from rollout.imagination import imagine

__all__ = ["imagine", "list_envs", "make_parallel", "make_vec"]

# the rest on first use: it loads torch, and the command line's help must not wait for that
_HOMES = {"imagine": "rollout.imagination", "make_parallel": "rollout.envs.parallel"}
_PARTS = ("data", "goals", "learn", "models", "planning", "render", "search", "worlds")


def __getattr__(name: str) -> Any:
    """Import a part of the package, or the home of a public name, when it is first asked for."""
    if name in _PARTS:
        return import_module(f"rollout.{name}")
    if name not in _HOMES:
        raise AttributeError(f"module 'rollout' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
