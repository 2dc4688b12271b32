import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from rollout.goals import KITCHEN_GOAL, Goal, parse
from rollout.worlds import (
    Bot,
    Participant,
    Person,
    Proposal,
    Recorder,
    SharedWorld,
    View,
    WorldSpec,
    load_recording,
    replay,
)
from rollout.worlds.participants import Seated

NORTH, SOUTH, EAST, WEST, STAY, INTERACT = range(6)
SPEC = WorldSpec(
    "Kitchen-v0", {"layout": "cramped_room", "horizon": 40}, default_action=STAY, tick_ms=100
)


class FakeClock:
    """Time that passes only while someone waits for it."""

    def __init__(self) -> None:
        self.time = 100.0
        self.waits: list[float] = []
        self.extra: dict[int, float] = {}  # seconds that the machine takes longer at a wait

    def now(self) -> float:
        return self.time

    def wait_until(self, when: float) -> None:
        self.waits.append(when)
        self.time = max(self.time, when) + self.extra.get(len(self.waits), 0.0)


class Scripted(Seated):
    """Proposes from a list, each proposal ready some time after its tick began."""

    kind = "scripted"

    def __init__(
        self,
        actions: Callable[[int], int] | Sequence[int],
        clock: FakeClock | None = None,
        takes: Callable[[int], float] = lambda _: 0.0,
    ) -> None:
        super().__init__("scripted")
        self._actions = actions if callable(actions) else [*actions, *[STAY] * 99].__getitem__
        self._clock, self._takes = clock, takes
        self._ready = 0.0
        self.views: list[View] = []

    def notice(self, view: View) -> None:
        self.views.append(view)
        self._propose(Proposal(view.tick, self._actions(view.tick)))
        if self._clock is not None:
            self._ready = self._clock.now() + self._takes(view.tick)

    def proposal(self, tick: int) -> Proposal | None:
        if self._clock is not None and self._clock.now() < self._ready:
            return None
        return super().proposal(tick)


def world(*participants: Participant, **more: Any) -> SharedWorld:
    return SharedWorld(SPEC, participants, **{"goal": KITCHEN_GOAL, **more})


def test_everyone_acts_at_the_same_fixed_ticks() -> None:
    clock = FakeClock()
    a, b = Scripted([EAST, SOUTH, INTERACT], clock), Scripted([WEST] * 3, clock)
    with world(a, b, clock=clock) as shared:
        shared.run(ticks=3)
        assert shared.view.tick == 3
        assert shared.late == [0, 0]
    np.testing.assert_allclose(clock.waits, [100.1, 100.2, 100.3])
    executed = [view.last.executed for view in a.views if view.last is not None]
    assert executed == [(EAST, WEST), (SOUTH, WEST), (INTERACT, WEST)]
    # all see the same view
    assert [id(x) for x in a.views] == [id(x) for x in b.views]


def test_who_is_late_gets_the_default_and_holds_up_nobody() -> None:
    clock = FakeClock()
    quick = Scripted([EAST, WEST, EAST, WEST], clock, lambda _: 0.099)
    # twice in time, twice not; a tick late is as late as for ever
    slow = Scripted([SOUTH] * 4, clock, lambda tick: [0.05, 0.101, 3600.0, 0.0, 0.0][tick])
    with world(quick, slow, clock=clock) as shared:
        shared.run(ticks=4)
        assert shared.late == [0, 2]
    np.testing.assert_allclose(clock.waits, [100.1, 100.2, 100.3, 100.4])
    last = [view.last for view in quick.views if view.last is not None]
    assert [t.executed[1] for t in last] == [SOUTH, STAY, STAY, SOUTH]
    assert [t.proposed[1] for t in last] == [SOUTH, None, None, SOUTH]
    assert [t.late[1] for t in last] == [False, True, True, False]
    assert [t.executed[0] for t in last] == [EAST, WEST, EAST, WEST]


def test_a_proposal_counts_in_its_own_tick_only() -> None:
    class Stale(Seated):
        def notice(self, view: View) -> None:
            self._propose(Proposal(view.tick - 1, EAST))

    with world(Stale("stale"), Scripted([STAY] * 3)) as shared:
        assert shared.step().proposed == (None, STAY)
        assert shared.step().late == (True, False)


def test_the_schedule_is_fixed_but_does_not_race_after_a_pause() -> None:
    clock = FakeClock()
    clock.extra = {2: 0.06, 4: 7.0}  # a slow tick, then the machine sleeps
    with world(Scripted([], clock), Scripted([], clock), clock=clock) as shared:
        shared.run(ticks=6)
        assert shared.overruns == 1
    np.testing.assert_allclose(clock.waits, [100.1, 100.2, 100.3, 100.4, 107.5, 107.6])


