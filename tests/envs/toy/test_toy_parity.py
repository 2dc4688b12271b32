"""Toy text against gymnasium's, step for step, in every autoreset mode."""

from typing import Any

import gymnasium
import numpy as np
import pytest
from oracle_gymnasium import MODES, Game, assert_same, gymnasiums, play

from rollout.envs import make_vec

OWN_MAP = ("SFFS", "FHFF", "SFFG")


def lake(limit: int = 30, **keywords: Any) -> Game:
    return Game("FrozenLake-v1", 11, 300, limit, "one of 4", "s", tuple(keywords.items()))


def taxi(**keywords: Any) -> Game:
    states = "s fickle_step"
    return Game("Taxi-v4", 11, 700, 200, "drive", states, tuple(keywords.items()))


def cards(**keywords: Any) -> Game:
    return Game("Blackjack-v1", 15, 300, 3, "one of 2", "", tuple(keywords.items()))


GAMES = [
    lake(12),
    lake(is_slippery=False),
    lake(map_name="8x8", success_rate=0.9),
    lake(desc=OWN_MAP, reward_schedule=(10, -5, -0.25)),
    Game("FrozenLake8x8-v1", 11, 300, 60, "one of 4", "s"),
    Game("CliffWalking-v1", 11, 300, 80, "one of 4", "s"),
    Game("CliffWalking-v1", 6, 300, 80, "one of 4", "s", (("is_slippery", True),)),
    Game("CliffWalkingSlippery-v1", 11, 300, 80, "one of 4", "s"),
    taxi(),
    taxi(is_rainy=True),
    taxi(is_rainy=True, rainy_probability=0.5, fickle_passenger=True, fickle_probability=0.9),
    cards(),
    cards(sab=False),
    cards(sab=False, natural=True),
]


def assert_same_infos(ours: dict[str, Any], theirs: dict[str, Any]) -> None:
    """All that gymnasium tells; of resets, to which it gives prob 1, ours tells no prob."""
    for name in theirs:
        if name.startswith("_"):
            continue
        rows = theirs[f"_{name}"]
        if name == "final_info":
            assert_same(ours["_final_info"], rows)
            assert_same_infos(ours[name], theirs[name])
        elif name == "prob":
            told = ours.get("_prob", np.zeros_like(rows))
            assert rows[told].all()
            assert (theirs[name][rows & ~told] == 1).all()
            # the type of an array in gymnasium's infos is that of its first entry: a row that was
            # reset, with its whole number 1, makes integers of the others
            whole = theirs[name].dtype.kind == "i"
            if told.any():
                wanted = theirs[name][told].astype(np.float32)
                got = ours[name][told, 0]
                assert np.array_equal(np.floor(got) if whole else got, wanted)
        elif name == "action_mask":
            assert ours["_action_mask"][rows].all()
            assert_same(ours[name][rows], theirs[name][rows])
        else:
            assert name == "final_obs"
            assert_same((ours[name], ours[f"_{name}"]), (theirs[name], rows))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("game", GAMES, ids=lambda game: f"{game.id}-{game.kwargs}")
def test_every_step_equals_gymnasiums(game: Game, mode: str) -> None:
    env = make_vec(
        game.id, game.rows, autoreset_mode=mode, max_episode_steps=game.limit, **game.kwargs
    )
    ours, theirs = play(env, game), gymnasiums(game)[mode]
    assert len(ours.entries) == len(theirs.entries)
    for mine, other in zip(ours.entries, theirs.entries, strict=True):
        *mine, my_infos, my_states = mine
        *other, their_infos, their_states = other
        assert_same(tuple(mine), tuple(other))
        assert_same(my_states, their_states)
        assert_same_infos(my_infos, their_infos)

    terminated, truncated = ours.flags
    if not game.kwargs:  # the game shows each way to end
        assert truncated.any()
        assert terminated.any() == (not game.id.startswith("Cliff"))


@pytest.mark.parametrize("id", sorted({game.id for game in GAMES}))
def test_spaces_and_limits_equal_gymnasiums(id: str) -> None:
    theirs = gymnasium.make_vec(id, num_envs=3, vectorization_mode="sync")
    ours = make_vec(id, 3)
    for name in ("observation_space", "single_observation_space", "action_space"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.single_action_space == theirs.single_action_space
    assert ours.max_episode_steps == (gymnasium.spec(id).max_episode_steps or 0)


def test_the_taxi_is_fetched_and_paid_in_the_games() -> None:
    """What the games rest on: passengers are delivered, and fickle ones change their minds."""
    game = next(game for game in GAMES if game.kwargs.get("fickle_passenger"))
    log = gymnasiums(game)["next_step"]
    steps = [entry for entry in log.entries if len(entry) > 3]
    assert (np.concatenate([step[1] for step in steps]) == 20).any()
    states = np.stack([step[-1] for step in steps])
    changed = (states[1:, :, 1] < states[:-1, :, 1]) & (states[1:, :, 0] // 4 % 5 == 4)
    assert changed.any()
