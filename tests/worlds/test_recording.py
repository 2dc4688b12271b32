import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from rollout.goals import Expectation, Goal, parse
from rollout.worlds import (
    Bot,
    Person,
    Proposal,
    Recorded,
    Recorder,
    Recording,
    RecordingError,
    ReplayError,
    SharedWorld,
    View,
    WorldSpec,
    load_recording,
    recorded_proposals,
    replay,
)
from rollout.worlds.participants import Seated
from rollout.worlds.recording import _chained
from rollout.worlds.world import state_hash

EAST, STAY = 2, 4
SPEC = WorldSpec(
    "Kitchen-v0",
    {"layout": "cramped_room", "horizon": 120, "dynamics": "new"},
    seed=7,
    default_action=STAY,
    tick_ms=50,
)


class Planner(Seated):
    """Proposes east with a plan behind it, every third tick nothing."""

    kind = "agent"
    views: list[View]

    def join(self, world: SharedWorld, seat: int) -> None:
        self.views = []

    def notice(self, view: View) -> None:
        self.views.append(view)
        if view.tick % 3:
            expected = (Expectation(2, 0, "onion_pickup", 0.25),)
            self._propose(Proposal(view.tick, EAST, (EAST, STAY), expected, 1.5, view.goal, 0.0125))


@pytest.fixture(scope="module")
def played(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, list[View]]:
    """A recorded game and the views that were seen in it."""
    path = tmp_path_factory.mktemp("recordings") / "new" / "game.jsonl"
    planner = Planner("planner")
    seats = [Bot("cook", noise=0.2, seed=3), planner]
    with SharedWorld(SPEC, seats, goal=parse("collision=-1"), log=Recorder(path)) as world:
        for tick in range(60):
            if tick == 10:
                world.set_goal(parse("soup_delivery=20, self.collision=-0.1"))
            if tick % 7 == 0:
                world.veto(1)
            world.step()
    return path, planner.views


@pytest.fixture
def game(played: tuple[Path, list[View]]) -> Path:
    return played[0]


def test_a_game_replays_equal_step_for_step(played: tuple[Path, list[View]]) -> None:
    game, game_views = played
    kept = load_recording(game)
    assert (len(kept.ticks), kept.complete, kept.spec) == (60, True, SPEC)
    assert kept.seats[1] == {"name": "planner", "kind": "agent"}
    seen = list(replay(kept))
    assert [view.last for view in seen] == [None, *kept.ticks]
    assert [view.tick for view in seen] == list(range(61))
    # the views are those that the participants had
    assert len(game_views) == 61
    for view, then in zip(seen, game_views, strict=True):
        np.testing.assert_array_equal(view.obs, then.obs)
        assert (view.goal, view.masked, view.state) == (then.goal, then.masked, then.state)
        assert (view.score, view.over) == (then.score, then.over)
    # what was recorded is rich enough to show again
    assert sum(tick.late[1] for tick in kept.ticks) == 20
    assert sum(tick.vetoed[1] for tick in kept.ticks) == 9
    assert kept.ticks[10].goal == {"collision": -1.0}
    assert kept.ticks[11].goal == {"soup_delivery": 20.0, "self.collision": -0.1}
    plan = recorded_proposals(kept, 11)[1]
    assert plan is not None
    assert recorded_proposals(kept, 12)[1] is None
    assert recorded_proposals(kept, 60) == (None, None)
    assert plan.path == (EAST, STAY)
    assert plan.expected == (Expectation(2, 0, "onion_pickup", 0.25),)
    assert plan.goal == Goal(kept.ticks[11].goal)
    assert any(tick.events[0] for tick in kept.ticks)
    assert len({tick.state for tick in kept.ticks}) == 60


