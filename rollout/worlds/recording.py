"""Recordings of shared worlds: JSON Lines that replay equal, step for step.

    {"format": "rollout-session", "version": 1, "env": ..., "seats": ..., ..., "chain": ...}
    {"tick": 0, "proposed": [3, null], "executed": [3, 4], "late": ..., ..., "chain": ...}
    {"tick": 1, ...}
    {"end": 2, "chain": ...}

Each tick carries the hash of the state it led to, and each line a `chain`: the hash of the line
and of all lines before it, so a line that was changed, lost or moved is found. That finds accidents
and careless edits; it is no signature. Reading a recording runs nothing that is in it.
"""

import hashlib
import importlib.metadata
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Literal, TextIO, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from rollout.goals import Goal
from rollout.worlds.participants import Recorded
from rollout.worlds.world import SharedWorld, Tick, View, WorldSpec

FORMAT = "rollout-session"
VERSION = 1


class RecordingError(ValueError):
    """A file that is no recording, is damaged, or is of another version."""


class ReplayError(ValueError):
    """A recording that this build of the environment does not reproduce."""


class _Line(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, allow_inf_nan=False)


class _Header(_Line):
    format: Literal["rollout-session"]
    version: Literal[1]
    rollout: str
    env: str
    options: dict[str, str | int | float | bool]
    seed: int
    default_action: int
    tick_ms: int = Field(ge=1)
    seats: list[dict[str, Any]] = Field(min_length=1)
    state: str


class _Plan(_Line):
    path: list[int]
    expected: list[tuple[int, int, str, float]]
    value: float
    goal: dict[str, float] | None
    seconds: float


class _Tick(_Line):
    tick: int
    proposed: list[int | None]
    executed: list[int]
    late: list[bool]
    vetoed: list[bool]
    goal: dict[str, float]
    plans: list[_Plan | None]
    events: list[list[str]]
    reward: float
    state: str


class _End(_Line):
    end: int


_L = TypeVar("_L", bound=_Line)


@dataclass(frozen=True, slots=True)
class Recording:
    """A recorded world.

    spec: what world it was.
    seats: who took part, one a seat, each with "name" and "kind".
    start: hash of the state it began with.
    ticks: what happened.
    complete: whether the world was ended in order; otherwise the end may be missing.
    """

    spec: WorldSpec
    seats: tuple[Mapping[str, Any], ...]
    start: str
    ticks: tuple[Tick, ...]
    complete: bool


class Recorder:
    """Writes a world's log to a file, a line at a time, so that a crash loses no tick.

    Raises FileExistsError rather than replace a file. One world only; called by its thread.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)
        if self.path.exists():
            raise FileExistsError(f"{self.path}: exists already; choose another file to record to")
        self._file: TextIO | None = None
        self._chain = ""
        self._ticks = 0

    def begin(self, spec: WorldSpec, seats: Sequence[Mapping[str, Any]], state: str) -> None:
        """Open the file and write the header."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        self._file = self.path.open("x", encoding="utf-8")
        self._write(
            {
                "format": FORMAT,
                "version": VERSION,
                "rollout": _version(),
                "env": spec.env,
                "options": dict(spec.options),
                "seed": spec.seed,
                "default_action": spec.default_action,
                "tick_ms": spec.tick_ms,
                "seats": [dict(seat) for seat in seats],
                "state": state,
            }
        )

    def tick(self, tick: Tick) -> None:
        """Write one tick."""
        self._write(asdict(tick))
        self._ticks += 1

    def end(self) -> None:
        """Write the last line and close the file."""
        self._write({"end": self._ticks})
        if self._file is not None:
            self._file.close()
            self._file = None

    def _write(self, line: Mapping[str, Any]) -> None:
        if self._file is None:
            raise ValueError(f"{self.path}: not open for recording; a Recorder serves one world")
        self._chain = _chained(self._chain, line)
        self._file.write(json.dumps({**line, "chain": self._chain}, allow_nan=False) + "\n")
        self._file.flush()


def _version() -> str:
    """Return the installed version of rollout, for the reader of a recording."""
    try:
        return importlib.metadata.version("rollout")
    except importlib.metadata.PackageNotFoundError:
        return "not installed"


