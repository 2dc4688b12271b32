"""`check_vector_env`: a conformance check for any gymnasium VectorEnv, ours or another's."""

from rollout.envs.check.check import check_vector_env

__all__ = ["check_vector_env"]