def test_the_wall_clock_keeps_the_tick_while_someone_hangs() -> None:
    class Hangs(Seated):
        """Thinks in a thread that does not come back until it is let go."""

        def __init__(self) -> None:
            super().__init__("hangs")
            self.free = threading.Event()
            self._threads: list[threading.Thread] = []

        def notice(self, view: View) -> None:
            def think() -> None:
                self.free.wait(30)
                self._propose(Proposal(view.tick, EAST))

            self._threads.append(threading.Thread(target=think))
            self._threads[-1].start()

        def leave(self) -> None:
            self.free.set()
            for thread in self._threads:
                thread.join()

    spec = WorldSpec(SPEC.env, SPEC.options, default_action=STAY, tick_ms=20)
    with SharedWorld(spec, [Hangs(), Scripted([])]) as shared:
        began = time.monotonic()
        shared.run(ticks=10)
        taken = time.monotonic() - began
        assert shared.late == [10, 0]
    assert 0.19 < taken < 2.0


def test_the_episode_ends_the_world() -> None:
    with world(Scripted([]), Scripted([]), clock=FakeClock()) as shared:
        shared.run()
        assert shared.view.tick == 40
        assert shared.view.over
        with pytest.raises(ValueError, match="this world has ended its episode"):
            shared.step()


def test_close_ends_a_running_world_from_another_thread() -> None:
    spec = WorldSpec(SPEC.env, SPEC.options, default_action=STAY, tick_ms=10)
    shared = SharedWorld(spec, [Person(), Person()])
    threading.Timer(0.1, shared.close).start()
    shared.run()
    assert 0 < shared.view.tick < 40
    shared.close()
    with pytest.raises(ValueError, match="this world is closed"):
        shared.step()


# --- vetoes ---


def test_a_veto_stops_the_next_action_and_masks_it_until_the_seat_acted_otherwise() -> None:
    agent = Scripted([EAST, EAST, WEST, EAST])
    with world(Scripted([]), agent) as shared:
        before = shared.view.state["players"][1]
        shared.veto(1)
        tick = shared.step()
        assert tick.proposed == (STAY, EAST)
        assert tick.executed == (STAY, STAY)
        assert tick.vetoed == (False, True)
        assert shared.view.state["players"][1] == before
        assert shared.view.masked == (frozenset(), frozenset({EAST}))
        # vetoed again, it stays masked; then it acts otherwise and starts afresh
        shared.veto(1)
        shared.step()
        assert shared.view.masked[1] == {EAST}
        tick = shared.step()
        assert tick.executed[1] == WEST
        assert not tick.vetoed[1]
        assert shared.view.masked[1] == frozenset()
        assert shared.step().executed[1] == EAST
        assert shared.vetoed == [0, 2]


def test_a_veto_waits_for_who_is_late() -> None:
    clock = FakeClock()
    slow = Scripted([EAST, EAST], clock, lambda tick: [9.0, 0.0, 0.0][tick])
    with world(Scripted([]), slow, clock=clock) as shared:
        shared.veto(1)
        shared.run(ticks=2)
        ticks = [v.last for v in slow.views if v.last is not None]
        assert [t.vetoed[1] for t in ticks] == [False, True]
        assert shared.vetoed == [0, 1]
        assert shared.late == [0, 1]


def test_vetoes_leave_something_to_do() -> None:
    with world(Scripted([]), Scripted(range(6))) as shared:
        for tick in range(6):
            shared.veto(1)
            shared.step()
            masked = shared.view.masked[1]
            assert masked == ({tick} if tick == 5 else set(range(tick + 1)))


def test_a_veto_of_nobody_is_refused() -> None:
    with (
        world(Person(), Person()) as shared,
        pytest.raises(ValueError, match=r"seat: expected 0\.\.1, got 2"),
    ):
        shared.veto(2)


# --- goals ---


def test_the_very_next_view_carries_a_new_goal() -> None:
    agent = Scripted([])
    with world(Scripted([]), agent) as shared:
        wanted = parse("soup_delivery=20, collision=-1")
        shared.set_goal(wanted)
        # the plan for the tick under way was made for the old one
        assert shared.step().goal == dict(KITCHEN_GOAL)
        assert agent.views[-1].goal == wanted
        assert shared.step().goal == {"soup_delivery": 20.0, "collision": -1.0}


