"""Environments in numba: the example beside its own functions in plain Python, and a small game."""

import pickle
import runpy
import threading
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from gymnasium.spaces import Box, Discrete, MultiDiscrete

import rollout
from rollout import _native
from rollout.envs import EnvError, check_vector_env, list_envs, make_vec, native, spec
from rollout.envs.plugins.native import KEY
from rollout.envs.plugins.random import below, uniform

EXAMPLE = Path(__file__).parents[3] / "examples" / "plugin_numba.py"
STATE = np.dtype([("count", np.int64), ("board", np.int8, (3,))], align=True)
BOX = Box(0.0, 100.0, (2,), np.float64)


@pytest.fixture(scope="module")
def ball() -> type[Any]:
    return runpy.run_path(str(EXAMPLE))["Ball"]


def key_at(seed: int, episode: int, step: int) -> Any:
    return np.array([(seed, episode, step)], KEY).view(np.recarray)[0]


def test_random_numbers_have_the_native_bits() -> None:
    for seed, episode, step, site in (
        (0, 0, 0, 0),
        (2**63 + 5, 7, 2**31, 3),
        (12, 1, 9, 2**32 - 1),
    ):
        key = key_at(seed, episode, step)
        want = _native.philox_doubles(seed, episode, step, site, 5)
        assert [uniform(key, site, number) for number in range(5)] == want.tolist()
        assert [below(key, site, 10, number) for number in range(5)] == (10 * want // 1).tolist()


def test_pictures_are_refused(ball: type[Any]) -> None:
    assert not make_vec("Ball-v0", 1).has_pictures
    with pytest.raises(ValueError, match="render_obs: Ball-v0 cannot draw itself"):
        make_vec("Ball-v0", 1, render_obs=True)
    with pytest.raises(ValueError, match="render_mode: Ball-v0 cannot draw itself"):
        make_vec("Ball-v0", 1, render_mode="rgb_array")


def test_the_example_plays_like_plain_python(ball: type[Any]) -> None:
    assert len(EXAMPLE.read_text().splitlines()) < 60
    env = make_vec("Ball-v0", 3, wind=0.4, events=True, max_episode_steps=25, num_threads=1)
    params = SimpleNamespace(wind=0.4)
    worlds = [SimpleNamespace() for _ in range(3)]
    at = [[5 + row, 0, 0] for row in range(3)]
    ended = [False] * 3

    def look(world: Any) -> list[float]:
        obs = np.zeros(2, np.float32)
        ball.observe(world, obs)
        return obs.tolist()

    obs, _ = env.reset(seed=5)
    for row, world in enumerate(worlds):
        ball.reset(world, key_at(*at[row]))
        assert obs[row].tolist() == look(world)
    actions = np.random.default_rng(0).integers(0, 3, (80, 3))
    seen = 0
    for chosen in actions:
        obs, reward, terminated, truncated, infos = env.step(chosen)
        for row, world in enumerate(worlds):
            got = [reward[row], terminated[row], truncated[row], infos["events"][row, 0]]
            if ended[row]:
                at[row] = [at[row][0], at[row][1] + 1, 0]
                ball.reset(world, key_at(*at[row]))
                want: list[Any] = [0.0, False, False, 0]
                ended[row] = False
            else:
                at[row][2] += 1
                events = np.zeros(1, np.uint8)
                home = ball.step(world, int(chosen[row]), key_at(*at[row]), params, events)
                want = [*home, at[row][2] >= 25, events[0]]
                ended[row] = home[1] or at[row][2] >= 25
            assert got == want
            assert obs[row].tolist() == look(world)
        seen += int(terminated.sum())
    assert seen > 0


def test_the_example_conforms(ball: type[Any]) -> None:
    report = check_vector_env(
        lambda **how: make_vec("Ball-v0", num_threads=2, max_episode_steps=15, **how), steps=40
    )
    assert all(item.passed for item in report.items), report
    assert spec("Ball-v0").summary == "Push a ball home."


def test_threads_change_nothing_and_branches_are_steps(ball: type[Any]) -> None:
    def play(threads: int) -> list[np.ndarray]:
        env = make_vec("Ball-v0", 200, num_threads=threads, autoreset_mode="same_step")
        env.reset(seed=1)
        return [env.step(row)[0] for row in np.random.default_rng(0).integers(0, 3, (30, 200))]

    assert np.array_equal(play(1), play(3))
    env = make_vec("Ball-v0", 4)
    env.reset(seed=0)
    kept = pickle.loads(pickle.dumps(env.snapshot()))
    branch = env.step_from(kept, np.ones(4, np.int64))
    assert np.array_equal(branch.obs, env.step(np.ones(4, np.int64))[0])
    assert branch.snapshot == env.snapshot()


def test_an_exception_reaches_the_caller(ball: type[Any]) -> None:
    env = make_vec("Ball-v0", 50, num_threads=2)
    env.reset(seed=0)
    states = list(env.get_attr("state"))
    states[31]["bytes"] = np.array([99.9, 30.0]).tobytes()
    env.set_attr("state", states)
    before = env.snapshot()
    words = "Ball-v0: row 31: step raised ValueError: the ball is lost; all rows are as they were"
    with pytest.raises(EnvError, match=words) as caught:
        env.step(np.ones(50, np.int64))
    assert isinstance(caught.value.__cause__, ValueError)
    assert caught.value.row == 31
    assert env.snapshot() == before
    with pytest.raises(EnvError, match="row 1: step raised ValueError: the ball is lost"):
        env.step_from(before, np.ones(3, np.int64), rows=[30, 31, 32])
    env.reset(options={"reset_mask": np.arange(50) == 31})
    env.step(np.ones(50, np.int64))


def test_the_interpreter_is_free_meanwhile() -> None:
    @native(id="Slow-v0", state=STATE, observation_space=BOX, action_space=Discrete(2))
    class Slow:
        def reset(state):
            state.count = 0

        def step(state, action):
            for i in range(200_000_000):
                state.count = (state.count * 31 + i) % 1_000_003
            return 0.0, False

        def observe(state, obs):
            obs[:] = state.count % 7

    env = make_vec("Slow-v0", 1, num_threads=1)
    env.reset(seed=0)
    stepping = threading.Thread(target=env.step, args=([0],))
    stepping.start()
    turns = 0
    while stepping.is_alive():
        time.sleep(0.001)
        turns += 1
    assert turns > 20  # with the GIL held, it would be one or two


def test_a_game_of_turns_with_masks() -> None:
    @native(
        id="Claim-v0",
        state=np.dtype([("board", np.int8, (5,)), ("turn", np.int8)]),
        observation_space=Box(-1, 1, (5,), np.int64),
        action_space=Discrete(5),
        num_players=2,
    )
    class Claim:
        """Players claim squares in turn; the last square wins."""

        def reset(state):
            state.board[:] = 0
            state.turn = 0

        def step(state, action):
            state.board[action] = 1 - 2 * state.turn
            state.turn = 1 - state.turn
            left = 0
            for square in state.board:
                left += square == 0
            return (1.0 if left == 0 else 0.0), left == 0

        def observe(state, obs):
            obs[:] = state.board

        def legal_actions(state, mask):
            for i in range(5):
                mask[i] = state.board[i] == 0

        def to_play(state):
            return state.turn

    env = make_vec("Claim-v0", 2, num_threads=1)
    assert env.num_players == 2
    obs, infos = env.reset(seed=0)
    for move, player in enumerate([0, 1, 0, 1, 0]):
        assert infos["to_play"].tolist() == [player] * 2
        assert infos["action_mask"].tolist() == [[0] * move + [1] * (5 - move)] * 2
        if move:
            with pytest.raises(ValueError, match="row 1 may not play 0 now"):
                env.step([move, 0])
        obs, reward, terminated, *_, infos = env.step([move, move])
    assert obs.tolist() == [[1, -1, 1, -1, 1]] * 2
    assert reward.tolist() == [1.0, 1.0]
    assert terminated.all()
    assert check_vector_env(lambda **how: make_vec("Claim-v0", **how), steps=20).passed


def test_arrays_of_actions() -> None:
    class Sums:
        def reset(state):
            state.count = 0

        def step(state, action):
            state.count += int(10 * action.sum())
            return float(action[-1]), state.count > 90

        def observe(state, obs):
            obs[0] = state.count

    scalar = Box(0, 1000, (), np.int64)
    for id, space, actions in (
        ("Sums-v0", MultiDiscrete([3, 4]), np.array([[2, 3], [1, 0]])),
        ("Sums-v1", Box(0.0, 1.0, (3,)), np.array([[1, 1, 0.5], [0, 0, 0.25]], np.float32)),
    ):
        native(id=id, state=STATE, observation_space=scalar, action_space=space)(Sums)
        env = make_vec(id, 2)
        assert env.single_action_space == space
        assert env.single_observation_space == scalar
        env.reset(seed=0)
        obs, reward, *_ = env.step(actions)
        assert obs.tolist() == [int(10 * row.sum()) for row in actions]
        assert reward.tolist() == actions[:, -1].tolist()


def plain(**functions: Any) -> type[Any]:
    def reset(state):
        state.count = 0

    def step(state, action):
        return 0.0, False

    def observe(state, obs):
        obs[:] = state.count

    return type("Plain", (), {"reset": reset, "step": step, "observe": observe} | functions)


def description(**changes: Any) -> dict[str, Any]:
    same = {"id": "Plain-v0", "state": STATE, "observation_space": BOX, "action_space": Discrete(2)}
    return same | changes


def test_failures_outside_a_step() -> None:
    def reset(state, key):
        if key.episode == 1:
            raise KeyError("second episode")
        state.count = 0

    def observe(state, obs):
        if state.count == 3:
            raise IndexError("three")
        obs[:] = state.count

    def step(state, action):
        state.count += action
        return 0.0, False

    made = native(**description(max_episode_steps=2))(
        plain(reset=reset, observe=observe, step=step)
    )
    assert made.step is step
    env = make_vec("Plain-v0", 2)
    env.reset(seed=[4, 8])
    before = env.snapshot()
    env.step([1, 1])
    after_one = env.snapshot()
    env.set_attr("state", [state | {"bytes": b"\2" + bytes(15)} for state in env.get_attr("state")])
    with pytest.raises(EnvError, match="row 0: observe raised IndexError: three") as caught:
        env.step([1, 0])
    assert caught.value.state[0] == 3
    env.restore(after_one)
    env.step([0, 0])
    with pytest.raises(EnvError, match="row 0: reset raised KeyError: 'second episode'") as caught:
        env.step([0, 0])
    assert caught.value.key == (4, 1, 0)
    with pytest.raises(EnvError, match="reset raised KeyError"):
        env.reset(options={"reset_mask": np.array([False, True])})
    assert (after_one == before) is False


def test_a_later_class_takes_over_an_id() -> None:
    def other(state, obs):
        obs[:] = 7

    native(**description(id="Twice-v0"))(plain())
    old = make_vec("Twice-v0", 1)
    native(**description(id="Twice-v0"))(plain(observe=other))
    assert make_vec("Twice-v0", 1).reset(seed=0)[0].tolist() == [[7, 7]]
    assert old.reset(seed=0)[0].tolist() == [[0, 0]]
    assert list_envs().count("Twice-v0") == 1


def bad_step(state, action, reward):
    return 0.0, False


@pytest.mark.parametrize(
    ("changes", "functions", "error", "words"),
    [
        ({"state": np.dtype(np.float64)}, {}, TypeError, "state: expected a structured dtype"),
        ({"state": np.dtype([("a", object)])}, {}, TypeError, "state: .* without objects"),
        ({"observation_space": Discrete(3)}, {}, TypeError, "observation_space: expected a Box"),
        ({"observation_space": Box(0, 1, (2,), np.int8)}, {}, TypeError, "a Box of uint8, int64"),
        ({"action_space": Box(0, 1, (2, 2))}, {}, TypeError, "action_space: expected .* all flat"),
        ({"action_space": Discrete(3, start=1)}, {}, ValueError, "choices count from 0"),
        ({"id": "CartPole-v1"}, {}, ValueError, "an environment of rollout has this id"),
        ({"params": {"max_episode_steps": 1.0}}, {}, ValueError, "'max_episode_steps' twice"),
        ({}, {"observe": None}, TypeError, "Plain: it has no function observe; it needs reset"),
        ({}, {"step": bad_step}, TypeError, "Plain.step: it may take .*, got reward"),
    ],
)
def test_bad_descriptions(
    changes: dict, functions: dict, error: type[Exception], words: str
) -> None:
    before = list_envs()
    with pytest.raises(error, match=words):
        native(**description(**changes))(plain(**functions))
    assert list_envs() == before


def test_nothing_of_numba_is_loaded_before_it_is_asked_for() -> None:
    import subprocess
    import sys

    code = "import sys, rollout; rollout.envs.native; print('numba' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.strip() == "False", done.stderr
    assert rollout.envs.native is native
