"""One running world that people, planners, scripted players and recordings share.

The world runs at a fixed tick that no participant can stop. While a tick lasts, everyone sees the
same view and may propose an action; at its end the world takes what is there: who is late gets
the default action, and who was vetoed too. Then it steps, and the next tick begins.

    view t shown -> proposals, vetoes, goals -> deadline -> executed -> view t + 1 shown

There is no terminal and no thread in here: whoever drives the world calls `run`, or `step` for
each tick. Vetoes, goals and `close` may come from any thread at any time.
"""

import hashlib
import threading
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rollout.envs import VectorEnv, make_vec
from rollout.goals import Goal
from rollout.worlds.participants import Participant, Proposal


class Clock(Protocol):
    """Where the world's time comes from; tests bring their own."""

    def now(self) -> float:
        """Return seconds that never go back."""

    def wait_until(self, when: float) -> None:
        """Return at `when`, or at once if that is past."""


class WallClock:
    """The machine's own clock."""

    def now(self) -> float:
        """Return seconds that never go back."""
        return time.monotonic()

    def wait_until(self, when: float) -> None:
        """Sleep until `when`."""
        time.sleep(max(0.0, when - time.monotonic()))


@dataclass(frozen=True, slots=True)
class WorldSpec:
    """What a world is made of: enough to make the same one again.

    env: id of the environment; one action a seat, all seats controlled.
    options: keywords of `rollout.make_vec` for it, plain values only.
    seed: of its start.
    default_action: done for who is late or vetoed.
    tick_ms: how long a tick lasts.
    """

    env: str
    options: Mapping[str, str | int | float | bool] = field(default_factory=dict)
    seed: int = 0
    default_action: int = 0
    tick_ms: int = 250

    def __post_init__(self) -> None:
        if self.tick_ms < 1:
            raise ValueError(f"tick_ms: expected at least 1 millisecond, got {self.tick_ms}")

    def make(self) -> VectorEnv:
        """Build the environment: one row, which stays as it is once its episode has ended."""
        return make_vec(
            self.env, 1, num_threads=1, autoreset_mode="disabled", events=True, **self.options
        )


@dataclass(frozen=True, slots=True)
class Tick:
    """What happened in one tick; each tuple has one entry a seat.

    proposed: what each wanted to do; None for who was late.
    executed: what was done.
    late, vetoed: why that was the default action.
    goal: the goal that the plans of this tick were to follow.
    plans: what planners had in mind, as plain values; see `Proposal.plan`.
    events: names of the events of each seat.
    reward: of this step.
    state: hash of the state that it led to, see `state_hash`.
    """

    tick: int
    proposed: tuple[int | None, ...]
    executed: tuple[int, ...]
    late: tuple[bool, ...]
    vetoed: tuple[bool, ...]
    goal: Mapping[str, float]
    plans: tuple[Mapping[str, Any] | None, ...]
    events: tuple[tuple[str, ...], ...]
    reward: float
    state: str


@dataclass(frozen=True, slots=True, eq=False)
class View:
    """What every participant sees while a tick lasts; equal only to itself.

    tick: 0, 1, 2, ...
    obs: [seats, ...] or, for one seat, [1, ...]: the observation of each seat; not to be written.
    last: what happened in the tick before; None in the first view.
    goal: what the very next plans are to follow.
    masked: a seat's vetoed actions, which its next plan must not begin with.
    state: the environment's readable state.
    score: sum of the rewards until here.
    over: whether the episode has ended, so that nothing will be executed any more.
    """

    tick: int
    obs: NDArray[Any]
    last: Tick | None
    goal: Goal
    masked: tuple[frozenset[int], ...]
    state: Mapping[str, Any]
    score: float
    over: bool


class Log(Protocol):
    """Where a world writes what happens."""

    def begin(self, spec: WorldSpec, seats: Sequence[Mapping[str, Any]], state: str) -> None:
        """Write what the world is, who takes part, and the hash of its start."""

    def tick(self, tick: Tick) -> None:
        """Write one tick."""

    def end(self) -> None:
        """Write that the world ended in order."""


def state_hash(env: VectorEnv) -> str:
    """Return 32 hex digits of what an environment is and of its whole state, random state included.

    Environments that differ in a keyword or in the layout of their rows have no hash in common.
    """
    kept = env.snapshot()
    return hashlib.blake2b(
        kept.fingerprint.encode() + kept.data.tobytes(), digest_size=16
    ).hexdigest()


