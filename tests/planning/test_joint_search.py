"""Plans for teams: toys whose answers are known, and both cooks of the exact kitchen."""

import pytest
import torch

import rollout
from rollout.goals import Goal
from rollout.models import Discrete, ExactModel, ModelSpec, MultiDiscrete, ObsSpec, Transition
from rollout.planning import JointSearch, TreeSearch

# the climbing game, whose best pair is surrounded by the worst; the second player has a fourth
PAYS = torch.tensor([[5.0, 0.0, 0.0, 1.0], [6.0, 7.0, -30.0, 1.0], [0.0, -30.0, 11.0, 1.0]])
EVENTS = ("safe", "risk")


class Climb:
    """Two moves of the climbing game; the state counts moves and, in a second leaf, noise drawn."""

    def __init__(self, swap=False, actions=None):
        self.swap = swap
        nvec = (4, 3) if swap else (3, 4)
        self.spec = ModelSpec(
            ObsSpec((1,)), actions or MultiDiscrete(nvec), torch.device("cpu"), events=EVENTS
        )

    def begin(self, rows):
        return torch.zeros(rows, dtype=torch.int64), torch.zeros(rows)

    def observe(self, state, obs, prev_action, first, noise):
        return state

    def step(self, state, action, noise):
        moves, drawn = state
        first, second = (action.flip(1) if self.swap else action).unbind(1)
        reward = PAYS[first, second]
        events = torch.stack([(reward == 1).float(), (reward == -30).float()], 1)
        after = moves + 1, drawn + noise.uniform("climb")
        return after, Transition(reward, (moves < 1).float(), None, events)

    def take(self, state, rows):
        return tuple(leaf[rows] for leaf in state)


@pytest.mark.parametrize("swap", [False, True])
def test_a_team_climbs(swap):
    model = Climb(swap)
    plan = JointSearch(model, num_simulations=600, gumbel_scale=0.0).plan(model.begin(3))
    assert plan.action.tolist() == [[2, 2]] * 3
    assert plan.action_weights.shape == plan.prior.shape == (3, 2, 4)
    # the player of three actions has no fourth
    assert (plan.prior[:, int(swap), 3] == 0).all()
    assert (plan.action_weights[:, int(swap), 3] == 0).all()
    assert plan.path_actions[:, 0].tolist() == [[2, 2]] * 3
    assert plan.path_rewards[:, 0].tolist() == [11.0] * 3
    assert plan.path_events.shape == (3, plan.path_actions.shape[1], 2)
    assert 0 < plan.model_seconds < plan.seconds


def test_goals_a_row_and_forbidden_columns():
    model = Climb()
    planner = JointSearch(model, num_simulations=600, gumbel_scale=0.0, max_depth=1)
    goals = [Goal({"risk": 1.0}), Goal({"safe": 1.0})]
    plan = planner.plan(model.begin(2), goal=goals)
    risk, safe = PAYS[tuple(plan.action.T)].tolist()
    assert (risk, safe) == (-30.0, 1.0)
    assert plan.path_events[:, 0].tolist() == [[0.0, 1.0], [1.0, 0.0]]
    # without the best pair's second half the next best
    barred = torch.zeros(2, 7, dtype=torch.bool)
    barred[:, 3 + 2] = True
    plan = planner.plan(model.begin(2), invalid_actions=barred)
    assert plan.action.tolist() == [[1, 1]] * 2
    assert (plan.action_weights[:, 1, 2] == 0).all()
    with pytest.raises(ValueError, match=r"invalid_actions: expected bool \[B=2, sum\(nvec\)=7\]"):
        planner.plan(model.begin(2), invalid_actions=barred[:, :6])


class WithPolicy(Climb):
    """The same, and a policy that says what each player does: the second plays 0, mostly."""

    def policy(self, state):
        rows = len(state[0])
        return torch.tensor([0.0, 0.0, 0.0, 3.0, 1.0, 0.0, 0.0]).expand(rows, 7)


def test_a_partner_is_planned_around_as_predicted():
    model = WithPolicy()
    planner = JointSearch(
        model, num_simulations=1500, partners=[1], max_depth=1, gumbel_scale=0.0, discount=1.0
    )
    plan = planner.plan(model.begin(2))
    chances = torch.tensor([3.0, 1.0, 0.0, 0.0]).softmax(0)
    worth = PAYS @ chances
    assert plan.action.tolist() == [[int(worth.argmax()), 0]] * 2
    torch.testing.assert_close(plan.action_weights[0, 1], chances)
    values = plan.search_tree.summary().qvalues[0]
    best = int(worth.argmax())
    assert values[best].item() == pytest.approx(worth[best].item(), abs=0.05)


class Noisy(Climb):
    """Pays what is drawn: a plan shows whose noise it was made with."""

    def step(self, state, action, noise):
        after, transition = super().step(state, action, noise)
        return after, transition._replace(reward=after[1])


@pytest.mark.parametrize("policy", ["gumbel", "muzero"])
def test_company_changes_nothing(policy):
    model = Noisy()
    planner = JointSearch(model, policy=policy, num_simulations=60)
    seeds = torch.arange(30)
    many = planner.plan(model.begin(30), seed=seeds)
    few = planner.plan(model.begin(8), seed=seeds[11:19])
    assert torch.equal(many.action[11:19], few.action)
    assert torch.equal(many.value[11:19], few.value)
    assert len(many.value.unique()) == 30


def test_both_cooks_fetch_an_onion():
    env = rollout.make_vec("Kitchen-v0", 1, layout="cramped_room", events=True)
    env.reset(seed=0)
    model = ExactModel(env)
    planner = JointSearch(
        model, num_simulations=800, goal=Goal({"onion_pickup": 1.0}), discount=0.9,
        gumbel_scale=0.0,
    )  # fmt: skip
    state, column, picked = model.begin(1), model.spec.events.index("onion_pickup"), 0.0
    for _ in range(4):
        state, transition = model.step(state, planner.plan(state).action)
        picked = picked + transition.events[0, :, column]
    assert (picked >= 1).all()


def test_what_is_wrong_is_named():
    with pytest.raises(
        ValueError, match=r"expected MultiDiscrete actions.*TreeSearch plans for one"
    ):
        JointSearch(Climb(actions=Discrete(3)))
    with pytest.raises(ValueError, match="expected 'gumbel' or 'muzero', got 'best'"):
        JointSearch(Climb(), policy="best")
    with pytest.raises(ValueError, match="partners: expected some, but not all"):
        JointSearch(Climb(), partners=(0, 1)).plan(Climb().begin(1))
    assert TreeSearch(Climb(), candidates=4).plan(Climb().begin(1)).action.shape == (1, 2)


class Drawn(Climb):
    """A climb that goes on; its reward, and an event, is a number drawn at each step."""

    def step(self, state, action, noise):
        after, _ = super().step(state, action, noise)
        drawn = noise.uniform("pay")
        events = torch.stack([drawn, torch.zeros_like(drawn)], 1)
        return after, Transition(drawn, torch.ones_like(drawn), None, events)


def test_what_is_drawn_depends_on_the_way_and_is_the_same_along_the_line():
    model = Drawn()
    plan = JointSearch(model, num_simulations=100).plan(model.begin(3), seed=2)
    # a line may end in an action that some players took and whose reward was not seen
    seen = plan.path_rewards > 0
    assert seen[:, :2].all()
    assert plan.path_rewards[seen].unique().numel() == seen.sum()
    torch.testing.assert_close(plan.path_events[:, :, 0][seen], plan.path_rewards[seen])
