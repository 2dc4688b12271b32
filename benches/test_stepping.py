"""Stepping: ours beside what is written in Python, and beside a plain native loop.

Every side gets the same actions, made beforehand, and steps through its public `step()` with its
own automatic reset running, so episodes end and start inside the timed part. The loop steps the
same rows through the same actions inside one native call: no Python, no pool, no new arrays. What
is missing to it is what a call a step costs. The rivals of benches/peers are set beside ours where
the pair's name is the same.
"""

import functools
import importlib
import importlib.util
import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from unittest import mock

import gymnasium
import numpy as np
import pytest
from peers.timing import ROWS

import rollout
from rollout import _native

MODES = {
    "gymnasium vector": "vector_entry_point",
    "gymnasium sync": "sync",
}


def stepper(env: gymnasium.vector.VectorEnv, calls: int, *, actions: np.ndarray) -> Callable:
    """A function that makes `calls` steps, going round the rows of `actions`."""
    env.reset(seed=0)
    source = itertools.cycle(list(actions))

    def run() -> None:
        step = env.step
        for action in itertools.islice(source, calls):
            step(action)

    return run


def looper(env: gymnasium.vector.VectorEnv, calls: int, *, actions: np.ndarray) -> Callable:
    """The floor: a function that makes `calls` steps inside one native call."""
    env.reset(seed=0)
    tape = list(itertools.islice(itertools.cycle(actions), calls))

    def run() -> None:
        env._open().loop(tape)

    return run


OURS = {"ours": stepper, "plain loop": looper}
ROLES = {"ours": "ours", "plain loop": "floor"}  # the other sides are rivals


# the loop over single environments is slowest where there are most of them; two sizes tell enough
SIDES = [
    (num_envs, side)
    for num_envs in (1, *ROWS)
    for side in ("ours", *MODES, "plain loop")
    if (side, num_envs) not in {("gymnasium sync", 8), ("gymnasium sync", 1024)}
]


@pytest.mark.gate
@pytest.mark.parametrize(("num_envs", "side"), SIDES)
def test_cartpole(benchmark, num_envs: int, side: str) -> None:
    calls = {1: 1000, 8: 500, 64: 200, 1024: 50}[num_envs]
    if side in MODES:
        mode = MODES[side]
        env = gymnasium.make_vec("CartPole-v1", num_envs, vectorization_mode=mode)
    else:
        env = rollout.make_vec("CartPole-v1", num_envs, num_threads=1)
    benchmark.extra_info.update(
        pair=f"CartPole-v1, n={num_envs}",
        role=ROLES.get(side, "rival"),
        name=side,
        work=calls * num_envs,
        unit="steps",
    )
    if side == "ours" and num_envs == 1024:
        benchmark.extra_info["rate_at_least"] = 15e6
    actions = np.random.default_rng(0).integers(0, 2, (64, num_envs))
    benchmark(OURS.get(side, stepper)(env, calls, actions=actions))
    env.close()


@pytest.mark.info
@pytest.mark.parametrize("num_envs", [1, *ROWS])
def test_cartpole_into_kept_arrays(benchmark, num_envs: int) -> None:
    """The same without new arrays, as PufferLib does it."""
    env = rollout.make_vec("CartPole-v1", num_envs, num_threads=1)
    actions = list(np.random.default_rng(0).integers(0, 2, (128, num_envs)))
    env.reset(seed=0)
    kept = env.buffers()

    def run() -> None:
        for action in actions:
            env.step_into(action, kept)

    benchmark.extra_info.update(
        pair=f"CartPole-v1 into kept arrays, n={num_envs}",
        role="ours",
        work=len(actions) * num_envs,
        unit="steps",
    )
    benchmark(run)


@functools.cache
def python_rules() -> ModuleType:
    """The rules of the Python original; the tests know how to import them without pictures."""
    path = Path(__file__).parents[1] / "tests" / "envs" / "oracle_overcooked.py"
    spec = importlib.util.spec_from_file_location("oracle_overcooked", path)
    oracle = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(oracle)
    return oracle.load_rules()


def python_kitchens(num_envs: int, calls: int, *, actions: np.ndarray) -> Callable:
    """The Python original of the kitchen: its rules and its lossless encoding, a kitchen at a time.

    Its own environment class does more bookkeeping in each step; that is left out.
    """
    rules = python_rules()
    kitchen = rules.OvercookedGridworld.from_layout_name("cramped_room", old_dynamics=True)
    names = rules.Action.INDEX_TO_ACTION
    source = itertools.cycle([[(names[i], names[j]) for i, j in row] for row in actions.tolist()])
    states = [kitchen.get_standard_start_state() for _ in range(num_envs)]

    def run() -> None:
        for joint in itertools.islice(source, calls):
            for row, action in enumerate(joint):
                state, _ = kitchen.get_state_transition(states[row], action)
                kitchen.lossless_state_encoding(state, horizon=400)
                ended = state.timestep == 400
                states[row] = kitchen.get_standard_start_state() if ended else state

    return run


