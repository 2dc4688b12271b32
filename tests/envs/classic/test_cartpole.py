"""CartPole-v1 where random play never goes."""

import math

import gymnasium
import numpy as np
import pytest

from rollout.envs import make_vec


def numpys_sine_is_the_c_librarys() -> bool:
    angles = np.random.default_rng(0).uniform(-0.3, 0.3, 10_000)
    return all(np.sin(x) == math.sin(x) and np.cos(x) == math.cos(x) for x in angles)


@pytest.mark.skipif(not numpys_sine_is_the_c_librarys(), reason="NumPy takes sin from elsewhere")
def test_long_episodes_equal_gymnasiums() -> None:
    """Rows that balance reach the limit of 500 and angles that random play never sees."""
    rows, seed = 32, 77
    single = [gymnasium.make("CartPole-v1") for _ in range(rows)]
    env = make_vec("CartPole-v1", rows, autoreset_mode="disabled")
    obs, _ = env.reset(seed=seed)
    for row, one in enumerate(single):
        assert np.array_equal(one.reset(seed=seed + row)[0], obs[row])
    alive = np.ones(rows, bool)
    truncations = 0
    for step in range(500):
        actions = (obs[:, 2] + 0.4 * obs[:, 3] + 0.02 * np.sin(step / 9.0) > 0).astype(np.int64)
        obs, reward, terminated, truncated, _ = env.step(actions)
        for row in np.flatnonzero(alive):
            wanted = single[row].step(actions[row])
            assert np.array_equal(wanted[0], obs[row])
            assert wanted[1:4] == (reward[row], terminated[row], truncated[row])
        truncations += int((truncated & alive).sum())
        ended = terminated | truncated
        alive &= ~ended
        if ended.any():
            env.reset(options={"reset_mask": ended})
    assert truncations > 10
