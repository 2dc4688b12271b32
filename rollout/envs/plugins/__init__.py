"""Environments added at run time: from a shared library in C, or from Python by numba."""

from rollout.envs.plugins.library import include_dir, load_plugin
from rollout.envs.plugins.native import native

__all__ = ["include_dir", "load_plugin", "native"]