def test_an_unknown_event_is_refused_and_changes_nothing() -> None:
    with world(Person(), Person()) as shared:
        with pytest.raises(ValueError, match="did you mean soup_delivery"):
            shared.set_goal(Goal({"soup_deliver": 1}))
        assert shared.goal == KITCHEN_GOAL
    with pytest.raises(ValueError, match="did you mean collision"):
        world(Person(), Person(), goal=Goal({"colision": -1}))


# --- participants ---


def test_a_person_acts_once_a_press() -> None:
    person = Person()
    with world(person, Scripted([])) as shared:
        assert shared.step().late == (True, False)
        person.press(EAST)
        person.press(EAST)  # the same key held down adds nothing
        person.press(INTERACT)
        person.press(WEST)  # more than can wait
        assert shared.step().executed[0] == EAST
        assert shared.step().executed[0] == INTERACT
        tick = shared.step()
        assert tick.late[0]
        assert tick.executed[0] == STAY
        # a look at what is proposed takes nothing away
        person.press(NORTH)
        assert shared.proposals()[0] == Proposal(4, NORTH)
        assert shared.step().executed[0] == NORTH


def test_bots_play_by_the_environments_scripts() -> None:
    def game(noise: float, seed: int) -> list[tuple[int, ...]]:
        spec = WorldSpec("Kitchen-v0", {"layout": "cramped_room", "horizon": 200})
        cooks = [Bot("cook", noise=noise, seed=seed), Bot("cook", noise=0.3, seed=9)]
        with SharedWorld(spec, cooks, clock=FakeClock()) as shared:
            done = [shared.step().executed for _ in range(200)]
            assert shared.late == [0, 0]
            assert shared.view.score >= 20
        return done

    assert game(0.1, 1) == game(0.1, 1)
    assert game(0.1, 1) != game(0.1, 2)


def test_bots_need_an_environment_with_scripts() -> None:
    with pytest.raises(ValueError, match=r"CartPole-v1 has no scripted players"):
        SharedWorld(WorldSpec("CartPole-v1"), [Bot("cook")])


def test_a_world_for_one() -> None:
    with SharedWorld(WorldSpec("CartPole-v1"), [Scripted(lambda t: t % 2)]) as shared:
        for _ in range(5):
            tick = shared.step()
        assert tick.events == ((),)
        assert shared.view.score == 5
        assert shared.view.obs.shape == (1, 4)


def test_worlds_that_cannot_be() -> None:
    with pytest.raises(ValueError, match="Kitchen-v0 has 2 seats, got 1"):
        world(Person())
    with pytest.raises(ValueError, match=r"default_action: expected 0\.\.5, got 6"):
        SharedWorld(WorldSpec("Kitchen-v0", default_action=6), [Person(), Person()])
    with pytest.raises(ValueError, match="tick_ms: expected at least 1"):
        WorldSpec("Kitchen-v0", tick_ms=0)
    with pytest.raises(ValueError, match="no environment is called 'Kichen-v0'"):
        SharedWorld(WorldSpec("Kichen-v0"), [Person(), Person()])


def test_views_are_safe_to_keep() -> None:
    with world(Scripted([]), Scripted([EAST] * 9)) as shared:
        first = shared.view
        kept = first.obs.copy()
        with pytest.raises(ValueError, match="read-only"):
            first.obs[0] = 0
        shared.step()
        np.testing.assert_array_equal(first.obs, kept)
        assert (shared.view.obs != kept).any()


def test_events_are_told_by_seat() -> None:
    # the first cook starts at (1, 2): up to (1, 1), left to face the onions, take one
    with world(Scripted([NORTH, WEST, INTERACT]), Scripted([])) as shared:
        ticks = [shared.step() for _ in range(3)]
        assert "onion_pickup" in ticks[2].events[0]
        assert ticks[2].events[1] == ()
        assert shared.view.state["players"][0]["held"]["name"] == "onion"


def test_a_world_writes_what_happens(tmp_path: Path) -> None:
    path = tmp_path / "game.jsonl"
    with world(Scripted([NORTH, WEST]), Scripted([EAST, SOUTH]), log=Recorder(path)) as shared:
        ticks = [shared.step()]
        shared.veto(1)
        ticks.append(shared.step())
    kept = load_recording(path)
    assert kept.complete
    assert list(kept.ticks) == ticks
    assert kept.spec == SPEC
    assert [seat["kind"] for seat in kept.seats] == ["scripted", "scripted"]
    assert [view.last for view in replay(kept)][1:] == ticks
