"""Rivals beside ours: pins are read, what is missing is said, and the floor does the same work."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rollout

BENCHES = Path(__file__).parents[2] / "benches"


def test_every_rival_has_pins_and_a_script(tmp_path: Path) -> None:
    sections = re.findall(r"^\[(\w+)\]$", (BENCHES / "peers.txt").read_text(), re.M)
    helpers = {"__init__", "build_pufferlib", "pendulum", "run", "timing", "weights"}
    assert {path.stem for path in (BENCHES / "peers").glob("*.py")} - helpers == set(sections)
    command = [sys.executable, str(BENCHES / "peers" / "run.py"), "nobody"]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert done.returncode == 1
    assert "there is no nobody; there are envpool" in done.stderr


def test_rivals_join_the_table(tmp_path: Path) -> None:
    def side(pair: str) -> dict:
        info = {"pair": pair, "role": "ours", "work": 100, "unit": "steps"}
        return {"fullname": pair, "extra_info": info, "stats": {"median": 0.1}}

    machine = {"cpu": {}, "processor": "p", "cores": 2, "python_version": "3", "torch": "2"}
    raw = {
        "machine_info": {**machine, "native": "g++"},
        "commit_info": {"id": "abc"},
        "datetime": "today",
        "benchmarks": [side("game, n=1"), side("other, n=1")],
    }
    (tmp_path / "raw.json").write_text(json.dumps(raw))
    peers = {
        "timed": [
            {"pair": "game, n=1", "name": "a rival", "unit": "steps", "rate": 250.0},
            {"pair": "no such pair", "name": "a rival", "unit": "steps", "rate": 1.0},
        ],
        "missing": {"pgx": "pip: no wheel"},
    }
    (tmp_path / "peers.json").write_text(json.dumps(peers))
    command = [sys.executable, str(BENCHES / "report.py"), str(tmp_path / "raw.json")]
    where = ["--out", str(tmp_path), "--peers", str(tmp_path / "peers.json")]
    done = subprocess.run([*command, *where], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "pgx is not installed (pip: no wheel)" in done.stdout
    rows = json.loads((tmp_path / "bench.json").read_text())["rows"]
    found = {(row["pair"], row["other"]): row["ratio"] for row in rows}
    assert found == {("game, n=1", "a rival"): pytest.approx(4.0), ("other, n=1", ""): None}
    where[-1] = str(tmp_path / "none.json")
    done = subprocess.run([*command, *where], capture_output=True, text=True, check=False)
    assert "make bench PEERS=1" in done.stdout


@pytest.mark.parametrize("mode", ["next_step", "same_step"])
def test_the_floor_does_the_same_work(mode: str) -> None:
    env = rollout.make_vec("CartPole-v1", 40, num_threads=1, autoreset_mode=mode)
    env.reset(seed=0)
    first = env.snapshot()
    tape = list(np.random.default_rng(0).integers(0, 2, (60, 40)))
    rewards = sum(env.step(actions)[1].sum() for actions in tape)
    after = env.snapshot()
    env.restore(first)
    assert env._open().loop(tape) == rewards
    assert env.snapshot() == after
    with pytest.raises(ValueError, match="actions"):
        env._open().loop([tape[0], tape[0] + 5])
    assert env.snapshot() == after
