"""Tree search where actions are numbers, choices, or both: it finds what is known to be best."""

import numpy as np
import pytest
import torch
from trajectory_models import CPU, Base, Codes, Mixed, Quadratic, Road

from rollout.models import Box, Discrete, Hybrid, ModelSpec, ObsSpec, Transition
from rollout.planning import CEM, MPPI, TreeSearch
from rollout.search import CategoricalSampler, GaussianSampler, qtransform_scaled
from rollout.search.executor import CannotCompileError

POLICIES = ["gumbel", "muzero"]
QUIET = {"gumbel_scale": 0.0, "dirichlet_fraction": 0.0, "temperature": 0.0}


class Bowl(Base):
    """One step: the reward is minus the squared distance from a point that the state names."""

    def __init__(self, prior=None):
        self.spec = ModelSpec(
            obs=ObsSpec((2,)), action=Box((-1.0, -1.0), (1.0, 1.0)), device=CPU, stochastic=False
        )
        if prior is not None:
            self.policy = lambda state: torch.tensor(prior).expand(len(state), -1)

    def step(self, state, action, noise):
        ends = torch.zeros(len(state))
        return state, Transition(-(action - state).square().sum(1), ends)


class Regulator(Base):
    """Two steps of x' = x + u, each costing x'^2 + 0.5 u^2: the linear-quadratic regulator.

    Solved backwards: with one step to go u = -k1 x; the first is u = -k2 x.
    """

    weight, steps = 0.5, 2

    def __init__(self):
        self.spec = ModelSpec(
            obs=ObsSpec((2,)), action=Box((-1.0,), (1.0,)), device=CPU, stochastic=False
        )

    def best(self):
        return self.best_of(self.steps)

    def best_of(self, steps):
        """Return k and the cost to go as a multiple of x^2, with so many steps to go."""
        gain = left = 0.0
        for _ in range(steps):
            slope = 1.0 + left  # the cost after the step is slope * x'^2
            gain = slope / (slope + self.weight)
            left = slope * (1 - gain) ** 2 + self.weight * gain**2
        return gain, left

    def step(self, state, action, noise):
        x = state[:, 0] + action[:, 0]
        time = state[:, 1] + 1
        cost = x.square() + self.weight * action[:, 0].square()
        return torch.stack((x, time), 1), Transition(-cost, (time < self.steps).float())


def search(model, policy, candidates, hope, **settings):
    """Return a planner that gives every candidate of the root a try.

    hope: what PUCT takes an unvisited candidate to be worth. Over many of a flat prior the usual,
    the least that was seen, would leave most of them untried.
    """
    settings = {
        "num_simulations": 2 * candidates,
        "max_num_considered_actions": candidates,
    } | settings
    if policy == "muzero":
        settings["qtransform"] = qtransform_scaled(unvisited=hope)
    return TreeSearch(model, policy=policy, candidates=candidates, **QUIET, **settings)


def bowls():
    return torch.tensor([[0.3, -0.5], [-0.8, 0.1], [0.0, 0.95]])


@pytest.mark.parametrize("policy", POLICIES)
def test_one_step_converges_to_cem(policy):
    """Of K even candidates the best is about 1 / sqrt(K) from the optimum: 4 K halve that."""
    state, errors = bowls().repeat(8, 1), []
    reference = CEM(Bowl(), horizon=1, population=300, discount=1.0).plan(state, seed=0).action
    np.testing.assert_allclose(reference, state, atol=0.02)
    for candidates in (16, 64, 256):
        plan = search(Bowl(), policy, candidates, 0.0, max_depth=1).plan(state, seed=candidates)
        errors.append((plan.action - reference).norm(dim=1).mean().item())
    assert errors[1] < 0.65 * errors[0]
    assert errors[2] < 0.65 * errors[1]
    assert errors[2] < 0.08


