"""Continuous control against its plain twin, by its physics, and what it refuses."""

import numpy as np
import pytest
from control_twin import TWINS

from rollout.envs import make_vec

IDS = sorted(TWINS)


@pytest.mark.parametrize("id", IDS)
def test_every_bit_equals_the_twins(id: str) -> None:
    rows, steps, limit = 6, 400, 90
    env = make_vec(id, rows, max_episode_steps=limit, events=True)
    twins = [TWINS[id]() for _ in range(rows)]
    episodes, clocks, over = [0] * rows, [0] * rows, [False] * rows
    obs, _ = env.reset(seed=3)
    for row, twin in enumerate(twins):
        twin.reset(3 + row, 0)
    rng = np.random.default_rng(0)
    ends = np.zeros(2, int)
    for _ in range(steps):
        # pushes that last, within and beyond the range
        actions = np.sign(rng.random((rows, *env.single_action_space.shape)) - 0.35) * 1.2
        actions = (actions * rng.random(actions.shape) ** 0.2).astype(np.float32)
        obs, reward, terminated, truncated, infos = env.step(actions)
        states = env.get_attr("state")
        for row, twin in enumerate(twins):
            wanted = (0.0, False)
            if over[row]:
                episodes[row] += 1
                clocks[row] = 0
                twin.reset(3 + row, episodes[row])
            else:
                clocks[row] += 1
                wanted = twin.step(actions[row])
                assert infos["events"][row].tolist() == list(twin.events)
            timed_out = clocks[row] == limit
            assert (reward[row], terminated[row], truncated[row]) == (*wanted, timed_out)
            assert list(states[row].values()) == [*twin.numbers(), clocks[row]]
            assert obs[row].tobytes() == twin.observe().tobytes()
            over[row] = bool(wanted[1] or timed_out)
        ends += [terminated.sum(), truncated.sum()]
    assert ends[1] > 0
    assert (ends[0] > 0) == (id == "CartPoleSwingUp-v0")


def energy(state: dict[str, float]) -> float:
    """Of the arm, in J: it lies flat, so all of it is motion."""
    cos2, w1, w2 = np.cos(state["angle2"]), state["speed1"], state["speed2"]
    m22 = 0.25 / 12 + 0.0625
    m12 = m22 + 0.125 * cos2
    m11 = 2 * m22 + 0.25 + 0.25 * cos2
    return float(0.5 * (m11 * w1 * w1 + 2 * m12 * w1 * w2 + m22 * w2 * w2))


def test_friction_alone_brings_the_arm_to_rest() -> None:
    env = make_vec("Reacher-v0", 1, max_episode_steps=0)
    env.reset(seed=1)
    (state,) = env.get_attr("state")
    env.set_attr("state", {**state, "angle2": 0.4, "speed1": 1.5, "speed2": -1.0})
    before = energy(env.get_attr("state")[0])
    for _ in range(50):
        env.step(np.zeros((1, 2), np.float32))
        after = energy(env.get_attr("state")[0])
        assert after < before
        before = after
    assert before < 0.05


def test_the_swing_up_pays_for_a_pole_that_stands_in_the_middle() -> None:
    env = make_vec("CartPoleSwingUp-v0", 3)
    env.reset(seed=0)
    base = {"x": 0.0, "x_dot": 0.0, "theta": 0.0, "theta_dot": 0.0, "step": 0}
    env.set_attr("state", [base, {**base, "x": 1.2}, {**base, "theta": 3.0}])
    reward = env.step(np.zeros((3, 1), np.float32))[1]
    assert reward[0] == 1.0
    assert reward[1] == pytest.approx(0.75)
    assert reward[2] < 0.01


def test_a_simple_controller_reaches_the_target() -> None:
    """A step down the distance in joint space: what a planner can find is there to be found."""
    rows = 64
    env = make_vec("Reacher-v0", rows, max_episode_steps=0)
    obs, _ = env.reset(seed=0)
    for _ in range(300):
        cos1, cos2, sin1, sin2, *_, w1, w2, dx, dy = obs.T.astype(np.float64)
        cos12, sin12 = cos1 * cos2 - sin1 * sin2, sin1 * cos2 + cos1 * sin2
        to1 = -(dx * (-sin1 - sin12) + dy * (cos1 + cos12)) / 2
        to2 = -(dx * -sin12 + dy * cos12) / 2
        obs, *_ = env.step(np.float32(np.stack([8 * to1 - w1, 8 * to2 - w2], axis=1)))
    distance = np.hypot(*obs[:, -2:].T)
    assert np.mean(distance < 0.05) > 0.8


@pytest.mark.parametrize("id", [*IDS, "Pendulum-v1", "MountainCarContinuous-v0"])
def test_forces_are_clipped_where_gymnasium_clips_and_must_be_finite(id: str) -> None:
    far, limit = make_vec(id, 3), make_vec(id, 3)
    far.reset(seed=0)
    limit.reset(seed=0)
    shape = far.action_space.shape
    high = far.single_action_space.high
    far.step(np.full(shape, 50.0, np.float32))
    # the continuous car's clipped force is a Python number, one rounding away from float32's
    limit.step(np.broadcast_to(high, shape))
    for mine, other in zip(far.get_attr("state"), limit.get_attr("state"), strict=True):
        assert list(mine.values()) == pytest.approx(list(other.values()), rel=1e-6)

    before = far.get_attr("state")
    for bad in (np.nan, np.inf, -np.inf):
        actions = np.zeros(shape, np.float32)
        actions[1, -1] = bad
        with pytest.raises(ValueError, match=r"all finite, got -?(nan|inf) in row 1"):
            far.step(actions)
    with pytest.raises(ValueError, match="actions: expected"):
        far.step(np.zeros((3, 5), np.float32))
    assert far.get_attr("state") == before


@pytest.mark.parametrize("id", IDS)
def test_a_state_goes_through_a_dict(id: str) -> None:
    env, copy = make_vec(id, 4), make_vec(id, 4)
    env.reset(seed=1)
    copy.reset(seed=9)
    env.action_space.seed(0)
    for _ in range(5):
        env.step(env.action_space.sample())
    copy.set_attr("state", env.get_attr("state"))
    actions = env.action_space.sample()
    for mine, other in zip(env.step(actions)[:4], copy.step(actions)[:4], strict=True):
        assert np.array_equal(mine, other)
    (first, *_) = env.get_attr("state")
    name = next(iter(first))
    with pytest.raises(ValueError, match=f"{name}: expected a number in"):
        env.set_attr("state", {**first, name: np.inf})
