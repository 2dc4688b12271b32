"""Open-loop rolls beside single steps from the same snapshot."""

import numpy as np
import pytest

import rollout

CASES = {
    "CartPole-v1": {},
    "Pendulum-v1": {},
    "Kitchen-v0": {"horizon": 20, "partner": "random"},
    "Acrobot-v1": {},
}


def actions_for(env, horizon, count, seed=0):
    rng = np.random.default_rng(seed)
    space = env.single_action_space
    if hasattr(space, "n"):
        return rng.integers(0, space.n, (horizon, count))
    return rng.uniform(-2, 2, (horizon, count, *space.shape)).astype(np.float32)


@pytest.mark.parametrize("threads", [1, 3])
@pytest.mark.parametrize("name", CASES)
def test_it_is_a_step_after_another(name, threads):
    env = rollout.make_vec(name, 3, num_threads=threads, **CASES[name])
    env.reset(seed=0)
    snapshot = env.snapshot()
    rows = np.array([2, 0, 0, 1] * 40)  # over two blocks of sequences
    horizon = 25
    actions = actions_for(env, horizon, len(rows))
    out = env.rollout_from(snapshot, actions, rows, events=True)
    now = snapshot[rows]
    for t in range(horizon):
        step = env.step_from(now, actions[t])
        np.testing.assert_array_equal(out.reward[t], step.reward.astype(np.float32))
        np.testing.assert_array_equal(out.alive[t], 1 - step.terminated.astype(np.float32))
        if step.events is None:
            assert out.events is None
        else:
            np.testing.assert_array_equal(out.events[t], step.events)
        now = step.snapshot
    np.testing.assert_array_equal(out.snapshot.data, now.data)
    # nothing else has moved
    np.testing.assert_array_equal(env.snapshot().data, snapshot.data)


def test_a_world_that_ends_stays_as_it_is():
    env = rollout.make_vec("CartPole-v1", 1, num_threads=1)
    env.reset(seed=0)
    out = env.rollout_from(env.snapshot(), np.ones((60, 1), np.int64))
    end = int(np.argmin(out.alive[:, 0]))
    assert 5 < end < 20
    assert (out.alive[end:] == 0).all()
    assert (out.reward[: end + 1] == 1).all()
    assert (out.reward[end + 1 :] == 0).all()
    assert out.events is None


def test_what_does_not_fit_is_refused():
    env = rollout.make_vec("CartPole-v1", 2, num_threads=1)
    env.reset(seed=0)
    snapshot = env.snapshot()
    good = np.zeros((4, 2), np.int64)
    with pytest.raises(ValueError, match=r"actions: expected \[H >= 1, R=2, ...\]"):
        env.rollout_from(snapshot, good[:, :1])
    with pytest.raises(ValueError, match=r"rows: expected 0\.\.1, got 2"):
        env.rollout_from(snapshot, good, [0, 2])
    with pytest.raises(TypeError, match="row numbers, got bool"):
        env.rollout_from(snapshot, good, np.array([True, False]))
    with pytest.raises(ValueError, match=r"in 0\.\.1, got 5"):
        env.rollout_from(snapshot, good + 5)
    other = rollout.make_vec("Pendulum-v1", 2, num_threads=1)
    other.reset(seed=0)
    with pytest.raises(ValueError, match="Pendulum"):
        env.rollout_from(other.snapshot(), good)


def test_a_sequence_against_the_rules_is_refused():
    env = rollout.make_vec("TicTacToe-v0", 1, num_threads=1)
    env.reset(seed=0)
    twice = np.array([[0, 0], [1, 0]])
    with pytest.raises(ValueError, match="sequence 1 holds an action that is against the rules"):
        env.rollout_from(env.snapshot(), twice, [0, 0])
