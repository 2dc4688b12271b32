"""The vector env at its edge: who owns arrays, seeds, partial resets, and every refusal."""

import gymnasium
import numpy as np
import pytest
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.vector import AutoresetMode
from random_play import actions, chances

import rollout
from rollout.envs import list_envs, make_vec, spec

ZEROS = np.zeros(4, np.int64)


def cartpoles(**kwargs: object) -> rollout.envs.VectorEnv:
    env = make_vec("CartPole-v1", 4, **kwargs)
    env.reset(seed=0)
    return env


def test_it_is_a_gymnasium_vector_env() -> None:
    for mode in AutoresetMode:
        for name in (mode, mode.value):
            env = make_vec("CartPole-v1", 2, autoreset_mode=name)
            assert isinstance(env, gymnasium.vector.VectorEnv)
            assert env.metadata["autoreset_mode"] is mode
    env.reset(seed=5)
    assert env.np_random_seed == (5, 6)
    assert repr(env) == "VectorEnv(CartPole-v1, num_envs=2)"


@pytest.mark.filterwarnings("ignore:.*is out of date")  # an older version is there to be compared
@pytest.mark.parametrize("id", list_envs())
def test_gymnasium_makes_it_by_name(id: str) -> None:
    env = gymnasium.make_vec(f"rollout/{id}", num_envs=3, autoreset_mode="same_step", num_threads=1)
    obs, infos = env.reset(seed=1)
    assert env.observation_space.contains(obs)
    assert {name for name in infos if name[0] != "_"} <= {"action_mask", "to_play"}
    chance = chances(env, 1)[0]
    obs, reward, terminated, truncated, _ = env.step(actions(env, chance, infos))
    assert env.observation_space.contains(obs)
    assert (reward.dtype, reward.shape) == (np.float64, (3,))
    assert (terminated.dtype, truncated.dtype) == (np.bool_, np.bool_)
    assert spec(id).observation_space == env.single_observation_space
    env.close()


def test_wrappers_of_gymnasium_work() -> None:
    env = gymnasium.wrappers.vector.RecordEpisodeStatistics(
        make_vec("CartPole-v1", 4, autoreset_mode="same_step", max_episode_steps=9)
    )
    env.reset(seed=0)
    lengths = []
    for _ in range(30):
        infos = env.step(env.action_space.sample())[4]
        if "episode" in infos:
            lengths += infos["episode"]["l"][infos["_episode"]].tolist()
    assert 9 in lengths


def test_returned_arrays_are_the_callers() -> None:
    env = cartpoles()
    first = env.step(ZEROS)
    kept = [np.copy(part) for part in first[:4]]
    second = env.step(ZEROS)
    for part, copy, other in zip(first, kept, second[:4], strict=False):
        assert np.array_equal(part, copy)
        assert not np.shares_memory(part, other)
    first[0][:] = 7.0  # a caller may scribble: the env keeps nothing there
    assert np.array_equal(second[0], env.observe(env.snapshot()))


def test_without_copy_the_same_arrays_come_back() -> None:
    env, other = cartpoles(copy=False), cartpoles()
    for _ in range(60):
        views, copies = env.step(ZEROS), other.step(ZEROS)
        for view, copy in zip(views[:4], copies[:4], strict=True):
            assert np.array_equal(view, copy)
    again = env.step(ZEROS)
    assert all(a is b for a, b in zip(views[:4], again[:4], strict=True))


def test_actions_are_not_kept_or_changed() -> None:
    env, other = cartpoles(), cartpoles()
    actions = np.array([0, 1, 0, 1])
    env.step(actions)
    assert actions.tolist() == [0, 1, 0, 1]
    for same in (actions.astype(np.uint8), actions.tolist(), np.repeat(actions, 2)[::2]):
        before = other.snapshot()
        other.step(same)
        assert other.snapshot() == env.snapshot()
        other.restore(before)


def test_row_i_is_seeded_s_plus_i() -> None:
    obs, _ = make_vec("CartPole-v1", 5).reset(seed=100)
    for row in range(5):
        alone, _ = make_vec("CartPole-v1", 1).reset(seed=100 + row)
        assert np.array_equal(alone[0], obs[row])
    largest = make_vec("CartPole-v1", 2)
    largest.reset(seed=2**64 - 2)
    assert largest.np_random_seed == (2**64 - 2, 2**64 - 1)


