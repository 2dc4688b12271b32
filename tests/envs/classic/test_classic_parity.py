"""Classic control against gymnasium's, bit for bit, in every autoreset mode."""

import gymnasium
import numpy as np
import pytest
from oracle_gymnasium import MODES, Game, assert_same_logs, gymnasiums, play

from rollout.envs import make_vec

# about 60,000 steps in all: eleven rows are two wide groups and a rest
GAMES = [
    Game("CartPole-v1", 11, 400, 20, "one of 2"),
    Game("CartPole-v1", 6, 200, 500, "one of 2", keywords=(("sutton_barto_reward", True),)),
    Game("MountainCar-v0", 11, 500, 145, "along the car"),
    Game("MountainCar-v0", 7, 300, 130, "along the car", keywords=(("goal_velocity", 0.03),)),
    Game("MountainCarContinuous-v0", 11, 500, 110, "force the car"),
    Game(
        "MountainCarContinuous-v0",
        7,
        300,
        130,
        "force the car",
        keywords=(("goal_velocity", 0.04),),
    ),
    Game("Pendulum-v1", 11, 500, 200, "force the pendulum"),
    Game("Pendulum-v1", 7, 300, 90, "force the pendulum", keywords=(("g", 9.81),)),
    Game("Acrobot-v1", 11, 400, 100, "along the elbow"),
    Game("Acrobot-v1", 6, 150, 100, "along the elbow", keywords=(("book_or_nips", "nips"),)),
    Game("Acrobot-v1", 6, 150, 100, "along the elbow", keywords=(("torque_noise_max", 0.5),)),
]


@pytest.mark.usefixtures("simd")
@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("game", GAMES, ids=lambda game: f"{game.id}-{game.kwargs}")
def test_every_bit_equals_gymnasiums_sync_vector_env(game: Game, mode: str) -> None:
    env = make_vec(
        game.id, game.rows, autoreset_mode=mode, max_episode_steps=game.limit, **game.kwargs
    )
    ours = play(env, game)
    assert_same_logs(ours, gymnasiums(game)[mode])

    terminated, truncated = ours.flags
    if not game.kwargs:  # the game shows each way to end
        assert truncated.any()
        assert terminated.any() == (game.id != "Pendulum-v1")


@pytest.mark.parametrize("id", sorted({game.id for game in GAMES}))
def test_spaces_and_limits_equal_gymnasiums(id: str) -> None:
    theirs = gymnasium.make_vec(id, num_envs=3, vectorization_mode="sync")
    ours = make_vec(id, 3)
    for name in ("observation_space", "single_observation_space", "action_space"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.single_action_space == theirs.single_action_space
    assert ours.max_episode_steps == gymnasium.spec(id).max_episode_steps


@pytest.mark.parametrize("id", sorted({game.id for game in GAMES}))
def test_a_state_set_from_a_dict_is_the_same_state(id: str) -> None:
    ours, copy = (make_vec(id, 4) for _ in range(2))
    ours.reset(seed=1)
    copy.reset(seed=50)
    ours.action_space.seed(0)
    for step in range(30):
        if step in (0, 9):  # right after a reset, and in an episode
            copy.set_attr("state", ours.get_attr("state"))
            seen = copy.observe(copy.snapshot())
            assert np.array_equal(seen, ours.observe(ours.snapshot()))
        actions = ours.action_space.sample()
        mine, other = ours.step(actions), copy.step(actions)
        ended = mine[2] | mine[3]
        for part in range(4):
            assert np.array_equal(mine[part], other[part])
        if ended.any():
            break
    assert step > 5
