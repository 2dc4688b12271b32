"""The boards as PettingZoo AECEnvs: its own tests, and what each agent sees."""

import contextlib
import io
import warnings

import numpy as np
import pytest

pytest.importorskip("pettingzoo")
from pettingzoo.test import api_test, seed_test

from rollout.envs.aec import make_aec

GAMES = [
    ("TicTacToe-v0", {}),
    ("ConnectFour-v0", {}),
    ("Othello-v0", {}),
    ("Hex-v0", {"size": 4}),
    ("Go-v0", {"size": 3, "superko": "positional"}),
]

# what api_test remarks on in every game of PettingZoo's own, where it is not known by name
REMARKS = (
    "Observation space for each agent probably should be",
    "Observation is not a NumPy array",
    "Observation numpy array is all zeros",
    "Action mask numpy array is all zeros",
)


@pytest.mark.parametrize(("id", "keywords"), GAMES)
def test_pettingzoos_own_tests(id: str, keywords: dict) -> None:
    with warnings.catch_warnings(record=True) as seen, contextlib.redirect_stdout(io.StringIO()):
        warnings.simplefilter("always")
        api_test(make_aec(id, **keywords), num_cycles=100)
    assert [str(w.message) for w in seen if not str(w.message).startswith(REMARKS)] == []
    seed_test(lambda: make_aec(id, **keywords), num_cycles=50)


def test_a_game_of_tic_tac_toe() -> None:
    env = make_aec("TicTacToe-v0")
    env.reset(seed=0)
    for t, action in enumerate([0, 3, 1, 4]):
        assert env.agent_selection == f"player_{t % 2}"
        env.step(action)
    mine, theirs = (env.observe(f"player_{i}") for i in (0, 1))
    assert np.flatnonzero(mine["observation"][0]).tolist() == [0, 1]
    assert np.array_equal(mine["observation"], theirs["observation"][::-1])
    assert mine["action_mask"].tolist() == [0, 0, 1, 0, 0, 1, 1, 1, 1]
    assert not theirs["action_mask"].any()
    with pytest.raises(ValueError, match=r"action"):
        env.step(3)
    env.step(2)
    assert env.rewards == {"player_0": 1.0, "player_1": -1.0}
    assert all(env.terminations.values())
    env.step(None)
    env.step(None)
    assert env.agents == []


def test_hex_shows_each_player_its_own_view() -> None:
    env = make_aec("Hex-v0", size=3)
    env.reset()
    env.step(4)
    first, second = (env.observe(agent)["observation"] for agent in env.possible_agents)
    assert np.array_equal(first[:2], second[1::-1])
    assert not first[2].any()
    assert second[2].all()


def test_only_games_of_turns() -> None:
    with pytest.raises(ValueError, match="expected a game whose players take turns, got 'CartPole"):
        make_aec("CartPole-v1")


def test_a_game_is_drawn_where_it_is_asked_for() -> None:
    env = make_aec("ConnectFour-v0", render_mode="rgb_array", render_size=48)
    env.reset(seed=0)
    first = env.render()
    assert first.shape == (48, 48, 3)
    env.step(3)
    assert (env.render() != first).any()
    assert make_aec("ConnectFour-v0").render() is None
