"""Plans through chance: 2048 by its exact rules, and a model of bets whose goal can be changed."""

import numpy as np
import pytest
import torch

import rollout
from rollout.goals import Goal
from rollout.models import (
    Discrete,
    ExactChanceModel,
    ExactModel,
    ModelSpec,
    ObsSpec,
    Transition,
)
from rollout.planning import TreeSearch

ROWS, MOVES = 3, 160


class Roomy(ExactChanceModel):
    """2048 whose boards are worth more the emptier they are."""

    def value(self, state):
        return 15.0 * (torch.as_tensor(self.picture(state)) == 0).flatten(1).sum(1).float()

    def afterstate_value(self, after):
        return after.reward + self.value(after.worlds)


def test_2048_with_every_outcome_and_its_chance():
    env = rollout.make_vec("2048-v0", 4)
    env.reset(seed=0)
    model = ExactChanceModel(env)
    state = model.state(env.snapshot())
    legal = model.legal(state)
    np.testing.assert_array_equal(legal, env.view(env.snapshot()).action_mask)
    action = legal.float().argmax(1)
    after, logits = model.afterstate(state, action)
    chances = logits.exp()
    torch.testing.assert_close(chances.sum(1), torch.ones(4))
    empty = (torch.as_tensor(model.picture(after.worlds)) == 0).flatten(1)
    # a 2 with 0.9 and a 4 with 0.1, on each empty cell alike
    for column, chance in ((0, 0.9), (1, 0.1)):
        want = chance * empty / empty.sum(1, keepdim=True)
        torch.testing.assert_close(chances[:, column::2], want.float())
    states, transition = model.resolve(after, chances.argmax(1))
    torch.testing.assert_close(transition.reward, model.step(state, action)[1].reward)
    assert transition.cont.tolist() == [1.0] * 4
    assert (torch.as_tensor(model.picture(states)) > 0).sum() == 16 * 4 - empty.sum() + 4


def test_a_game_that_a_slide_ends_awaits_no_tile():
    env = rollout.make_vec("2048-v0", 1, max_tile=8)
    env.reset(seed=3)
    model = ExactChanceModel(env)
    planner = TreeSearch(model, policy="stochastic", num_simulations=40, temperature=0.0, seed=1)
    state, total, cont = model.state(env.snapshot()), 0.0, 1.0
    for _ in range(60):
        plan = planner.plan(state)
        after, logits = model.afterstate(state, plan.action)
        state, transition = model.resolve(after, logits.argmax(1))
        total, cont = total + transition.reward.item(), transition.cont.item()
        if cont == 0.0:
            break
    assert cont == 0.0
    assert after.over.item()
    assert total >= 8.0
    with pytest.raises(ValueError, match="row 0 allows no action"):
        planner.plan(state)


def test_stochastic_search_plays_2048_far_better_than_chance():
    env = rollout.make_vec("2048-v0", ROWS)
    env.reset(seed=1)
    model = Roomy(env)
    planner = TreeSearch(
        model, policy="stochastic", num_simulations=32, discount=1.0, temperature=0.0,
        dirichlet_fraction=0.0,
    )  # fmt: skip
    scores, playing = np.zeros(ROWS), np.ones(ROWS, bool)
    snapshot = env.snapshot()
    for _ in range(MOVES):
        rows = np.flatnonzero(playing)
        plan = planner.plan(model.state(snapshot)[rows])
        actions = np.zeros(ROWS, np.int64)
        actions[rows] = plan.action.numpy()
        out = env.step_from(snapshot, actions)
        scores += np.where(playing, out.reward, 0.0)
        playing &= ~out.terminated
        snapshot = out.snapshot
        if not playing.any():
            break
    # few random games get this far, and those that do have paid less
    random = env.playouts(env.snapshot(), n=200, seed=4, max_steps=MOVES)
    assert (random.steps == MOVES).mean() < 0.2
    assert playing.all()
    assert scores.min() > 1.3 * random.returns.mean()


EVENTS = ("win", "loss")


class Bets:
    """One decision a step, for ever: 0 wins or loses one with even chances; 1 wins one with a
    chance of 0.2 and else nothing. The state counts steps; it is of integers, and an afterstate is
    the action beside it.
    """

    def __init__(self):
        self.spec = ModelSpec(ObsSpec((1,)), Discrete(2), torch.device("cpu"), events=EVENTS)

    def begin(self, rows):
        return torch.zeros(rows, dtype=torch.int64)

    def observe(self, state, obs, prev_action, first, noise):
        return state

    def step(self, state, action, noise):
        raise AssertionError("a stochastic search steps by halves")

    def take(self, state, rows):
        return state[rows]

    def afterstate(self, state, action):
        chances = torch.tensor([[0.5, 0.5, 0.0], [0.2, 0.0, 0.8]])
        return {"steps": state, "action": action}, chances.clamp(min=1e-9).log()[action]

    def resolve(self, after, outcome):
        win, loss = (outcome == 0).float(), (outcome == 1).float()
        return after["steps"] + 1, Transition(
            win - loss, None, None, events=torch.stack([win, loss], 1)
        )


def test_a_goal_a_row_through_chance():
    planner = TreeSearch(
        Bets(), policy="stochastic", num_simulations=200, max_depth=2, temperature=0.0,
        dirichlet_fraction=0.0, discount=0.5, pb_c_init=4.0, paths=True,
    )  # fmt: skip
    state = torch.zeros(3, dtype=torch.int64)
    assert planner.plan(state).action.tolist() == [1, 1, 1]  # 0.2 against 0
    goals = [Goal({"win": 1.0}), Goal({"loss": 1.0}), Goal({"win": 1.0, "loss": -1.0})]
    plan = planner.plan(state, goal=goals)
    assert plan.action.tolist() == [0, 0, 1]
    assert plan.value.tolist() == pytest.approx([0.5, 0.5, 0.2], abs=0.1)
    # one step is an action and what came of it
    assert plan.path_actions.shape[1] == plan.path_events.shape[1] == 1
    wins, losses = plan.path_events[:, 0].unbind(1)
    assert wins.tolist() == [1, 1, 0]  # a tie goes to the lowest outcome; row 2 sees nothing
    assert losses.tolist() == [0, 0, 0]
    assert plan.path_rewards[:, 0].tolist() == [1, 0, 0]


def test_what_a_stochastic_planner_needs():
    env = rollout.make_vec("2048-v0", 1)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="'stochastic' needs a model with afterstate and resolve"):
        TreeSearch(ExactModel(env), policy="stochastic")
    with pytest.raises(ValueError, match="expected 'gumbel', 'muzero' or 'stochastic', got 'uct'"):
        TreeSearch(ExactModel(env), policy="uct")
    planner = TreeSearch(ExactChanceModel(env), policy="stochastic", compile="auto")
    assert "stochastic" in planner.not_compiled
    other = rollout.make_vec("CartPole-v1", 1)
    other.reset(seed=0)
    with pytest.raises(TypeError, match="expected one with afterstates"):
        ExactChanceModel(other)