@pytest.mark.info
@pytest.mark.parametrize(
    ("num_envs", "side"),
    [(1, "ours"), (1, "overcooked in Python")]
    + [(64, side) for side in ("ours", "plain loop", "overcooked in Python")],
)
def test_kitchen(benchmark, num_envs: int, side: str) -> None:
    actions = np.random.default_rng(0).integers(0, 6, (64, num_envs, 2))
    calls = 256 if side in OURS else 64 // num_envs
    if side in OURS:
        env = rollout.make_vec("Kitchen-v0", num_envs, layout="cramped_room", num_threads=1)
        run = OURS[side](env, calls, actions=actions)
    else:
        run = python_kitchens(num_envs, calls, actions=actions)
    benchmark.extra_info.update(
        pair=f"Kitchen-v0 cramped_room, n={num_envs}",
        role=ROLES.get(side, "rival"),
        name=side,
        work=calls * num_envs,
        unit="steps",
    )
    benchmark(run)


@pytest.mark.info
@pytest.mark.parametrize("view", ["lossless", "features", "none"])
def test_kitchen_views(benchmark, view: str) -> None:
    num_envs, calls = 1024, 100
    asked = {"observe": False} if view == "none" else {"observation": view}
    env = rollout.make_vec("Kitchen-v0", num_envs, num_threads=1, **asked)
    actions = np.random.default_rng(0).integers(0, 6, (64, num_envs, 2))
    benchmark.extra_info.update(
        pair=f"Kitchen-v0 cramped_room, observations: {view}, n={num_envs}",
        role="ours",
        name="ours",
        work=calls * num_envs,
        unit="steps",
    )
    benchmark(stepper(env, calls, actions=actions))


@functools.cache
def minigrid_level(id: str) -> gymnasium.Env:
    """One world of the Python original, without the pygame that it draws with."""
    for name in ("pygame", "pygame.freetype"):
        sys.modules.setdefault(name, mock.MagicMock())
    importlib.import_module("minigrid")
    return gymnasium.make(id, disable_env_checker=True).unwrapped


def python_grids(id: str, num_envs: int, calls: int, *, actions: np.ndarray) -> Callable:
    """The Python original, a world at a time, with its reset."""
    world = minigrid_level(id)
    world.reset(seed=0)
    source = itertools.cycle(actions.ravel().tolist())

    def run() -> None:
        for action in itertools.islice(source, calls * num_envs):
            _, _, terminated, truncated, _ = world.step(action)
            if terminated or truncated:
                world.reset()

    return run


@pytest.mark.info
@pytest.mark.parametrize(
    ("num_envs", "side"),
    [(n, side) for n in ROWS for side in OURS] + [(64, "minigrid in Python")],
)
def test_door_key(benchmark, num_envs: int, side: str) -> None:
    id = "MiniGrid-DoorKey-8x8-v0"
    actions = np.random.default_rng(0).integers(0, 7, (64, num_envs))
    calls = 200 if side in OURS else 5
    if side in OURS:
        env = rollout.make_vec(id, num_envs, num_threads=1)
        run = OURS[side](env, calls, actions=actions)
    else:
        run = python_grids(id, num_envs, calls, actions=actions)
    benchmark.extra_info.update(
        pair=f"{id}, n={num_envs}",
        role=ROLES.get(side, "rival"),
        name=side,
        work=calls * num_envs,
        unit="steps",
    )
    benchmark(run)


# id, keywords, and the least rate at 1024 rows
SMALL_WORLDS = [
    ("CartPole-v1", {"precision": "fast"}, 80e6),
    ("MountainCar-v0", {}, 20e6),
    ("MountainCarContinuous-v0", {}, 20e6),
    ("Pendulum-v1", {}, 15e6),
    ("Pendulum-v1", {"precision": "fast"}, None),
    ("Acrobot-v1", {}, 4e6),
    ("FrozenLake-v1", {}, 30e6),
    ("CliffWalking-v1", {}, 30e6),
    ("Taxi-v4", {}, 30e6),
    ("Blackjack-v1", {}, 20e6),
    ("Reacher-v0", {}, None),
    ("CartPoleSwingUp-v0", {}, None),
]


@pytest.mark.gate
@pytest.mark.parametrize(
    ("num_envs", "side"),
    [(n, side) for n in ROWS for side in OURS] + [(64, "gymnasium sync")],
)
@pytest.mark.parametrize(("id", "keywords", "at_least"), SMALL_WORLDS)
def test_small_worlds(
    benchmark, id: str, keywords: dict, at_least: float | None, num_envs: int, side: str
) -> None:
    calls = {8: 500, 64: 200, 1024: 50}[num_envs]
    env = rollout.make_vec(id, num_envs, num_threads=1, **keywords)
    env.action_space.seed(0)
    actions = np.stack([env.action_space.sample() for _ in range(64)])
    if side == "gymnasium sync":
        if id not in gymnasium.registry:
            pytest.skip("an environment of ours")
        calls = 10
        env = gymnasium.make_vec(id, num_envs, vectorization_mode="sync")
    benchmark.extra_info.update(
        pair=" ".join([id, *keywords.values()]) + f", n={num_envs}",
        role=ROLES.get(side, "rival"),
        name=side,
        work=calls * num_envs,
        unit="steps",
    )
    if side == "ours" and num_envs == 1024 and at_least is not None:
        benchmark.extra_info["rate_at_least"] = at_least
    benchmark(OURS.get(side, stepper)(env, calls, actions=actions))
    env.close()


