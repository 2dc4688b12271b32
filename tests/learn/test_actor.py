"""Who plays which row, and what the replay is told of it."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch

from rollout.goals import parse
from rollout.learn import PRESETS, Trainer
from rollout.learn.players import first_state
from rollout.learn.streams import stream_seed

ROWS = 12


def trainer_of(**changes: Any) -> Trainer:
    values: dict[str, Any] = {
        "num_envs": ROWS,
        "simulations": 4,
        "capacity": 64,
        "warmup_iterations": 0,
        "epsilon": 0.0,
        "model": {"latent": 16, "hidden": 16},
        "env_options": {"layout": "cramped_room", "horizon": 30, "partner": "cook"},
    }
    return Trainer(PRESETS["kitchen"](**(values | changes)))


def stored(trainer: Trainer, step: int) -> dict[str, np.ndarray]:
    """What the replay holds of one step."""
    state = trainer.replay.state()
    return {
        name: state[name][:, step] for name in ("action", "policy", "value", "reward", "events")
    }


def test_a_search_plays_and_its_policy_is_the_target() -> None:
    trainer = trainer_of(bots=())
    actor = trainer.actor
    seen = actor.obs.copy()
    with torch.inference_mode():
        seed = stream_seed(trainer.config.seed, "search", 0)
        plan = actor.search.plan(first_state(trainer.model, seen), seed=seed)
    actor.step(0)
    got = stored(trainer, 0)
    np.testing.assert_array_equal(got["action"], plan.action.numpy())
    np.testing.assert_array_equal(got["policy"], plan.action_weights.numpy())
    np.testing.assert_array_equal(got["value"], plan.value.numpy())
    rows, first = np.arange(ROWS), np.zeros(ROWS, int)
    np.testing.assert_array_equal(trainer.replay.observations(rows, first), seen)


def test_epsilon_strays_from_the_search() -> None:
    always = trainer_of(bots=(), epsilon=1.0)
    actions = []
    for iteration in range(40):
        always.actor.step(iteration)
        actions.append(stored(always, iteration)["action"])
    counts = np.bincount(np.concatenate(actions), minlength=6)
    assert np.abs(counts - counts.mean()).max() < 5 * np.sqrt(counts.mean())


def test_bots_play_their_rows_and_stray_by_their_noise() -> None:
    kinds = ("cook", "onions")
    trainer = trainer_of(bots=kinds, bot_share=(0.75, 0.75), bot_noise=(0.0, 0.9), bot_iterations=0)
    actor, bots = trainer.actor, 9
    strays = np.zeros(ROWS)
    for iteration in range(60):
        meant = [actor.env.bot_actions(kind, 0) for kind in kinds]
        intended = np.array([meant[row % 2][row] for row in range(bots)])
        actor.step(iteration)
        got = stored(trainer, iteration)
        strays[:bots] += got["action"][:bots] != intended
        # a bot's target is what it did; the other rows are searched
        one_hot = np.eye(6, dtype=np.float32)[got["action"][:bots]]
        np.testing.assert_array_equal(got["policy"][:bots], one_hot)
        assert (got["value"][:bots] == 0).all()
        assert ((got["policy"][bots:] > 0) & (got["policy"][bots:] < 1)).any(axis=1).all()
    noise = np.linspace(0.0, 0.9, ROWS)[:bots]
    expected = 60 * noise * 5 / 6
    assert strays[0] == 0
    assert (np.abs(strays[:bots] - expected) <= 4 * np.sqrt(expected) + 1e-9).all()


def test_the_goal_is_what_the_replay_calls_reward() -> None:
    goal = "soup_pickup=5, potting_onion=3, self.collision=-1"
    trainer = trainer_of(goal=goal, bots=("cook",), bot_share=(1.0, 1.0), bot_noise=(0.0, 0.3))
    env = trainer.actor.env
    weights = parse(goal).vector(env.event_names, 2)
    for iteration in range(60):
        trainer.actor.step(iteration)
    state = trainer.replay.state()
    for step in range(60):
        worth = (state["events"][:, step] * weights).sum((1, 2))
        np.testing.assert_allclose(state["reward"][:, step], worth, atol=1e-5)
    assert state["reward"].max() >= 3


def test_returns_are_the_games_own_score_an_episode() -> None:
    options = {"layout": "cramped_room", "horizon": 70, "partner": "cook"}
    trainer = trainer_of(
        env_options=options, bots=("cook",), bot_share=(1.0, 1.0), bot_noise=(0.0, 0.2)
    )
    env, rewards = trainer.actor.env, []
    step = env.step

    def recording(actions: np.ndarray) -> Any:
        result = step(actions)
        rewards.append(result[1])
        return result

    env.step = recording
    returned = [trainer.actor.step(iteration) for iteration in range(142)]
    # an episode is 70 steps, and one more in which nothing but the reset happens
    assert [i for i, finished in enumerate(returned) if finished] == [69, 140]
    for end in (69, 140):
        np.testing.assert_array_equal(returned[end], np.sum(rewards[end - 69 : end + 1], axis=0))
        assert max(returned[end]) > 0
