import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from rollout.goals import Expectation, Goal, parse
from rollout.models import (
    Discrete,
    ModelSpec,
    ObsSpec,
    Transition,
    ValueEquivalent,
    ValueEquivalentConfig,
)
from rollout.planning import TreeSearch
from rollout.worlds import Agent, Person, Recorder, SharedWorld, WorldSpec, foresee, load_recording

STAY = 4
SPEC = WorldSpec(
    "Kitchen-v0", {"layout": "cramped_room", "horizon": 40}, default_action=STAY, tick_ms=100
)
# what each action brings about, in the model below
BRINGS = (
    "onion_pickup",
    "dish_pickup",
    "soup_pickup",
    "soup_delivery",
    "collision",
    "potting_onion",
)


class Wishes:
    """A world model in which every action brings about its own event, whatever was before."""

    def __init__(self) -> None:
        self.spec = ModelSpec(
            obs=ObsSpec((5, 4, 26), torch.uint8),
            action=Discrete(6),
            device=torch.device("cpu"),
            stochastic=False,
            events=BRINGS,
            event_rows=2,
        )
        self.observed: list[tuple[int, bool]] = []  # (previous action, first)
        self.hold: threading.Event | None = None  # planning waits for this
        self.broken = False

    def begin(self, rows: int) -> Tensor:
        return torch.zeros(rows, 1)

    def observe(
        self, state: Tensor, obs: Tensor, prev: Tensor, first: Tensor, noise: Any
    ) -> Tensor:
        self.spec.obs.check(obs, len(state))
        self.observed.append((int(prev[0]), bool(first[0])))
        return state + 1

    def step(self, state: Tensor, action: Tensor, noise: Any) -> tuple[Tensor, Transition]:
        if self.hold is not None:
            assert self.hold.wait(30)
        events = torch.zeros(len(action), 2, 6)
        events[torch.arange(len(action)), 0, action] = 1
        if self.broken:
            events[:] = torch.nan
        return state, Transition(torch.zeros(len(action)), None, None, events)

    def take(self, state: Tensor, rows: Tensor) -> Tensor:
        return state[rows]


def planner(model: Any, simulations: int = 30) -> TreeSearch:
    # what comes later counts so little that the best event is the best action
    return TreeSearch(
        model, num_simulations=simulations, discount=0.1, gumbel_scale=0.0, num_threads=1
    )


def thought(world: SharedWorld, seat: int, steps: int) -> Any:
    """Wait for the agent's whole plan for this tick."""
    until = time.monotonic() + 30
    while time.monotonic() < until:
        proposal = world.proposals()[seat]
        if proposal is not None and len(proposal.path) >= steps:
            return proposal
        time.sleep(0.002)
    raise AssertionError("the agent did not plan")


def test_the_very_next_plan_follows_a_new_goal() -> None:
    agent = Agent(planner(Wishes()), steps=4)
    with SharedWorld(SPEC, [Person(), agent], goal=parse("soup_delivery=20")) as world:
        plan = thought(world, 1, 4)
        assert plan.path == (3, 3, 3, 3)
        assert plan.goal == parse("soup_delivery=20")
        assert plan.expected == tuple(Expectation(n, 0, "soup_delivery", 20.0) for n in range(1, 5))
        world.set_goal(parse("soup_delivery=20, potting_onion=30"))
        # the plan of the tick under way is not touched
        assert world.step().executed[1] == 3
        assert thought(world, 1, 4).path == (5, 5, 5, 5)
        world.set_goal(parse("partner.potting_onion=9, self.dish_pickup=1"))
        world.step()
        assert thought(world, 1, 4).path == (1, 1, 1, 1)