@pytest.mark.parametrize("policy", POLICIES)
def test_two_steps_of_a_regulator_converge_to_cem(policy):
    """On average within 0.12 of the first action, of a range of 2, and 0.03 of the return."""
    model = Regulator()
    state = torch.tensor([[0.8, 0.0], [-0.6, 0.0], [0.1, 0.0]]).repeat(4, 1)
    gain, left = model.best()
    reference = CEM(model, horizon=2, population=400, iterations=8, discount=1.0)
    expected = reference.plan(state, seed=0).action
    np.testing.assert_allclose(expected[:, 0], -gain * state[:, 0], atol=0.02)
    settings = {"max_depth": 2, "discount": 1.0}
    few = search(model, policy, 5, "parent", num_simulations=200, **settings)
    many = search(model, policy, 32, "parent", num_simulations=800, **settings)
    coarse, plan = few.plan(state, seed=1), many.plan(state, seed=1)
    error = (plan.action - expected).abs()
    assert error.mean() < 0.12
    assert (error.mean() < 0.6 * (coarse.action - expected).abs().mean()).all()
    # what the first action loses, the second being the best: its curvature times its square
    curvature = 1.0 + model.best_of(1)[1] + model.weight
    assert (curvature * error.square()).mean() < 0.03
    # what the search says it is worth is below the best, the second action being of a few
    rows, first = torch.arange(len(state)), plan.action_weights.argmax(1)
    optimum = -left * state[:, 0].square()
    assert (plan.q_values[rows, first] < optimum + 1e-4).all()
    assert (plan.q_values[rows, first] > optimum - 0.4).all()
    # a path is two actions, and the second regulates on from where the first led
    assert plan.path_actions.shape == (len(state), 2, 1)
    assert torch.equal(plan.path_actions[:, 0], plan.action)
    after = state[:, 0] + plan.action[:, 0]
    second = -model.best_of(1)[0] * after
    assert (plan.path_actions[:, 1, 0] - second).abs().mean() < 0.15


@pytest.mark.parametrize("policy", POLICIES)
def test_a_hybrid_optimum_needs_both_parts(policy):
    """Choice 1 with 0.25 is best; choice 2 with 0.75, or choice 1 with 0.75, are not."""
    state = torch.zeros(4, 2)
    plan = search(Mixed(), policy, 256, 1.0, max_depth=1).plan(state, seed=3)
    assert plan.action.dtype == torch.float32
    assert plan.actions.shape == (4, 256, 2)
    assert plan.action[:, 0].tolist() == [1.0] * 4
    np.testing.assert_allclose(plan.action[:, 1], 0.25, atol=0.1)
    for optimiser in (
        CEM(Mixed(), horizon=1, discount=1.0),
        MPPI(Mixed(), horizon=1, population=500, temperature=0.02, iterations=6, discount=1.0),
    ):
        other = optimiser.plan(state, seed=0).action
        np.testing.assert_allclose(other, plan.action, atol=0.15)


class Guided(Quadratic):
    """The policy is near the best action, and the value says what is left."""

    def policy(self, state):
        mean = self.target(state[:, :1])
        return torch.cat((mean, torch.full_like(mean, -2.0)), 1)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_policy_head_proposes(policy):
    state = torch.zeros(5, 2)
    settings = {"policy": policy, "num_simulations": 40, "max_depth": 2, **QUIET}
    guided = TreeSearch(Guided(width=4), **settings).plan(state, seed=2)
    blind = TreeSearch(Quadratic(width=4), **settings).plan(state, seed=2)
    target = Quadratic(width=4).target(0)
    error = {
        name: (plan.action - target).norm(dim=1).mean()
        for name, plan in (("guided", guided), ("blind", blind))
    }
    assert error["guided"] < 0.3 < error["blind"]
    torch.testing.assert_close(guided.prior.sum(1), torch.ones(5))
    spread = guided.actions.std(1)
    np.testing.assert_allclose(spread, np.exp(-2.0), rtol=0.5)


def test_a_wrong_policy_is_overcome_with_even_proposals():
    wrong = (0.9, -0.9, -3.0, -3.0)  # sure of a corner
    state = torch.tensor([[-0.5, 0.4]])
    settings = {"num_simulations": 200, "max_depth": 1}
    sure = search(Bowl(wrong), "muzero", 48, 0.0, **settings).plan(state, seed=0)
    sampler = GaussianSampler(48, (-1.0, -1.0), (1.0, 1.0), uniform=24)
    found = search(Bowl(wrong), "muzero", 48, 0.0, sampler=sampler, **settings).plan(state, seed=0)
    assert (sure.action - state).norm() > 1.0
    assert (found.action - state).norm() < 0.5
    # the prior still says what the policy does: those around its mean have all of it
    near = (found.actions[0] - torch.tensor(wrong[:2])).norm(dim=1) < 0.3
    assert found.prior[0, near].sum() > 0.99