class SharedWorld:
    """A world with a participant in each seat.

    spec: what world.
    participants: one a seat, in seat order.
    goal: the first goal; see `set_goal`.
    clock: see `Clock`.
    log: see `Log`; the world ends it in `close`.

    `late` and `vetoed` count, a seat each, the ticks that ended in the default action for that
    reason; `overruns` counts the ticks that the machine itself was too slow for. Use it as a
    context manager, or call `close`: participants may hold threads.
    """

    def __init__(
        self,
        spec: WorldSpec,
        participants: Sequence[Participant],
        *,
        goal: Goal | None = None,
        clock: Clock | None = None,
        log: Log | None = None,
    ) -> None:
        self.spec = spec
        self.participants = tuple(participants)
        self.env = spec.make()
        self.events: tuple[str, ...] = self.env.event_names
        self._num_actions, seats = _action_counts(self.env)
        if len(self.participants) != seats:
            raise ValueError(
                f"participants: {spec.env} has {seats} seats, got {len(self.participants)} "
                "participants; give each seat one"
            )
        if not 0 <= spec.default_action < self._num_actions:
            raise ValueError(
                f"default_action: expected 0..{self._num_actions - 1}, got {spec.default_action}"
            )
        self.late = [0] * seats
        self.vetoed = [0] * seats
        self.overruns = 0
        self._clock = clock or WallClock()
        self._log = log
        self._lock = threading.Lock()
        self._vetoes: set[int] = set()
        # held while a tick is executed, so that a close from elsewhere falls between two
        self._turn = threading.Lock()
        self._closed = threading.Event()
        self._goal = self._checked(goal or Goal({}))
        obs, _ = self.env.reset(seed=spec.seed)
        nobody: frozenset[int] = frozenset()
        self.view = self._look(0, obs, None, (nobody,) * seats, 0.0, False)
        if log is not None:
            log.begin(spec, [p.describe() for p in self.participants], state_hash(self.env))
        for seat, participant in enumerate(self.participants):
            participant.join(self, seat)
        self._show()

    def __enter__(self) -> "SharedWorld":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @property
    def goal(self) -> Goal:
        """The goal that the next view will carry."""
        return self._goal

    def set_goal(self, goal: Goal) -> None:
        """Change what is wanted; the very next plans follow it.

        Raises ValueError for an unknown event, with the nearest names; the old goal then stays.
        """
        checked = self._checked(goal)
        with self._lock:
            self._goal = checked

    def veto(self, seat: int) -> None:
        """Stop the next action of a seat.

        It is replaced by the default action, and until the seat has acted otherwise its plans must
        not begin with it again. A veto of who is late waits for its next proposal.
        Raises ValueError for a seat that is not there.
        """
        if not 0 <= seat < len(self.participants):
            raise ValueError(f"seat: expected 0..{len(self.participants) - 1}, got {seat}")
        with self._lock:
            self._vetoes.add(seat)

    def proposals(self) -> tuple[Proposal | None, ...]:
        """Return what each seat proposes for the current tick as of now."""
        tick = self.view.tick
        return tuple(p.proposal(tick) for p in self.participants)

    def masks(
        self,
        masked: tuple[frozenset[int], ...],
        proposed: tuple[int | None, ...],
        vetoed: tuple[bool, ...],
    ) -> tuple[frozenset[int], ...]:
        """Return what each seat must not do next: its vetoes, until it has acted otherwise.

        masked: the same one tick before. proposed, vetoed: what then happened, as in `Tick`.
        """
        return tuple(map(self._mask, masked, proposed, vetoed))

    def _mask(self, masked: frozenset[int], proposed: int | None, vetoed: bool) -> frozenset[int]:
        if proposed is None:
            return masked
        if not vetoed:
            return frozenset()
        masked = masked | {proposed}
        # something must be left to do: then only the last veto counts
        return masked if len(masked) < self._num_actions else frozenset({proposed})

    def step(self) -> Tick:
        """End the current tick: execute what is proposed, and begin the next tick.

        Never waits for a participant. What a participant's own thread raised is raised here.
        Raises ValueError once the episode has ended or the world is closed.
        """
        with self._turn:
            if self.view.over or self._closed.is_set():
                why = "is closed" if self._closed.is_set() else "has ended its episode"
                raise ValueError(f"step: this world {why}; make a new SharedWorld to go on")
            return self._advance()

    def run(self, ticks: int | None = None) -> None:
        """Step at the spec's tick until the episode ends, `close` is called, or `ticks` passed.

        The schedule is fixed: a tick that ends late makes the next one shorter. After a pause of
        more than a whole tick (the machine slept) the schedule starts anew instead of racing.
        """
        tick_seconds = self.spec.tick_ms / 1000
        deadline = self._clock.now()
        while not (self.view.over or self._closed.is_set() or ticks == 0):
            deadline += tick_seconds
            self._clock.wait_until(deadline)
            with self._turn:
                if self._closed.is_set():
                    break
                self._advance()
            if self._clock.now() > deadline + tick_seconds:
                self.overruns += 1
                deadline = self._clock.now()
            ticks = None if ticks is None else ticks - 1

    def close(self) -> None:
        """End the world: `run` returns, participants leave, the log is ended. Harmless twice."""
        with self._turn:
            if self._closed.is_set():
                return
            self._closed.set()
            for participant in self.participants:
                participant.leave()
            if self._log is not None:
                self._log.end()
            self.env.close()

    def _advance(self) -> Tick:
        view = self.view
        proposals = self.proposals()
        late = tuple(p is None for p in proposals)
        with self._lock:
            stopped = {seat for seat in self._vetoes if not late[seat]}
            self._vetoes -= stopped
            goal = self._goal
        vetoed = tuple(seat in stopped for seat in range(len(proposals)))
        proposed = tuple(None if p is None else p.action for p in proposals)
        executed = tuple(
            self.spec.default_action if action is None or veto else action
            for action, veto in zip(proposed, vetoed, strict=True)
        )
        obs, rewards, ended, cut, infos = self.env.step(self._joint(executed))
        for seat in range(len(proposals)):
            self.late[seat] += late[seat]
            self.vetoed[seat] += vetoed[seat]
        record = Tick(
            tick=view.tick,
            proposed=proposed,
            executed=executed,
            late=late,
            vetoed=vetoed,
            goal=dict(view.goal),
            plans=tuple(None if p is None else p.plan() for p in proposals),
            events=self._happened(infos),
            reward=float(rewards[0]),
            state=state_hash(self.env),
        )
        if self._log is not None:
            self._log.tick(record)
        over = bool(ended[0] or cut[0])
        masked = self.masks(view.masked, proposed, vetoed)
        self.view = self._look(
            view.tick + 1, obs, record, masked, view.score + record.reward, over, goal
        )
        self._show()
        return record

    def _show(self) -> None:
        for participant in self.participants:
            participant.notice(self.view)

    def _look(
        self,
        tick: int,
        obs: NDArray[Any],
        last: Tick | None,
        masked: tuple[frozenset[int], ...],
        score: float,
        over: bool,
        goal: Goal | None = None,
    ) -> View:
        seats = np.array(obs[0] if len(self.participants) > 1 else obs)
        seats.flags.writeable = False
        state = self.env.get_attr("state")[0]
        return View(tick, seats, last, goal or self._goal, masked, state, score, over)

    def _joint(self, actions: tuple[int, ...]) -> NDArray[np.int64]:
        joint = np.array([actions], np.int64)
        return joint if len(actions) > 1 else joint[:, 0]

    def _happened(self, infos: Mapping[str, Any]) -> tuple[tuple[str, ...], ...]:
        if not self.events:
            return ((),) * len(self.participants)
        counts = np.asarray(infos["events"])[0].reshape(-1, len(self.events))
        return tuple(tuple(self.events[e] for e in np.flatnonzero(row)) for row in counts)

    def _checked(self, goal: Goal) -> Goal:
        """Raise ValueError unless all events of a goal exist here."""
        goal.vector(self.events, event_rows=2)
        return goal


def _action_counts(env: VectorEnv) -> tuple[int, int]:
    """Return how many actions a seat has, and how many seats there are."""
    nvec = np.atleast_1d(getattr(env.single_action_space, "nvec", ()))
    if nvec.size:
        return int(nvec[0]), int(nvec.size)
    count = getattr(env.single_action_space, "n", None)
    if count is None:
        raise ValueError(
            f"env: a shared world needs discrete actions, got {env.single_action_space}"
        )
    return int(count), 1
