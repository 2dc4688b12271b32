"""A run: resumable bit for bit, deterministic, better after learning than before."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rollout.learn import PRESETS, Progress, TrainConfig, Trainer
from rollout.learn.checkpoint import read_checkpoint
from rollout.models import load


def tiny(task: str = "cartpole", **changes: Any) -> TrainConfig:
    values: dict[str, Any] = {
        "num_envs": 4,
        "simulations": 4,
        "capacity": 40,
        "batch": 8,
        "warmup_iterations": 10,
        "iterations": 60,
        "eval_every": 25,
        "eval_episodes": 3,
        "stop_at": None,
        "report_every": 7,
        "threads": 1,
        "reanalyse": 0.5,
        "model": {"latent": 16, "hidden": 16},
    }
    if task == "kitchen":
        # episodes end on the way, together and cut off
        values |= {"bot_iterations": 40, "reanalyse_after": 5, "eval_every": 0}
        options = PRESETS["kitchen"]().env_options
        values |= {"env_options": {**options, "horizon": 17}}
    return PRESETS[task](**(values | changes))


def contents(out: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """A checkpoint without what a clock put there."""
    arrays, facts = read_checkpoint(out / "checkpoint.safetensors")
    for record in facts["history"]:
        del record["seconds"], record["steps_per_second"]
    del facts["seconds"], facts["since"]
    return arrays, facts


@pytest.mark.parametrize("task", ["cartpole", "kitchen"])
@pytest.mark.parametrize("stops", [[31], [1, 11, 50]])
def test_a_resumed_run_equals_an_uninterrupted_one(
    tmp_path: Path, task: str, stops: list[int]
) -> None:
    config = tiny(task)
    Trainer(config, tmp_path / "whole").run()
    Trainer(config, tmp_path / "parts").run(until=stops[0])
    for stop in [*stops[1:], None]:
        Trainer.resume(tmp_path / "parts").run(until=stop)

    whole, whole_facts = contents(tmp_path / "whole")
    parts, parts_facts = contents(tmp_path / "parts")
    assert whole_facts == parts_facts
    assert whole_facts["iteration"] == 60
    assert whole_facts["updates"] == 50 * config.updates_per_iteration
    assert whole.keys() == parts.keys()
    for name, array in whole.items():
        np.testing.assert_array_equal(array, parts[name], strict=True, err_msg=name)
    assert (tmp_path / "whole/model.safetensors").read_bytes() == (
        tmp_path / "parts/model.safetensors"
    ).read_bytes()


def test_a_stopped_run_goes_on_as_if_never_stopped(tmp_path: Path) -> None:
    config = tiny(iterations=30)
    Trainer(config, tmp_path / "whole").run()
    stopped = Trainer(config, tmp_path / "stopped")
    stopped.run(lambda progress: stopped.stop())
    assert stopped.iteration == 7
    Trainer.resume(tmp_path / "stopped").run()
    whole, parts = contents(tmp_path / "whole"), contents(tmp_path / "stopped")
    assert whole[1] == parts[1]
    for name, array in whole[0].items():
        np.testing.assert_array_equal(array, parts[0][name], err_msg=name)


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    for seed in (0, 1):
        Trainer(tiny(seed=seed, iterations=15), tmp_path / str(seed)).run()
    first, second = (contents(tmp_path / str(seed))[0] for seed in (0, 1))
    assert not np.array_equal(first["replay.obs"], second["replay.obs"])
    assert not np.array_equal(first["learner.model.action_in"], second["learner.model.action_in"])


def test_a_run_leaves_its_files_and_reports(tmp_path: Path) -> None:
    seen: list[Progress] = []
    trainer = Trainer(tiny(), tmp_path)
    trainer.run(seen.append)
    assert [p.iteration for p in seen] == [7, 14, 21, 25, 28, 35, 42, 49, 50, 56]
    assert [p.iteration for p in seen if p.evaluation is not None] == [25, 50]
    assert {p.name for p in tmp_path.iterdir()} == {
        "config.json",
        "checkpoint.safetensors",
        "model.safetensors",
        "run.png",
    }
    assert (tmp_path / "run.png").read_bytes().startswith(b"\x89PNG")
    assert TrainConfig.model_validate_json((tmp_path / "config.json").read_text()) == tiny()
    assert load(tmp_path / "model.safetensors").config == trainer.model.config
    assert all(np.isfinite(list(p.losses.values())).all() for p in seen)


def test_a_damaged_checkpoint_is_not_resumed(tmp_path: Path) -> None:
    Trainer(tiny(iterations=12), tmp_path).run()
    file = tmp_path / "checkpoint.safetensors"
    data = bytearray(file.read_bytes())
    data[-100] ^= 8
    file.write_bytes(data)
    with pytest.raises(ValueError, match="do not match their checksum"):
        Trainer.resume(tmp_path)
    with pytest.raises(FileNotFoundError, match="without --resume"):
        Trainer.resume(tmp_path / "nowhere")


def test_a_passed_evaluation_ends_the_run() -> None:
    trainer = Trainer(tiny(stop_at=1.0))
    trainer.run()
    assert trainer.passed
    assert trainer.iteration == 25


def test_a_time_limit_ends_the_run() -> None:
    trainer = Trainer(tiny(minutes=1e-6))
    trainer.run()
    assert trainer.iteration == 1


def test_cartpole_is_learned_in_seconds() -> None:
    """Not to the end, but far beyond what chance reaches (about 22 steps)."""
    trainer = Trainer(PRESETS["cartpole"](stop_at=100.0, eval_every=100, iterations=1500))
    trainer.run()
    assert trainer.passed
    assert trainer.evaluate(episodes=20, seed=123_456).mean > 60


def test_the_kitchen_needs_one_player_under_control() -> None:
    options = {"layout": "cramped_room", "horizon": 10}
    with pytest.raises(ValueError, match="expected one with Discrete actions"):
        Trainer(tiny("kitchen", env_options=options))
