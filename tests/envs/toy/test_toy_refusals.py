"""What toy text refuses, and states from dicts."""

import re
from typing import Any

import numpy as np
import pytest

from rollout.envs import make_vec

BAD = [
    ({"desc": ["SFG", "FF"]}, "desc: expected a list of strings of one length"),
    ({"desc": ["SFX", "FFG"]}, "of the letters S, F, H and G"),
    ({"desc": ["FFG"]}, "with an S, got ['FFG']"),
    ({"desc": []}, "desc: expected a list"),
    ({"desc": 3}, "desc: expected a list"),
    ({"map_name": "16x16"}, "map_name: expected one of '4x4', '8x8'"),
    ({"success_rate": 1.5}, "success_rate: expected a number in [0, 1]"),
    ({"reward_schedule": (1, 0)}, "reward_schedule: expected three numbers"),
    ({"reward_schedule": "1, 0, 0"}, "reward_schedule: expected three numbers"),
]


@pytest.mark.parametrize(("kwargs", "message"), BAD)
def test_bad_keywords_are_refused(kwargs: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=re.escape(message)):
        make_vec("FrozenLake-v1", 1, **kwargs)


@pytest.mark.parametrize(
    "id", ["FrozenLake-v1", "CliffWalkingSlippery-v1", "Taxi-v4", "Blackjack-v1"]
)
def test_a_state_goes_through_a_dict(id: str) -> None:
    """A row that was set to another's state is in that state; its own stream goes on."""
    env, copy = make_vec(id, 8), make_vec(id, 8)
    env.reset(seed=1)
    copy.reset(seed=100)
    env.action_space.seed(0)
    for _ in range(20):
        env.step(env.action_space.sample())
    copy.set_attr("state", env.get_attr("state"))
    assert copy.get_attr("state") == env.get_attr("state")
    for mine, other in zip(
        np.atleast_2d(copy.observe()), np.atleast_2d(env.observe()), strict=True
    ):
        assert np.array_equal(mine, other)


def test_impossible_states_are_refused() -> None:
    lake, cards = make_vec("FrozenLake-v1", 1), make_vec("Blackjack-v1", 1)
    lake.reset(seed=0)
    with pytest.raises(ValueError, match=r"s: expected an integer >= 0 and <= 15, got 16"):
        lake.set_attr("state", {"s": 16, "step": 0})
    cards.reset(seed=0)
    (state,) = cards.get_attr("state")
    hand = {"hard": 2, "cards": 2, "ace": False}
    with pytest.raises(ValueError, match="player: hard: expected an integer >= 4 and <= 20"):
        cards.set_attr("state", {**state, "player": hand})
    with pytest.raises(ValueError, match="player: expected a dict, got 3"):
        cards.set_attr("state", {**state, "player": 3})
    assert cards.get_attr("state") == (state,)


def test_a_fickle_passenger_changes_the_destination_once() -> None:
    env = make_vec("Taxi-v4", 64, fickle_passenger=True, fickle_probability=1.0)
    env.reset(seed=0)
    in_taxi = {"s": ((2 * 5 + 2) * 5 + 4) * 4 + 1, "will_change": True, "step": 3}
    env.set_attr("state", in_taxi)
    obs = env.step(np.zeros(64, np.int64))[0]
    assert set((obs % 4).tolist()) == {0, 2, 3}
    assert not any(state["will_change"] for state in env.get_attr("state"))
    again = env.step(np.ones(64, np.int64))[0]
    assert np.array_equal(again % 4, obs % 4)
