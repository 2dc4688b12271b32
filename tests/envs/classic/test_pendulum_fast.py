"""Pendulum-v1 with precision="fast": how far float32 may be from the exact one; and whole rolls."""

import numpy as np
import pytest

from rollout import _native
from rollout.envs import make_vec

ROWS = 203  # blocks of 64, groups of eight and a rest


def pair(rows: int = ROWS, **kwargs: object) -> tuple:
    """The exact one and the fast one."""
    return tuple(
        make_vec("Pendulum-v1", rows, num_threads=1, precision=name, **kwargs)
        for name in ("exact", "fast")
    )


@pytest.mark.usefixtures("simd")
def test_one_step_is_within_a_few_roundings() -> None:
    """From the same states, as the docs say."""
    exact, fast = pair()
    rng = np.random.default_rng(0)
    numbers = (rng.uniform(-1, 1, (ROWS, 2)) * [40.0, 8.0]).astype(np.float32)
    states = [{"theta": float(a), "theta_dot": float(b), "step": 3} for a, b in numbers]
    actions = rng.uniform(-3, 3, (ROWS, 1)).astype(np.float32)
    for env in (exact, fast):
        env.reset(seed=0)
        env.set_attr("state", states)
    wanted, got = exact.step(actions), fast.step(actions)
    assert np.abs(wanted[0] - got[0]).max() < 5e-6
    assert np.abs(wanted[1] - got[1]).max() < 5e-5
    assert np.abs(wanted[1]).max() > 5


@pytest.mark.usefixtures("simd")
def test_sines_are_right_at_every_angle() -> None:
    exact, fast = pair(rows=1000)
    angles = np.linspace(-2 * np.pi, 2 * np.pi, 1000).astype(np.float32)
    for env in (exact, fast):
        env.reset(seed=0)
        env.set_attr("state", [{"theta": float(a), "theta_dot": 0.0, "step": 0} for a in angles])
    torque = np.zeros((1000, 1), np.float32)
    wanted, got = exact.step(torque), fast.step(torque)
    # an angle of 6 has steps of 5e-7 in float32
    assert np.abs(wanted[0] - got[0]).max() < 1e-6


@pytest.mark.usefixtures("simd")
def test_episodes_start_alike_and_stay_near() -> None:
    exact, fast = pair()
    wanted, got = exact.reset(seed=7)[0], fast.reset(seed=7)[0]
    assert np.abs(wanted - got).max() < 1e-6
    rng = np.random.default_rng(1)
    for _ in range(20):
        actions = rng.uniform(-2, 2, (ROWS, 1)).astype(np.float32)
        one, other = exact.step(actions), fast.step(actions)
    # twenty steps are a second, in which a falling pendulum parts by e^5 at most
    assert np.abs(one[0] - other[0]).max() < 1e-3


def test_simd_levels_and_company_agree_to_the_bit() -> None:
    before = _native.simd_level()
    rng = np.random.default_rng(2)
    actions = rng.uniform(-2, 2, (60, 37, 1)).astype(np.float32)
    runs = []
    levels = ["baseline", "avx2", "avx512"]
    for level in levels[: levels.index(before) + 1]:
        _native.set_simd_level(level)
        env = make_vec("Pendulum-v1", 37, precision="fast", num_threads=1)
        env.reset(seed=3)
        runs.append([env.step(each) for each in actions])
    _native.set_simd_level(before)
    alone = make_vec("Pendulum-v1", 1, precision="fast")
    alone.reset(seed=3 + 36)
    for k, each in enumerate(actions):
        step = alone.step(each[36:])
        for run in runs:
            assert run[k][0].tobytes() == runs[0][k][0].tobytes()
            assert run[k][1].tobytes() == runs[0][k][1].tobytes()
            assert run[k][0][36:].tobytes() == step[0].tobytes()
            assert run[k][1][36:].tobytes() == step[1].tobytes()


@pytest.mark.usefixtures("simd")
@pytest.mark.parametrize(
    "kwargs",
    [
        {"precision": "exact"},
        {"precision": "fast"},
        {"params": [{"precision": "exact"}, {"precision": "fast"}, {"g": 9.0}]},
        {"reward_scale": 0.5},
        {"max_episode_steps": 0},
        {"max_episode_steps": 17},
    ],
)
def test_a_roll_is_a_step_after_another(kwargs: dict) -> None:
    """To the bit, for rows in all stages of an episode: some are cut on the way."""
    env = make_vec("Pendulum-v1", 7, num_threads=1, autoreset_mode="disabled", **kwargs)
    env.reset(seed=5)
    rng = np.random.default_rng(4)
    env.set_attr("state", [{**row, "step": 3 * i} for i, row in enumerate(env.get_attr("state"))])
    snapshot = env.snapshot()
    horizon = 30
    for rows in (np.arange(300) % 7, np.zeros(66, int), np.array([3])):
        actions = rng.uniform(-3, 3, (horizon, len(rows), 1)).astype(np.float32)
        out = env.rollout_from(snapshot, actions, rows)
        now = snapshot[rows]
        for t in range(horizon):
            step = env.step_from(now, actions[t])
            assert out.reward[t].tobytes() == step.reward.astype(np.float32).tobytes(), t
            assert (out.alive[t] == 1).all()
            now = step.snapshot
        assert out.snapshot.data.tobytes() == now.data.tobytes()
    cut = kwargs.get("max_episode_steps") == 17
    assert (out.reward[-1] == 0).any() == cut


@pytest.mark.usefixtures("simd")
def test_rolled_rewards_are_rounded_as_single_steps_are() -> None:
    """Near the top costs are small, and the library's squares count in a float's last place."""
    env = make_vec("Pendulum-v1", 1, num_threads=1)
    env.reset(seed=0)
    rng = np.random.default_rng(9)
    for scale in (1e-4, 1e-3, 1e-2, 0.1):
        env.set_attr("state", {"theta": scale, "theta_dot": -scale, "step": 0})
        snapshot = env.snapshot()
        actions = (scale * 10 * rng.normal(size=(1, 4000, 1))).astype(np.float32)
        rows = np.zeros(4000, int)
        got = env.rollout_from(snapshot, actions, rows).reward[0]
        wanted = env.step_from(snapshot, actions[0], rows).reward.astype(np.float32)
        assert got.tobytes() == wanted.tobytes()