def test_several_choices():
    model = Codes((4, 3, 2))
    plan = TreeSearch(model, candidates=60, num_simulations=150, max_depth=1, **QUIET).plan(
        torch.zeros(2, 2, dtype=torch.int64), seed=0
    )
    assert plan.action.dtype == torch.int64
    hits = (plan.action == model.right(torch.zeros(2, 1, dtype=torch.int64))).sum(1)
    assert (hits >= 2).all()
    barred = torch.zeros(2, 9, dtype=torch.bool)
    barred[:, 0] = True  # the first choice's first option, which is right
    plan = TreeSearch(model, candidates=60, num_simulations=150, max_depth=1, **QUIET).plan(
        torch.zeros(2, 2, dtype=torch.int64), invalid_actions=barred, seed=0
    )
    assert (plan.actions[..., 0] != 0).all()


def test_events_along_a_path_of_numbers():
    model = Road()
    planner = TreeSearch(model, num_simulations=60, goal=torch.tensor([0.0, -1.0]), **QUIET)
    plan = planner.plan(torch.zeros(3, 2))
    ended = plan.path_actions[..., 0].isnan()
    assert torch.equal(plan.path_events[..., 0], (~ended).float())
    risk = (plan.path_actions[..., 0].nan_to_num() - model.cliff).clamp(0, 1)
    torch.testing.assert_close(plan.path_events[..., 1], risk)
    assert (plan.path_actions[:, 0] == plan.action).all()


class Wide(Base):
    """One of 2,000 actions is right, and the policy has it among the likeliest."""

    def __init__(self, actions=2000):
        self.spec = ModelSpec(
            obs=ObsSpec((2,)), action=Discrete(actions), device=CPU, events=("hit",)
        )
        self.order = torch.arange(actions) * 1337 % actions

    def right(self, state):
        return (777 + state[:, 0].long() * 31) % len(self.order)

    def policy(self, state):
        near = (torch.arange(len(self.order)) - self.right(state)[:, None]).abs() <= 5
        return 8.0 * near + 1e-4 * self.order

    def step(self, state, action, noise):
        hit = (action == self.right(state)).float()
        return state + 1, Transition(hit, None, None, hit[:, None])


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(
    "settings", [{"top_k": 16}, {"sampler": CategoricalSampler(24, temperature=0.8)}]
)
def test_very_many_actions(policy, settings):
    state = torch.zeros(3, 2)
    state[:, 0] = torch.tensor([0.0, 4.0, 9.0])
    planner = TreeSearch(Wide(), policy=policy, num_simulations=150, **QUIET, **settings)
    plan = planner.plan(state, seed=0)
    assert torch.equal(plan.action, Wide().right(state))
    assert plan.action_weights.shape == plan.actions.shape == plan.prior.shape
    assert torch.equal(plan.path_actions[:, 0], plan.action)
    assert plan.path_events[:, 0, 0].eq(1).all()
    barred = torch.zeros(3, 2000, dtype=torch.bool)
    barred.scatter_(1, Wide().right(state)[:, None], True)
    elsewhere = planner.plan(state, seed=0, invalid_actions=barred)
    assert (elsewhere.action != plan.action).all()


def test_plans_do_not_depend_on_the_batch():
    planner = TreeSearch(Guided(), num_simulations=30, policy="muzero")
    state = torch.zeros(6, 2)
    state[:, 0] = torch.arange(6)
    seeds = torch.arange(20, 26)
    whole = planner.plan(state, seed=seeds)
    part = planner.plan(state[[4, 1]], seed=seeds[[4, 1]])
    assert torch.equal(part.actions, whole.actions[[4, 1]])
    assert torch.equal(part.action_weights, whole.action_weights[[4, 1]])


def test_clear_errors():
    with pytest.raises(ValueError, match=r"top_k: expected Discrete actions and no sampler"):
        TreeSearch(Bowl(), top_k=4)
    with pytest.raises(CannotCompileError, match="compile: expected Discrete actions, got Box"):
        TreeSearch(Bowl(), compile=True)
    assert "expected Discrete" in TreeSearch(Bowl(), compile="auto").not_compiled
    with pytest.raises(ValueError, match="count: expected at least 1 candidate, got 0"):
        TreeSearch(Bowl(), candidates=0)

    class Unbounded(Bowl):
        def __init__(self):
            self.spec = ModelSpec(
                obs=ObsSpec((2,)),
                action=Hybrid((2,), (-float("inf"),), (float("inf"),)),
                device=CPU,
            )

    with pytest.raises(ValueError, match="expected finite bounds to spread actions over"):
        TreeSearch(Unbounded())