def test_a_vetoed_action_does_not_begin_the_next_plan() -> None:
    agent = Agent(planner(Wishes()), steps=3)
    with SharedWorld(SPEC, [Person(), agent], goal=parse("soup_pickup=5, collision=4")) as world:
        assert thought(world, 1, 3).path == (2, 2, 2)
        world.veto(1)
        assert world.step().executed[1] == STAY
        # second best first; what comes later is not forbidden
        assert thought(world, 1, 3).path == (4, 2, 2)
        world.veto(1)
        world.step()
        assert world.view.masked[1] == {2, 4}
        assert thought(world, 1, 3).action not in (2, 4)
        world.step()
        assert thought(world, 1, 3).path == (2, 2, 2)


def test_a_slow_plan_makes_the_agent_late_and_is_used_for_no_other_tick() -> None:
    model = Wishes()
    model.hold = threading.Event()
    agent = Agent(planner(model), steps=2)
    with SharedWorld(SPEC, [Person(), agent], goal=parse("soup_delivery=1")) as world:
        began = time.monotonic()
        for _ in range(5):
            assert world.step().late[1]
        assert time.monotonic() - began < 5
        model.hold.set()
        assert thought(world, 1, 2).tick == 5
        assert world.step().executed[1] == 3
        # every view went into the model, also those that were too late to plan in
        assert model.observed[0] == (0, True)
        thought(world, 1, 2)
        assert model.observed[1:] == [(STAY, False)] * 5 + [(3, False)]


def test_what_planning_raises_reaches_who_steps_the_world() -> None:
    model = Wishes()
    with SharedWorld(SPEC, [Person(), Agent(planner(model))], goal=parse("collision=1")) as world:
        thought(world, 1, 12)
        model.broken = True
        world.step()
        with pytest.raises(ValueError, match="finite"):
            thought(world, 1, 12)
        # it is not forgotten by being told once
        with pytest.raises(ValueError, match="finite"):
            world.step()


def test_who_plans_is_recorded(tmp_path: Path) -> None:
    path = tmp_path / "game.jsonl"
    seats = [Person("Ann"), Agent(planner(Wishes(), 12), name="Bo", steps=3, identity="abc")]
    goal = parse("soup_delivery=1")
    with SharedWorld(SPEC, seats, goal=goal, log=Recorder(path)) as world:
        plan = thought(world, 1, 3)
        world.step()
    kept = load_recording(path)
    assert kept.seats == (
        {"name": "Ann", "kind": "person"},
        {"name": "Bo", "kind": "agent", "model": "abc", "simulations": 12},
    )
    assert kept.ticks[0].plans == (None, plan.plan())
    assert plan.plan()["path"] == [3, 3, 3]
    assert plan.plan()["seconds"] > 0


def test_plans_repeat_and_reach_far_beyond_one_search() -> None:
    torch.manual_seed(0)
    config = ValueEquivalentConfig(
        obs_shape=(5, 4, 26), obs_dtype="uint8", num_actions=6, latent=32, hidden=32
    )
    model = ValueEquivalent(config)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(torch.randn_like(weight) * 0.2)

    def game() -> list[tuple[int, ...]]:
        paths = []
        with SharedWorld(SPEC, [Person(), Agent(planner(model, 16), steps=9)]) as world:
            for _ in range(4):
                proposal = thought(world, 1, 9)
                assert len(proposal.path) == 9
                # a model that names no events promises none
                assert proposal.expected == ()
                paths.append(proposal.path)
                world.step()
        return paths

    assert game() == game()


def test_foresight_of_one_row_among_many() -> None:
    search, rows = planner(Wishes()), torch.zeros(3, 1)
    goals = [Goal({name: 1.0}) for name in BRINGS[:3]]
    plan = search.plan(rows, goal=goals)
    assert np.asarray(plan.action).tolist() == [0, 1, 2]
    for row in range(3):
        ahead = list(foresee(search, rows, plan, row=row, goal=goals[row], steps=5))
        for step, (path, expected) in enumerate(ahead, 1):
            assert path == (row,) * step
            assert [x.event for x in expected] == [BRINGS[row]] * step
        assert len(ahead) == 5
