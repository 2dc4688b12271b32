"""Trajectory optimisers that call a compiled step plan as they do without."""

import pytest
import torch
from torch import nn

from rollout.goals import Goal
from rollout.models import Box, Discrete, ModelSpec, ObsSpec, Transition
from rollout.planning import CEM, MPPI
from rollout.planning.trajectory import Refine
from rollout.search import packages
from rollout.search.packages import CannotCompileError

pytestmark = pytest.mark.skipif(
    packages.compiler() is None, reason="packages are made by a C++ compiler"
)
CPU = torch.device("cpu")


@pytest.fixture(scope="module", autouse=True)
def _cache(tmp_path_factory):
    """A cache of these tests' own: every package is compiled once, by the first that needs it."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ROLLOUT_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


class Spring(nn.Module):
    """A state of two tensors, with a continuation, events and a parameter."""

    def __init__(self, stochastic=False):
        super().__init__()
        torch.manual_seed(0)
        self.push = nn.Linear(1, 2)
        self.spec = ModelSpec(
            ObsSpec((2,)), Box((-1.0,), (1.0,)), CPU, stochastic=stochastic, events=("far",)
        )

    def begin(self, rows):
        return {"body": torch.zeros(rows, 2), "time": torch.zeros(rows)}

    def observe(self, state, obs, prev_action, first, noise):
        return {**state, "body": obs}

    def step(self, state, action, noise):
        body = 0.9 * state["body"] + self.push(action)
        reward = -(body - 0.5).square().sum(1) - 0.01 * state["time"]
        cont = torch.sigmoid(3 - body[:, 0])
        after = {"body": body, "time": state["time"] + 1}
        return after, Transition(reward, cont, None, (body[:, :1] > 0.6).float())

    def take(self, state, rows):
        return {name: leaf.index_select(0, rows) for name, leaf in state.items()}


def both(make):
    state = {"body": torch.randn(5, 2), "time": torch.zeros(5)}
    return [make(compile=compiled).plan(state, seed=3) for compiled in (False, True)]


@pytest.mark.parametrize(
    "settings",
    [{}, {"goal": Goal({"far": 1.0})}, {"forbid": {"far": 0.5}}, {"refine": Refine(steps=2)}],
    ids=["plain", "goal", "rule", "gradient"],
)
def test_a_plan_is_the_one_made_without(settings):
    model = Spring()
    eager, compiled = both(
        lambda compile: CEM(
            model, population=100, elites=20, iterations=3, horizon=6, compile=compile, **settings
        )
    )
    torch.testing.assert_close(compiled.action, eager.action, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(compiled.value, eager.value, rtol=1e-4, atol=1e-4)
    torch.testing.assert_close(compiled.path_rewards, eager.path_rewards, rtol=1e-4, atol=1e-4)
    assert torch.equal(compiled.path_events, eager.path_events)


def test_chunks_of_any_size_and_training_under_it():
    model = Spring()
    state = {"body": torch.randn(3, 2), "time": torch.zeros(3)}
    plans = [
        MPPI(model, population=50, horizon=5, chunk_rows=rows, compile=True).plan(state, seed=1)
        for rows in (1, 7, None)
    ]
    for plan in plans[1:]:
        torch.testing.assert_close(plan.action, plans[0].action, rtol=1e-5, atol=1e-5)
    planner = MPPI(model, population=50, horizon=5, compile=True)
    planner.plan(state, seed=1)
    with torch.no_grad():
        model.push.weight.neg_()
    other = planner.plan(state, seed=1, reset=torch.ones(3, dtype=torch.bool))
    again = MPPI(model, population=50, horizon=5).plan(state, seed=1)
    torch.testing.assert_close(other.action, again.action, rtol=1e-4, atol=1e-4)
    assert not torch.allclose(other.action, plans[0].action, atol=1e-2)


def test_what_cannot_be_compiled_is_told():
    with pytest.raises(CannotCompileError, match="stochastic=False"):
        CEM(Spring(stochastic=True), compile=True)
    planner = CEM(Spring(stochastic=True), compile="auto", population=20, elites=5)
    assert "stochastic=False" in planner.not_compiled
    planner.plan({"body": torch.zeros(1, 2), "time": torch.zeros(1)})

    class Draws(Spring):
        def step(self, state, action, noise):
            drawn = noise.normal("kick", (2,))
            after, transition = super().step(state, action, noise)
            return {**after, "body": after["body"] + drawn}, transition

    planner = CEM(Draws(), compile="auto", population=20, elites=5)
    assert planner.not_compiled == ""
    planner.plan({"body": torch.zeros(1, 2), "time": torch.zeros(1)})
    assert "draws at 'kick'" in planner.not_compiled


def test_a_model_that_only_holds_its_network():
    class Holder:
        def __init__(self):
            self.network = nn.Linear(2, 2).requires_grad_(False)
            self.spec = ModelSpec(ObsSpec((2,)), Discrete(3), CPU, stochastic=False)

        def begin(self, rows):
            return torch.zeros(rows, 2)

        def observe(self, state, obs, prev_action, first, noise):
            return obs

        def step(self, state, action, noise):
            after = self.network(state) + action[:, None]
            return after, Transition(after.sum(1), None)

        def take(self, state, rows):
            return state.index_select(0, rows)

    model = Holder()
    plans = [
        CEM(model, population=40, elites=8, compile=compile).plan(torch.zeros(2, 2), seed=0)
        for compile in (False, True)
    ]
    assert torch.equal(plans[0].path_actions, plans[1].path_actions)
    assert (plans[1].action == 2).all()
