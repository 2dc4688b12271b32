"""A row's bytes depend on its seed and actions: not on threads, chunks, company, pauses."""

import itertools
import os
from collections.abc import Iterator

import numpy as np
import pytest
from random_play import RowHashes, actions_for, chances, leaves

from rollout import _native
from rollout.envs import Snapshot, VectorEnv, list_envs, make_vec

ROWS, STEPS, PAUSE, SEED = 90, 20, 7, 11
IDS = list_envs()
WAYS = ("sync", "async, all", "async, first")
# every way of running, for a family each; and for every environment those that tell the most
MATRIX = list(itertools.product([1, 2, 3, 8], [1, 5, 64], WAYS, [False, True]))
DIAGONAL = [
    (2, 1, "async, all", True),
    (3, 5, "async, first", False),
    (8, 64, "sync", True),
]
CASES = [(id, *how) for id in ("CartPole-v1", "Kitchen-v0", "Nim-v0") for how in MATRIX] + [
    (id, *how) for id in IDS for how in DIAGONAL
]

Expected = tuple[np.ndarray, np.ndarray, Snapshot]
expected_by_id: dict[str, Expected] = {}


@pytest.fixture(autouse=True)
def measured_threads() -> Iterator[None]:
    yield
    _native.force_threads(0)


def play(env: VectorEnv, tape: np.ndarray, hashes: RowHashes, way: str = "sync") -> None:
    """Step every row by its chances, [steps, n, parts], and take in what it saw."""
    mask = env.view().action_mask
    if way != "async, first":
        for chance in tape:
            actions = actions_for(env, chance, mask)
            if way == "sync":
                step = env.step(actions)
            else:
                env.send(actions)
                step = env.recv()
            mask = step[4].get("action_mask")
            hashes.add(step)
        return
    # each row at its own pace
    rows, done = np.arange(env.num_envs), np.zeros(env.num_envs, int)
    while True:
        going = rows[done[rows] < len(tape)]
        if len(going):
            known = None if mask is None else mask[done[rows] < len(tape)]
            env.send(actions_for(env, tape[done[going], going], known), going)
        if env.in_flight == 0:
            return
        step = env.recv()
        rows, mask = step[4]["env_id"], step[4].get("action_mask")
        hashes.add(step, rows)
        done[rows] += 1


def expected(id: str) -> Expected:
    """A tape, each row's hash on one thread, and where it ended."""
    if id not in expected_by_id:
        env = make_vec(id, ROWS, num_threads=1, events=True)
        env.reset(seed=SEED)
        tape, hashes = chances(env, STEPS), RowHashes(ROWS)
        play(env, tape, hashes)
        expected_by_id[id] = tape, hashes.values, env.snapshot()
    return expected_by_id[id]


@pytest.mark.parametrize(("id", "threads", "chunk", "way", "pause"), CASES)
def test_the_matrix(id: str, threads: int, chunk: int, way: str, pause: bool) -> None:
    tape, values, end = expected(id)
    _native.force_threads(chunk)
    how = {"num_threads": threads, "events": True}
    if way == "async, first":
        how["batch_size"] = 13
    env, hashes = make_vec(id, ROWS, **how), RowHashes(ROWS)
    env.reset(seed=SEED)
    if pause:  # go on in another env, through bytes
        play(env, tape[:PAUSE], hashes, way)
        kept = env.snapshot().to_bytes()
        env = make_vec(id, ROWS, **how)
        env.restore(Snapshot.from_bytes(kept))
        tape = tape[PAUSE:]
    play(env, tape, hashes, way)
    assert np.array_equal(hashes.values, values)
    assert env.snapshot() == end


@pytest.mark.parametrize("id", IDS)
def test_company(id: str) -> None:
    tape, values, end = expected(id)
    for rows in ([0], [89], [7, 3, 41], list(range(10, 81))):
        env, hashes = make_vec(id, len(rows), num_threads=2, events=True), RowHashes(len(rows))
        env.reset(seed=[SEED + row for row in rows])
        play(env, tape[:, rows], hashes)
        assert np.array_equal(hashes.values, values[rows])
        assert env.snapshot() == end[rows]


