"""The kitchen as a PettingZoo ParallelEnv. Needs the package `pettingzoo`."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rollout.envs.kitchen import ACTIONS
from rollout.envs.registry import make_vec

try:
    from pettingzoo import ParallelEnv
except ImportError as error:
    raise ImportError(
        "rollout.make_parallel needs pettingzoo; run: pip install 'rollout[pettingzoo]'"
    ) from error

Observation = NDArray[Any]


def make_parallel(id: str, **kwargs: Any) -> KitchenParallelEnv:
    """Make the environment `id` as a PettingZoo ParallelEnv; kwargs are its keywords.

    Raises ValueError for an id whose players do not act at once: "Kitchen-v0" is the one whose do.
    """
    if id != "Kitchen-v0":
        raise ValueError(f"id: expected 'Kitchen-v0', whose players act at once, got {id!r}")
    return KitchenParallelEnv(**kwargs)


class KitchenParallelEnv(ParallelEnv[str, Observation, int]):  # type: ignore[misc]  # untyped
    """One kitchen, an agent for each of its players: "player_0", "player_1", ...

    kwargs: those of `make_vec("Kitchen-v0", ...)` but for a partner (every player is an agent).

    Every agent gets the team's reward. Its infos have its own "sparse_reward" and "shaped_reward",
    floats, and "events", uint8 [E]. An episode is only ever truncated, for all agents at once.
    """

    def __init__(self, **kwargs: Any):
        if kwargs.get("partner") is not None:
            raise ValueError(
                f"partner: expected None, got {kwargs['partner']!r}; every player is an agent here"
            )
        self._rows = make_vec(
            "Kitchen-v0", 1, num_threads=1, autoreset_mode="disabled", events=True, **kwargs
        )
        self.metadata = {**self._rows.metadata, "name": "Kitchen-v0", "is_parallelizable": True}
        self.render_mode = self._rows.render_mode
        views = self._rows.single_observation_space
        assert isinstance(views, spaces.Box)
        self.possible_agents = [f"player_{i}" for i in range(views.shape[0])]
        self.agents: list[str] = []
        self.observation_spaces = {
            agent: spaces.Box(low, high, dtype=views.dtype.type)
            for agent, low, high in zip(self.possible_agents, views.low, views.high, strict=True)
        }
        choices = len(ACTIONS)
        self.action_spaces = {agent: spaces.Discrete(choices) for agent in self.possible_agents}

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """Return the agent's observation space, the same object each time."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Return the agent's action space, the same object each time."""
        return self.action_spaces[agent]

    def reset(
        self, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[dict[str, Observation], dict[str, dict[str, Any]]]:
        """Begin an episode. `options` is accepted as PettingZoo asks, and changes nothing."""
        obs, _ = self._rows.reset(seed=seed)
        self.agents = self.possible_agents[:]
        return self._split(obs[0]), {agent: {} for agent in self.agents}

    def step(
        self, actions: dict[str, int]
    ) -> tuple[
        dict[str, Observation],
        dict[str, float],
        dict[str, bool],
        dict[str, bool],
        dict[str, dict[str, Any]],
    ]:
        """Step once with an action for each agent.

        Raises ValueError if an agent has none, or once the episode has ended.
        """
        if not self.agents or actions.keys() != set(self.agents):
            raise ValueError(
                f"actions: expected one for each of {self.agents}, got {sorted(actions)}"
                + ("" if self.agents else "; the episode has ended, call reset()")
            )
        joint = np.array([[actions[agent] for agent in self.agents]], np.int64)
        obs, reward, terminated, truncated, infos = self._rows.step(joint)
        events = infos["events"].reshape(len(self.agents), -1)
        mine = {
            agent: {
                "sparse_reward": float(infos["sparse_reward"][0, i]),
                "shaped_reward": float(infos["shaped_reward"][0, i]),
                "events": events[i],
            }
            for i, agent in enumerate(self.agents)
        }
        out = (
            self._split(obs[0]),
            dict.fromkeys(self.agents, float(reward[0])),
            dict.fromkeys(self.agents, bool(terminated[0])),
            dict.fromkeys(self.agents, bool(truncated[0])),
            mine,
        )
        if terminated[0] or truncated[0]:
            self.agents = []
        return out

    def state(self) -> Observation:
        """Return all agents' observations as one array, the first agent's first."""
        obs = self._rows.observe(self._rows.snapshot())
        assert isinstance(obs, np.ndarray)
        return np.array(obs[0])

    def render(self) -> Any:
        """Return a picture where render_mode is "rgb_array"."""
        pictures = self._rows.render()
        return None if pictures is None else pictures[0]

    def close(self) -> None:
        """Give the kitchen back."""
        self._rows.close()

    def _split(self, views: Observation) -> dict[str, Observation]:
        return dict(zip(self.possible_agents, views, strict=True))
