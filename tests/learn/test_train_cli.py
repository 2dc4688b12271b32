"""`train` and `eval` from the command line, on runs of seconds."""

from __future__ import annotations

import signal
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner, Result

from rollout.cli.eval import evaluate
from rollout.cli.train import parse_changes, train
from rollout.learn import Trainer
from rollout.learn.trainer import Watch

TINY = [
    *("--num-envs", "4", "--simulations", "4", "--threads", "1"),
    *(
        "-s",
        "batch=8",
        "-s",
        "warmup_iterations=10",
        "-s",
        "eval_every=15",
        "-s",
        "eval_episodes=2",
    ),
    *("-s", "stop_at=null", "-s", "report_every=5", "-s", 'model={"latent": 16, "hidden": 16}'),
]


def run(*words: object) -> Result:
    app = typer.Typer()
    app.command()(train)
    app.command("eval")(evaluate)
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "cartpole"
    result = run("train", "cartpole", "--out", out, "--iterations", 30, *TINY)
    assert result.exit_code == 0, result.output
    assert "evaluation after 60 steps" in result.output
    assert "trained 120 steps and 20 updates" in " ".join(result.output.split())
    return out


def test_train_can_be_resumed(folder: Path) -> None:
    result = run("train", "cartpole", "--out", folder, "--resume")
    assert result.exit_code == 0, result.output
    assert "trained 120 steps and 20 updates" in " ".join(result.output.split())
    result = run("train", "cartpole", "--out", folder, "--resume", "--simulations", 9)
    assert "a resumed run keeps its own" in str(result.exception)


def test_an_interrupt_finishes_the_iteration_and_saves(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    uninterrupted = Trainer.run

    def interrupted(trainer: Trainer, watch: Watch) -> None:
        uninterrupted(trainer, lambda progress: signal.raise_signal(signal.SIGINT))

    monkeypatch.setattr(Trainer, "run", interrupted)
    # a shell that starts a job in the background has it ignore the signal: what was set comes back
    before = signal.getsignal(signal.SIGINT)
    result = run("train", "cartpole", "--out", tmp_path, "--iterations", 1000, *TINY)
    assert result.exit_code == 130, result.output
    assert "--resume" in result.output
    assert signal.getsignal(signal.SIGINT) is before
    trainer = Trainer.resume(tmp_path)
    assert trainer.iteration == 5
    uninterrupted(trainer, until=8)
    assert trainer.iteration == 8


def test_eval_compares_players(folder: Path) -> None:
    for what in (folder, folder / "model.safetensors"):
        result = run("eval", what, "--episodes", 4, "--simulations", 2)
        assert result.exit_code == 0, result.output
        for player in ("planner", "head", "random"):
            assert player in result.output
    result = run("eval", "cartpole", "--episodes", 3)
    assert result.exit_code == 0, result.output
    assert "planner" not in result.output


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("train", "cartpoll"), "task: expected one of"),
        (("train", "cartpole", "-s", "batch"), "--set: expected NAME=VALUE"),
        (("train", "cartpole", "-s", "batches=3"), "Extra inputs are not permitted"),
        (("eval", "nowhere.safetensors"), "say --task to name its world"),
        (("eval", "cartpole", "-p", "planner"), "needs a model"),
        (("eval", "cartpole", "-p", "wizard"), "player: expected"),
        (("eval", "x", "--task", "chess"), "--task: expected one of"),
    ],
)
def test_wrong_words_say_why(
    words: tuple[str, ...], message: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = run(*words)
    assert result.exit_code != 0
    assert isinstance(result.exception, ValueError)
    assert message in str(result.exception)


def test_changes_are_json_or_text() -> None:
    pairs = ["batch=3", "env=CartPole-v1", 'bots=["cook"]', "stop_at=null", "goal=a=1, b=-2"]
    assert parse_changes(pairs) == {
        "batch": 3,
        "env": "CartPole-v1",
        "bots": ["cook"],
        "stop_at": None,
        "goal": "a=1, b=-2",
    }
