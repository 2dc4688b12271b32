"""Replay actions in the PyPI package `minigrid` and save all that it says happened.

Run as `python oracle_minigrid.py JOBS.npz OUT.npz`. JOBS holds a JSON list under "jobs", each job
`{"id", "seed", "state"}`, and job k's actions under "k", int [T]. The episode starts from the seed,
or from `state` where it is not null: a dict as `get_attr("state")` gives it. After an ended episode
the next one follows at once, on the same stream. For each job OUT holds, under "k/NAME":

    image      [T + 1, 7, 7, 3]   what is seen before the first and after each action
    direction  [T + 1]            mission  [T + 1] texts
    reward     [T]                terminated, truncated [T] bool
    first      [E, 7, 7, 3]       what is seen first in each further episode
    grid       [W, H, 3]          agent [x, y, direction]: the world at the end of the tape
"""

import json
import sys
from unittest import mock

import numpy as np

# it draws with pygame, which stepping does not need
sys.modules["pygame"] = sys.modules["pygame.freetype"] = mock.MagicMock()
import gymnasium  # noqa: E402
import minigrid  # noqa: E402, F401  (registers the levels)
from minigrid.core.grid import Grid  # noqa: E402
from minigrid.core.world_object import WorldObj  # noqa: E402


def put(env, state: dict) -> dict:
    env.grid, _ = Grid.decode(np.array(state["grid"], np.uint8))
    env.agent_pos = tuple(state["agent_pos"])
    env.agent_dir = state["agent_dir"]
    env.carrying = None if state["carrying"] is None else WorldObj.decode(*state["carrying"])
    env.step_count = state["step_count"]
    env.mission = state["mission"]
    if hasattr(env, "obj"):
        wanted = env.mission.split()[-2:]
        things = [thing for thing in env.grid.grid if thing is not None]
        env.obj = next(thing for thing in things if [thing.color, thing.type] == wanted)
    return env.gen_obs()


def replay(job: dict, actions: np.ndarray) -> dict[str, np.ndarray]:
    env = gymnasium.make(job["id"], disable_env_checker=True).unwrapped
    obs, _ = env.reset(seed=job["seed"])
    if job["state"] is not None:
        obs = put(env, job["state"])
    seen, ends, first = [obs], [], []
    for action in actions:
        obs, reward, terminated, truncated, _ = env.step(int(action))
        seen.append(obs)
        ends.append((reward, terminated, truncated))
        if terminated or truncated:
            first.append(env.reset()[0]["image"])
    return {
        "image": np.array([obs["image"] for obs in seen]),
        "direction": np.array([obs["direction"] for obs in seen]),
        "mission": np.array([obs["mission"] for obs in seen]),
        "reward": np.array([end[0] for end in ends], np.float64),
        "terminated": np.array([end[1] for end in ends]),
        "truncated": np.array([end[2] for end in ends]),
        "first": np.array(first, np.uint8).reshape(-1, 7, 7, 3),
        "grid": env.grid.encode(),
        "agent": np.array([*env.agent_pos, env.agent_dir]),
    }


def main(jobs_path: str, out_path: str) -> None:
    out = {}
    with np.load(jobs_path) as jobs:
        for k, job in enumerate(json.loads(str(jobs["jobs"]))):
            for name, array in replay(job, jobs[str(k)]).items():
                out[f"{k}/{name}"] = array
    np.savez(out_path, **out)


if __name__ == "__main__":
    main(*sys.argv[1:])
