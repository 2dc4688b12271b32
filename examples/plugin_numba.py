"""An environment written in Python: a ball on a line, pushed to a target through noise.

python examples/plugin_numba.py  steps 1024 of them a thousand times and prints the rate.
"""

import time

import numpy as np
from gymnasium.spaces import Box, Discrete

import rollout
from rollout.envs.plugins.random import uniform

START, WIND = range(2)  # the places that draw random numbers


@rollout.envs.native(
    id="Ball-v0",
    state=np.dtype([("x", np.float64), ("speed", np.float64)]),
    observation_space=Box(-np.inf, np.inf, (2,), np.float32),
    action_space=Discrete(3),
    max_episode_steps=200,
    params={"wind": 0.1},
    events=["home"],
)
class Ball:
    """Push a ball home."""

    def reset(state, key):
        state.x = 4.0 * uniform(key, START) - 2.0
        state.speed = 0.0

    def step(state, action, key, params, events):
        state.speed = 0.9 * state.speed + 0.1 * (action - 1)
        state.x += state.speed + params.wind * (uniform(key, WIND) - 0.5)
        if not abs(state.x) < 100.0:
            raise ValueError("the ball is lost")
        home = abs(state.x) < 0.05
        events[0] = home
        return (1.0 if home else -0.01), home

    def observe(state, obs):
        obs[0] = state.x
        obs[1] = state.speed


if __name__ == "__main__":
    env = rollout.make_vec("Ball-v0", 1024, wind=0.2)
    obs, _ = env.reset(seed=0)
    begin = time.perf_counter()
    for _ in range(1000):
        obs, *_ = env.step(np.where(obs[:, 0] > 0, 0, 2))  # towards home
    rate = 1024 * 1000 / (time.perf_counter() - begin)
    print(f"{rate / 1e6:.1f} million steps a second")
