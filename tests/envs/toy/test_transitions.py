"""Tables as arrays: gymnasium's P, and what can be planned with them."""

import gymnasium
import numpy as np
import pytest

from rollout.envs import Transitions, make_vec, transitions

TABLES = [
    ("FrozenLake-v1", {}),
    ("FrozenLake-v1", {"is_slippery": False}),
    ("FrozenLake-v1", {"desc": ["SHF", "FFG"], "success_rate": 0.7, "reward_schedule": (5, -1, 2)}),
    ("FrozenLake8x8-v1", {}),
    ("CliffWalking-v1", {}),
    ("CliffWalkingSlippery-v1", {}),
    ("Taxi-v4", {}),
    ("Taxi-v4", {"is_rainy": True}),
]


@pytest.mark.parametrize(("id", "kwargs"), TABLES, ids=str)
def test_tables_equal_gymnasiums(id: str, kwargs: dict) -> None:
    theirs = gymnasium.make(id, **kwargs).unwrapped
    table = transitions(id, **kwargs)
    for s, actions in theirs.P.items():
        for a, outcomes in actions.items():
            k = len(outcomes)
            prob, state, reward, terminated = zip(*outcomes, strict=True)
            assert table.prob[s, a, :k].tolist() == list(prob)
            assert table.next_state[s, a, :k].tolist() == list(state)
            assert table.reward[s, a, :k].tolist() == list(reward)
            assert table.terminated[s, a, :k].tolist() == list(terminated)
            assert not table.prob[s, a, k:].any()
    assert len(table.prob) == len(theirs.P)
    assert np.array_equal(table.start, theirs.initial_state_distrib)


def values(table: Transitions, discount: float) -> np.ndarray:
    """Q-values [S, A] by value iteration."""
    q = np.zeros(table.prob.shape[:2])
    for _ in range(10_000):
        future = np.where(table.terminated, 0.0, q.max(axis=1)[table.next_state])
        new = (table.prob * (table.reward + discount * future)).sum(axis=2)
        if np.abs(new - q).max() < 1e-12:
            return new
        q = new
    raise AssertionError("value iteration has not settled")


def test_planning_with_a_table_foretells_what_playing_earns() -> None:
    """The mean return of the greedy policy, from the exact one of its table."""
    discount = 0.99
    table = transitions("FrozenLake-v1")
    q = values(table, discount)
    expected = float(table.start @ q.max(axis=1))

    rows = 4000
    env = make_vec("FrozenLake-v1", rows, autoreset_mode="disabled", max_episode_steps=0)
    obs, _ = env.reset(seed=0)
    returns, alive = np.zeros(rows), np.ones(rows, bool)
    snapshot = env.snapshot()
    for step in range(2000):
        after = env.step_from(snapshot, q.argmax(axis=1)[obs])
        returns += discount**step * after.reward
        snapshot, obs = after.snapshot, after.obs
        alive &= ~after.terminated
        if not alive.any():
            break
    assert not alive.any()
    error = returns.std() / np.sqrt(rows)
    assert abs(returns.mean() - expected) < 4 * error
    assert 0.4 < expected < 0.7


def test_the_shortest_taxi_rides_are_found() -> None:
    q = values(transitions("Taxi-v4"), 1 - 1e-9)
    # beside the passenger's stop and then along the column: 1 pick up, 4 moves, 1 drop off
    state = ((0 * 5 + 0) * 5 + 0) * 4 + 2
    assert q[state].max() == pytest.approx(-1 - 4 + 20, abs=1e-6)


def test_environments_without_a_table_say_so() -> None:
    with pytest.raises(TypeError, match=r"Blackjack-v1 is not written as a table"):
        transitions("Blackjack-v1")
    with pytest.raises(TypeError, match="unexpected keyword 'slippery'"):
        transitions("FrozenLake-v1", slippery=True)
