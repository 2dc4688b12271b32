"""A scripted person plays through a real pseudo-terminal: keys go in, the screen comes out."""

import fcntl
import json
import os
import pty
import re
import select
import struct
import subprocess
import sys
import termios
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch

from rollout.cli.app import app
from rollout.envs.kitchen import EVENTS, load_layout
from rollout.models import ValueEquivalent, ValueEquivalentConfig, save
from rollout.worlds import load_recording, replay

NORTH, SOUTH, EAST, WEST, STAY, INTERACT = range(6)
_PATIENCE = 60.0  # seconds until a scripted person gives up
_CONTROL = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|[()][A-Z0-9]|[=>78])")


class Terminal:
    """A program in a pseudo-terminal of 100 x 30."""

    def __init__(self, *args: str) -> None:
        self._typist, inside = pty.openpty()
        fcntl.ioctl(inside, termios.TIOCSWINSZ, struct.pack("HHHH", 30, 100, 0, 0))
        env = {k: v for k, v in os.environ.items() if k not in ("COLUMNS", "LINES", "NO_COLOR")}
        self._program = subprocess.Popen(
            [sys.executable, "-m", "rollout", *args],
            stdin=inside,
            stdout=inside,
            stderr=inside,
            env={**env, "TERM": "xterm-256color"},
            start_new_session=True,
        )
        os.close(inside)
        self.shown = ""

    def type(self, keys: bytes) -> None:
        os.write(self._typist, keys)

    def read(self, seconds: float = 0.05) -> bool:
        """Take what the program shows; return False once it has ended."""
        ready, _, _ = select.select([self._typist], [], [], seconds)
        if ready:
            try:
                data = os.read(self._typist, 65536)
            except OSError:
                return False
            self.shown += _CONTROL.sub("", data.decode(errors="replace"))
        return True

    def wait_for(self, what: Callable[[], Any]) -> Any:
        """Watch the screen until `what` returns something true, and return that."""
        until = time.monotonic() + _PATIENCE
        while time.monotonic() < until:
            if found := what():
                return found
            if not self.read() and not (found := what()):
                break
            elif found:
                return found
        raise AssertionError(f"it did not happen; the screen ended in:\n{self.shown[-4000:]}")

    def end(self) -> int:
        """Wait until the program ends; return its exit code."""
        until = time.monotonic() + _PATIENCE
        while self.read() and time.monotonic() < until:
            pass
        code = self._program.wait(_PATIENCE)
        os.close(self._typist)
        return code

    def kill(self) -> None:
        if self._program.poll() is None:
            self._program.kill()
            self._program.wait()


@pytest.fixture
def terminal() -> Iterator[Callable[..., Terminal]]:
    opened: list[Terminal] = []

    def open_one(*args: str) -> Terminal:
        opened.append(Terminal(*args))
        return opened[-1]

    yield open_one
    for one in opened:
        one.kill()


def untrained() -> ValueEquivalent:
    """A kitchen model that has learned nothing yet: it plans all the same."""
    layout = load_layout("cramped_room")
    return ValueEquivalent(
        ValueEquivalentConfig(
            obs_shape=(layout.width, layout.height, 26),
            obs_dtype="uint8",
            num_actions=6,
            events=EVENTS,
            event_rows=2,
            latent=32,
            hidden=32,
        )
    )