THREADED = [
    ("CartPole-v1", {}),
    ("CartPole-v1", {"precision": "fast"}),
    ("Pendulum-v1", {}),
    ("Acrobot-v1", {}),
    ("Blackjack-v1", {}),
    ("MinAtar-Breakout-v1", {}),
    ("MiniGrid-DoorKey-8x8-v0", {}),
    ("Kitchen-v0", {}),
]


@pytest.mark.info
@pytest.mark.skipif(_native.hardware_threads() < 2, reason="there is one processor")
@pytest.mark.parametrize("threads", [2, 1])
@pytest.mark.parametrize(("id", "keywords"), THREADED)
def test_two_threads(benchmark, id: str, keywords: dict, threads: int) -> None:
    """Two threads beside one; two processes with half the rows each show what can be had."""
    num_envs, calls = 1024, 100
    env = rollout.make_vec(id, num_envs, num_threads=threads, **keywords)
    env.action_space.seed(0)
    actions = np.stack([env.action_space.sample() for _ in range(16)])
    benchmark.extra_info.update(
        pair=" ".join([id, *keywords.values()]) + ", n=1024, two threads",
        role="ours" if threads == 2 else "floor",
        name="one thread" if threads == 1 else "ours",
        work=calls * num_envs,
        unit="steps",
    )
    run = stepper(env, calls, actions=actions)
    for _ in range(5):  # until the batch has measured whether threads pay
        run()
    benchmark(run)
    env.close()


@functools.cache
def python_minatar() -> ModuleType:
    """The Python original, without what it draws with."""
    with mock.patch.dict(sys.modules, {"matplotlib": None}):
        return importlib.import_module("minatar")


def python_game(game: str, num_envs: int, calls: int, *, actions: np.ndarray) -> Callable:
    """The Python original, a game at a time, with its picture of planes and its reset."""
    env = python_minatar().Environment(game)
    env.seed(0)
    env.reset()
    minimal = env.minimal_action_set()
    source = itertools.cycle([minimal[action] for action in actions.ravel().tolist()])

    def run() -> None:
        for action in itertools.islice(source, calls * num_envs):
            _, ended = env.act(action)
            env.state()
            if ended:
                env.reset()

    return run


# id -> the original's name, and the least rate of ours at 1024 rows
MINATAR = {
    "MinAtar-Breakout-v1": ("breakout", 5e6),
    "MinAtar-Freeway-v1": ("freeway", 4e6),
    "MinAtar-Asterix-v1": ("asterix", 4e6),
    "MinAtar-SpaceInvaders-v1": ("space_invaders", 3e6),
    "MinAtar-Seaquest-v1": ("seaquest", 2.5e6),
}


@pytest.mark.gate
@pytest.mark.parametrize(
    ("num_envs", "side"),
    [(n, side) for n in ROWS for side in OURS] + [(1024, "minatar in Python")],
)
@pytest.mark.parametrize("id", MINATAR)
def test_minatar(benchmark, id: str, num_envs: int, side: str) -> None:
    game, rate = MINATAR[id]
    env = rollout.make_vec(id, num_envs, num_threads=1)
    actions = np.random.default_rng(0).integers(0, env.single_action_space.n, (64, num_envs))
    calls = {8: 500, 64: 200, 1024: 64}[num_envs] if side in OURS else 1
    if side in OURS:
        run = OURS[side](env, calls, actions=actions)
        if side == "ours" and num_envs == 1024:
            benchmark.extra_info["rate_at_least"] = rate
    else:
        run = python_game(game, num_envs, calls, actions=actions)
        benchmark.extra_info["ratio_at_least"] = 15
    benchmark.extra_info.update(
        pair=f"{id}, n={num_envs}",
        role=ROLES.get(side, "rival"),
        name=side,
        work=calls * num_envs,
        unit="steps",
    )
    benchmark(run)


@pytest.mark.info
@pytest.mark.parametrize("id", ["MinAtar-Seaquest-v1", "CartPole-v1", "MiniGrid-DoorKey-8x8-v0"])
def test_pictures(benchmark, id: str) -> None:
    env = rollout.make_vec(id, 64, num_threads=1, render_obs=True, render_size=64)
    actions = np.random.default_rng(0).integers(0, env.single_action_space.n, (64, 64))
    benchmark.extra_info.update(
        pair=f"{id}, 64 x 64 RGB, n=64", role="ours", work=8 * 64, unit="steps"
    )
    benchmark(stepper(env, 8, actions=actions))
