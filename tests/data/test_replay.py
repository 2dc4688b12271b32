"""The replay and its targets, beside a twin that walks lists of episodes one step at a time."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest

from rollout.data import Replay

ACTIONS, EVENTS = 3, (2, 4)


@dataclass
class Step:
    """What the twin knows of one entry: its episode, and what happened in it."""

    episode: int
    obs: float
    action: int
    reward: float
    events: np.ndarray
    value: float
    terminated: bool
    closed: bool


def fill(
    rows: int, capacity: int, steps: int, seed: int, end_chance: float = 0.15
) -> tuple[Replay, list[list[Step]]]:
    """Play random episodes into a replay and into lists; both ends can fall in one step."""
    rng = np.random.default_rng(seed)
    replay = Replay(
        rows,
        capacity,
        obs_shape=(2,),
        obs_dtype=np.float32,
        num_actions=ACTIONS,
        event_shape=EVENTS,
    )
    logs: list[list[Step]] = [[] for _ in range(rows)]
    ended = np.zeros(rows, bool)
    episode = np.zeros(rows, int)
    for t in range(steps):
        obs = np.stack([np.arange(rows), np.full(rows, t)], axis=1)
        action = rng.integers(0, ACTIONS, rows)
        reward = rng.normal(size=rows)
        terminated = rng.random(rows) < end_chance
        truncated = rng.random(rows) < end_chance
        # a closed step's outcome is the reset's: the replay must not let it in
        terminated[ended], truncated[ended] = False, False
        events = rng.integers(0, 3, (rows, *EVENTS))
        policy = rng.dirichlet(np.ones(ACTIONS), rows)
        value = rng.normal(size=rows)
        replay.append(
            obs, action, reward, terminated, truncated, policy=policy, value=value, events=events
        )
        for i in range(rows):
            logs[i].append(
                Step(
                    episode[i],
                    float(t),
                    action[i],
                    float(np.float32(reward[i])),
                    events[i],
                    float(np.float32(value[i])),
                    bool(terminated[i]),
                    bool(ended[i]),
                )
            )
        episode += ended
        ended = terminated | truncated
    return replay, logs


def twin(
    log: list[Step], start: int, unroll: int, n: int, discount: float
) -> list[tuple[float, np.ndarray, bool, bool]]:
    """Value target, event target, whether it counts and whether it is absorbed, state by state."""
    out = []
    k_end = start
    while not log[k_end].closed and k_end + 1 < len(log):
        k_end += 1
    terminal = log[k_end].closed and log[k_end - 1].terminated
    for k in range(start, start + unroll + 1):
        value, events = 0.0, np.zeros(EVENTS)
        t = k
        while t < min(k_end, k + n):
            value += discount ** (t - k) * log[t].reward
            events = events + discount ** (t - k) * log[t].events
            t += 1
        if k <= k_end and not (terminal and t == k_end):
            value += discount ** (t - k) * log[t].value
        out.append((value, events, k < k_end + (not terminal), terminal and k >= k_end))
    return out


@pytest.mark.parametrize(("unroll", "n"), [(5, 7), (1, 1), (3, 12), (4, 0)])
@pytest.mark.parametrize("capacity", [17, 400])
def test_targets_equal_the_walk_over_episodes(unroll: int, n: int, capacity: int) -> None:
    discount, steps = 0.9, 60
    replay, logs = fill(4, capacity, steps, seed=unroll)
    segments = replay.sample(300, unroll, n, np.random.default_rng(1))
    where, weight = segments.bootstrap(discount)
    rows = np.broadcast_to(segments.rows[:, None], where.shape)
    value = segments.returns(discount) + weight * replay.values(rows, where)
    events = segments.event_returns(discount)
    ends = set()
    for b in range(300):
        log, start = logs[segments.rows[b]], int(segments.start[b])
        assert not log[start].closed
        wanted = twin(log, start, unroll, n, discount)
        for k, (twin_value, twin_events, counts, absorbed) in enumerate(wanted):
            # past the end of a truncated episode nothing is known: only the mask speaks
            assert segments.state_mask[b, k] == counts
            assert segments.absorbed[b, k] == absorbed
            if counts or absorbed:
                np.testing.assert_allclose(value[b, k], twin_value, atol=1e-5)
                np.testing.assert_allclose(events[b, k], twin_events, atol=1e-4)
        for k in range(unroll):
            real = start + k + 1 < len(log) and segments.length[b] > k
            assert segments.step_mask[b, k] == real
            if real:
                entry = log[start + k]
                assert not entry.closed
                assert entry.episode == log[start].episode
                assert segments.obs[b, k].tolist() == [segments.rows[b], start + k]
                assert segments.obs[b, k + 1].tolist() == [segments.rows[b], start + k + 1]
                assert segments.action[b, k] == entry.action
                assert segments.reward[b, k] == np.float32(entry.reward)
                assert segments.cont[b, k] == 1.0 - entry.terminated
            else:
                assert segments.reward[b, k] == 0
                assert not segments.events[b, k].any()
        ends.add((bool(segments.terminated[b]), int(segments.length[b]) <= unroll))
    # the draw met terminated and other windows, long and (where they can be) short ones
    assert {terminated for terminated, _ in ends} == {True, False}


def test_truncation_bootstraps_and_termination_does_not() -> None:
    replay = Replay(2, 10, obs_shape=(), obs_dtype=np.float32, num_actions=2)
    half = np.full((2, 2), 0.5)
    for t in range(5):
        end = np.array([t == 2, False]), np.array([False, t == 2])
        replay.append([t, t], [1, 1], [1.0, 1.0], *end, policy=half, value=[10.0 + t] * 2)
    segments = replay.sample(50, 2, 2, np.random.default_rng(0))
    where, weight = segments.bootstrap(0.5)
    rows = np.broadcast_to(segments.rows[:, None], where.shape)
    value = segments.returns(0.5) + weight * replay.values(rows, where)
    for b in np.flatnonzero(segments.start == 1):
        # steps 1 and 2 pay 1 each; the final observation of step 3 is worth 13 if truncated
        tail = 0.0 if segments.rows[b] == 0 else 0.25 * 13.0
        assert value[b, 0] == 1.5 + tail
        assert segments.cont[b].tolist() == ([1.0, 0.0] if segments.rows[b] == 0 else [1.0, 1.0])
    assert (segments.start == 1).any()


def test_both_ends_at_once_count_as_terminated() -> None:
    replay = Replay(1, 8, obs_shape=(), obs_dtype=np.float32, num_actions=1)
    for t in range(4):
        replay.append([t], [0], [1.0], [t == 1], [t == 1], policy=[[1.0]], value=[9.0])
    segments = replay.sample(20, 1, 3, np.random.default_rng(0))
    assert segments.terminated[segments.start < 2].all()
    assert (segments.bootstrap(1.0)[1][segments.start < 2] == 0).all()


def test_sampling_covers_every_open_step_evenly() -> None:
    replay, logs = fill(3, 20, 50, seed=5)
    unroll = 4
    open_steps = {
        (row, step)
        for row in range(3)
        for step in range(replay.oldest, replay.count - unroll)
        if not logs[row][step].closed
    }
    segments = replay.sample(4000, unroll, 3, np.random.default_rng(0))
    drawn, counts = np.unique(np.stack([segments.rows, segments.start]), axis=1, return_counts=True)
    assert {(int(r), int(s)) for r, s in drawn.T} == open_steps
    expected = 4000 / len(open_steps)
    assert np.abs(counts - expected).max() < 5 * np.sqrt(expected)


def test_state_restores_bit_for_bit_and_goes_on_alike() -> None:
    for steps in (7, 31):
        first, _ = fill(3, 12, steps, seed=steps)
        second = Replay(
            3, 12, obs_shape=(2,), obs_dtype=np.float32, num_actions=ACTIONS, event_shape=EVENTS
        )
        second.load_state(first.state())
        for replay in (first, second):
            rng = np.random.default_rng(3)
            for _ in range(9):
                replay.append(
                    rng.normal(size=(3, 2)),
                    [0, 1, 2],
                    rng.normal(size=3),
                    rng.random(3) < 0.2,
                    [False] * 3,
                    policy=rng.random((3, ACTIONS)),
                    value=rng.normal(size=3),
                )
        one = first.sample(40, 3, 4, np.random.default_rng(9))
        two = second.sample(40, 3, 4, np.random.default_rng(9))
        for name in one.__slots__:
            np.testing.assert_array_equal(getattr(one, name), getattr(two, name), strict=True)


def test_refresh_replaces_policy_and_value() -> None:
    replay, _ = fill(2, 30, 12, seed=0)
    rows, steps = np.array([0, 1]), np.array([4, 9])
    policy = np.array([[1, 0, 0], [0, 0, 1]], np.float32)
    replay.refresh(rows, steps, policy, np.array([7.0, 8.0], np.float32))
    assert replay.values(rows, steps).tolist() == [7.0, 8.0]
    segments = replay.sample(200, 1, 1, np.random.default_rng(0))
    hit = (segments.rows == 0) & (segments.start == 4)
    assert hit.any()
    assert (segments.policy[hit, 0] == policy[0]).all()


def test_errors_name_the_argument() -> None:
    replay, _ = fill(2, 6, 3, seed=0)
    with pytest.raises(ValueError, match=r"unroll=5 steps a row before sampling, got 3"):
        replay.sample(4, 5, 1, np.random.default_rng(0))
    with pytest.raises(ValueError, match=r"reward: expected shape \[2\], got \[3\]"):
        replay.append(
            np.zeros((2, 2)),
            [0, 0],
            [0, 0, 0],
            [False] * 2,
            [False] * 2,
            policy=np.zeros((2, ACTIONS)),
            value=[0, 0],
        )
    with pytest.raises(ValueError, match=r"step numbers in \[0, 3\), got \[5, 5\]"):
        replay.values(np.array([0]), np.array([5]))
    other = Replay(2, 6, obs_shape=(3,), obs_dtype=np.float32, num_actions=ACTIONS)
    with pytest.raises(ValueError, match=r"state\['obs'\]: expected \[2, 3, 3\]"):
        other.load_state(replay.state())
    with pytest.raises(ValueError, match="at least 1 row"):
        Replay(0, 5, obs_shape=(), obs_dtype=np.float32, num_actions=1)
