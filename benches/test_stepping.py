"""Stepping: ours beside Gymnasium's own vector CartPole, and beside its loop over single ones.

Every side gets the same actions, made beforehand, and steps through its public `step()` with its
own automatic reset running, so episodes end and start inside the timed part.
"""

import itertools

import gymnasium
import numpy as np
import pytest

import rollout

MODES = {
    "gymnasium vector": "vector_entry_point",
    "gymnasium sync": "sync",
}


def stepper(env: gymnasium.vector.VectorEnv, num_envs: int, calls: int):
    """A function that makes `calls` steps with actions drawn beforehand."""
    rng = np.random.default_rng(0)
    actions = [rng.integers(0, 2, num_envs) for _ in range(64)]
    env.reset(seed=0)
    source = itertools.cycle(actions)

    def run() -> None:
        step = env.step
        for action in itertools.islice(source, calls):
            step(action)

    return run


# the loop over single environments takes a second a thousand steps at 1024: it is timed small
SIDES = [
    (num_envs, side)
    for num_envs in (1, 64, 1024)
    for side in ("ours", *MODES)
    if not (side == "gymnasium sync" and num_envs == 1024)
]


@pytest.mark.gate
@pytest.mark.parametrize(("num_envs", "side"), SIDES)
def test_cartpole(benchmark, num_envs: int, side: str) -> None:
    calls = {1: 1000, 64: 200, 1024: 50}[num_envs]
    if side == "ours":
        env = rollout.make_vec("CartPole-v1", num_envs, num_threads=1)
    else:
        mode = MODES[side]
        env = gymnasium.make_vec("CartPole-v1", num_envs, vectorization_mode=mode)
    benchmark.extra_info.update(
        pair=f"CartPole-v1, {num_envs} environments, 1 thread",
        role="ours" if side == "ours" else "rival",
        name=side,
        work=calls * num_envs,
        unit="steps",
    )
    if side == "ours" and num_envs == 1024:
        benchmark.extra_info["rate_at_least"] = 15e6
    benchmark(stepper(env, num_envs, calls))
    env.close()
