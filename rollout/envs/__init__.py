"""Native environments in batches: step, snapshot, branch."""

from rollout._native import EnvError
from rollout.envs.buffers import StepBuffers
from rollout.envs.check import check_vector_env
from rollout.envs.plugins import include_dir, load_plugin, native
from rollout.envs.registry import EnvSpec, list_envs, make_vec, register_with_gymnasium, spec
from rollout.envs.snapshot import Playouts, RolloutFrom, Snapshot, StepFrom, View
from rollout.envs.tabular import Transitions, transitions
from rollout.envs.vector_env import VectorEnv

__all__ = [
    "EnvError",
    "EnvSpec",
    "Playouts",
    "RolloutFrom",
    "Snapshot",
    "StepBuffers",
    "StepFrom",
    "Transitions",
    "VectorEnv",
    "View",
    "check_vector_env",
    "include_dir",
    "list_envs",
    "load_plugin",
    "make_vec",
    "native",
    "spec",
    "transitions",
]

register_with_gymnasium()
