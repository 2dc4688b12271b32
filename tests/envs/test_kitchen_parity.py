"""The kitchen against overcooked_ai itself, which runs in processes of its own."""

import json
import os
import re
import subprocess
import sys
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

import rollout
from rollout.envs.kitchen import EVENTS, list_layouts, load_layout

CLASSIC = (
    "asymmetric_advantages",
    "coordination_ring",
    "counter_circuit_o_1order",
    "cramped_room",
    "forced_coordination",
)
HORIZON = 400
# three make 101,200 joint steps over all layouts and both dynamics, looked at more often
EPISODES = int(os.environ.get("ROLLOUT_ORACLE_EPISODES", "1"))
ENCODE_EVERY = 25 if EPISODES == 1 else 5
# how often a cook does something random instead: from all task to all random
NOISE = (0.1, 0.8, 0.0, 0.3, 0.5, 0.2, 1.0)
ITEM_CODES = {"onion": 1, "tomato": 2, "dish": 3}


def oracle_python() -> str:
    """Return an interpreter that has the package, or fail saying how to get one."""
    given = os.environ.get("ROLLOUT_OVERCOOKED_PYTHON")
    if given:
        return given
    if find_spec("overcooked") is not None:
        return sys.executable
    pytest.fail(
        "the package 'overcooked' is missing; run: pip install --no-deps overcooked==0.2.1, "
        "or point ROLLOUT_OVERCOOKED_PYTHON at a Python that has it and numpy"
    )


@dataclass
class Job:
    layout: str
    dynamics: str
    encode_every: int
    actions: np.ndarray  # [T, P]
    ours: dict[str, np.ndarray]


def item_code(item: dict | None) -> int:
    if item is None:
        return 0
    if item["name"] != "soup":
        return ITEM_CODES[item["name"]]
    return 16 + int("1" + "".join(str(int(i == "tomato")) for i in item["ingredients"]), 2)


def write_state(out: dict[str, np.ndarray], t: int, state: dict) -> None:
    for i, player in enumerate(state["players"]):
        out["position"][t, i] = player["position"]
        out["orientation"][t, i] = "NSEW".index(player["orientation"])
        out["held"][t, i] = item_code(player["held"])
    for item in state["objects"]:
        out["object"][(t, *item["position"])] = item_code(item)
        out["tick"][(t, *item["position"])] = item.get("tick", -1)


def play(
    layout: str, dynamics: str, episodes: int, encode_every: int, believed: str | None = None
) -> list[Job]:
    """Play episodes side by side, by cooks of all degrees of noise, and keep what happens.

    believed: the orders that the cooks go by, where they are not to be the kitchen's own.
    """
    facts = load_layout(layout)
    text = facts.text
    given = {"layout": text, "dynamics": dynamics, "horizon": HORIZON}
    env = rollout.make_vec("Kitchen-v0", episodes, events=True, **given)
    numbers = rollout.make_vec("Kitchen-v0", episodes, observation="features", **given)
    if believed is not None:
        text = re.sub(r"orders: .*", f"orders: {believed}", text)
    cooks = rollout.make_vec("Kitchen-v0", episodes, layout=text, dynamics=dynamics)
    cooks.reset(seed=1)
    players, shape = facts.num_players, (facts.width, facts.height)
    rows = [
        {
            "position": np.zeros((HORIZON + 1, players, 2), np.int64),
            "orientation": np.zeros((HORIZON + 1, players), np.int64),
            "held": np.zeros((HORIZON + 1, players), np.int64),
            "object": np.zeros((HORIZON + 1, *shape), np.int64),
            "tick": np.full((HORIZON + 1, *shape), -1, np.int64),
            "sparse": np.zeros((HORIZON, players)),
            "shaped": np.zeros((HORIZON, players)),
            "events": np.zeros((HORIZON, players, len(EVENTS)), np.uint8),
            "encoding": [],
            "features": [],
        }
        for _ in range(episodes)
    ]
    actions = np.zeros((HORIZON, episodes, players), np.int64)
    obs, _ = env.reset(seed=1)
    features, _ = numbers.reset(seed=1)
    for t in range(HORIZON + 1):
        states = env.get_attr("state")
        for row, state in enumerate(states):
            write_state(rows[row], t, state)
        if t % encode_every == 0:
            for row in range(episodes):
                if players == 2:
                    rows[row]["encoding"].append(obs[row])
                if players > 1:
                    rows[row]["features"].append(features[row])
        if t == HORIZON:
            break
        cooks.set_attr("state", states)
        for i in range(players):
            for row in range(episodes):
                noise = NOISE[(row + i) % len(NOISE)]
                actions[t, row, i] = cooks.bot_actions("cook", i, noise, seed=7)[row]
        obs, reward, _, truncated, infos = env.step(actions[t])
        features = numbers.step(actions[t])[0]
        assert truncated.all() == (t == HORIZON - 1)
        events = infos["events"].reshape(episodes, players, len(EVENTS))
        for row in range(episodes):
            rows[row]["sparse"][t] = infos["sparse_reward"][row]
            rows[row]["shaped"][t] = infos["shaped_reward"][row]
            rows[row]["events"][t] = events[row]
            assert reward[row] == infos["sparse_reward"][row].sum()
    return [
        Job(layout, dynamics, encode_every, actions[:, row], rows[row]) for row in range(episodes)
    ]