@pytest.fixture(scope="module")
def model_file(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("model") / "kitchen.safetensors"
    save(untrained(), path)
    return str(path)


def acted(since: int, action: int, tick: dict[str, Any]) -> bool:
    return bool(tick["tick"] >= since and tick["executed"][0] == action)


def test_a_person_and_a_planner_share_a_kitchen(
    terminal: Callable[..., Terminal], model_file: str, tmp_path: Path
) -> None:
    record = tmp_path / "game.jsonl"
    goal = "soup_delivery=20, collision=-1"
    options = ["--tick-ms", "200", "--horizon", "3000", "--simulations", "8", "--goal", goal]
    game = terminal("play", "kitchen", "--model", model_file, "--record", str(record), *options)

    def ticks() -> list[dict[str, Any]]:
        if not record.exists():
            return []
        # the last line may be half written
        lines = [json.loads(line) for line in record.read_text().split("\n")[1:-1]]
        return [line for line in lines if "tick" in line]

    def seen(check: Callable[[dict[str, Any]], bool]) -> Callable[[], dict[str, Any] | None]:
        return lambda: next((tick for tick in ticks() if check(tick)), None)

    # the kitchen, the goal and the agent's plan are on the screen
    game.wait_for(lambda: "onions" in game.shown and "soup_delivery" in game.shown)
    game.wait_for(seen(lambda t: t["plans"][1] is not None and len(t["plans"][1]["path"]) > 1))

    # arrows and letters move the person, space acts; who presses nothing is late and stays
    assert game.wait_for(seen(lambda t: t["late"][0]))["executed"][0] == STAY
    for key, action in ((b"\x1b[A", NORTH), (b"d", EAST), (b"\x1b[D", WEST), (b" ", INTERACT)):
        before = len(ticks())
        game.type(key)
        tick = game.wait_for(seen(partial(acted, before, action)))
        assert not tick["late"][0]
    game.wait_for(lambda: "score 0" in game.shown)

    # a goal key: the next ticks' plans are made for the new goal
    assert ticks()[-1]["goal"] == {"soup_delivery": 20.0, "collision": -1.0}
    game.type(b"2-")
    changed = {"soup_delivery": 20.0, "collision": -2.0}
    tick = game.wait_for(seen(lambda t: t["goal"] == changed and t["plans"][1] is not None))
    assert tick["plans"][1]["goal"] == changed
    game.type(b"g")
    preset = {"soup_delivery": 20.0, "soup_pickup": 5.0, "useful_dish_pickup": 3.0}
    game.wait_for(seen(lambda t: t["goal"] == preset))
    game.wait_for(lambda: "serve only" in game.shown)

    # a veto stops the agent's action, and its next plan begins with another
    game.type(b"v")
    stopped = game.wait_for(seen(lambda t: t["vetoed"][1]))
    assert stopped["proposed"][1] is not None
    assert stopped["executed"][1] == STAY
    following = game.wait_for(
        seen(lambda t: t["tick"] > stopped["tick"] and t["proposed"][1] is not None)
    )
    assert following["proposed"][1] != stopped["proposed"][1]
    assert following["plans"][1]["path"][0] != stopped["proposed"][1]
    game.wait_for(lambda: "was stopped from" in game.shown)
    game.wait_for(lambda: "vetoed 1" in game.shown)

    game.type(b"q")
    assert game.end() == 0
    assert re.search(r"score 0 in \d+ of 3000 ticks; you: late \d+, vetoed 0", game.shown)
    assert "agent: late" in game.shown

    # what was kept replays equal, state for state
    kept = load_recording(record)
    assert kept.complete
    assert kept.spec.tick_ms == 200
    assert [view.last for view in replay(kept)][1:] == list(kept.ticks)
    positions = {view.state["players"][0]["position"] for view in replay(kept)}
    assert len(positions) > 1

    # and is shown again in a terminal
    again = terminal("play", "kitchen", "--replay", str(record), "--tick-ms", "20")
    again.wait_for(lambda: "onions" in again.shown and "was stopped from" in again.shown)
    assert again.end() == 0
    count = len(kept.ticks)
    assert f"{count} of {count} ticks replayed, each state equal" in again.shown


@pytest.fixture
def keys(monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    """A pseudo-terminal as this process's input; yields the end where someone types."""
    typist, inside = pty.openpty()
    with os.fdopen(inside, "r") as stdin:
        monkeypatch.setattr(sys, "stdin", stdin)
        yield typist
    os.close(typist)


def play(*args: str) -> None:
    app(["play", *args], standalone_mode=False)


def test_a_game_ends_by_itself_and_is_checked_without_a_terminal(
    keys: int,
    model_file: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    record = tmp_path / "game.jsonl"
    before = termios.tcgetattr(sys.stdin.fileno())
    options = ["--tick-ms", "30", "--horizon", "12", "--simulations", "4", "--record", str(record)]
    play("kitchen", "--model", model_file, *options)
    assert "in 12 of 12 ticks" in capsys.readouterr().out
    assert termios.tcgetattr(sys.stdin.fileno()) == before

    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        play("kitchen", "--replay", str(record))
    assert "12 of 12 ticks replayed, each state equal" in capsys.readouterr().out

    # a game that was cut off is replayed as far as it goes
    cut = tmp_path / "cut.jsonl"
    cut.write_text("".join(record.read_text().splitlines(keepends=True)[:6]))
    play("kitchen", "--replay", str(cut))
    said = capsys.readouterr().out
    assert "5 of 5 ticks replayed" in said
    assert "was cut off" in said


def test_a_failing_planner_ends_the_game_with_its_error(keys: int, tmp_path: Path) -> None:
    model = untrained()
    with torch.no_grad():
        # only the imagined steps go wrong: what is observed looks well
        model.action_in.fill_(1e38)
        model.dynamics_out.weight.fill_(1e38)
    save(model, tmp_path / "bad.safetensors")
    with pytest.raises(ValueError, match=r"finite|NaN|nan"):
        play("kitchen", "--model", str(tmp_path / "bad.safetensors"), "--tick-ms", "30")


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["chess"], "world: expected `kitchen`, got 'chess'"),
        (["kitchen", "--goal", "soup_deliver=20"], "did you mean soup_delivery"),
        (["kitchen", "--goal", "soup_delivery"], "expected pairs"),
        (["kitchen", "--layout", "cramped_rom"], "did you mean cramped_room"),
        (["kitchen", "--layout", "coordination_ring"], r"it sees \[5, 4, 26\], but this layout"),
    ],
)
def test_what_play_refuses(keys: int, model_file: str, args: list[str], says: str) -> None:
    with pytest.raises(ValueError, match=says):
        play(*args, "--model", model_file)


def test_a_model_that_is_not_there(keys: int, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="no model of this kitchen; the package has"):
        play("kitchen", "--model", str(tmp_path / "none.safetensors"))
    with pytest.raises(FileNotFoundError, match="no model of this kitchen"):
        play("kitchen", "--layout", "five_by_five")


def test_play_needs_a_terminal_and_whole_recordings(
    model_file: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with open(os.devnull) as nothing:
        monkeypatch.setattr(sys, "stdin", nothing)
        with pytest.raises(ValueError, match="the input is no terminal"):
            play("kitchen", "--model", model_file)
    with pytest.raises(FileNotFoundError):
        play("kitchen", "--replay", str(tmp_path / "missing.jsonl"))
    broken = tmp_path / "broken.jsonl"
    broken.write_text('{"format": "rollout-session", "version": 9}\n')
    with pytest.raises(ValueError, match="version 9, and this rollout reads version 1"):
        play("kitchen", "--replay", str(broken))
