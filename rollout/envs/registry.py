"""The environments by id: make one, list them, describe one."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any

import gymnasium

from rollout import _native
from rollout.envs.chance import Game2048VectorEnv
from rollout.envs.kitchen import KitchenVectorEnv
from rollout.envs.single import SingleEnv
from rollout.envs.vector_env import VectorEnv

# environments with more than the common methods; the others are plain VectorEnvs
CLASSES: dict[str, type[VectorEnv]] = {
    "Kitchen-v0": KitchenVectorEnv,
    "2048-v0": Game2048VectorEnv,
}


def make_vec(
    id: str,
    num_envs: int,
    *,
    num_threads: int | None = None,
    autoreset_mode: str | gymnasium.vector.AutoresetMode = "next_step",
    **kwargs: Any,
) -> VectorEnv:
    """Make `num_envs` rows of the environment `id`.

    num_threads:    threads that step the rows; None uses every processor this process may use.
                    Results never depend on it.
    autoreset_mode: "next_step", "same_step" or "disabled", as gymnasium means them.
    kwargs:         `events` and `copy` (see VectorEnv), and the environment's own keywords.

    Raises ValueError for an unknown id (naming the nearest) or a bad value, TypeError for an
    unexpected keyword.
    """
    _require(id)
    cls = CLASSES.get(id, VectorEnv)
    return cls(id, num_envs, num_threads=num_threads, autoreset_mode=autoreset_mode, **kwargs)


def list_envs() -> list[str]:
    """Return the ids that `make_vec` knows."""
    return list(_native.environments())


@dataclass(frozen=True, slots=True)
class EnvSpec:
    """What an environment is, with the keywords' defaults.

    keywords: name -> the default, as Python writes it; what `make_vec` takes besides its own.
    The rest is as on `VectorEnv`.
    """

    id: str
    summary: str
    keywords: dict[str, str]
    observation_space: gymnasium.Space[Any]
    action_space: gymnasium.Space[Any]
    max_episode_steps: int
    event_names: tuple[str, ...]
    event_rows: int
    num_players: int
    has_pictures: bool


def spec(id: str) -> EnvSpec:
    """Return what the environment `id` is. Raises ValueError if there is none."""
    env = make_vec(id, 1, num_threads=1)
    return EnvSpec(
        id,
        _native.environments()[id],
        env.keywords,
        env.single_observation_space,
        env.single_action_space,
        env.max_episode_steps,
        env.event_names,
        env.event_rows,
        env.num_players,
        env.has_pictures,
    )


def _require(id: str) -> None:
    known = list_envs()
    if id in known:
        return
    # 0.4 lets "cartpole" find CartPole-v1
    lower = {name.lower(): name for name in known}
    near = [lower[name] for name in get_close_matches(str(id).lower(), lower, cutoff=0.4)]
    hint = f"did you mean {' or '.join(near)}?" if near else f"known: {', '.join(known)}"
    raise ValueError(f"id: no environment is called {id!r}; {hint}")


def _make_registered(num_envs: int, rollout_id: str, **kwargs: Any) -> VectorEnv:
    return make_vec(rollout_id, num_envs, **kwargs)


def _make_single(rollout_id: str, **kwargs: Any) -> SingleEnv:
    return SingleEnv(
        make_vec(rollout_id, 1, num_threads=1, autoreset_mode="disabled", **kwargs),
    )


def register_with_gymnasium() -> None:
    """Let `gymnasium.make` and `gymnasium.make_vec` make these as "rollout/<id>", too."""
    for name in list_envs():
        if f"rollout/{name}" not in gymnasium.registry:
            gymnasium.register(
                f"rollout/{name}",
                entry_point="rollout.envs.registry:_make_single",
                vector_entry_point="rollout.envs.registry:_make_registered",
                kwargs={"rollout_id": name},
            )