def test_without_a_seed_rows_differ_and_runs_differ() -> None:
    obs = [make_vec("CartPole-v1", 3).reset()[0] for _ in range(2)]
    assert len(np.unique(np.concatenate(obs), axis=0)) == 6


def test_a_partial_reset_touches_no_other_row() -> None:
    env = cartpoles()
    for _ in range(5):
        last = env.step(ZEROS)[0]
    before = env.snapshot()
    mask = np.array([False, True, False, True])
    options = {"reset_mask": mask}
    obs, infos = env.reset(options=options)
    after = env.snapshot()
    assert infos == {}
    assert options == {"reset_mask": mask}
    for row in range(4):
        assert (after[row] == before[row]) == (not mask[row])
        assert np.array_equal(obs[row], last[row]) == (not mask[row])
    env.reset(seed=[9, 9, None, 9], options={"reset_mask": mask})
    assert env.np_random_seed == (0, 9, 2, 9)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        ({"reset_mask": [True] * 4}, TypeError, "bool NumPy array, got <class 'list'>"),
        ({"reset_mask": np.ones(4)}, TypeError, "bool NumPy array, got float64"),
        ({"reset_mask": np.ones(3, bool)}, ValueError, r"shape \[n=4\], got \[3\]"),
        ({"reset_mask": np.zeros(4, bool)}, ValueError, "at least one True"),
        ({"speed": 2}, ValueError, r"only 'reset_mask' and 'params' are known, got \['speed'\]"),
    ],
)
def test_bad_reset_options(options: dict, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        cartpoles().reset(options=options)


@pytest.mark.parametrize(
    ("seed", "error", "words"),
    [
        (-1, ValueError, "seed: expected 0"),
        (2**64, ValueError, "seed: expected 0"),
        (2**64 - 1, ValueError, "seed: expected 0"),  # the last row's would not fit
        (True, TypeError, "expected an integer"),
        ([1, 2], ValueError, "expected 4 of them, got 2"),
        ([1, 2, 3, -4], ValueError, r"seed\[3\]: expected 0"),
        ([1, 2, 3, "4"], TypeError, r"seed\[3\]: expected an integer"),
        (1.5, TypeError, "seed: expected an integer, a list"),
    ],
)
def test_bad_seeds(seed: object, error: type[Exception], words: str) -> None:
    env = cartpoles()
    before = env.snapshot()
    with pytest.raises(error, match=words):
        env.reset(seed=seed)
    assert env.snapshot() == before


@pytest.mark.parametrize(
    ("actions", "error", "words"),
    [
        (np.zeros(3, np.int64), ValueError, r"expected \[4\] int64, got \[3\] int64"),
        (np.zeros((4, 1), np.int64), ValueError, r"got \[4, 1\] int64"),
        (np.int64(0), ValueError, r"got \[\] int64"),
        (np.zeros(4), TypeError, r"got \[4\] float64; convert with actions.astype"),
        (np.zeros(4, bool), TypeError, r"got \[4\] bool"),
        (["a", "b", "c", "d"], TypeError, r"got \[4\] <U1"),
        ([[0], [0, 1], [0], [0]], TypeError, "is no array"),
        (None, TypeError, "expected"),
        (np.array([0, 1, 2, 0]), ValueError, r"in 0\.\.1, got 2 in row 2"),
        (np.array([0, 1, 1, -1]), ValueError, r"in 0\.\.1, got -1 in row 3"),
    ],
)
def test_bad_actions(actions: object, error: type[Exception], words: str) -> None:
    env = cartpoles()
    before = env.snapshot()
    with pytest.raises(error, match="actions: .*" + words):
        env.step(actions)
    assert env.snapshot() == before
    with pytest.raises(error, match="actions: .*" + words):
        env.step_from(before, actions)


def test_a_step_before_the_first_reset() -> None:
    env = make_vec("CartPole-v1", 4)
    for use in (lambda: env.step(ZEROS), env.snapshot, lambda: env.get_attr("state")):
        with pytest.raises(ResetNeeded, match="row 0 has no episode yet"):
            use()
    env.reset(options={"reset_mask": np.array([True, True, False, True])})
    with pytest.raises(ResetNeeded, match="row 2 has no episode yet"):
        env.step(ZEROS)


def test_a_finished_row_without_autoreset() -> None:
    env = cartpoles(autoreset_mode="disabled", max_episode_steps=2)
    env.step(ZEROS)
    env.step(ZEROS)
    with pytest.raises(ResetNeeded, match="row 0 has ended and autoreset is disabled"):
        env.step(ZEROS)
    env.reset(options={"reset_mask": np.array([True, True, True, False])})
    with pytest.raises(ResetNeeded, match="row 3 has ended"):
        env.step(ZEROS)


def test_a_closed_env() -> None:
    env = cartpoles()
    snapshot = env.snapshot()
    env.close()
    env.close()
    for use in (
        lambda: env.step(ZEROS),
        lambda: env.reset(),
        lambda: env.snapshot(),
        lambda: env.restore(snapshot),
        lambda: env.step_from(snapshot, ZEROS),
    ):
        with pytest.raises(ClosedEnvironmentError, match="is closed; make another"):
            use()


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"num_envs": 0}, ValueError, "num_envs: expected an integer >= 1, got 0"),
        ({"num_envs": 2.0}, ValueError, "num_envs: expected an integer >= 1, got 2.0"),
        ({"num_envs": True}, ValueError, "num_envs"),
        ({"num_threads": 0}, ValueError, "num_threads: expected an integer >= 1"),
        ({"autoreset_mode": "later"}, ValueError, "expected one of next_step, same_step, disabled"),
        ({"max_episode_step": 5}, TypeError, "it takes .*did you mean 'max_episode_steps'"),
        ({"max_episode_steps": -1}, ValueError, "expected an integer >= 0, got -1"),
        ({"max_episode_steps": 2.5}, ValueError, "expected an integer >= 0, got 2.5"),
        ({"max_episode_steps": 2**70}, ValueError, "expected an integer"),
        ({"sutton_barto_reward": 1}, ValueError, "expected True or False, got 1"),
        ({"id": "cartpol"}, ValueError, "'cartpol'; did you mean CartPole-v1"),
        ({"id": "Kitchn-v0"}, ValueError, "did you mean Kitchen-v0"),
        ({"id": "zzz"}, ValueError, "known: CartPole-v1"),
    ],
)
def test_bad_making(kwargs: dict, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        rollout.make_vec(**{"id": "CartPole-v1", "num_envs": 1} | kwargs)


def test_states_come_out_and_go_in() -> None:
    env, other = cartpoles(), cartpoles()
    for _ in range(12):
        env.step(ZEROS)
    other.set_attr("state", env.get_attr("state"))
    assert other.get_attr("state") == env.get_attr("state")
    assert np.array_equal(other.step(ZEROS)[0], env.step(ZEROS)[0])
    one = env.get_attr("state")[2]
    env.set_attr("state", one)
    assert env.call("state") == (one,) * 4


def test_a_row_that_ended_lives_on_from_a_state() -> None:
    env = cartpoles(max_episode_steps=2)
    start = env.get_attr("state")
    env.step(ZEROS)
    assert env.step(ZEROS)[3].all()
    env.set_attr("state", start)
    assert (env.step(ZEROS)[1] == 1.0).all()  # a step, not a reset


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda state: state.pop("x"), "'x' is missing"),
        (lambda state: state.update(y=1.0), "unknown key 'y'"),
        (lambda state: state.update(x="far"), "x: expected a number in .* got 'far'"),
        (lambda state: state.update(theta=float("nan")), "theta: expected a number"),
        (lambda state: state.update(step=-1), "step: expected an integer >= 0"),
    ],
)
def test_a_state_that_does_not_fit_changes_nothing(change: object, words: str) -> None:
    env = cartpoles()
    states = env.get_attr("state")
    change(states[0])
    before = env.snapshot()
    with pytest.raises(ValueError, match="row 0: state: .*" + words):
        env.set_attr("state", states)
    assert env.snapshot() == before
    with pytest.raises(ValueError, match="expected 4 states, got 1"):
        env.set_attr("state", states[:1])
    with pytest.raises(AttributeError, match="only 'state'"):
        env.set_attr("gravity", 1.0)
    with pytest.raises(AttributeError, match="expected one of"):
        env.get_attr("gravity")
    with pytest.raises(TypeError, match="no methods"):
        env.call("state", 1)
