"""send and recv: the same rows as step, in order or the first that are done, and every refusal."""

import gc
import pickle

import numpy as np
import pytest
from gymnasium.error import AlreadyPendingCallError, NoAsyncCallError, ResetNeeded
from random_play import actions_for, chances, leaves

from rollout.envs import VectorEnv, make_vec

ZEROS = np.zeros(6, np.int64)
MODES = ("next_step", "same_step")


def nims(**kwargs: object) -> VectorEnv:
    env = make_vec("Nim-v0", 6, **{"num_threads": 2, "events": True} | kwargs)
    env.reset(seed=0)
    return env


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("id", ["CartPole-v1", "Kitchen-v0", "Nim-v0"])
def test_all_rows_come_back_in_order(id: str, mode: str) -> None:
    kwargs = {"autoreset_mode": mode, "max_episode_steps": 5, "events": True}
    env, plain = make_vec(id, 40, num_threads=3, **kwargs), make_vec(id, 40, **kwargs)
    for one in (env, plain):
        one.reset(seed=8)
    for chance in chances(env, 25):
        actions = actions_for(env, chance, env.view().action_mask)
        env.send(actions)
        assert env.in_flight == 40
        ours, theirs = env.recv(), plain.step(actions)
        assert ours[4].pop("env_id").tolist() == list(range(40))
        assert ours[4].pop("_env_id").all()
        assert ours[4].keys() == theirs[4].keys()
        for a, b in zip(
            leaves((*ours[:4], ours[4])), leaves((*theirs[:4], theirs[4])), strict=True
        ):
            assert np.array_equal(a, b)
        if "final_obs" in theirs[4]:
            rows = np.flatnonzero(theirs[4]["_final_obs"])
            assert np.array_equal(ours[4]["_final_obs"], theirs[4]["_final_obs"])
            for row in rows:
                last = [leaves(each[4]["final_obs"][row]) for each in (ours, theirs)]
                assert all(np.array_equal(a, b) for a, b in zip(*last, strict=True))
    assert env.snapshot() == plain.snapshot()


def test_the_first_rows_come_back_with_their_numbers() -> None:
    env, plain = nims(batch_size=2), nims()
    plain.step(ZEROS)
    env.send(ZEROS)
    seen = []
    while env.in_flight:
        obs, reward, _, _, infos = env.recv()
        rows = infos["env_id"]
        assert len(rows) == len(reward) == len(infos["action_mask"]) == len(infos["events"]) == 2
        assert rows[0] < rows[1]
        assert np.array_equal(obs["tokens"], plain.observe()["tokens"][rows])
        seen += rows.tolist()
    assert sorted(seen) == list(range(6))
    assert env.snapshot() == plain.snapshot()


def test_what_was_received_is_the_callers() -> None:
    for batch_size in (2, 6):
        env = nims(batch_size=batch_size)
        env.send(ZEROS)
        first = env.recv()
        kept = first[0]["heap"].copy()
        env.send(ZEROS[:batch_size], first[4]["env_id"])
        env.recv()
        assert np.array_equal(first[0]["heap"], kept)


def test_fewer_than_a_batch_in_flight_come_back_alone() -> None:
    env = nims(batch_size=4)
    env.send([0, 1], env_id=[5, 2])
    assert env.in_flight == 2
    assert env.recv()[4]["env_id"].tolist() == [2, 5]
    states = env.get_attr("state")
    assert [state["step"] for state in states] == [0, 0, 1, 0, 0, 1]
    assert states[2]["first_heap"] - states[2]["heap"] == 2


def test_rows_in_flight_are_not_to_be_touched() -> None:
    env = nims(batch_size=3)
    snapshot = env.snapshot()
    env.send(ZEROS)
    for use in (
        lambda: env.step(ZEROS),
        lambda: env.reset(),
        lambda: env.snapshot(),
        lambda: env.restore(snapshot),
        lambda: env.view(),
        lambda: env.get_attr("state"),
        lambda: env.set_attr("state", {}),
        lambda: env.step_into(ZEROS, env.buffers()),
        lambda: pickle.dumps(env),
    ):
        with pytest.raises(AlreadyPendingCallError, match=r"6 of 6 rows are in flight; recv\(\)"):
            use()
    with pytest.raises(AlreadyPendingCallError, match="row 4 is in flight"):
        env.send([0], env_id=[4])
    env.step_from(snapshot, ZEROS)  # a snapshot is a value
    env.recv()
    env.recv()
    with pytest.raises(NoAsyncCallError, match=r"nothing is in flight; send\(\) actions first"):
        env.recv()
    env.step(ZEROS)


def test_what_send_refuses_it_does_not_send() -> None:
    env = nims()
    before = env.snapshot()
    heap = [state["heap"] for state in env.get_attr("state")]
    row = int(np.argmin(heap))
    env.set_attr(
        "state", [s | {"heap": 1} if k == row else s for k, s in enumerate(env.get_attr("state"))]
    )
    before = env.snapshot()
    for actions, rows, error, words in (
        ([0, 0], [1, 1], ValueError, "each row once, got row 1 twice"),
        ([0], [6], ValueError, r"rows: expected 0\.\.5, got 6"),
        ([0, 3], [1, 2], ValueError, r"in 0\.\.2, got 3 in row 1"),
        ([0], [1, 2], ValueError, r"expected \[2\] int64, got \[1\]"),
        ([0, 2], [5, row], ValueError, f"row {row} may not play 2"),
    ):
        with pytest.raises(error, match=words):
            env.send(actions, rows)
    assert env.in_flight == 0
    assert env.snapshot() == before
    with pytest.raises(ResetNeeded, match="no episode yet"):
        make_vec("Nim-v0", 2).send([0, 0])
    over = nims(autoreset_mode="disabled", heap=1)
    over.step(ZEROS)
    with pytest.raises(ResetNeeded, match="row 0 has ended"):
        over.send(ZEROS)


def test_an_env_goes_away_with_rows_in_flight() -> None:
    for _ in range(20):
        env = make_vec("Kitchen-v0", 500, num_threads=3)
        env.reset(seed=0)
        env.send(np.zeros((500, 2), int))
        del env
        gc.collect()
    closed = nims()
    closed.send(ZEROS)
    closed.close()


@pytest.mark.parametrize("batch_size", [0, 7, 2.0, True])
def test_bad_batch_sizes(batch_size: object) -> None:
    with pytest.raises(ValueError, match="batch_size: expected an integer"):
        nims(batch_size=batch_size)
