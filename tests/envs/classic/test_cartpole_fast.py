"""CartPole-v1 with precision="fast": how far float32 may be from the exact one."""

import numpy as np
import pytest

from rollout import _native
from rollout.envs import make_vec

ROWS = 1003  # groups of eight and a rest


def pair(rows: int = ROWS, **kwargs: object) -> tuple:
    """The exact one and the fast one."""
    return tuple(
        make_vec("CartPole-v1", rows, num_threads=1, precision=name, **kwargs)
        for name in ("exact", "fast")
    )


@pytest.mark.usefixtures("simd")
def test_one_step_is_within_a_few_roundings() -> None:
    """From the same states: within 4e-7 where nothing is larger than 4, as the docs say."""
    exact, fast = pair()
    exact.reset(seed=0)
    fast.reset(seed=0)
    rng = np.random.default_rng(0)
    numbers = rng.uniform(-1, 1, (ROWS, 4)) * [2.4, 3.0, 0.209, 3.0]
    names = ("x", "x_dot", "theta", "theta_dot")
    states = [
        dict(zip(names, map(float, row), strict=True), step=3) for row in numbers.astype(np.float32)
    ]
    actions = rng.integers(0, 2, ROWS)
    for env in (exact, fast):
        env.set_attr("state", states)
    wanted, got = exact.step(actions), fast.step(actions)
    assert np.abs(wanted[0] - got[0]).max() < 4e-7
    near_an_edge = (np.abs(np.abs(wanted[0][:, 0]) - 2.4) < 1e-6) | (
        np.abs(np.abs(wanted[0][:, 2]) - np.deg2rad(12)) < 1e-6
    )
    assert np.array_equal(wanted[2][~near_an_edge], got[2][~near_an_edge])
    assert wanted[2].any()


@pytest.mark.usefixtures("simd")
def test_random_episodes_start_alike_and_end_alike() -> None:
    """Apart no faster than a pole falls; at most one in a thousand ends a step apart."""
    exact, fast = pair(autoreset_mode="disabled")
    wanted, got = exact.reset(seed=7)[0], fast.reset(seed=7)[0]
    assert np.array_equal(wanted, got)
    rng = np.random.default_rng(1)
    alive = np.ones(ROWS, bool)
    apart = 0
    for step in range(150):
        actions = rng.integers(0, 2, ROWS)
        one, other = exact.step(actions), fast.step(actions)
        assert np.abs(one[0] - other[0])[alive].max() < 1e-6 * np.exp(0.08 * step)
        assert np.array_equal(one[1], other[1])
        apart += int((one[2] != other[2])[alive].sum())
        ended = one[2] | other[2] | one[3] | other[3]
        alive &= ~ended
        if not alive.any():
            break
        if ended.any():
            for env in (exact, fast):
                env.reset(options={"reset_mask": ended})
    assert not alive.any()
    assert apart <= ROWS // 1000


def test_simd_levels_agree_to_the_bit() -> None:
    before = _native.simd_level()
    runs = []
    for level in {"baseline", before}:
        _native.set_simd_level(level)
        env = make_vec("CartPole-v1", 37, precision="fast")
        env.reset(seed=3)
        rng = np.random.default_rng(2)
        runs.append([env.step(rng.integers(0, 2, 37))[0].tobytes() for _ in range(200)])
    _native.set_simd_level(before)
    assert all(run == runs[0] for run in runs)


def test_a_pole_beyond_the_series_falls_and_counts() -> None:
    """A state that only set_attr makes: its sine is the library's."""
    exact, fast = pair(rows=9)
    for env in (exact, fast):
        env.reset(seed=0)
        env.set_attr("state", {"x": 0.5, "x_dot": 0.25, "theta": 2.5, "theta_dot": -1.5, "step": 0})
    one, other = exact.step(np.ones(9, np.int64)), fast.step(np.ones(9, np.int64))
    assert np.allclose(one[0], other[0], atol=1e-6)
    assert other[2].all()


def test_rows_may_differ_in_precision() -> None:
    """A keyword like others: rows of one batch may be exact and fast by turns."""
    mixed = make_vec("CartPole-v1", 6, params=[{"precision": "exact"}, {"precision": "fast"}])
    exact, fast = pair(rows=6)
    for env in (mixed, exact, fast):
        env.reset(seed=3)
    rng = np.random.default_rng(0)
    for _ in range(40):
        actions = rng.integers(0, 2, 6)
        obs, one, other = (env.step(actions)[0] for env in (mixed, exact, fast))
        assert np.array_equal(obs[::2], one[::2])
        assert np.array_equal(obs[1::2], other[1::2])
    with pytest.raises(ValueError, match="precision: expected one of 'exact', 'fast', got 'half'"):
        make_vec("CartPole-v1", 2, precision="half")
