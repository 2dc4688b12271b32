"""Stochastic MuZero: against mctx, a plain twin, and MuZero where chance has nothing to say."""

import json

import numpy as np
import pytest
import torch
from make_stochastic_golden import GOLDEN, SIZE, first_states, next_number, tables
from search_twin import Puct, search_row

import rollout.search as search

CASES = json.loads(GOLDEN.read_text())


class TwoTables:
    """A hash model: states are numbers, afterstates a dict with a number and where it came from."""

    def __init__(self, case):
        self.table = {name: torch.from_numpy(array) for name, array in tables(case).items()}
        self.calls = []

    def root(self, state):
        logits, value = self.table["action_logits"], self.table["value"]
        return search.Root(logits[state], value[state], state)

    def decide(self, action, state):
        self.calls.append(("decide", len(action)))
        after = next_number(state, action)
        output = search.DecisionRecurrentFnOutput(
            self.table["chance_logits"][after], self.table["afterstate_value"][after]
        )
        return output, {"number": after, "trace": torch.stack([state, action], 1).float()}

    def resolve(self, outcome, after):
        self.calls.append(("resolve", len(outcome)))
        state = next_number(after["number"], outcome)
        # the edge before is known from the afterstate's own, other, tensors
        before, action = after["trace"].long().unbind(1)
        assert torch.equal(next_number(before, action), after["number"])
        names = ("action_logits", "value", "reward", "discount")
        output = search.ChanceRecurrentFnOutput(*(self.table[name][state] for name in names))
        return output, state

    def step(self, node, edge):
        """One row, for the twin; a node is (awaits, number)."""
        number = int(next_number(node[1], edge))
        if not node[0]:
            logits, value = self.table["chance_logits"], self.table["afterstate_value"]
            return 0.0, 1.0, logits[number].numpy(), value[number].item(), (True, number)
        reward, discount, value = (
            self.table[name][number].item() for name in ("reward", "discount", "value")
        )
        logits = self.table["action_logits"][number].numpy()
        return reward, discount, logits, value, (False, number)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"A{case['actions']}-C{case['outcomes']}")
def test_the_trees_of_mctx(case):
    model = TwoTables(case)
    output = search.stochastic_muzero_policy(
        model.root(torch.from_numpy(first_states(case))),
        model.decide,
        model.resolve,
        case["simulations"],
        invalid_actions=model.table["invalid"],
        max_depth=case["max_depth"],
        dirichlet_fraction=0.0,
        pb_c_base=200.0,
    )
    tree = output.search_tree
    np.testing.assert_array_equal(tree.node_visits, case["node_visits"])
    np.testing.assert_array_equal(tree.parents, case["parents"])
    np.testing.assert_allclose(tree.node_values, case["node_values"], atol=1e-5)
    np.testing.assert_allclose(output.action_weights, case["action_weights"], atol=1e-6)


@pytest.mark.parametrize("case", CASES, ids=lambda case: f"A{case['actions']}-C{case['outcomes']}")
def test_equals_the_twin_and_calls_one_network_a_leaf(case):
    rows, simulations, seed = 6, 60, 9
    model, start = TwoTables(case), torch.arange(6) * 101 + 3
    root = model.root(start)
    output = search.stochastic_muzero_policy(
        root, model.decide, model.resolve, simulations, dirichlet_fraction=0.0, seed=seed
    )
    tree = output.search_tree
    transform = search.qtransform_by_parent_and_siblings()
    for row in range(rows):
        twin = search_row(
            Puct(transform, 1.25, 19652.0, seed, row),
            torch.log_softmax(root.prior_logits[row], 0).numpy(),
            root.value[row].item(),
            (False, int(start[row])),
            model.step,
            simulations,
            simulations,
            None,
            lambda node: node[0],
            case["outcomes"],
        )
        np.testing.assert_array_equal(tree.children_visits[row], twin.visits)
        np.testing.assert_allclose(tree.node_values[row], twin.value, rtol=1e-5, atol=1e-5)
    # one row once, to learn what an afterstate is; after that no row is evaluated twice
    assert model.calls[0] == ("decide", 1)
    assert sum(rows for _, rows in model.calls[1:]) == rows * simulations
    assert {name for name, _ in model.calls} == {"decide", "resolve"}
    assert all(rows > 0 for _, rows in model.calls)


def test_states_that_are_alike_share_an_arena():
    case = CASES[0]
    model = TwoTables(case)
    tree = search.stochastic_muzero_policy(
        model.root(torch.from_numpy(first_states(case))), model.decide, model.resolve, 20
    ).search_tree
    # the numbers of both, and the traces of afterstates
    assert [list(x.shape[2:]) for x in tree.embeddings.tensors] == [[], [2]]
    assert torch.equal(tree.embeddings.is_chance, tree.chance_nodes)


