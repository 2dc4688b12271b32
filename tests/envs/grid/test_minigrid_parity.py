"""Grid worlds against the `minigrid` package itself, which runs in processes of its own."""

import json
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from explorer import Explorer

import rollout
from rollout.envs.grid import LEVELS, missions

ACTIONS = 7
DOOR = 4


@dataclass
class Job:
    id: str
    seed: int
    state: dict[str, Any] | None
    actions: np.ndarray
    ours: dict[str, np.ndarray]


def play(id: str, seed: int, steps: int, noise: float, state: dict[str, Any] | None = None) -> Job:
    """Play by an explorer who does something at random with probability `noise`."""
    env = rollout.make_vec(id, 1, autoreset_mode="disabled")
    obs, _ = env.reset(seed=seed)
    if state is not None:
        env.set_attr("state", [state])
        obs = env.observe(env.snapshot())
    rng = np.random.default_rng(seed)
    names = missions(id)
    seen, first, ends, actions = [obs], [], [], []
    for _ in range(steps):
        action = None
        if rng.random() >= noise:
            action = Explorer(env.get_attr("state")[0]).act()
        actions.append(rng.integers(ACTIONS) if action is None else action)
        obs, reward, terminated, truncated, _ = env.step(np.array(actions[-1:]))
        seen.append({name: values.copy() for name, values in obs.items()})
        ends.append((reward[0], terminated[0], truncated[0]))
        if terminated[0] or truncated[0]:
            first.append(env.reset(options={"reset_mask": np.array([True])})[0]["image"][0])
    last = env.get_attr("state")[0]
    ours = {
        "image": np.array([obs["image"][0] for obs in seen]),
        "direction": np.array([obs["direction"][0] for obs in seen]),
        "mission": np.array([names[obs["mission"][0]] for obs in seen]),
        "reward": np.array([end[0] for end in ends]),
        "terminated": np.array([end[1] for end in ends]),
        "truncated": np.array([end[2] for end in ends]),
        "first": np.array(first, np.uint8).reshape(-1, 7, 7, 3),
        "grid": np.array(last["grid"]),
        "agent": np.array([*last["agent_pos"], last["agent_dir"]]),
    }
    return Job(id, seed, state, np.array(actions), ours)


def ask_oracle(jobs: list[Job], folder: Path, name: str) -> dict[str, np.ndarray]:
    """Replay the jobs in a process of their own."""
    script = Path(__file__).with_name("oracle_minigrid.py")
    given, answer = folder / f"{name}_jobs.npz", folder / f"{name}_out.npz"
    described = [{"id": job.id, "seed": job.seed, "state": job.state} for job in jobs]
    arrays = {str(k): job.actions for k, job in enumerate(jobs)}
    np.savez(given, jobs=json.dumps(described), **arrays)
    done = subprocess.run(
        [sys.executable, str(script), str(given), str(answer)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with np.load(answer) as loaded:
        return dict(loaded)


def compare(jobs: list[Job], folder: Path) -> None:
    """Hold all jobs against the oracle."""
    halves = jobs[::2], jobs[1::2]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(ask_oracle, halves, (folder, folder), ("even", "odd")))
    for half, answer in zip(halves, answers, strict=True):
        for k, job in enumerate(half):
            for name, mine in job.ours.items():
                theirs = answer[f"{k}/{name}"]
                assert mine.shape == theirs.shape, (job.id, job.seed, name)
                wrong = np.argwhere(mine != theirs)
                assert len(wrong) == 0, (job.id, job.seed, name, wrong[0].tolist())


def test_every_level_from_its_seed(tmp_path: Path) -> None:
    jobs = []
    for k, id in enumerate(LEVELS):
        # all task, half and half, all random; the seeds give other levels each time
        for seed, (steps, noise) in enumerate(((200, 0.0), (300, 0.4), (400, 1.0))):
            jobs.append(play(id, 100 * k + seed, steps, noise))
    compare(jobs, tmp_path)
    ended: Counter[str] = Counter()
    for job in jobs:
        ended[job.id] += int((job.ours["reward"] > 0).sum())
    assert all(ended[id] > 0 for id in LEVELS), ended


def test_many_levels_start_alike(tmp_path: Path) -> None:
    compare([play(id, 10**9 + seed, 1, 1.0) for id in LEVELS for seed in range(8)], tmp_path)


def scribble(state: dict[str, Any], rng: np.random.Generator) -> dict[str, Any]:
    """Return a state with things of all kinds, colours and states strewn about, any rule broken."""
    grid = np.array(state["grid"])
    for x, y in np.argwhere(rng.random(grid.shape[:2]) < 0.35):
        kind = int(rng.integers(1, 10))
        color = {1: 0, 8: 1, 9: 0}.get(kind, int(rng.integers(6)))
        grid[x, y] = kind, color, int(rng.integers(3)) if kind == DOOR else 0
    # minigrid cannot look past its border
    grid[[0, -1]] = grid[:, [0, -1]] = 2, 5, 0
    inside = [(x, y) for x, y in np.argwhere(grid[..., 0] == 1)]
    x, y = inside[rng.integers(len(inside))]
    color = int(rng.integers(6))
    carrying = [None, (5, color, 0), (6, color, 0), (7, color, 0)][rng.integers(4)]
    if "ball" in state["mission"]:
        corner = np.argwhere(grid[..., 0] == 2)[len(grid) + 1]
        grid[tuple(corner)] = next(c for c in np.array(state["grid"]).reshape(-1, 3) if c[0] == 6)
        same = (grid == grid[tuple(corner)]).all(-1)
        same[tuple(corner)] = False
        grid[same] = 1, 0, 0  # one ball of the mission's colour
        carrying = None
    return {
        **state,
        "grid": grid.tolist(),
        "agent_pos": (int(x), int(y)),
        "agent_dir": int(rng.integers(4)),
        "carrying": carrying,
        "step_count": int(rng.integers(50)),
    }


def test_from_copied_states_with_all_kinds_of_things(tmp_path: Path) -> None:
    rng = np.random.default_rng(7)
    jobs = []
    for id in (
        "MiniGrid-Empty-6x6-v0",
        "MiniGrid-DoorKey-8x8-v0",
        "MiniGrid-FourRooms-v0",
        "MiniGrid-KeyCorridorS4R3-v0",
        "MiniGrid-DoorKey-16x16-v0",
    ):
        env = rollout.make_vec(id, 1)
        for seed in range(20):
            env.reset(seed=seed)
            state = scribble(env.get_attr("state")[0], rng)
            jobs.append(play(id, seed, 40, 1.0, state))
    compare(jobs, tmp_path)
