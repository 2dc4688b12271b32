"""Rules and disagreement in tree search, and calls that are about some rows or several of one."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout.goals import Goal, explain
from rollout.models import Box, Discrete, ModelSpec, ObsSpec, Transition, ValueEquivalent
from rollout.models.value_equivalent import ValueEquivalentConfig
from rollout.planning import CEM, TreeSearch
from rollout.search import CannotCompileError

EVENTS = ("collision", "delivery")
CPU = torch.device("cpu")


class Grid:
    """Cells on a plane; actions are east, south, west, north. The goal pays 1 and ends the episode.

    Entering a cell collides with the probability that `risk` [H, W] gives it.
    """

    moves = torch.tensor([[0, 1], [1, 0], [0, -1], [-1, 0]])

    def __init__(self, risk, goal):
        self.risk, self.goal = torch.tensor(risk), torch.tensor(goal)
        self.size = torch.tensor(self.risk.shape)
        self.spec = ModelSpec(
            obs=ObsSpec((2,)), action=Discrete(4), device=CPU, events=EVENTS, stochastic=False
        )

    def begin(self, rows):
        return torch.zeros(rows, 2, dtype=torch.int64)

    def observe(self, state, obs, prev_action, first, noise):
        return obs.long()

    def step(self, state, action, noise):
        after = (state + self.moves[action]).clamp(min=torch.zeros_like(state))
        after = torch.minimum(after, self.size - 1)
        there = (after == self.goal).all(1).float()
        events = torch.stack((self.risk[after[:, 0], after[:, 1]], there), 1)
        return after, Transition(there, 1.0 - there, None, events)

    def take(self, state, rows):
        return state[rows]


class Gamble(Grid):
    """A grid that has afterstates, too."""

    def __init__(self):
        super().__init__([[0.0]], (0, 0))

    def afterstate(self, state, action):
        return state, torch.zeros(len(state), 1)

    def resolve(self, after, outcome):
        return self.step(after, outcome, None)


# the straight way to the goal leads through a cell of risk 0.5; the way round it does not
ROOM = Grid([[0.0, 0.5, 0.0], [0.0, 0.0, 0.0]], (0, 2))
START = torch.tensor([[0, 0]])


def cells(path):
    """The cells that a path of actions enters."""
    state = START
    entered = []
    for action in path:
        state, _ = ROOM.step(state, torch.tensor([action]), None)
        entered.append(tuple(state[0].tolist()))
    return entered


def risk_along(path):
    clear = 1.0
    for cell in cells(path):
        clear *= 1.0 - ROOM.risk[cell].item()
        if cell == (0, 2):
            break
    return 1.0 - clear


@pytest.mark.parametrize("policy", ["gumbel", "muzero"])
def test_the_way_round_is_taken_where_the_straight_one_is_too_risky(policy):
    options = {"policy": policy, "num_simulations": 300, "temperature": 0.0, "discount": 0.9}
    free = TreeSearch(ROOM, **options).plan(START)
    assert free.action.item() == 0
    assert free.rejections == free.pruned() == ()
    bold = TreeSearch(ROOM, forbid={"collision": 0.5}, **options).plan(START)
    assert bold.action.item() == 0
    assert bold.rejections[0].probability.item() == 0.5
    safe = TreeSearch(ROOM, forbid={"collision": 0.1}, **options).plan(START)
    assert safe.action.item() == 1
    assert safe.feasible.item()
    assert safe.action_weights[0, 0] == 0
    assert safe.visit_counts[0, 0] == 0
    rejection = safe.rejections[0]
    assert (rejection.event, rejection.limit) == ("collision", 0.1)
    assert rejection.probability.item() == 0.0
    assert rejection.forgone.item() == 0.0  # the model of leaves says nothing: no value, no reward
    branches = safe.pruned()
    assert len(branches) == rejection.rejected.item() > 0
    assert branches[0].path == (0,)
    for branch in branches:
        assert cells(branch.path)[-1] == (0, 1)
        assert branch.event == "collision"
        assert branch.probability == pytest.approx(risk_along(branch.path))
    # what was found is the way round: its reward and its event
    assert safe.path_actions[0, :4].tolist() == [1, 0, 0, 3]
    assert safe.path_rewards[0, 3] == 1.0
    assert safe.path_events[0, 3].tolist() == [0.0, 1.0]
    assert safe.q_value.item() == pytest.approx(safe.q_values[0, 1].item())
    text = explain(safe, EVENTS)
    assert "with a chance of collision above 10%" in text


@settings(deadline=None, max_examples=25)
@given(
    limit=st.floats(0.0, 1.0),
    risks=st.lists(st.floats(0.0, 0.6), min_size=6, max_size=6),
    policy=st.sampled_from(["gumbel", "muzero"]),
    wave=st.sampled_from([1, 4]),
    seed=st.integers(0, 99),
)
def test_no_path_of_a_tree_is_above_the_limit(limit, risks, policy, wave, seed):
    grid = torch.tensor(risks).view(2, 3)
    model = Grid(grid.tolist(), (0, 2))
    planner = TreeSearch(
        model, policy=policy, num_simulations=60, forbid={"collision": limit}, wave=wave
    )
    plan = planner.plan(START.repeat(2, 1), seed=seed)
    tree = plan.search_tree
    reached = tree.node_visits[0] > 0
    slots = reached.nonzero()[:, 0]
    likely = tree.chances(torch.zeros_like(slots), slots)[:, 0]
    assert (likely <= limit).all()
    # and that is the product along the path
    clear, alive = {0: torch.ones(())}, {0: 1.0}
    for slot in slots[1:].tolist():
        parent = int(tree.parents[0, slot])
        cell = tree.embeddings[0, slot]
        clear[slot] = clear[parent] * (1.0 - grid[cell[0], cell[1]] * alive[parent])
        alive[slot] = alive[parent] * float((cell != model.goal).any())
    torch.testing.assert_close(likely, 1.0 - torch.stack([clear[s] for s in slots.tolist()]))
    assert plan.feasible.tolist() == (plan.visit_counts.sum(1) > 0).tolist() or plan.feasible.all()
    assert (plan.rejections[0].probability[plan.feasible] <= limit).all()


def test_where_nothing_is_allowed_the_least_risk_is_taken_and_told():
    model = Grid([[0.9, 0.3], [0.6, 0.9]], (1, 1))
    planner = TreeSearch(model, num_simulations=30, forbid={"collision": 0.2})
    plan = planner.plan(torch.tensor([[0, 0], [0, 0]]))
    assert not plan.feasible.any()
    assert plan.action.tolist() == [0, 0]
    assert plan.action_weights.tolist() == [[1.0, 0.0, 0.0, 0.0]] * 2
    torch.testing.assert_close(plan.rejections[0].probability, torch.tensor([0.3, 0.3]))
    assert plan.rejections[0].rejected.tolist() == [4, 4]
    assert "Nothing keeps to the rules" in explain(plan, EVENTS)


def test_rules_can_be_several_and_errors_name_them():
    planner = TreeSearch(
        ROOM, num_simulations=100, forbid={"collision": 0.1, "self.delivery": 0.0}, discount=0.9
    )
    plan = planner.plan(torch.tensor([[1, 1]]))
    assert [one.event for one in plan.rejections] == ["collision", "self.delivery"]
    assert {one.event for one in plan.pruned()} == {"collision", "self.delivery"}
    assert plan.path_rewards.sum() == 0
    with pytest.raises(ValueError, match="no event is called 'colision'; there is collision"):
        TreeSearch(ROOM, forbid={"colision": 0.1})
    with pytest.raises(CannotCompileError, match=r"rules need the events of each step"):
        TreeSearch(ROOM, forbid={"collision": 0.1}, compile=True)
    with pytest.raises(ValueError, match="expected none with policy='stochastic'"):
        TreeSearch(Gamble(), policy="stochastic", forbid={"collision": 0.1})
    auto = TreeSearch(ROOM, forbid={"collision": 0.1}, compile="auto")
    assert "rules need the events" in auto.not_compiled


class Ledge:
    """x moves by a number; the further x is beyond 0.5, the likelier a fall. It pays x."""

    def __init__(self):
        self.spec = ModelSpec(
            obs=ObsSpec((1,)),
            action=Box((-1.0,), (1.0,)),
            device=CPU,
            events=("fall",),
            stochastic=False,
        )

    def begin(self, rows):
        return torch.zeros(rows)

    def observe(self, state, obs, prev_action, first, noise):
        return obs[:, 0]

    def step(self, state, action, noise):
        x = state + action[:, 0]
        return x, Transition(x, torch.ones_like(x), None, self.risk(x)[:, None])

    def risk(self, x):
        return (x - 0.5).clamp(0.0, 1.0)

    def take(self, state, rows):
        return state[rows]


@pytest.mark.parametrize("policy", ["gumbel", "muzero"])
def test_rules_hold_where_nodes_have_candidates(policy):
    options = {"policy": policy, "num_simulations": 200, "temperature": 0.0, "discount": 0.9}
    state, forbid = torch.tensor([0.0, 0.2, 1.9]), {"fall": 0.2}
    free = TreeSearch(Ledge(), candidates=12, **options).plan(state, seed=2)
    plan = TreeSearch(Ledge(), candidates=12, forbid=forbid, **options).plan(state, seed=2)
    assert (Ledge().risk(free.search_tree.embeddings) > 0.2).any(1).all()
    assert plan.feasible.tolist() == [True, True, False]
    tree, rejection = plan.search_tree, plan.rejections[0]
    for row in range(2):
        slots = (tree.node_visits[row] > 0).nonzero()[:, 0]
        assert (tree.chances(torch.full_like(slots, row), slots) <= 0.2).all()
        # of the way that the plan goes, and of each that was cut off
        along = state[row] + plan.path_actions[row, :, 0].cumsum(0)
        fall = 1.0 - (1.0 - Ledge().risk(along[~along.isnan()])).prod()
        torch.testing.assert_close(rejection.probability[row], fall)
        branches = plan.pruned(row)
        assert len(branches) == rejection.rejected[row] > 0
        for branch in branches:
            steps = torch.tensor(branch.path)[:, 0]
            fall = 1.0 - (1.0 - Ledge().risk(state[row] + steps.cumsum(0))).prod()
            assert branch.probability == pytest.approx(fall.item(), abs=1e-5)
    # all that the last could draw is too far; the least is as far back as it goes
    assert plan.action[2] == plan.actions[2].min()
    torch.testing.assert_close(rejection.probability[2], Ledge().risk(1.9 + plan.action[2, 0]))


@pytest.mark.parametrize("policy", ["gumbel", "muzero"])
def test_rules_hold_where_the_likeliest_actions_are_kept(policy):
    options = {"policy": policy, "num_simulations": 100, "forbid": {"collision": 0.1}}
    every = TreeSearch(ROOM, **options).plan(START, seed=1)
    all_kept = TreeSearch(ROOM, top_k=4, **options).plan(START, seed=1)
    assert torch.equal(every.search_tree.node_values, all_kept.search_tree.node_values)
    assert every.pruned() == all_kept.pruned() != ()
    onward = torch.tensor([[False, False, True, True]])
    two = TreeSearch(ROOM, top_k=2, **options).plan(START, seed=1, invalid_actions=onward)
    assert two.actions.tolist() == [[0, 1]]
    assert two.action.item() == 1
    assert [one.path for one in two.pruned()] == [(0,)]
    # what is told is the action, up, not which of its node's candidates it is
    forth = torch.tensor([[True, True, False, False]])
    below = TreeSearch(ROOM, top_k=2, **options)
    plan = below.plan(torch.tensor([[1, 1]]), seed=1, invalid_actions=forth)
    assert plan.actions.tolist() == [[2, 3]]
    assert (3,) in [one.path for one in plan.pruned()]
    assert (1,) not in [one.path for one in plan.pruned()]


class Arms:
    """Two actions, the second worth `better` more; the model is unsure of it."""

    def __init__(self, better, members=1):
        self.better = better
        self.spec = ModelSpec(
            obs=ObsSpec((1,)), action=Discrete(2), device=CPU, members=members, stochastic=False
        )

    def begin(self, rows):
        return torch.zeros(rows)

    def observe(self, state, obs, prev_action, first, noise):
        return obs[:, 0]

    def step(self, state, action, noise):
        spread = action.float() if self.spec.members == 1 else None
        return state, Transition(0.5 + self.better * action, torch.ones(len(action)), spread)

    def value(self, state):
        return torch.ones(len(state))

    def take(self, state, rows):
        return state[rows]


class Ensemble(Arms):
    """The same, as four members that differ in the reward of the second action."""

    def __init__(self, better):
        super().__init__(better, members=4)

    def step_member(self, state, action, member, noise):
        after, transition = self.step(state, action, noise)
        off = torch.tensor([-1.0, -1.0, 1.0, 1.0])[member]
        return after, transition._replace(reward=transition.reward + off * action)


@pytest.mark.parametrize("kind", [Arms, Ensemble])
def test_a_penalty_avoids_what_is_unsure_and_a_bonus_looks_there(kind):
    model = kind(0.05)
    state, options = torch.zeros(4), {"num_simulations": 40, "discount": 0.5, "policy": "muzero"}
    options |= {"temperature": 0.0, "dirichlet_fraction": 0.0}
    plain = TreeSearch(model, **options).plan(state, seed=1)
    zero = TreeSearch(
        model, disagreement_bonus=0.0, disagreement_penalty=0.0, **options
    ).plan(state, seed=1)  # fmt: skip
    assert torch.equal(plain.search_tree.node_values, zero.search_tree.node_values)
    assert plain.action.eq(1).all()
    wary = TreeSearch(model, disagreement_penalty=0.3, **options).plan(state, seed=1)
    assert wary.action.eq(0).all()
    assert wary.q_values[0, 1] < plain.q_values[0, 1]
    # a step's reward is lowered by the penalty times its spread
    assert wary.search_tree.children_rewards[0, 0].tolist() == pytest.approx([0.5, 0.25])
    model = kind(-0.05)
    plain = TreeSearch(model, **options).plan(state, seed=1)
    curious = TreeSearch(model, disagreement_bonus=3.0, **options).plan(state, seed=1)
    assert (curious.visit_counts[:, 1] > plain.visit_counts[:, 1]).all()
    # what is reported stays what is expected
    assert curious.search_tree.children_rewards[0, 0].tolist() == pytest.approx([0.5, 0.45])
    with pytest.raises(ValueError, match="this model tells no disagreement"):
        TreeSearch(ROOM, disagreement_bonus=1.0).plan(START)


class Noisy(Grid):
    """A grid whose reward is drawn, and whose goals may differ from row to row."""

    def __init__(self):
        super().__init__([[0.0, 0.5, 0.0], [0.0, 0.0, 0.0]], (0, 2))
        self.spec = ModelSpec(obs=ObsSpec((2,)), action=Discrete(4), device=CPU, events=EVENTS)

    def step(self, state, action, noise):
        after, transition = super().step(state, action, noise)
        return after, transition._replace(reward=transition.reward + noise.normal("reward"))


@pytest.mark.parametrize("goal", [None, [Goal({"collision": -1.0}), Goal({"delivery": 1.0})] * 2])
def test_waves_budgets_and_stops_keep_rows_apart(goal):
    state = START.repeat(4, 1)
    model, seeds = Noisy(), torch.arange(4)
    budgets = torch.tensor([5, 40, 17, 40])
    for options in ({"wave": 4}, {"early_stop": True, "policy": "muzero", "temperature": 0.0}):
        planner = TreeSearch(model, num_simulations=40, zero_discount_ends=True, **options)
        plan = planner.plan(state, goal=goal, num_simulations=budgets, seed=seeds)
        spent = plan.visit_counts.sum(1)
        assert (spent <= budgets).all()
        if "wave" in options:
            assert spent.tolist() == budgets.tolist()
        for row in (0, 2):
            one = None if goal is None else [goal[row]]
            alone = planner.plan(
                state[row : row + 1],
                goal=one,
                num_simulations=int(budgets[row]),
                seed=seeds[row : row + 1],
            )
            assert torch.equal(alone.visit_counts[0], plan.visit_counts[row])
            assert torch.equal(alone.q_values[0], plan.q_values[row])
        halves = TreeSearch(
            model, num_simulations=40, zero_discount_ends=True, overlap=True, num_threads=2,
            **options,
        ).plan(state, goal=goal, num_simulations=budgets, seed=seeds)  # fmt: skip
        assert torch.equal(halves.q_values, plan.q_values)
    whole, halves = (
        TreeSearch(model, overlap=overlap, num_threads=2).plan(state, goal=goal, seed=seeds)
        for overlap in (False, True)
    )
    assert torch.equal(halves.q_values, whole.q_values)


def test_a_drawn_reward_is_the_same_along_the_line_as_in_the_tree():
    plan = TreeSearch(Noisy(), num_simulations=30).plan(START, seed=3)
    assert plan.path_events is not None
    assert plan.path_rewards.unique().numel() > 2


def test_the_lower_bound_and_legal_noise_reach_the_policy():
    state = START.repeat(8, 1)
    options = {"policy": "muzero", "num_simulations": 30}
    bound = TreeSearch(Noisy(), choice="lower_bound", deviations=1.0, **options)
    usual = TreeSearch(Noisy(), temperature=0.0, **options)
    assert not torch.equal(bound.plan(state, seed=1).action, usual.plan(state, seed=1).action)
    with pytest.raises(ValueError, match="choice: expected 'visits' or 'lower_bound'"):
        TreeSearch(Noisy(), choice="best", **options).plan(state)
    invalid = torch.tensor([[False, False, True, True]]).expand(8, 4)
    legal = TreeSearch(Noisy(), dirichlet_legal_only=True, **options)
    every = TreeSearch(Noisy(), **options)
    priors = [
        planner.plan(state, invalid_actions=invalid, seed=1).search_tree.children_prior_logits[:, 0]
        for planner in (legal, every)
    ]
    assert not torch.equal(*priors)


def test_root_values_and_the_action_s_own():
    config = ValueEquivalentConfig(obs_shape=(5,), num_actions=4, latent=16, hidden=16)
    model = ValueEquivalent(config, seed=1)
    state = model.observe(model.begin(6), torch.randn(6, 5, generator=torch.Generator()))
    plan = TreeSearch(model, num_simulations=20).plan(state, seed=4)
    rows = torch.arange(6)
    assert torch.equal(plan.q_value, plan.q_values[rows, plan.action])
    torch.testing.assert_close(plan.raw_value, model.value(state))
    seen = plan.prior * (plan.visit_counts > 0)
    mean = (seen * plan.q_values).sum(1) / seen.sum(1)
    torch.testing.assert_close(plan.mixed_value, (plan.raw_value + 20 * mean) / 21)
    assert not torch.allclose(plan.value, plan.raw_value)


@pytest.mark.parametrize("planner", [TreeSearch, CEM])
def test_nothing_is_expected_after_the_end(planner):
    # the goal is a step away; the cells around it are never safe
    model = Grid([[0.5, 0.0, 0.5]], (0, 1))
    settings = {"num_simulations": 40} if planner is TreeSearch else {"horizon": 6}
    plan = planner(model, discount=0.9, **settings).plan(torch.zeros(1, 2, dtype=torch.int64))
    assert plan.action.tolist() == [0]
    assert plan.path_events.shape[1] > 1
    expected = torch.zeros_like(plan.path_events)
    expected[0, 0, 1] = 1.0
    torch.testing.assert_close(plan.path_events, expected)
