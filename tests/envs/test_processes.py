"""Envs and the process they live in: interrupts, spawned children, the interpreter's end."""

import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable

import numpy as np
import pytest

from rollout.envs import VectorEnv, make_vec

pytestmark = pytest.mark.timeout(120)


def until_interrupted(step: Callable[[], None]) -> int:
    """How often `step` was called before an interrupt came, 20 ms from now."""
    taken = 0
    alarm = threading.Timer(0.02, os.kill, (os.getpid(), signal.SIGINT))
    limit = time.monotonic() + 30
    try:
        alarm.start()  # on a busy machine it goes off before this returns
        while time.monotonic() < limit:
            step()
            taken += 1
    except KeyboardInterrupt:
        return taken
    finally:
        alarm.join()
    raise AssertionError("no interrupt came")


def test_an_interrupt_in_a_long_step_leaves_the_env_whole() -> None:
    """The step is finished, then KeyboardInterrupt comes: no row is ahead of another."""
    env = make_vec("Kitchen-v0", 8_000, num_threads=2)
    env.reset(seed=0)
    stay = np.full((8_000, 2), 4)
    now = 0
    for _ in range(5):
        taken = until_interrupted(lambda: env.step(stay))
        steps = {state["timestep"] for state in env.get_attr("state")[::100]}
        assert len(steps) == 1
        # a call that was interrupted has stepped; 400 steps and a reset make a round
        assert steps & {(now + taken) % 401, (now + taken + 1) % 401}
        now = steps.pop()


def test_an_interrupt_while_waiting() -> None:
    env = make_vec("Kitchen-v0", 8_000, num_threads=2)
    env.reset(seed=0)
    stay = np.full((8_000, 2), 4)

    def there_and_back() -> None:
        env.send(stay)
        env.recv()

    for _ in range(5):
        until_interrupted(there_and_back)
        if env.in_flight:
            env.recv()
    env.step(stay)


def test_an_interrupt_ends_playouts_early() -> None:
    env = make_vec("Go-v0", 16, num_threads=2)
    env.reset(seed=0)
    start = time.monotonic()
    until_interrupted(lambda: env.playouts(n=100_000))  # minutes, to the end
    assert time.monotonic() - start < 20


def test_an_interrupt_ends_a_roll_early() -> None:
    env = make_vec("Kitchen-v0", 1, num_threads=2)
    env.reset(seed=0)
    start, sequences = env.snapshot(), 40_000
    stay, rows = np.full((100, sequences, 2), 4), np.zeros(sequences, np.int64)
    begun = time.monotonic()
    env.rollout_from(start, stay, rows)
    whole, begun = time.monotonic() - begun, time.monotonic()
    assert until_interrupted(lambda: env.rollout_from(start, stay, rows)) == 0
    assert time.monotonic() - begun < 0.5 * whole


def in_child(env: VectorEnv, actions: np.ndarray, pipe: object) -> None:
    """Step a pickled env in another process and send what came of it."""
    steps = [env.step(action)[0] for action in actions]
    pipe.send((np.array(steps), env.snapshot()))


def test_an_env_goes_to_a_spawned_process() -> None:
    env = make_vec("CartPole-v1", 8, num_threads=2)
    env.reset(seed=0)
    actions = np.random.default_rng(0).integers(0, 2, (40, 8))
    spawn = multiprocessing.get_context("spawn")
    ours, theirs = spawn.Pipe()
    child = spawn.Process(target=in_child, args=(env, actions, theirs))
    child.start()
    expected = np.array([env.step(action)[0] for action in actions])
    seen, snapshot = ours.recv()
    child.join()
    assert child.exitcode == 0
    assert np.array_equal(seen, expected)
    assert snapshot == env.snapshot()


@pytest.mark.parametrize("ending", ["", "sys.exit(3)", "raise ValueError('x')", "os._exit(3)"])
def test_the_interpreter_ends_with_envs_alive(ending: str) -> None:
    """Workers asleep, workers busy, rows in flight: none keeps the process or breaks its end."""
    program = f"""
import os, sys
import numpy as np
from rollout import _native
from rollout.envs import make_vec
_native.force_threads(10)
envs = [make_vec("Kitchen-v0", 3000, num_threads=4) for _ in range(3)]
for env in envs:
    env.reset(seed=0)
    env.step(np.zeros((3000, 2), int))
envs[1].send(np.zeros((3000, 2), int))
envs[2].send(np.zeros((3000, 2), int))
envs[2].recv()
sys.kept = envs  # alive until the very end
{ending}
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == {"": 0, "raise ValueError('x')": 1}.get(ending, 3), done.stderr
    assert "Fatal" not in done.stderr
    assert ("ValueError: x" in done.stderr) == ("ValueError" in ending)
