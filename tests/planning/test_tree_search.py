import time

import numpy as np
import pytest
import torch

from rollout.goals import Goal
from rollout.models import Discrete, ModelSpec, ObsSpec, Transition, ValueEquivalent
from rollout.models.value_equivalent import ValueEquivalentConfig
from rollout.planning import TreeSearch
from rollout.search import SearchTree

EVENTS = ("left", "right")


class Corridor:
    """A line of cells: action 0 steps left, 1 steps right; the events count either end reached.

    Own reward: 1 for the right end. A step onto an end ends the episode.
    """

    def __init__(self, cells=7, events=EVENTS):
        self.cells = cells
        self.spec = ModelSpec(
            obs=ObsSpec((1,)), action=Discrete(2), device=torch.device("cpu"), events=events
        )

    def begin(self, rows):
        return torch.full((rows,), self.cells // 2)

    def observe(self, state, obs, prev_action, first, noise):
        return obs[:, 0].long()

    def step(self, state, action, noise):
        after = (state + 2 * action - 1).clamp(0, self.cells - 1)
        left, right = (after == 0).float(), (after == self.cells - 1).float()
        events = torch.stack((left, right), 1) if self.spec.events else None
        return after, Transition(right, 1.0 - left - right, None, events)

    def take(self, state, rows):
        return state[rows]


@pytest.mark.parametrize("policy", ["gumbel", "muzero"])
def test_plans_for_the_models_own_reward(policy):
    planner = TreeSearch(Corridor(), policy=policy, num_simulations=64, temperature=0.0)
    plan = planner.plan(torch.tensor([4, 5, 2]))
    assert plan.action.tolist() == [1, 1, 1]
    assert plan.action_weights.shape == plan.prior.shape == (3, 2)
    assert 0 < plan.model_seconds < plan.seconds
    assert 1 < plan.mean_depth < 64


def test_a_goal_turns_the_plan_and_is_read_off_the_events():
    planner = TreeSearch(Corridor(), num_simulations=64)
    state = torch.tensor([2, 2])
    away = planner.plan(state, goal=Goal({"left": 1.0}))
    assert away.action.tolist() == [0, 0]
    # the line ends in the left end: its event, its reward, and -1 after it
    assert away.path_actions[0, :2].tolist() == [0, 0]
    assert away.path_events.shape == (*away.path_actions.shape, 2)
    assert away.path_events[0, 1].tolist() == [1.0, 0.0]
    assert away.path_rewards[0, 1] == 1.0
    both = planner.plan(state, goal=[Goal({"left": 1.0}), Goal({"left": -1.0, "right": 1.0})])
    assert both.action.tolist() == [0, 1]


def test_discount_and_continuation_make_the_value():
    # the right end is two steps away: worth 0.9 exactly once the search has seen only that line
    plan = TreeSearch(Corridor(), num_simulations=200, discount=0.9).plan(torch.tensor([4]))
    assert plan.q_values[0, 1] == pytest.approx(0.9, abs=0.05)
    assert plan.value.item() <= 0.9


def test_a_masked_action_is_not_taken():
    planner = TreeSearch(Corridor(), num_simulations=16)
    plan = planner.plan(torch.tensor([5]), invalid_actions=torch.tensor([[False, True]]))
    assert plan.action.item() == 0
    assert plan.visit_counts[0, 1] == 0


def test_plans_repeat_with_a_seed_and_vary_without():
    planner = TreeSearch(Corridor(21), policy="muzero", num_simulations=8, seed=3)
    state = torch.full((64,), 10)
    first, second = planner.plan(state), planner.plan(state)
    assert not torch.equal(first.visit_counts, second.visit_counts)
    again = TreeSearch(Corridor(21), policy="muzero", num_simulations=8, seed=3)
    assert torch.equal(again.plan(state).visit_counts, first.visit_counts)
    fixed = planner.plan(state, seed=9), planner.plan(state, seed=9)
    assert torch.equal(fixed[0].action_weights, fixed[1].action_weights)


@pytest.mark.parametrize("goal", [None, Goal({"a": 1.0, "partner.b": -0.5})])
def test_fused_and_plain_models_give_the_same_plan(goal):
    config = ValueEquivalentConfig(
        obs_shape=(5,), num_actions=4, events=("a", "b"), event_rows=2, latent=16, hidden=16
    )
    model = ValueEquivalent(config, seed=1)
    generator = torch.Generator().manual_seed(0)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.1 * torch.randn(weight.shape, generator=generator))
    state = model.observe(model.begin(6), torch.randn(6, 5, generator=generator))

    class Plain:
        """The same model without its fused call."""

        spec = model.spec
        begin, observe, step, take = model.begin, model.observe, model.step, model.take
        policy, value, event_value = model.policy, model.value, model.event_value

    fused = TreeSearch(model, num_simulations=20, goal=goal).plan(state, seed=4)
    plain = TreeSearch(Plain(), num_simulations=20, goal=goal).plan(state, seed=4)
    np.testing.assert_allclose(fused.action_weights, plain.action_weights, atol=1e-4)
    np.testing.assert_allclose(fused.path_events, plain.path_events, atol=1e-5)
    assert fused.path_events.shape[2:] == (2, 2)


