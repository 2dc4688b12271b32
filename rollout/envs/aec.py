"""Games of turns as PettingZoo AECEnvs. Needs the package `pettingzoo`."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from numpy.typing import NDArray

from rollout.envs.registry import make_vec

try:
    from pettingzoo import AECEnv
except ImportError as error:
    raise ImportError("rollout.envs.aec needs pettingzoo; run: pip install pettingzoo") from error

Observation = dict[str, Any]


def make_aec(id: str, **kwargs: Any) -> TurnsAECEnv:
    """Make the environment `id` as a PettingZoo AECEnv; kwargs are its keywords.

    Raises ValueError for an id whose players do not take turns.
    """
    return TurnsAECEnv(id, **kwargs)


class TurnsAECEnv(AECEnv[str, Observation, int]):  # type: ignore[misc]  # untyped
    """One game, an agent for each of its players: "player_0", "player_1", ...

    Observations are dicts: "observation", as the environment has it, from the agent's own view, and
    "action_mask", int8 [A], which is 0 everywhere unless it is the agent's turn. A step with an
    action that is not legal raises ValueError and changes nothing.
    """

    def __init__(self, id: str, **kwargs: Any):
        self._game = make_vec(id, 1, num_threads=1, autoreset_mode="disabled", **kwargs)
        # another one, to look at the game as if it were someone else's turn
        self._mirror = make_vec(id, 1, num_threads=1, **kwargs)
        self._mirror.reset(seed=0)
        _, infos = self._game.reset(seed=0)
        if "to_play" not in infos or "action_mask" not in infos:
            raise ValueError(
                f"id: expected a game whose players take turns, got {id!r}; "
                "rollout.make_vec makes every environment"
            )
        modes = ["rgb_array"] if self._game.has_pictures else []
        self.metadata = {"name": id, "render_modes": modes, "is_parallelizable": False}
        self.render_mode = self._game.render_mode
        self.possible_agents = [f"player_{i}" for i in range(self._game.num_players)]
        self.agents: list[str] = []
        view, choices = self._game.single_observation_space, self._game.single_action_space
        assert isinstance(choices, spaces.Discrete)
        self.action_spaces = {agent: spaces.Discrete(choices.n) for agent in self.possible_agents}
        self.observation_spaces = {
            agent: spaces.Dict(
                {"observation": view, "action_mask": spaces.Box(0, 1, (int(choices.n),), np.int8)}
            )
            for agent in self.possible_agents
        }

    def observation_space(self, agent: str) -> spaces.Space[Any]:
        """Return the agent's observation space, the same object each time."""
        return self.observation_spaces[agent]

    def action_space(self, agent: str) -> spaces.Space[Any]:
        """Return the agent's action space, the same object each time."""
        return self.action_spaces[agent]

    def reset(self, seed: int | None = None, options: dict[str, Any] | None = None) -> None:
        """Begin a new game, as `VectorEnv.reset` does. No options are known; any are ignored."""
        self._game.reset(seed=seed)
        self.agents = self.possible_agents[:]
        self.rewards = dict.fromkeys(self.agents, 0.0)
        self._cumulative_rewards = dict.fromkeys(self.agents, 0.0)
        self.terminations = dict.fromkeys(self.agents, False)
        self.truncations = dict.fromkeys(self.agents, False)
        self.infos: dict[str, dict[str, Any]] = {agent: {} for agent in self.agents}
        self.agent_selection = self._mover()

    def step(self, action: int | None) -> None:
        """Act for `agent_selection`; None once it has terminated or was truncated."""
        agent = self.agent_selection
        if self.terminations[agent] or self.truncations[agent]:
            self._was_dead_step(action)
            return
        if action is None:
            raise ValueError(f"action: expected an integer, got None; {agent} is still in the game")
        _, _, terminated, truncated, infos = self._game.step([action])
        self._cumulative_rewards[agent] = 0.0
        self.rewards = dict(zip(self.agents, infos["rewards"][0].tolist(), strict=True))
        self.terminations = dict.fromkeys(self.agents, bool(terminated[0]))
        self.truncations = dict.fromkeys(self.agents, bool(truncated[0]))
        self.agent_selection = self._mover()
        self._accumulate_rewards()

    def observe(self, agent: str) -> Observation:
        """Return what the agent sees, whoever's turn it is."""
        view = self._game.view()
        assert view.action_mask is not None
        mask: NDArray[np.int8] = view.action_mask[0]
        if agent != self._mover():
            state = self._game.get_attr("state")[0]
            self._mirror.set_attr("state", state | {"to_play": self.possible_agents.index(agent)})
            view, mask = self._mirror.view(), np.zeros_like(mask)
        return {"observation": _first(view.obs), "action_mask": mask}

    def render(self) -> Any:
        """Return a picture where render_mode is "rgb_array"."""
        pictures = self._game.render()
        return None if pictures is None else pictures[0]

    def close(self) -> None:
        """Give the games back."""
        self._game.close()
        self._mirror.close()

    def __str__(self) -> str:
        """Return the environment's id."""
        return str(self.metadata["name"])

    def _mover(self) -> str:
        to_play = self._game.view().to_play
        assert to_play is not None
        return self.possible_agents[int(to_play[0])]


def _first(obs: Any) -> Any:
    """Return row 0 of an observation, or of each array of one that has several."""
    if isinstance(obs, dict):
        return {name: part[0] for name, part in obs.items()}
    return tuple(part[0] for part in obs) if isinstance(obs, tuple) else obs[0]