@pytest.mark.parametrize("id", IDS)
def test_simd_levels(id: str) -> None:
    tape, values, end = expected(id)
    before = _native.simd_level()
    _native.set_simd_level("baseline")
    try:
        env, hashes = make_vec(id, ROWS, num_threads=2, events=True), RowHashes(ROWS)
        env.reset(seed=SEED)
        play(env, tape, hashes)
        assert np.array_equal(hashes.values, values)
        assert env.snapshot() == end
    finally:
        _native.set_simd_level(before)


def test_the_hashes_tell_rows_and_steps_apart() -> None:
    _, values, _ = expected("CartPole-v1")
    assert len(set(values.tolist())) == ROWS
    env, hashes = make_vec("CartPole-v1", ROWS, num_threads=1, events=True), RowHashes(ROWS)
    env.reset(seed=SEED)
    tape = chances(env, STEPS)
    tape[-1, 5] = 1.0 - tape[-1, 5]  # one row, one action
    play(env, tape, hashes)
    assert np.flatnonzero(hashes.values != values).tolist() == [5]


@pytest.mark.parametrize("id", IDS)
def test_step_from_is_step(id: str) -> None:
    """Without autoreset, stepping a snapshot is stepping the env, and touches nothing else."""
    env = make_vec(id, ROWS, num_threads=2, autoreset_mode="disabled", events=True)
    env.reset(seed=SEED)
    for chance in chances(env, 8):
        action = actions_for(env, chance, env.view().action_mask)
        before = env.snapshot()
        kept = before.data.copy()
        after = env.step_from(before, action)
        assert env.snapshot() == before
        assert np.array_equal(before.data, kept)

        obs, reward, terminated, truncated, infos = env.step(action)
        assert after.snapshot == env.snapshot()
        for view in (after, env.view(after.snapshot), env.view()):
            for ours, theirs in zip(leaves(view.obs), leaves(obs), strict=True):
                assert np.array_equal(ours, theirs)
            for name in ("action_mask", "to_play"):
                assert np.array_equal(getattr(view, name), infos.get(name))
        assert np.array_equal(after.reward, reward)
        assert np.array_equal(after.terminated, terminated)
        assert np.array_equal(after.truncated, truncated)
        for name in after.signals:
            assert np.array_equal(after.signals[name], infos[name])
        if env.event_names:
            assert np.array_equal(after.events, infos["events"])
        # branch: one world, every action of its neighbours, where the rules let it
        if after.action_mask is None:
            rows = np.random.default_rng(0).integers(0, ROWS, 50)
            branch = env.step_from(before, action[rows], rows=rows)
            assert branch.snapshot == after.snapshot[rows]
        ended = terminated | truncated
        if ended.any():
            env.reset(options={"reset_mask": ended})


@pytest.fixture
def forked() -> Iterator[VectorEnv]:
    _native.force_threads(100)  # the workers are running at the fork
    env = make_vec("CartPole-v1", 2000, num_threads=3)
    yield env
    env.close()


@pytest.mark.timeout(60)
@pytest.mark.parametrize("way", ["sync", "async, all"])
def test_an_env_steps_on_both_sides_of_a_fork(forked: VectorEnv, way: str) -> None:
    tape = chances(forked, 30)
    forked.reset(seed=0)
    play(forked, tape[:10], RowHashes(2000), way)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        play(forked, tape[10:], RowHashes(2000), way)
        os.write(writer, forked.snapshot()[[0, 999, 1999]].to_bytes())
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    play(forked, tape[10:], RowHashes(2000), way)
    with os.fdopen(reader, "rb") as pipe:
        os.close(writer)
        assert Snapshot.from_bytes(pipe.read()) == forked.snapshot([0, 999, 1999])
