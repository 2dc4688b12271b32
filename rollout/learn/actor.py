"""The playing half of a run: every environment row takes one step, and the replay remembers it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rollout.data import Replay
from rollout.envs import Snapshot
from rollout.learn.config import TrainConfig
from rollout.learn.players import first_state
from rollout.learn.streams import stream, stream_seed


class Actor:
    """Plays with a search, and in some rows with scripted bots.

    Rows are played by bots from row 0 up to `config.bot_rows`, by the search above; before
    `warmup_iterations` the search's rows are played at random. What a row's policy target is
    follows who plays it: the search's improved policy, else the action that was taken.
    Owns the environment; writes into the replay it was given.
    """

    def __init__(
        self,
        env: Any,
        model: Any,
        search: Any,
        replay: Replay,
        config: TrainConfig,
        weights: NDArray[np.float32] | None,
    ) -> None:
        """Reset the environment.

        env:     a vector environment in NEXT_STEP autoreset.
        model:   the world model, shared with whoever trains it.
        search:  a planner over it.
        weights: [*event shape] what an event is worth; None: the environment's reward counts.
        """
        self.env, self.model, self.search = env, model, search
        self.replay, self.config, self.weights = replay, config, weights
        self._bot_noise: NDArray[np.float64] = np.linspace(*config.bot_noise, num=config.num_envs)
        event_shape = model.spec.event_shape
        self._no_events = np.zeros((config.num_envs, *event_shape), np.uint8)
        self.obs, _ = env.reset(seed=stream_seed(config.seed, "env"))
        self.returns = np.zeros(config.num_envs)

    def step(self, iteration: int) -> list[float]:
        """Step every row once; return what the episodes that ended now returned, undiscounted."""
        config, rows = self.config, self.config.num_envs
        bots = config.bot_rows(iteration)
        searched = slice(bots, rows) if iteration >= config.warmup_iterations else slice(rows, rows)
        rng = stream(config.seed, "play", iteration)

        action = rng.integers(0, self.replay.num_actions, rows)
        astray = rng.random(rows)
        for i, kind in enumerate(config.bots):
            mine = slice(i, bots, len(config.bots))
            intended = np.asarray(self.env.bot_actions(kind, 0))[mine]
            action[mine] = np.where(astray[mine] < self._bot_noise[mine], action[mine], intended)
        policy = np.zeros((rows, self.replay.num_actions), np.float32)
        value = np.zeros(rows, np.float32)
        if searched.start < rows:
            with torch.inference_mode():
                plan = self.search.plan(
                    first_state(self.model, self.obs[searched]),
                    seed=stream_seed(config.seed, "search", iteration),
                )
            stray = astray[searched] < config.epsilon
            action[searched] = np.where(stray, action[searched], plan.action.numpy())
            policy[searched] = plan.action_weights.numpy()
            value[searched] = plan.value.numpy()
        unsearched = np.arange(searched.start)
        policy[unsearched, action[unsearched]] = 1.0

        obs, reward, terminated, truncated, infos = self.env.step(action)
        # absent where the environment has none, and where every row was reset
        events = infos.get("events", self._no_events)
        learned = reward
        if self.weights is not None:
            learned = events.reshape(rows, -1) @ self.weights.ravel()
        self.replay.append(
            self.obs,
            action,
            learned,
            terminated,
            truncated,
            policy=policy,
            value=value,
            events=events,
        )
        self.obs = obs
        self.returns += reward
        ended = terminated | truncated
        finished: list[float] = self.returns[ended].tolist()
        self.returns[ended] = 0
        return finished

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the environment, what it shows and the running returns, as arrays."""
        return {
            "env": np.frombuffer(self.env.snapshot().to_bytes(), np.uint8),
            "obs": self.obs.copy(),
            "returns": self.returns.copy(),
        }

    def load_state(self, state: Mapping[str, NDArray[Any]]) -> None:
        """Take back what `state` returned."""
        self.env.restore(Snapshot.from_bytes(state["env"].tobytes()))
        self.obs, self.returns = state["obs"], state["returns"]