def ask_oracle(jobs: list[Job], folder: Path, name: str) -> dict[str, np.ndarray]:
    """Replay the jobs in a process of their own."""
    script = Path(__file__).with_name("oracle_overcooked.py")
    given, answer = folder / f"{name}_jobs.npz", folder / f"{name}_out.npz"
    described = [
        {
            "layout": job.layout,
            "dynamics": job.dynamics,
            "horizon": HORIZON,
            "encode_every": job.encode_every,
        }
        for job in jobs
    ]
    arrays = {str(k): job.actions for k, job in enumerate(jobs)}
    np.savez(given, jobs=json.dumps(described), **arrays)
    done = subprocess.run(
        [oracle_python(), str(script), str(given), str(answer)], capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    with np.load(answer) as loaded:
        return dict(loaded)


def compare(jobs: list[Job], folder: Path) -> tuple[int, Counter[str]]:
    """Hold all jobs against the oracle; return the joint steps and the events seen."""
    halves = jobs[::2], jobs[1::2]
    with ThreadPoolExecutor(2) as pool:
        answers = list(pool.map(ask_oracle, halves, (folder, folder), ("even", "odd")))
    seen: Counter[str] = Counter()
    for half, answer in zip(halves, answers, strict=True):
        order = [EVENTS.index(name) for name in answer["events"]]
        assert len(order) == 25
        for k, job in enumerate(half):
            for name, mine in job.ours.items():
                theirs = answer[f"{k}/{name}"]
                values = np.asarray(mine)
                if name == "events":
                    values = values[..., order]
                    seen.update(
                        dict(
                            zip(answer["events"].tolist(), values.sum((0, 1)).tolist(), strict=True)
                        )
                    )
                assert values.shape == theirs.shape, (job.layout, name)
                wrong = np.argwhere(values != theirs)
                assert len(wrong) == 0, (job.layout, job.dynamics, name, wrong[0].tolist())
    return sum(len(job.actions) for job in jobs), seen


@pytest.mark.parametrize("dynamics", ["old", "new"])
def test_classic_layouts(dynamics: str, tmp_path: Path) -> None:
    jobs = [job for name in CLASSIC for job in play(name, dynamics, 5, encode_every=9)]
    steps, seen = compare(jobs, tmp_path)
    assert steps == 10_000
    assert seen["soup_delivery"] > 80


def test_every_layout(tmp_path: Path) -> None:
    jobs = []
    for name in list_layouts():
        jobs += play(name, "new", EPISODES, encode_every=ENCODE_EVERY)
        if all(len(recipe) == 3 for recipe in load_layout(name).orders):
            jobs += play(name, "old", EPISODES, encode_every=ENCODE_EVERY)
    # cooks who believe in another order spoil soups, which reaches the rarest events
    jobs += play("simple_tomato", "old", 2, encode_every=ENCODE_EVERY, believed="oot")
    jobs += play("cramped_room_tomato", "new", 2, encode_every=ENCODE_EVERY, believed="oot")
    steps, seen = compare(jobs, tmp_path)
    assert steps == (83 * EPISODES + 4) * HORIZON
    assert {name for name in EVENTS if not seen[name]} == {"collision"}
