"""Who plays: a search, a policy head, a scripted bot, or nobody in particular."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rollout.learn.build import build_search
from rollout.learn.config import TrainConfig
from rollout.learn.evaluate import Player
from rollout.learn.streams import stream, stream_seed
from rollout.models import CounterNoise, Prior, WorldModel
from rollout.models.protocol import State


def first_state(model: WorldModel[State], obs: NDArray[Any]) -> State:
    """Return the model's state of rows that have seen nothing but `obs` [N, ...]."""
    rows = len(obs)
    action = model.spec.action
    return model.observe(
        model.begin(rows),
        torch.from_numpy(obs).to(model.spec.device),
        torch.zeros(rows, *action.shape, dtype=action.dtype, device=model.spec.device),
        torch.ones(rows, dtype=torch.bool, device=model.spec.device),
        CounterNoise(0, rows),
    )


def searcher(model: WorldModel[Any], search: Any, *, seed: int = 0) -> Player:
    """Play what `search`, a planner over `model`, chooses from each observation alone."""

    def play(obs: NDArray[Any], step: int) -> NDArray[np.int64]:
        with torch.inference_mode():
            plan = search.plan(first_state(model, obs), seed=stream_seed(seed, "search", step))
        action: NDArray[np.int64] = plan.action.numpy()
        return action

    return play


def head(model: WorldModel[Any]) -> Player:
    """Play the likeliest action of the model's policy head, without planning."""
    if not isinstance(model, Prior):
        raise ValueError(f"model: expected one with a policy head, got {type(model).__name__}")

    def play(obs: NDArray[Any], step: int) -> NDArray[np.int64]:
        del step
        with torch.inference_mode():
            action: NDArray[np.int64] = model.policy(first_state(model, obs)).argmax(1).numpy()
        return action

    return play


def uniform(num_actions: int, *, seed: int = 0) -> Player:
    """Play uniformly random actions."""

    def play(obs: NDArray[Any], step: int) -> NDArray[np.int64]:
        return stream(seed, "uniform", step).integers(0, num_actions, len(obs))

    return play


def bot(env: Any, kind: str, *, player: int = 0) -> Player:
    """Play as the scripted bot `kind` in the seat of `player`; env must be the one played in."""

    def play(obs: NDArray[Any], step: int) -> NDArray[np.int64]:
        del obs, step
        action: NDArray[np.int64] = np.asarray(env.bot_actions(kind, player))
        return action

    return play


def make_player(
    name: str,
    env: Any,
    model: WorldModel[Any] | None,
    config: TrainConfig,
    *,
    seed: int,
    simulations: int | None = None,
) -> Player:
    """Return the player that a name stands for: "planner", "head", "random" or "bot:KIND".

    env:   the environment to be played in.
    model: what planner and head play with. They are greedy.
    Raises ValueError for another name, and for a planner or a head without a model.
    """
    if name == "random":
        return uniform(int(env.single_action_space.n), seed=seed)
    if name.startswith("bot:"):
        return bot(env, name.removeprefix("bot:"))
    if name not in ("planner", "head"):
        raise ValueError(
            f'player: expected "planner", "head", "random" or a bot as "bot:cook", got {name!r}'
        )
    if model is None:
        raise ValueError(f"player: {name!r} needs a model; give a run's folder or a model file")
    if name == "head":
        return head(model)
    search = build_search(config, model, gumbel_scale=0.0, simulations=simulations)
    return searcher(model, search, seed=seed)
