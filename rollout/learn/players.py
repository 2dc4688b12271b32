"""Who plays: a search, a policy head, a scripted bot, or nobody in particular."""

from __future__ import annotations

from typing import Any

import torch
from numpy.typing import NDArray

from rollout.evaluation import BotPlayer, PlannerPlayer, Player, PolicyPlayer, RandomPlayer
from rollout.learn.build import build_search
from rollout.learn.config import TrainConfig
from rollout.models import CounterNoise, WorldModel
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
        return RandomPlayer(int(env.single_action_space.n), seed=seed)
    if name.startswith("bot:"):
        return BotPlayer(env, name.removeprefix("bot:"), seed=seed)
    if name not in ("planner", "head"):
        raise ValueError(
            f'player: expected "planner", "head", "random" or a bot as "bot:cook", got {name!r}'
        )
    if model is None:
        raise ValueError(f"player: {name!r} needs a model; give a run's folder or a model file")
    if name == "head":
        return PolicyPlayer(model, seed=seed)
    search = build_search(config, model, gumbel_scale=0.0, simulations=simulations)
    return PlannerPlayer(search, seed=seed)
