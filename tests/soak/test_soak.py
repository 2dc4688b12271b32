"""The soak, shortened: memory stays where it is, and growth would be noticed."""

import subprocess
import sys

import numpy as np
import pytest
import soak

import rollout


def test_memory_is_constant() -> None:
    # in a process of its own: here other tests may have registered environments of theirs
    command = [sys.executable, soak.__file__, "600000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "million steps of" in done.stdout


def test_growth_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    kept = []
    played = soak.play

    def leaking(id: str, steps: int, rng: np.random.Generator) -> int:
        kept.append(np.ones(soak.GROWTH // 8 // 8))
        return played(id, steps, rng)

    monkeypatch.setattr(soak, "play", leaking)
    monkeypatch.setattr(rollout, "list_envs", lambda: ["CartPole-v1"] * 10)
    _, first, last = soak.soak(100_000)
    assert last - first > soak.GROWTH
