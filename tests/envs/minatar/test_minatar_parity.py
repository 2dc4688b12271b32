"""MinAtar against the PyPI package, step for step: pictures, rewards and ends."""

import json
import pickle
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rollout.envs import make_vec

ORACLE = Path(__file__).parent / "oracle_minatar.py"
GAMES = {
    "breakout": "MinAtar-Breakout-v1",
    "freeway": "MinAtar-Freeway-v1",
    "asterix": "MinAtar-Asterix-v1",
    "space_invaders": "MinAtar-SpaceInvaders-v1",
    "seaquest": "MinAtar-Seaquest-v1",
}


def oracle(runs: list[dict[str, Any]]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [sys.executable, "-W", "ignore", str(ORACLE)],
        input=json.dumps(runs).encode(),
        capture_output=True,
        check=True,
    )
    return pickle.loads(done.stdout)  # written by the line above


def pictures(packed: np.ndarray, shape: tuple[int, ...]) -> np.ndarray:
    return np.unpackbits(packed, axis=-1, count=int(np.prod(shape))).reshape(-1, *shape)


# 8,000 steps of three seeds each with the package's defaults, then what the options change
RUNS = [
    ({"skill": 0.97}, {}, [3, 77, 2**32 - 1], 8000),
    (
        {"skill": 1.0, "sticky": 0.0, "minimal": False},
        {"sticky_action_prob": 0.0, "minimal_actions": False},
        [5],
        3000,
    ),
    (
        {"skill": 0.8, "sticky": 0.5, "ramping": False},
        {"sticky_action_prob": 0.5, "difficulty_ramping": False},
        [6],
        3000,
    ),
]


@pytest.mark.parametrize("game", GAMES)
def test_every_step_equals_the_packages(game: str) -> None:
    runs = [
        {"game": game, "seed": seed, "steps": steps, **theirs}
        for theirs, _, seeds, steps in RUNS
        for seed in seeds
    ]
    tapes = iter(oracle(runs))
    seen: set[str] = set()
    for _, ours, seeds, steps in RUNS:
        seen |= replay(game, seeds, steps, [next(tapes) for _ in seeds], **ours)
    # the tapes meet every rule that has a name
    assert seen == set(make_vec(GAMES[game], 1).event_names)


def replay(
    game: str, seeds: list[int], steps: int, tapes: list[dict[str, Any]], **options: Any
) -> set[str]:
    """Repeat the tapes, a row each; returns the names of the events that occurred."""
    env = make_vec(GAMES[game], len(seeds), autoreset_mode="same_step", events=True, **options)
    shape = env.single_observation_space.shape
    assert shape == tapes[0]["shape"]
    after = [pictures(tape["obs"], shape) for tape in tapes]
    starts = [iter(pictures(tape["starts"], shape)) for tape in tapes]
    actions = np.stack([tape["actions"] for tape in tapes], 1)
    rewards = np.stack([tape["rewards"] for tape in tapes], 1)
    ends = np.stack([tape["ends"] for tape in tapes], 1)
    counts = np.zeros(len(env.event_names), int)

    obs, _ = env.reset(seed=seeds)
    assert all(np.array_equal(obs[row], next(start)) for row, start in enumerate(starts))
    for step in range(steps):
        obs, reward, terminated, truncated, infos = env.step(actions[step])
        assert np.array_equal(reward, rewards[step]), step
        assert np.array_equal(terminated, ends[step]), step
        assert not truncated.any()
        for part in (infos, infos.get("final_info")):
            counts += part["events"].sum(0, dtype=int) if part else 0
        for row, picture in enumerate(after):
            last = obs[row]
            if terminated[row]:
                assert np.array_equal(last, next(starts[row])), (step, row)
                last = infos["final_obs"][row]
            assert np.array_equal(last, picture[step]), (step, row)
    return {name for name, count in zip(env.event_names, counts, strict=True) if count}