def test_with_one_outcome_and_twice_the_simulations_it_is_muzero():
    logits = torch.tensor([[-1.0, 0.0, 2.0, 3.0], [0.0, 2.0, 5.0, -4.0]])
    root = search.Root(logits, torch.tensor([1.0, 0.0]), torch.zeros(2, 4))
    invalid = torch.tensor([[0, 0, 0, 1], [1, 0, 1, 0]])
    settings = {"invalid_actions": invalid, "dirichlet_fraction": 0.0, "temperature": 0.0}

    def recurrent(action, state):
        zero = torch.zeros(len(action))
        return search.RecurrentOutput(zero, zero, torch.zeros(len(action), 4), zero), state

    def decide(action, state):
        rows = len(action)
        return search.DecisionRecurrentFnOutput(torch.zeros(rows, 1), torch.zeros(rows)), state

    def resolve(outcome, state):
        output, state = recurrent(outcome, state)
        reward, discount, logits, value = output[:4]
        return search.ChanceRecurrentFnOutput(logits, value, reward, discount), state

    plain = search.muzero_policy(root, recurrent, 10, **settings)
    doubled = search.stochastic_muzero_policy(root, decide, resolve, 20, **settings)
    assert torch.equal(plain.action, doubled.action)
    torch.testing.assert_close(plain.action_weights, doubled.action_weights)


def test_a_bet_is_worth_what_it_brings_on_average():
    """Action 0 pays 1; action 1 pays 10 with a chance of 0.3, and -2 otherwise: 1.6."""
    pays = torch.tensor([[1.0, 1.0], [10.0, -2.0]])
    odds = torch.tensor([0.3, 0.7]).log()

    def decide(action, state):
        rows = len(action)
        output = search.DecisionRecurrentFnOutput(odds.expand(rows, 2), torch.zeros(rows))
        return output, action

    def resolve(outcome, after):
        zero, rows = torch.zeros(len(outcome)), len(outcome)
        done = torch.ones(rows, dtype=torch.bool)
        output = search.ChanceRecurrentFnOutput(
            torch.zeros(rows, 2), zero, pays[after, outcome], zero, done=done
        )
        return output, torch.zeros(rows)

    output = search.stochastic_muzero_policy(
        search.Root(torch.zeros(3, 2), torch.zeros(3), torch.zeros(3)),
        decide,
        resolve,
        800,
        dirichlet_fraction=0.0,
        pb_c_init=4.0,
        temperature=0.0,
        wave=2,
        num_threads=2,
    )
    assert output.action.tolist() == [1, 1, 1]
    # the evaluation of the afterstate, 0, counts as one sample of each
    safe, bet = output.search_tree.summary().qvalues[0].tolist()
    assert 0.5 < safe < 1.0
    assert bet == pytest.approx(1.6, abs=0.05)


def test_turns_masks_and_ends():
    """A game in which the second player takes what the first left, and outcome 1 cannot be."""

    def decide(action, state):
        rows = len(action)
        return search.DecisionRecurrentFnOutput(
            torch.zeros(rows, 2),
            torch.zeros(rows),
            torch.tensor([[False, True]]).expand(rows, 2),
            to_play=state,
        ), state * 4 + action

    def resolve(outcome, after):
        assert (outcome == 0).all()
        mover, action = after // 4, after % 4
        assert ((mover == 0) | (action > 0)).all()
        rows = len(outcome)
        output = search.ChanceRecurrentFnOutput(
            torch.zeros(rows, 4),
            torch.zeros(rows),
            action.float(),
            torch.ones(rows),
            torch.tensor([[True, False, False, False]]).expand(rows, 4),
            done=mover == 1,
            to_play=torch.ones(rows, dtype=torch.int64),
        )
        return output, torch.ones(rows, dtype=torch.int64)

    zero = torch.zeros(2, dtype=torch.int64)
    root = search.Root(torch.zeros(2, 4), torch.zeros(2), zero, to_play=zero)
    tree = search.stochastic_muzero_policy(root, decide, resolve, 2000).search_tree
    # the other answers 3, which counts against us; what is tried more is known better
    values = tree.summary().qvalues[0]
    assert values[3] == pytest.approx(0.0, abs=0.1)
    assert values.argsort().tolist() == [0, 1, 2, 3]
    assert values[0] < -1.0
    with pytest.raises(ValueError, match="decision_recurrent_fn: to_play: expected it from both"):
        search.stochastic_muzero_policy(root._replace(to_play=None), decide, resolve, 5)


def test_what_is_wrong_is_named():
    model = TwoTables(CASES[0])
    root = model.root(torch.arange(4))

    def narrow(outcome, after):
        output, state = model.resolve(outcome, after)
        return output._replace(action_logits=output.action_logits[:, :2]), state

    def other(outcome, after):
        output, state = model.resolve(outcome, after)
        return output, (state, state)

    def run(resolve, **limits):
        search.stochastic_muzero_policy(root, model.decide, resolve, 20, **limits)

    with pytest.raises(ValueError, match=r"action_logits: expected float32 \[R, 4\], got \[\d, 2"):
        run(narrow)
    with pytest.raises(ValueError, match="chance_recurrent_fn: state: expected the structure"):
        run(other)
    with pytest.raises(ValueError, match="num_outcomes: leave it out"):
        run(model.resolve, num_outcomes=3)
    assert SIZE > 4
