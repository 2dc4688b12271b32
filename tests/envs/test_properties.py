"""Properties that hold for any environment, any rows and any length of play."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from random_play import actions_for, chances, leaves

from rollout.envs import Snapshot, VectorEnv, make_vec

ROWS = 6
IDS = ["CartPole-v1", "Kitchen-v0", "Nim-v0"]
rows_strategy = st.lists(st.integers(0, ROWS - 1), unique=True)
relaxed = settings(deadline=None, max_examples=25)


def played(id: str, steps: int, seed: int, **kwargs: object) -> VectorEnv:
    env = make_vec(id, ROWS, num_threads=1, max_episode_steps=9, **kwargs)
    env.reset(seed=seed)
    go_on(env, steps, seed)
    return env


def go_on(env: VectorEnv, steps: int, seed: int) -> list[np.ndarray]:
    seen = []
    for chance in chances(env, steps, seed):
        seen += leaves(env.step(actions_for(env, chance, env.view().action_mask))[:4])
    return seen


def equal(a: list[np.ndarray], b: list[np.ndarray]) -> bool:
    return all(np.array_equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("id", IDS)
@relaxed
@given(st.integers(0, 30), st.integers(0, 30), st.integers(1, 4), st.integers(0, 2**64 - 10))
def test_restoring_is_going_back(id: str, early: int, late: int, frames: int, seed: int) -> None:
    env = played(id, early, seed, frame_stack=frames)
    snapshot = Snapshot.from_bytes(env.snapshot().to_bytes())
    first = go_on(env, late, 1)
    end = env.snapshot()
    env.restore(snapshot)
    assert env.snapshot() == snapshot
    assert equal(go_on(env, late, 1), first)
    assert env.snapshot() == end


@pytest.mark.parametrize("id", IDS)
@relaxed
@given(st.integers(0, 20), st.integers(0, ROWS - 1), st.integers(1, 20))
def test_clones_are_independent(id: str, steps: int, row: int, more: int) -> None:
    """What one copy of a world does touches no other, and a copy alone does the same."""
    env = played(id, steps, 3)
    one = env.snapshot([row])
    env.restore(Snapshot.concatenate([one] * ROWS))
    other = make_vec(id, ROWS, num_threads=1, max_episode_steps=9)
    other.restore(env.snapshot())
    go_on(env, more, 5)
    assert other.snapshot() == Snapshot.concatenate([one] * ROWS)
    alone = make_vec(id, 1, num_threads=1, max_episode_steps=9)
    alone.restore(one)
    for chance in chances(env, more, 5):
        alone.step(actions_for(alone, chance[2:3], alone.view().action_mask))
    assert alone.snapshot() == env.snapshot([2])


@pytest.mark.parametrize("id", IDS)
@relaxed
@given(rows_strategy.filter(bool), st.integers(0, 20), st.booleans())
def test_a_masked_reset_touches_no_other_row(
    id: str, rows: list[int], steps: int, seeded: bool
) -> None:
    env = played(id, steps, 4)
    mask = np.isin(np.arange(ROWS), rows)
    before, seen = env.snapshot(), leaves(env.observe())
    obs, _ = env.reset(seed=77 if seeded else None, options={"reset_mask": mask})
    after = env.snapshot()
    for row in range(ROWS):
        assert (after[row] == before[row]) != mask[row]
    assert equal([part[~mask] for part in leaves(obs)], [part[~mask] for part in seen])
    if seeded:
        fresh = make_vec(id, ROWS, num_threads=1, max_episode_steps=9)
        fresh.reset(seed=77)
        assert fresh.snapshot()[mask] == after[mask]
