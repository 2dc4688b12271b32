"""A row's bytes depend on its seed and actions: not on threads, company, pauses or SIMD level."""

import os
from collections.abc import Iterator

import numpy as np
import pytest
from random_play import actions_for, chances

from rollout import _native
from rollout.envs import Snapshot, VectorEnv, list_envs, make_vec

ROWS, STEPS, SEED = 600, 40, 11  # more than two chunks of every environment
IDS = list_envs()


def leaves(value: object) -> list[np.ndarray]:
    """The arrays of an observation, of a dict or a tuple of them, in order of their names."""
    if isinstance(value, dict):
        return [value[name] for name in sorted(value)]
    return list(value) if isinstance(value, tuple) else [value]


def play(env: VectorEnv, tape: np.ndarray) -> list[bytes]:
    """What each row saw, as bytes a row; the tape is chances [steps, n, parts]."""
    logs: list[list[bytes]] = [[] for _ in range(env.num_envs)]
    mask = env.view().action_mask
    for chance in tape:
        step = env.step(actions_for(env, chance, mask))
        mask, infos = step[4].get("action_mask"), step[4]
        extras = [infos[key] for key in sorted(infos) if key[0] != "_" and "final" not in key]
        parts = [*leaves(step[0]), *step[1:4], *extras]
        for row, log in enumerate(logs):
            log.append(b"".join(np.ascontiguousarray(part[row]).tobytes() for part in parts))
    return [b"".join(log) for log in logs]


@pytest.fixture(scope="module", params=IDS)
def expected(request: pytest.FixtureRequest) -> tuple[str, np.ndarray, list[bytes], Snapshot]:
    """The id, a tape, what each row saw on one thread, and where it ended."""
    env = make_vec(request.param, ROWS, num_threads=1, events=True)
    env.reset(seed=SEED)
    tape = chances(env, STEPS)
    return request.param, tape, play(env, tape), env.snapshot()


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
def test_threads_and_pauses(
    threads: int, expected: tuple[str, np.ndarray, list[bytes], Snapshot]
) -> None:
    id, tape, seen, end = expected
    first = make_vec(id, ROWS, num_threads=threads, events=True)
    first.reset(seed=SEED)
    early = play(first, tape[:17])
    # go on in another env, through bytes
    second = make_vec(id, ROWS, num_threads=threads, events=True)
    second.restore(Snapshot.from_bytes(first.snapshot().to_bytes()))
    late = play(second, tape[17:])
    assert [a + b for a, b in zip(early, late, strict=True)] == seen
    assert second.snapshot() == end


def test_company(expected: tuple[str, np.ndarray, list[bytes], Snapshot]) -> None:
    id, tape, seen, end = expected
    for rows in ([0], [599], [7, 3, 412], list(range(100, 171))):
        env = make_vec(id, len(rows), num_threads=2, events=True)
        env.reset(seed=[SEED + row for row in rows])
        assert play(env, tape[:, rows]) == [seen[row] for row in rows]
        assert env.snapshot() == end[rows]


def test_simd_levels(expected: tuple[str, np.ndarray, list[bytes], Snapshot]) -> None:
    id, tape, seen, end = expected
    before = _native.simd_level()
    _native.set_simd_level("baseline")
    try:
        env = make_vec(id, ROWS, num_threads=2, events=True)
        env.reset(seed=SEED)
        assert play(env, tape) == seen
        assert env.snapshot() == end
    finally:
        _native.set_simd_level(before)


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
        # branch: one world, every action of its neighbours
        rows = np.random.default_rng(0).integers(0, ROWS, 50)
        branch = env.step_from(before, action[rows], rows=rows)
        assert branch.snapshot == after.snapshot[rows]
        ended = terminated | truncated
        if ended.any():
            env.reset(options={"reset_mask": ended})


@pytest.fixture
def forked() -> Iterator[VectorEnv]:
    env = make_vec("CartPole-v1", 2000, num_threads=3)
    yield env
    env.close()


@pytest.mark.timeout(60)
def test_an_env_steps_on_both_sides_of_a_fork(forked: VectorEnv) -> None:
    actions = np.random.default_rng(0).integers(0, 2, (30, 2000))
    forked.reset(seed=0)
    for action in actions[:10]:  # the workers are running at the fork
        forked.step(action)
    reader, writer = os.pipe()
    child = os.fork()
    if child == 0:
        for action in actions[10:]:
            forked.step(action)
        os.write(writer, forked.snapshot()[[0, 999, 1999]].to_bytes())
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    for action in actions[10:]:
        forked.step(action)
    with os.fdopen(reader, "rb") as pipe:
        os.close(writer)
        assert Snapshot.from_bytes(pipe.read()) == forked.snapshot([0, 999, 1999])
