"""Environments at 1024 rows: ours beside a plain native loop over the same rows.

The loop takes a tape of legal actions and steps the rows through it inside one native call: no
Python, no pool, no new arrays. What is missing to it is what a call a step costs. The rivals of
benches/peers are set beside ours where the pair's name is the same.
"""

import functools
from typing import Any

import numpy as np
import pytest

import rollout

N, STEPS = 1024, 32
# a pair's name: the id and its keywords. Those timed elsewhere with a rival have a loop here alone
GAMES: dict[str, tuple[str, dict[str, Any]]] = {
    "Pendulum-v1": ("Pendulum-v1", {}),
    "Acrobot-v1": ("Acrobot-v1", {}),
    "MountainCar-v0": ("MountainCar-v0", {}),
    "FrozenLake-v1": ("FrozenLake-v1", {}),
    "TicTacToe-v0": ("TicTacToe-v0", {}),
    "ConnectFour-v0": ("ConnectFour-v0", {}),
    "Othello-v0": ("Othello-v0", {}),
    "Go-v0 9x9": ("Go-v0", {"size": 9}),
    "CartPole-v1, beside a loop": ("CartPole-v1", {}),
    "Kitchen-v0 cramped_room, beside a loop": ("Kitchen-v0", {"layout": "cramped_room"}),
    "MinAtar-Breakout-v1, beside a loop": ("MinAtar-Breakout-v1", {}),
    "MiniGrid-DoorKey-8x8-v0, beside a loop": ("MiniGrid-DoorKey-8x8-v0", {}),
}


@functools.cache
def start(name: str) -> tuple[rollout.envs.VectorEnv, rollout.envs.Snapshot, list[np.ndarray]]:
    """An env, its first worlds, and random actions that are legal from there."""
    id, kwargs = GAMES[name]
    env = rollout.make_vec(id, N, num_threads=1, copy=False, **kwargs)
    rng = np.random.default_rng(0)
    env.action_space.seed(0)
    _, infos = env.reset(seed=0)
    first, tape = env.snapshot(), []
    for _ in range(STEPS):
        mask = infos.get("action_mask")
        legal = mask is not None and (rng.random(mask.shape) * (mask + 1e-9)).argmax(1)
        tape.append(env.action_space.sample() if mask is None else legal)
        *_, infos = env.step(tape[-1])
    return env, first, tape


@pytest.mark.info
@pytest.mark.parametrize("side", ["ours", "floor"])
@pytest.mark.parametrize("name", GAMES)
def test_environment(benchmark, name: str, side: str) -> None:
    env, first, tape = start(name)

    def steps() -> None:
        for actions in tape:
            env.step(actions)

    def loop() -> None:
        env._open().loop(tape)

    benchmark.extra_info.update(
        pair=f"{name}, n={N}",
        role=side,
        name="ours" if side == "ours" else "a plain native loop",
        work=N * STEPS,
        unit="steps",
    )
    # the tape is legal from the first worlds only: put them back before each round, untimed
    benchmark.pedantic(
        steps if side == "ours" else loop,
        setup=lambda: env.restore(first),
        rounds=15,
        warmup_rounds=2,
    )
