"""Play gymnasium's own CartPole-v1 and print what happened, pickled.

Run by test_cartpole.py in a process of its own: NumPy picks its sin and cos by processor when it is
loaded, and the comparison is with those of the C library.
"""

import pickle
import sys
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

RESEED_AT = 150  # the step before which some rows are seeded again and the others go on


def tape(steps: int, rows: int) -> np.ndarray:
    """The actions, [steps, rows]."""
    return np.random.default_rng(3).integers(0, 2, (steps, rows))


def reseeds(rows: int) -> list[int | None]:
    """New seeds for every other row."""
    return [1000 + row if row % 2 else None for row in range(rows)]


def play(env: Any, steps: int, seed: int) -> list[Any]:
    """Return what each reset and step gave, and the rows' states after it."""
    actions = tape(steps, env.num_envs)
    log: list[Any] = []
    disabled = env.metadata["autoreset_mode"] is AutoresetMode.DISABLED

    def note(*what: Any) -> None:
        states = env.get_attr("state")
        if isinstance(states[0], dict):
            states = [[s["x"], s["x_dot"], s["theta"], s["theta_dot"]] for s in states]
        log.append((*what, np.array(states, np.float64)))

    note(*env.reset(seed=seed))
    for step in range(steps):
        if step == RESEED_AT:
            note(*env.reset(seed=reseeds(env.num_envs)))
        out = env.step(actions[step])
        note(*out)
        ended = out[2] | out[3]
        if disabled and ended.any():
            note(*env.reset(options={"reset_mask": ended}))
    return log


if __name__ == "__main__":
    mode, rows, steps, seed, limit = sys.argv[1], *map(int, sys.argv[2:])
    env = SyncVectorEnv(
        [lambda: gymnasium.make("CartPole-v1", max_episode_steps=limit)] * rows,
        autoreset_mode=AutoresetMode[mode.upper()],
    )
    sys.stdout.buffer.write(pickle.dumps(play(env, steps, seed)))