def _chained(before: str, line: Mapping[str, Any]) -> str:
    """Return the hash of a line and, through `before`, of all lines before it."""
    text = json.dumps(line, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return hashlib.blake2b((before + text).encode(), digest_size=16).hexdigest()  # text is ascii


def load_recording(path: str | Path) -> Recording:
    """Read a recording.

    Raises RecordingError naming the file, the line and what is wrong with it; OSError where the
    file cannot be read.
    """
    path = Path(path)
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except UnicodeDecodeError as error:
        raise RecordingError(f"{path}: not a recording: it is not UTF-8 text ({error})") from None
    if not lines:
        raise RecordingError(f"{path}: empty; a recording begins with a header line")
    chain = ""
    header: _Header | None = None
    ticks: list[Tick] = []
    complete = False
    for number, text in enumerate(lines, 1):
        where = f"{path}, line {number}"
        line = _parsed(text, where)
        if header is None:
            _check_version(line, where)
        told = line.pop("chain", None)
        try:
            chain = _chained(chain, line)
        except ValueError:
            raise RecordingError(f"{where}: holds a number beyond all bounds") from None
        if told != chain:
            raise RecordingError(
                f"{where}: the line, or one before it, was changed after it was recorded "
                f"(chain {told!r}, expected {chain!r}); use an untouched copy"
            )
        if complete:
            raise RecordingError(f"{where}: goes on after its end; use an untouched copy")
        if header is None:
            header = _checked(_Header, line, where)
        elif "end" in line:
            end = _checked(_End, line, where).end
            if end != len(ticks):
                raise RecordingError(
                    f"{where}: expected the end after {len(ticks)} ticks, got {end}"
                )
            complete = True
        else:
            ticks.append(_tick(_checked(_Tick, line, where), header, len(ticks), where))
    if header is None:
        raise RecordingError(f"{path}: has no header")
    spec = WorldSpec(header.env, header.options, header.seed, header.default_action, header.tick_ms)
    return Recording(spec, tuple(header.seats), header.state, tuple(ticks), complete)


def _parsed(text: str, where: str) -> dict[str, Any]:
    try:
        line = json.loads(text, parse_constant=_no_constant)
    except (ValueError, RecursionError) as error:
        raise RecordingError(f"{where}: damaged: not JSON ({error}); use a whole copy") from None
    if not isinstance(line, dict):
        raise RecordingError(f"{where}: expected a JSON object, got {type(line).__name__}")
    return line


def _no_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON number")


def _check_version(line: Mapping[str, Any], where: str) -> None:
    if line.get("format") != FORMAT:
        raise RecordingError(f"{where}: not a recording: its format is {line.get('format')!r}")
    if line.get("version") != VERSION:
        raise RecordingError(
            f"{where}: version {line.get('version')!r}, and this rollout reads version {VERSION}; "
            f"replay it with the rollout that made it ({line.get('rollout')!r})"
        )


def _checked(kind: type[_L], line: Mapping[str, Any], where: str) -> _L:
    try:
        return kind.model_validate_json(json.dumps(line))
    except ValidationError as error:
        first = error.errors()[0]
        field = ".".join(map(str, first["loc"]))
        raise RecordingError(f"{where}: {field}: {first['msg']}, got {first['input']!r}") from None


def _tick(line: _Tick, header: _Header, expected: int, where: str) -> Tick:
    if line.tick != expected:
        raise RecordingError(f"{where}: expected tick {expected}, got {line.tick}")
    per_seat = (line.proposed, line.executed, line.late, line.vetoed, line.plans)
    if any(len(entries) != len(header.seats) for entries in per_seat):
        raise RecordingError(f"{where}: expected one entry for each of {len(header.seats)} seats")
    return Tick(
        tick=line.tick,
        proposed=tuple(line.proposed),
        executed=tuple(line.executed),
        late=tuple(line.late),
        vetoed=tuple(line.vetoed),
        goal=line.goal,
        plans=tuple(None if plan is None else plan.model_dump() for plan in line.plans),
        events=tuple(map(tuple, line.events)),
        reward=line.reward,
        state=line.state,
    )


def replay(recording: Recording) -> Iterator[View]:
    """Run a recorded world again and yield the views that its participants had, one a tick.

    The first is that of the start, the last that of what the last tick led to; `View.last` is what
    was recorded. Every state is compared with its recorded hash: raises ReplayError at the first
    that differs, and ValueError where the environment itself cannot be made any more.
    """
    seats = [Recorded(recording, seat) for seat in range(len(recording.seats))]
    start = _Start()
    with SharedWorld(recording.spec, seats, log=start) as world:
        _same("the start", start.state, recording.start)
        view = replace(world.view, goal=_goal(recording, 0))
        yield view
        for recorded in recording.ticks:
            if world.view.over:
                raise ReplayError(
                    f"replay: the episode ended before tick {recorded.tick}, but the recording "
                    "goes on; it was made by another version of the environment"
                )
            done = world.step()
            _same(f"tick {recorded.tick}", done.state, recorded.state)
            view = replace(
                world.view,
                last=recorded,
                goal=_goal(recording, recorded.tick + 1),
                masked=world.masks(view.masked, recorded.proposed, recorded.vetoed),
            )
            yield view


def _goal(recording: Recording, tick: int) -> Goal:
    """Return the goal of a tick; after the last one, the last."""
    ticks = recording.ticks
    return Goal(ticks[min(tick, len(ticks) - 1)].goal) if ticks else Goal({})


class _Start:
    """A log that keeps the hash of the start."""

    state = ""

    def begin(self, spec: WorldSpec, seats: Sequence[Mapping[str, Any]], state: str) -> None:
        self.state = state

    def tick(self, tick: Tick) -> None:
        pass

    def end(self) -> None:
        pass


def _same(what: str, got: str, recorded: str) -> None:
    if got != recorded:
        raise ReplayError(
            f"replay: {what} led to state {got}, recorded was {recorded}; the recording was made "
            "by another version of the environment"
        )
