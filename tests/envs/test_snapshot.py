"""Snapshots: values that pickle, branch, and refuse to go where they do not belong."""

import copy
import pickle
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_play import actions_for, chances

from rollout.envs import Snapshot, VectorEnv, list_envs, make_vec

ROWS = 9


def played(id: str = "CartPole-v1", steps: int = 12, **kwargs: object) -> VectorEnv:
    env = make_vec(id, ROWS, num_threads=1, **kwargs)
    env.reset(seed=3)
    wander(env, steps)
    return env


def wander(env: VectorEnv, steps: int = 1) -> None:
    for chance in chances(env, steps):
        env.step(actions_for(env, chance, env.view().action_mask))


@pytest.mark.parametrize("id", list_envs())
def test_copies_are_the_same_worlds(id: str) -> None:
    env = played(id)
    snapshot = env.snapshot()
    assert len(snapshot) == ROWS
    for other in (
        pickle.loads(pickle.dumps(snapshot)),
        copy.deepcopy(snapshot),
        Snapshot.from_bytes(snapshot.to_bytes()),
        snapshot[:],
        Snapshot.concatenate([snapshot[:4], snapshot[4:]]),
    ):
        assert other == snapshot
        assert other.data is not snapshot.data
    env.restore(snapshot)
    assert env.snapshot() == snapshot
    wander(env)
    assert env.snapshot() != snapshot


@settings(deadline=None, max_examples=50)
@given(st.lists(st.integers(0, ROWS - 1), unique=True), st.integers(1, 15))
def test_restoring_rows_touches_just_those(rows: list[int], steps: int) -> None:
    env = played()
    early = env.snapshot()
    wander(env, steps)
    late = env.snapshot()
    env.restore(early[rows], rows)
    now = env.snapshot()
    for row in range(ROWS):
        assert now[row] == (early if row in rows else late)[row]


def test_rows_are_taken_by_number_mask_and_slice() -> None:
    env = played()
    every = env.snapshot()
    mask = np.arange(ROWS) % 2 == 0
    assert env.snapshot([5, 1]) == every[[5, 1]]
    assert env.snapshot(mask) == every[mask] == every[::2]
    assert every[-1] == every[8]
    assert len(env.snapshot([])) == len(every[[]]) == 0
    assert len(env.step_from(every[[]], np.empty(0, np.int64)).obs) == 0


def test_an_env_that_was_never_reset_takes_a_snapshot() -> None:
    fresh = make_vec("CartPole-v1", ROWS)
    fresh.restore(played().snapshot())
    fresh.step(np.zeros(ROWS, np.int64))


def test_a_world_that_ended_stays_as_it_is() -> None:
    env = make_vec("CartPole-v1", 4, autoreset_mode="disabled", max_episode_steps=3)
    env.reset(seed=0)
    for _ in range(3):
        env.step(np.ones(4, np.int64))
    ended = env.snapshot()
    out = env.step_from(ended, np.ones(4, np.int64))
    assert out.snapshot == ended
    assert out.truncated.all()
    assert (out.reward == 0).all()
    assert np.array_equal(out.obs, env.observe(ended))


def test_defaults_spelled_out_are_the_same_environment() -> None:
    env = make_vec("CartPole-v1", ROWS, max_episode_steps=500, autoreset_mode="same_step")
    env.restore(played().snapshot())


def test_the_wrong_environment_is_refused() -> None:
    snapshot = played().snapshot()
    other = make_vec("CartPole-v1", ROWS, max_episode_steps=7)
    with pytest.raises(ValueError, match="other keywords"):
        other.restore(snapshot)
    with pytest.raises(ValueError, match="other keywords"):
        other.step_from(snapshot, np.zeros(ROWS, np.int64))
    with pytest.raises(ValueError, match="other keywords"):
        other.observe(snapshot)
    other.reset(seed=0)
    with pytest.raises(ValueError, match="other keywords"):
        Snapshot.concatenate([snapshot, other.snapshot()])
    foreign = replace(snapshot, env_id="Pong-v0")
    with pytest.raises(ValueError, match="expected one of CartPole-v1, got one of Pong-v0"):
        played().restore(foreign)


def test_rows_that_do_not_fit_are_refused() -> None:
    env = played()
    snapshot = env.snapshot()
    with pytest.raises(ValueError, match="expected 9, one for each row of the snapshot, got 2"):
        env.restore(snapshot, [1, 2])
    with pytest.raises(ValueError, match="each row once"):
        env.restore(snapshot[[0, 1]], [3, 3])
    for rows in ([9], [-1]):
        with pytest.raises(ValueError, match=r"expected 0\.\.8"):
            env.snapshot(rows)
    with pytest.raises(TypeError, match="list of row numbers"):
        env.snapshot([0.5])
    with pytest.raises(IndexError):
        env.step_from(snapshot, np.zeros(1, np.int64), rows=[9])
    with pytest.raises(ValueError, match="at least one"):
        Snapshot.concatenate([])


def test_data_of_another_shape_is_refused() -> None:
    snapshot = played().snapshot()
    for data in (snapshot.data[:, :-1], snapshot.data[0], snapshot.data.astype(np.int64)):
        with pytest.raises(ValueError, match=r"snapshot\.data: expected \[R, \d+\] uint8"):
            played().restore(replace(snapshot, data=data))


def test_damaged_bytes_are_refused() -> None:
    blob = played().snapshot().to_bytes()
    for at in range(0, len(blob), 7):
        damaged = bytearray(blob)
        damaged[at] ^= 0x10
        with pytest.raises(ValueError, match="snapshot"):
            Snapshot.from_bytes(bytes(damaged))
    for end in (0, 5, 40, len(blob) - 1):
        with pytest.raises(ValueError, match="snapshot"):
            Snapshot.from_bytes(blob[:end])
    newer = blob.replace(b"rollout snapshot 1", b"rollout snapshot 9", 1)
    with pytest.raises(ValueError, match="expected version 1, got b'9'"):
        Snapshot.from_bytes(newer)