def test_clear_errors():
    planner = TreeSearch(Corridor())
    with pytest.raises(ValueError, match="delivery"):
        planner.plan(torch.tensor([3]), goal=Goal({"delivery": 1.0}))
    with pytest.raises(ValueError, match="predicts no events"):
        TreeSearch(Corridor(events=())).plan(torch.tensor([3]), goal=Goal({"left": 1.0}))
    with pytest.raises(ValueError, match=r"goal: expected weights \[2\]"):
        planner.plan(torch.tensor([3]), goal=torch.ones(3))
    with pytest.raises(ValueError, match="policy: expected 'gumbel', 'muzero' or 'stochastic'"):
        TreeSearch(Corridor(), policy="alpha")
    with pytest.raises(ValueError, match=r"discount: expected a number in \[0, 1\], got 1.5"):
        TreeSearch(Corridor(), discount=1.5)
    with pytest.raises(ValueError, match="num_simulations: expected at least 1, got 0"):
        planner.plan(torch.tensor([3]), num_simulations=0)


class Slow(Corridor):
    """A corridor whose every step takes at least 20 ms."""

    def step(self, state, action, noise):
        time.sleep(0.02)
        return super().step(state, action, noise)


def test_a_deadline_cuts_a_plan_short():
    planner = TreeSearch(Slow(), num_simulations=20)
    state = torch.tensor([4, 2])
    # however busy the machine, no more than 10 such steps end in time
    short = planner.plan(state, deadline_ms=200.0).visit_counts.sum(1)
    assert short[0] == short[1] <= 10
    long = planner.plan(state, deadline_ms=600_000.0)
    assert long.visit_counts.sum(1).tolist() == [20, 20]
    # what would take longer still is left out
    assert long.path_events is None


@pytest.mark.parametrize("policy", ["gumbel", "muzero"])
def test_a_plan_goes_on_from_the_one_before(policy):
    planner = TreeSearch(Corridor(21), policy=policy, num_simulations=30, seed=1)
    state = torch.tensor([5, 10, 15, 12])
    before = planner.plan(state)
    after, _ = planner.model.step(state, before.action, None)
    plan = planner.plan(after, previous=before, first=torch.tensor([False, False, True, False]))
    counts = plan.visit_counts.sum(1)
    assert counts[2] == 30
    assert (counts[[0, 1, 3]] > 40).all()
    assert torch.equal(plan.search_tree.embeddings[:, 0], after)
    # what was done was another action
    other = planner.plan(after, previous=before, prev_action=1 - before.action).visit_counts
    assert (other.sum(1) != counts).any()
    # nothing was done: there is more time to think
    longer = planner.plan(
        state,
        previous=before,
        prev_action=torch.tensor([SearchTree.NOTHING_DONE] * 4),
        first=torch.tensor([False, True, False, False]),
    )
    assert longer.visit_counts.sum(1).tolist() == [60, 30, 60, 60]
    assert torch.equal(longer.search_tree.embeddings[:, 0], state)
    # a goal that changed is a reason to start afresh, row by row
    goals = [Goal({"left": 1.0}), Goal({"left": 1.0}), Goal({"right": 1.0}), Goal({"left": 2.0})]
    left = planner.plan(state, goal=Goal({"left": 1.0}))
    again = planner.plan(after, goal=goals, previous=left).visit_counts.sum(1)
    assert ((again > 30) == torch.tensor([True, True, False, False])).all()
    assert (planner.plan(after, previous=left).visit_counts.sum(1) == 30).all()
    # with waves a goal for each row is kept in the nodes, and one for all rows is not
    waves = TreeSearch(Corridor(21), policy=policy, num_simulations=30, seed=1, wave=4)
    goal = Goal({"left": 1.0})
    for first_goal, then in ((goal, [goal] * 4), ([goal] * 4, goal)):
        one = waves.plan(state, goal=first_goal)
        assert (waves.plan(after, goal=then, previous=one).visit_counts.sum(1) == 30).all()
        assert (waves.plan(after, goal=first_goal, previous=one).visit_counts.sum(1) > 30).any()
    with pytest.raises(ValueError, match=r"first: expected bool \[B=4\] or None, got int64 \[4\]"):
        planner.plan(after, previous=before, first=after)
    with pytest.raises(ValueError, match="previous: expected a plan beside prev_action or first"):
        planner.plan(after, first=after > 3)
    with pytest.raises(
        ValueError, match=r"previous: expected a plan of B=2 rows.* got actions \[4\]"
    ):
        planner.plan(after[:2], previous=before)
    ruled = TreeSearch(Corridor(21), num_simulations=10, forbid={"left": 0.5})
    with pytest.raises(ValueError, match="previous: expected None with forbid"):
        ruled.plan(after, previous=ruled.plan(state))
