"""CartPole-v1 against gymnasium's, bit for bit, in every autoreset mode."""

import math
import os
import pickle
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import gymnasium
import numpy as np
import pytest
from oracle_gymnasium import play

from rollout import _native
from rollout.envs import make_vec

ORACLE = Path(__file__).parent / "oracle_gymnasium.py"
# without these (the names differ between releases) NumPy's sin and cos are the C library's
FEATURES = "X86_V3 X86_V4 AVX512_ICL AVX512_SPR AVX2 FMA3 AVX512F AVX512_SKX"


def oracle(mode: str, rows: int, steps: int, seed: int, limit: int) -> list[Any]:
    words = [str(word) for word in (mode, rows, steps, seed, limit)]
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(ORACLE), *words],
        env={**os.environ, "NPY_DISABLE_CPU_FEATURES": FEATURES},
        capture_output=True,
        check=True,
    )
    return pickle.loads(done.stdout)  # written by the line above


def assert_same(ours: Any, theirs: Any) -> None:
    """Same structure, dtypes and bits."""
    assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert_same(ours[key], theirs[key])
    elif isinstance(ours, tuple):
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            assert_same(mine, other)
    elif isinstance(ours, np.ndarray) and ours.dtype == object:
        assert_same(tuple(ours), tuple(theirs))
    elif isinstance(ours, np.ndarray):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        assert ours.tobytes() == theirs.tobytes()
    else:
        assert ours == theirs


@pytest.fixture(params=["baseline", "avx2"])
def simd(request: pytest.FixtureRequest) -> Iterator[str]:
    before = _native.simd_level()
    try:
        _native.set_simd_level(request.param)
    except ValueError:
        pytest.skip("this processor has no AVX2")
    yield request.param
    _native.set_simd_level(before)


@pytest.mark.usefixtures("simd")
@pytest.mark.parametrize("mode", ["next_step", "same_step", "disabled"])
def test_every_bit_equals_gymnasiums_sync_vector_env(mode: str) -> None:
    rows, steps, seed, limit = 11, 400, 5, 20
    theirs = oracle(mode, rows, steps, seed, limit)
    env = make_vec("CartPole-v1", rows, autoreset_mode=mode, max_episode_steps=limit)
    ours = play(env, steps, seed)
    assert len(ours) == len(theirs)
    for mine, other in zip(ours, theirs, strict=True):
        assert_same(mine, other)

    flags = [(step[2], step[3]) for step in ours if len(step) > 3]
    fell, timed_out = (np.concatenate(flag) for flag in zip(*flags, strict=True))
    # the tape shows each way to end, both at once included
    assert (fell & ~timed_out).any()
    assert (~fell & timed_out).any()
    assert (fell & timed_out).any()


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


def test_spaces_equal_gymnasiums() -> None:
    theirs = gymnasium.make_vec("CartPole-v1", num_envs=3, vectorization_mode="sync")
    ours = make_vec("CartPole-v1", 3)
    for name in ("observation_space", "single_observation_space", "action_space"):
        assert getattr(ours, name) == getattr(theirs, name)
    assert ours.single_action_space == theirs.single_action_space


def test_the_original_reward() -> None:
    theirs = gymnasium.make("CartPole-v1", sutton_barto_reward=True)
    ours = make_vec("CartPole-v1", 6, sutton_barto_reward=True)  # six: a wide group and a rest
    theirs.reset(seed=4)
    ours.reset(seed=[4] * 6)
    terminated = False
    while not terminated:
        _, reward, terminated, _, _ = theirs.step(1)
        assert (ours.step(np.ones(6, np.int64))[1] == reward).all()
    assert reward == -1.0
