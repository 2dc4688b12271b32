"""Playouts: random games from snapshots, in native threads."""

import numpy as np
import pytest

import rollout
from rollout.envs import VectorEnv


def made(id: str, num_envs: int = 3, **kwargs: object) -> VectorEnv:
    env = rollout.make_vec(id, num_envs, **({"num_threads": 1} | kwargs))
    env.reset(seed=0)
    return env


@pytest.mark.parametrize("id", ["TicTacToe-v0", "Othello-v0", "Go-v0", "Nim-v0", "CartPole-v1"])
def test_playouts_depend_on_seed_world_and_number_alone(id: str) -> None:
    env = made(id)
    worlds = env.snapshot()
    before = worlds.data.copy()
    out = env.playouts(worlds, n=4, seed=7)
    assert np.array_equal(worlds.data, before)
    assert out.returns.shape == (3, 4, env.num_players)
    assert out.steps.shape == (3, 4)
    assert (out.steps > 0).all()
    assert len(np.unique(out.steps)) > 1
    again = made(id, 3, num_threads=3).playouts(worlds, n=9, seed=7)
    assert np.array_equal(again.returns[:, :4], out.returns)
    assert np.array_equal(again.steps[:, :4], out.steps)
    assert np.array_equal(env.playouts(n=4, seed=7).returns, out.returns)
    assert not np.array_equal(env.playouts(n=4, seed=8).steps, out.steps)


def test_every_game_of_tic_tac_toe_is_as_likely_as_it_should_be() -> None:
    """Uniform moves: the first player wins 0.585, the second 0.288 of the games."""
    out = made("TicTacToe-v0", 1).playouts(n=60_000, seed=1)
    assert (out.returns.sum(axis=2) == 0).all()
    first = out.returns[0, :, 0]
    for result, chance in ((1, 0.5849), (-1, 0.2881), (0, 0.1270)):
        assert (first == result).mean() == pytest.approx(chance, abs=0.007)
    # a game that is drawn fills the board; one that is won ends on the winner's move
    assert (out.steps[0][first == 0] == 9).all()
    assert (out.steps[0][first == 1] % 2 == 1).all()
    assert set(np.unique(out.steps[0][first == -1])) == {6, 8}


def test_moves_are_uniform_over_what_is_legal() -> None:
    env = made("TicTacToe-v0", 1)
    env.set_attr("state", {"board": ["xx.", "oo.", "..."], "to_play": 0})
    steps = env.playouts(n=30_000, seed=3).steps
    # one of five moves wins at once; else one of the four that are left does
    assert (steps == 1).mean() == pytest.approx(1 / 5, abs=0.01)
    assert (steps == 2).mean() == pytest.approx(4 / 5 * 1 / 4 * 3 / 4, abs=0.01)


def test_single_player_playouts_sum_rewards_to_the_limit() -> None:
    env = made("CartPole-v1", 2, max_episode_steps=12)
    out = env.playouts(n=50, seed=2)
    assert np.array_equal(out.returns[..., 0], out.steps)
    assert out.steps.max() == 12
    out = env.playouts(n=50, seed=2, max_steps=5)
    assert (out.steps == 5).all()


def test_a_world_that_has_ended_is_not_played() -> None:
    env = made("TicTacToe-v0", 1)
    env.set_attr("state", {"board": ["xxx", "oo.", "..."], "to_play": 1})
    out = env.playouts(n=2)
    assert not out.steps.any()
    assert not out.returns.any()


@pytest.mark.parametrize(
    ("id", "kwargs", "match"),
    [
        ("Pendulum-v1", {}, "playouts: Pendulum-v1 has no single discrete action"),
        ("Kitchen-v0", {}, "playouts: Kitchen-v0 has no single discrete action"),
        ("Nim-v0", {"n": 0}, "n: expected an integer >= 1, got 0"),
        ("Nim-v0", {"seed": -1}, "seed: expected an integer >= 0, got -1"),
        ("Nim-v0", {"max_steps": 0}, "max_steps: expected an integer >= 1"),
        ("Nim-v0", {"snapshot": "other"}, "snapshot: expected one of Nim-v0, got one of CartPole"),
    ],
)
def test_what_cannot_be_played_is_refused(id: str, kwargs: dict, match: str) -> None:
    if "snapshot" in kwargs:
        kwargs = {"snapshot": made("CartPole-v1").snapshot()}
    with pytest.raises(ValueError, match=match):
        made(id).playouts(**kwargs)
