"""From a config to its parts: the environment, the model that fits it, the search."""

from __future__ import annotations

from typing import Any

from rollout.envs import VectorEnv, make_vec
from rollout.goals import parse
from rollout.learn.config import TrainConfig
from rollout.learn.streams import stream_seed
from rollout.models import ValueEquivalent, ValueEquivalentConfig
from rollout.planning import TreeSearch


def build_env(config: TrainConfig, num_envs: int | None = None) -> VectorEnv:
    """Return the config's environment, with its own number of rows or another."""
    return make_vec(
        config.env,
        num_envs or config.num_envs,
        num_threads=config.threads,
        events=True,
        **config.env_options,
    )


def build_model(config: TrainConfig, env: VectorEnv) -> ValueEquivalent:
    """Return an untrained model of the environment's observations, actions and events.

    Equal configs give equal weights. Raises ValueError if the actions are not Discrete.
    """
    obs, action = env.single_observation_space, env.single_action_space
    if not hasattr(action, "n"):
        raise ValueError(
            f"env: expected one with Discrete actions, got {action}; "
            "give the kitchen a partner to control one player"
        )
    fitted = ValueEquivalentConfig.model_validate(
        {
            "obs_shape": obs.shape,
            "obs_dtype": str(obs.dtype),
            "num_actions": int(action.n),
            "events": env.event_names,
            "event_rows": env.event_rows if env.event_names else 1,
            **config.model,
        }
    )
    return ValueEquivalent(fitted, seed=stream_seed(config.seed, "model"))


def build_search(
    config: TrainConfig,
    model: Any,
    *,
    gumbel_scale: float | None = None,
    simulations: int | None = None,
) -> TreeSearch:
    """Return the config's planner over a model.

    gumbel_scale, simulations: other than the config's.
    """
    return TreeSearch(
        model,
        num_simulations=simulations or config.simulations,
        policy=config.planner,
        discount=config.discount,
        goal=parse(config.goal) if config.goal else None,
        gumbel_scale=config.gumbel_scale if gumbel_scale is None else gumbel_scale,
        temperature=config.temperature,
        num_threads=config.threads,
        paths=False,
    )