def test_a_recording_takes_part_in_a_new_world(game: Path) -> None:
    kept = load_recording(game)
    with SharedWorld(SPEC, [Recorded(kept, 0), Person()]) as world:
        for tick in kept.ticks:
            assert world.step().executed == (tick.executed[0], STAY)
        # after its end it has nothing to propose
        assert world.step().late == (True, True)
    with pytest.raises(ValueError, match=r"the recording has 0\.\.1, got 2"):
        Recorded(kept, 2)


def test_a_cut_off_game_replays_as_far_as_it_goes(game: Path, tmp_path: Path) -> None:
    path = tmp_path / "cut.jsonl"
    path.write_text("".join(game.read_text().splitlines(keepends=True)[:31]))
    kept = load_recording(path)
    assert not kept.complete
    assert len(list(replay(kept))) == 31


def test_a_recorder_replaces_no_file_and_serves_one_world(game: Path, tmp_path: Path) -> None:
    with pytest.raises(FileExistsError, match="choose another file"):
        Recorder(game)
    recorder = Recorder(tmp_path / "a.jsonl")
    with SharedWorld(SPEC, [Person(), Person()], log=recorder):
        pass
    with pytest.raises(ValueError, match="serves one world"):
        recorder.end()


def rechained(lines: list[dict[str, object]]) -> str:
    """Write lines as someone would who knows the format."""
    chain, out = "", []
    for line in lines:
        body = {k: v for k, v in line.items() if k != "chain"}
        chain = _chained(chain, body)
        out.append(json.dumps({**body, "chain": chain}))
    return "\n".join(out) + "\n"


def edited(text: str, number: int, **change: object) -> str:
    lines = [json.loads(line) for line in text.splitlines()]
    lines[number].update(change)
    return rechained(lines)


def drop(text: str, number: int) -> str:
    lines = text.splitlines(keepends=True)
    return "".join(lines[:number] + lines[number + 1 :])


def swap(text: str, number: int) -> str:
    lines = text.splitlines(keepends=True)
    lines[number], lines[number + 1] = lines[number + 1], lines[number]
    return "".join(lines)


