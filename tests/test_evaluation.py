from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import rollout
from rollout.evaluation import (
    BotPlayer,
    PlannerPlayer,
    Player,
    PolicyPlayer,
    RandomPlayer,
    Scores,
    score,
)
from rollout.models import ValueEquivalent, ValueEquivalentConfig
from rollout.planning import TreeSearch


def kitchens(n: int = 4, horizon: int = 200, **options: Any) -> rollout.envs.VectorEnv:
    options = {"layout": "cramped_room", "partner": "cook", **options}
    return rollout.make_vec("Kitchen-v0", n, horizon=horizon, **options)


def test_scores_state_mean_and_standard_error() -> None:
    scores = Scores(np.array([0.0, 20.0, 40.0, 20.0]), np.full(4, 400), 1.0)
    assert scores.mean == 20
    np.testing.assert_allclose(scores.error, np.std([0, 20, 40, 20], ddof=1) / 2)
    assert Scores(np.array([20.0]), np.array([400]), 1.0).error == 0


def test_every_row_plays_one_episode_from_the_seeds_given() -> None:
    env = kitchens()
    players: list[Player] = [
        RandomPlayer(6, seed=1),
        RandomPlayer(6, seed=1),
        BotPlayer(env, "cook", seed=5),
    ]
    first, again, cook = [score(env, player, seed=5) for player in players]
    np.testing.assert_array_equal(first.returns, again.returns)
    assert first.lengths.tolist() == [200] * 4
    # two cooks that know the rules, against one beside a fool
    assert cook.mean > first.mean
    assert cook.mean >= 40
    # row 2 is seeded 5 + 2, and what it returns does not depend on its company
    alone = kitchens(1)
    assert score(alone, BotPlayer(alone, "cook", seed=7), seed=7).returns[0] == cook.returns[2]


def test_rows_that_ended_early_count_no_further() -> None:
    env = rollout.make_vec("CartPole-v1", 32)
    scores = score(env, RandomPlayer(2, seed=0), seed=0)
    # a reward a step, and the rows fall one by one
    np.testing.assert_array_equal(scores.returns, scores.lengths)
    assert scores.lengths.min() < scores.lengths.max() < 200
    short = score(env, RandomPlayer(2, seed=0), seed=0, steps=10)
    np.testing.assert_array_equal(short.lengths, np.minimum(scores.lengths, 10))


def test_the_watcher_sees_each_step_before_it_is_taken() -> None:
    env = kitchens(2, horizon=30)
    seen: list[tuple[int, float, int]] = []

    def watch(step: int, returns: NDArray[np.float64]) -> None:
        seen.append((step, float(returns.sum()), env.get_attr("state")[0]["timestep"]))

    score(env, BotPlayer(env, "cook"), seed=0, watch=watch)
    assert [step for step, _, _ in seen] == list(range(30))
    assert [time for _, _, time in seen] == list(range(30))


def cartpole_model() -> ValueEquivalent:
    model = ValueEquivalent(
        ValueEquivalentConfig(obs_shape=(4,), num_actions=2, latent=16, hidden=16)
    )
    torch.manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.3)
    return model


def test_model_players_repeat_and_planning_is_accounted_for() -> None:
    env = rollout.make_vec("CartPole-v1", 5)
    model = cartpole_model()
    head = score(env, PolicyPlayer(model), seed=3)
    np.testing.assert_array_equal(head.returns, score(env, PolicyPlayer(model), seed=3).returns)

    # drawn actions follow the head's distribution, and are the same for the same seed
    obs = np.repeat(env.reset(seed=3)[0][:1], 4096, axis=0)
    drawn = PolicyPlayer(model, greedy=False, seed=1)(obs, 0)
    np.testing.assert_array_equal(drawn, PolicyPlayer(model, greedy=False, seed=1)(obs, 0))
    with torch.inference_mode():
        state = model.observe(model.begin(1), torch.from_numpy(obs[:1]))
        share = model.policy(state).softmax(-1)[0, 1].item()
    assert 0.02 < share < 0.98
    assert abs(drawn.mean() - share) < 4 * (share * (1 - share) / 4096) ** 0.5

    search = TreeSearch(model, num_simulations=7, gumbel_scale=0.0)
    player = PlannerPlayer(search)
    scores = score(env, player, seed=3)
    steps = int(scores.lengths.max())
    assert player.work.plans == 5 * steps
    assert player.work.simulations == 5 * steps * 7
    assert 0 < player.work.model_seconds < player.work.seconds < scores.seconds
    assert player.plan is not None
    assert len(player.plan.action) == 5
    again = score(
        env, PlannerPlayer(TreeSearch(model, num_simulations=7, gumbel_scale=0.0)), seed=3
    )
    np.testing.assert_array_equal(scores.returns, again.returns)


def test_a_policy_player_needs_a_policy() -> None:
    class Bare:
        spec = cartpole_model().spec

    with pytest.raises(ValueError, match="one with a policy head, got Bare"):
        PolicyPlayer(Bare())  # type: ignore[arg-type]
