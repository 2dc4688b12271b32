"""Who takes part in a shared world: people, scripted players, recordings (planners: agent.py).

A participant hears of each tick by `notice` and is asked for its proposal at the deadline. Neither
call may block: the world waits for nobody.
"""

import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

import numpy as np
from numpy.typing import NDArray

from rollout.goals import Expectation, Goal

if TYPE_CHECKING:
    from rollout.worlds.recording import Recording
    from rollout.worlds.world import SharedWorld, View


@dataclass(frozen=True, slots=True)
class Proposal:
    """What a participant wants to do in one tick, and what it has in mind beyond that.

    tick: the tick that it is for; in any other it counts for nothing.
    path: actions it means to take, this one first; () for those who plan nothing.
    expected: events that it expects along the path; row 0 is its own.
    value: what it expects the future to be worth.
    goal: the goal that the plan was made for.
    seconds: how long the plan took.
    """

    tick: int
    action: int
    path: tuple[int, ...] = ()
    expected: tuple[Expectation, ...] = ()
    value: float = 0.0
    goal: Goal | None = None
    seconds: float = 0.0

    def plan(self) -> Mapping[str, Any] | None:
        """Return the plan as plain values for a record; None where there is none."""
        if not self.path:
            return None
        return {
            "path": list(self.path),
            "expected": [(x.step, x.row, x.event, x.worth) for x in self.expected],
            "value": self.value,
            "goal": None if self.goal is None else dict(self.goal),
            "seconds": self.seconds,
        }

    @staticmethod
    def of(tick: int, action: int, plan: Mapping[str, Any] | None) -> "Proposal":
        """Return the proposal that a recorded plan came from."""
        if plan is None:
            return Proposal(tick, action)
        return Proposal(
            tick=tick,
            action=action,
            path=tuple(plan["path"]),
            expected=tuple(Expectation(*x) for x in plan["expected"]),
            value=plan["value"],
            goal=None if plan["goal"] is None else Goal(plan["goal"]),
            seconds=plan["seconds"],
        )


class Participant(Protocol):
    """Whoever acts in one seat of a world. The world calls; nothing here may block."""

    def describe(self) -> Mapping[str, Any]:
        """Return who this is, as plain values for the record: at least "name" and "kind"."""

    def join(self, world: "SharedWorld", seat: int) -> None:
        """Take a seat; called once, before the first view."""

    def notice(self, view: "View") -> None:
        """Hear that a tick began."""

    def proposal(self, tick: int) -> Proposal | None:
        """Return what is proposed for this tick as of now; None if nothing is yet."""

    def leave(self) -> None:
        """Let go of threads and files."""


class Seated:
    """What most participants share: a name, and the newest proposal behind a lock."""

    kind = "participant"

    def __init__(self, name: str) -> None:
        self.name = name
        self.seat = 0
        self._lock = threading.Lock()
        self._proposal: Proposal | None = None

    def describe(self) -> Mapping[str, Any]:
        """Return the name and the kind."""
        return {"name": self.name, "kind": self.kind}

    def join(self, world: "SharedWorld", seat: int) -> None:
        """Remember the seat."""
        self.seat = seat

    def notice(self, view: "View") -> None:
        """Do nothing: what was proposed before is for another tick."""

    def proposal(self, tick: int) -> Proposal | None:
        """Return the newest proposal if it is for this tick."""
        with self._lock:
            kept = self._proposal
        return kept if kept is not None and kept.tick == tick else None

    def leave(self) -> None:
        """Nothing to let go of."""

    def _propose(self, proposal: Proposal) -> None:
        with self._lock:
            self._proposal = proposal


class Person(Seated):
    """Someone at a keyboard.

    `press` may be called from any thread. Presses wait in order, one a tick; at most `_WAITING`,
    and the same key again adds nothing, so that a key held down stops acting when it is let go.
    """

    kind = "person"
    _WAITING = 2

    def __init__(self, name: str = "you") -> None:
        super().__init__(name)
        self._pressed: list[int] = []

    def press(self, action: int) -> None:
        """Ask for an action."""
        with self._lock:
            if len(self._pressed) < self._WAITING and self._pressed[-1:] != [action]:
                self._pressed.append(action)

    def notice(self, view: "View") -> None:
        """Drop the press that the last tick took."""
        with self._lock:
            if view.last is not None and not view.last.late[self.seat]:
                self._pressed = self._pressed[1:]

    def proposal(self, tick: int) -> Proposal | None:
        """Return the press that is next."""
        with self._lock:
            return Proposal(tick, self._pressed[0]) if self._pressed else None


@runtime_checkable
class HasScripts(Protocol):
    """An environment with scripted players."""

    def bot_actions(
        self, kind: str, player: int, noise: float = 0.0, seed: int = 0
    ) -> NDArray[np.int64]:
        """Return what such a player would do now in each row; changes nothing."""


class Bot(Seated):
    """One of the environment's own scripted players.

    script: its name, as `env.bot_actions` takes it: "cook", "onions", "random" or "stay".
    noise: the chance of a random action instead.
    """

    kind = "bot"

    def __init__(self, script: str, *, noise: float = 0.0, seed: int = 0) -> None:
        super().__init__(script)
        self._noise, self._seed = noise, seed
        self._env: HasScripts | None = None

    def describe(self) -> Mapping[str, Any]:
        """Return the name, the kind, and what makes its actions."""
        return {"name": self.name, "kind": self.kind, "noise": self._noise, "seed": self._seed}

    def join(self, world: "SharedWorld", seat: int) -> None:
        """Remember the environment, which knows the scripts."""
        super().join(world, seat)
        if not isinstance(world.env, HasScripts):
            raise ValueError(f"bot: {world.spec.env} has no scripted players; seat someone else")
        self._env = world.env

    def notice(self, view: "View") -> None:
        """Propose at once: a script takes microseconds."""
        if self._env is None or view.over:
            return
        actions = self._env.bot_actions(self.name, self.seat, self._noise, self._seed)
        self._propose(Proposal(view.tick, int(actions[0])))


class Recorded(Seated):
    """A seat of a recorded world, doing again what was executed there."""

    kind = "recording"

    def __init__(self, recording: "Recording", seat: int) -> None:
        seats: Sequence[Mapping[str, Any]] = recording.seats
        if not 0 <= seat < len(seats):
            raise ValueError(f"seat: the recording has 0..{len(seats) - 1}, got {seat}")
        super().__init__(str(seats[seat]["name"]))
        self._recording, self._from = recording, seat

    def notice(self, view: "View") -> None:
        """Propose what was done in this tick; after the recording's end, nothing."""
        if view.tick < len(self._recording.ticks):
            tick = self._recording.ticks[view.tick]
            self._propose(Proposal(view.tick, tick.executed[self._from]))


def recorded_proposals(recording: "Recording", tick: int) -> tuple[Proposal | None, ...]:
    """Return what each seat of a recording proposed in a tick; after its end, nothing."""
    if tick >= len(recording.ticks):
        return (None,) * len(recording.seats)
    kept = recording.ticks[tick]
    return tuple(
        None if action is None else Proposal.of(tick, action, plan)
        for action, plan in zip(kept.proposed, kept.plans, strict=True)
    )