@pytest.mark.parametrize(
    ("damage", "says"),
    [
        (lambda t: "", "empty"),
        (lambda t: "hello\n" + t, "line 1: damaged: not JSON"),
        (lambda t: "[1, 2]\n" + t, "line 1: expected a JSON object, got list"),
        (lambda t: "[" * 100_000 + "\n" + t, "line 1: damaged: not JSON"),
        (lambda t: '{"a": 1' + "0" * 5000 + "}\n" + t, "line 1: damaged: not JSON"),
        (lambda t: '{"tick": 0}\n' + t, "line 1: not a recording: its format is None"),
        (lambda t: t[: len(t) // 2], "damaged: not JSON"),
        (lambda t: t.replace('"late": [false, true', '"late": [false, false', 1), "was changed"),
        (lambda t: t.replace('"seed": 7', '"seed": 8', 1), r"line 1: .* was changed after"),
        (lambda t: t.replace('"reward": 0.0', '"reward": NaN', 1), "NaN is no JSON number"),
        (lambda t: t.replace('"reward": 0.0', '"reward": 1e999', 1), "beyond all bounds"),
        (lambda t: t.replace('"onion_pickup"', '"\\ud800"', 1), "was changed after"),
        (lambda t: drop(t, 0), "line 1: not a recording"),
        (lambda t: drop(t, 20), r"line 21: .* was changed after"),
        (lambda t: swap(t, 20), r"line 21: .* was changed after"),
        (lambda t: t + t.splitlines()[-1] + "\n", r"line 63: .* was changed after"),
        (lambda t: edited(t, 0, version=2), "version 2, and this rollout reads version 1"),
        (lambda t: edited(t, 0, format="chess"), "not a recording: its format is 'chess'"),
        (lambda t: edited(t, 0, options={"layout": ["x"]}), r"options\.layout.*got \['x'\]"),
        (lambda t: edited(t, 0, seats=[]), r"seats: .*at least 1"),
        (lambda t: edited(t, 0, run="rm"), "run: Extra inputs"),
        (lambda t: edited(t, 5, executed=["east", 4]), r"line 6: executed\.0: .*got 'east'"),
        (lambda t: edited(t, 5, executed=[4]), "line 6: expected one entry for each of 2 seats"),
        (lambda t: edited(t, 5, tick=9), "line 6: expected tick 4, got 9"),
        (lambda t: edited(t, 5, late=[0, 1]), r"line 6: late\.0"),
        (lambda t: edited(t, 61, end="all"), "line 62: end"),
        (lambda t: edited(t, 61, end=59), "line 62: expected the end after 60 ticks, got 59"),
    ],
)
def test_damaged_recordings_are_refused(
    game: Path, tmp_path: Path, damage: Callable[[str], str], says: str
) -> None:
    path = tmp_path / "damaged.jsonl"
    path.write_text(damage(game.read_text()))
    with pytest.raises(RecordingError, match=says):
        load_recording(path)


def test_a_recording_that_goes_on_after_its_end_is_refused(game: Path, tmp_path: Path) -> None:
    lines = [json.loads(line) for line in game.read_text().splitlines()]
    path = tmp_path / "long.jsonl"
    path.write_text(rechained([*lines, lines[-1]]))
    with pytest.raises(RecordingError, match="line 63: goes on after its end"):
        load_recording(path)


def test_bytes_that_are_no_text_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "binary.jsonl"
    path.write_bytes(b"\x80\x04\x95pickle")
    with pytest.raises(RecordingError, match="not UTF-8 text"):
        load_recording(path)
    with pytest.raises(FileNotFoundError):
        load_recording(tmp_path / "missing.jsonl")


def forged(game: Path, tmp_path: Path, number: int, **change: object) -> Recording:
    path = tmp_path / "forged.jsonl"
    path.write_text(edited(game.read_text(), number, **change))
    return load_recording(path)


def start_of(spec: WorldSpec) -> str:
    env = spec.make()
    env.reset(seed=spec.seed)
    return state_hash(env)


def test_a_forged_game_does_not_replay(game: Path, tmp_path: Path) -> None:
    # whoever repairs the chain still cannot make another action lead to the recorded state
    done = load_recording(game).ticks[4].executed
    with pytest.raises(ReplayError, match="tick 4 led to state"):
        list(replay(forged(game, tmp_path, 5, executed=[(done[0] + 1) % 4, done[1]])))
    with pytest.raises(ReplayError, match="the start led to state"):
        list(replay(forged(game, tmp_path, 0, seed=8)))
    # another horizon is another environment: made to fit at the start, it fails at the first tick
    kept = forged(game, tmp_path, 0, options={**SPEC.options, "horizon": 30})
    kept = replace(kept, start=start_of(kept.spec))
    with pytest.raises(ReplayError, match="tick 0 led to state"):
        list(replay(kept))


def test_a_game_longer_than_its_episode_does_not_replay(tmp_path: Path) -> None:
    spec = WorldSpec("Kitchen-v0", {"layout": "cramped_room", "horizon": 3}, default_action=STAY)
    path = tmp_path / "short.jsonl"
    with SharedWorld(spec, [Person(), Person()], log=Recorder(path)) as world:
        ticks = [world.step() for _ in range(3)]
    kept = load_recording(path)
    longer = replace(kept, ticks=(*ticks, replace(ticks[-1], tick=3)))
    with pytest.raises(ReplayError, match="the episode ended before tick 3"):
        list(replay(longer))


def test_options_of_a_recording_reach_no_file(game: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("orders: ooo\n\nXXPXX\nO1 2O\nX   X\nXDXSX\n")
    with pytest.raises(ValueError, match="layout: no layout is called"):
        list(replay(forged(game, tmp_path, 0, options={"layout": str(secret)})))
    with pytest.raises(ValueError, match="no environment is called"):
        list(replay(forged(game, tmp_path, 0, env="os.system")))
