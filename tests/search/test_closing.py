"""Steps that must not be taken: their edges leave the tree, against the plain twin and by hand."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from search_twin import LOWEST, Gumbel, Puct, TableModel, search_row
from test_search_twin import compare

import rollout.search as search

POLICIES = [search.muzero_policy, search.gumbel_muzero_policy]
ROWS = 3


class Forbidding(TableModel):
    """Some states must not be entered."""

    def __init__(self, actions, share=0.3, seed=0):
        super().__init__(actions, seed)
        generator = torch.Generator().manual_seed(seed + 1)
        self.forbidden = torch.rand(self.SIZE, generator=generator) < share

    def recurrent(self, action, state):
        output, state = super().recurrent(action, state)
        return output._replace(forbidden=self.forbidden[state]), state

    def step(self, state, action):
        reward, discount, logits, value, state = super().step(state, action)
        return reward, discount, logits, value, state, bool(self.forbidden[state]), 0.0


def twin_of(tree, rule, model, root, row, simulations, max_depth=None, puct=False):
    logits = root.prior_logits[row]
    return search_row(
        rule,
        (logits.log_softmax(0) if puct else logits).numpy(),
        root.value[row].item(),
        root.embedding[row].item(),
        model.step,
        simulations,
        max_depth or simulations,
        None,
    )


def compare_closed(tree, twins):
    for row, twin in enumerate(twins):
        found = tree.closed(row)
        assert [one.path[-1] for one in found] == [int(action) for _, action in twin.closed]
        assert tree.feasible[row] == (twin.logits[0] != LOWEST).any()


@pytest.mark.parametrize("share", [0.1, 0.4, 0.7])
@pytest.mark.parametrize("actions", [3, 9, 41])
@pytest.mark.parametrize("max_depth", [None, 3])
def test_muzero_equals_the_twin(share, actions, max_depth):
    model, transform = Forbidding(actions, share), search.qtransform_by_parent_and_siblings()
    root, simulations = model.root(ROWS), 60
    output = search.muzero_policy(
        root, model.recurrent, simulations, dirichlet_fraction=0.0, seed=4, max_depth=max_depth
    )
    tree = output.search_tree
    twins = [
        twin_of(
            tree, Puct(transform, 1.25, 19652.0, 4, row), model, root, row, simulations,
            max_depth, puct=True,
        )
        for row in range(ROWS)
    ]  # fmt: skip
    assert any(twin.closed for twin in twins)
    compare(tree, twins)
    compare_closed(tree, twins)
    for row, twin in enumerate(twins):
        total = twin.visits[0].sum()
        if total > 0:
            np.testing.assert_allclose(output.action_weights[row], twin.visits[0] / total)


@pytest.mark.parametrize("share", [0.1, 0.4, 0.7])
@pytest.mark.parametrize("actions", [3, 9, 41])
def test_gumbel_equals_the_twin(share, actions):
    model, transform = Forbidding(actions, share), search.qtransform_completed_by_mix_value()
    root, simulations = model.root(ROWS), 60
    output = search.gumbel_muzero_policy(
        root, model.recurrent, simulations, max_num_considered_actions=6, seed=4
    )
    tree = output.search_tree
    rules = [
        Gumbel(transform, 6, noise, simulations, np.zeros(actions, bool))
        for noise in tree.root_gumbel.numpy()
    ]
    twins = [twin_of(tree, rules[row], model, root, row, simulations) for row in range(ROWS)]
    assert any(twin.closed for twin in twins)
    compare(tree, twins)
    compare_closed(tree, twins)
    for row, (rule, twin) in enumerate(zip(rules, twins, strict=True)):
        if tree.feasible[row]:
            assert output.action[row] == rule.best(twin, twin.visits[0].max())


@settings(deadline=None, max_examples=60)
@given(
    actions=st.sampled_from([2, 5, 40]),
    share=st.floats(0.0, 1.0),
    simulations=st.integers(1, 40),
    wave=st.sampled_from([1, 3, 8]),
    policy=st.sampled_from(POLICIES),
    seed=st.integers(0, 1000),
)
def test_no_path_of_a_tree_is_forbidden(actions, share, simulations, wave, policy, seed):
    model = Forbidding(actions, share, seed)
    root = model.root(4, first=seed)
    calls = []

    def counted(action, state):
        calls.append(len(action))
        return model.recurrent(action, state)

    output = policy(root, counted, simulations, wave=wave, seed=seed)
    tree = output.search_tree
    reached = tree.node_visits > 0
    reached[:, 0] = False
    assert not model.forbidden[tree.embeddings[reached]].any()
    visits = tree.children_visits[:, 0].sum(1)
    torch.testing.assert_close(output.action_weights.sum(1), torch.ones(4))
    for row in range(4):
        closed = tree.closed(row)
        firsts = {one.path[0] for one in closed if len(one.path) == 1}
        assert bool(tree.feasible[row]) == (len(firsts) < actions)
        if tree.feasible[row]:
            assert int(output.action[row]) not in firsts
            assert (output.action_weights[row, sorted(firsts)] == 0).all()
            if visits[row] > 0:
                assert tree.children_visits[row, 0, output.action[row]] > 0
            # what was pruned is spent
            assert visits[row] + len(closed) <= simulations + sum(one.excess == 0 for one in closed)
        else:
            assert visits[row] == 0
    assert sum(calls) <= 4 * simulations
    if wave == 1 and bool(tree.feasible.all()):
        taken = sum(one.visits for row in range(4) for one in tree.closed(row))
        spent = sum(one.excess > 0 for row in range(4) for one in tree.closed(row))
        assert int(visits.sum()) + taken + spent >= sum(calls) == 4 * simulations


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("wave", [1, 4])
def test_rows_do_not_depend_on_their_company_or_on_threads(policy, wave):
    model, rows = Forbidding(4, 0.5), 60
    root, seeds = model.root(rows), torch.arange(rows)
    options = {"wave": wave, "seed": seeds}
    ours = policy(root, model.recurrent, 40, num_threads=1, **options).search_tree
    many = policy(root, model.recurrent, 40, num_threads=3, **options).search_tree
    assert 0 < ours.feasible.sum() < rows
    assert torch.equal(ours.children_visits, many.children_visits)
    assert torch.equal(ours.node_values, many.node_values)
    some = search.Root(*(leaf[7:9] for leaf in root[:3]))
    alone = policy(some, model.recurrent, 40, wave=wave, seed=seeds[7:9]).search_tree
    assert torch.equal(ours.children_visits[7:9], alone.children_visits)
    assert ours.closed(8) == alone.closed(1)


class Bandit:
    """Action a pays a, once; `excess` says how far each is over a limit at first."""

    def __init__(self, excess):
        self.excess = torch.tensor(excess)
        self.actions = len(excess)

    def root(self, rows=1):
        return search.Root(torch.zeros(rows, self.actions), torch.zeros(rows), torch.zeros(rows))

    def recurrent(self, action, state):
        zero = torch.zeros(len(action))
        logits = torch.zeros(len(action), self.actions)
        return search.RecurrentOutput(
            action.float(), zero, logits, zero, forbidden=self.excess[action] * (state == 0)
        ), state + 1


@pytest.mark.parametrize("policy", POLICIES)
def test_the_best_arm_is_left_alone_where_it_is_forbidden(policy):
    model = Bandit([False, False, False, True])
    output = policy(model.root(8), model.recurrent, 32)
    assert (output.action_weights[:, 3] == 0).all()
    assert output.action_weights.mean(0).argmax() == 2
    assert output.action.ne(3).all()
    assert output.feasible.all()
    tree = output.search_tree
    assert (tree.summary().visit_counts.sum(1) == 31).all()
    closed = tree.closed(5)
    assert [(one.path, one.excess, one.value, one.visits) for one in closed] == [
        ((3,), 1.0, 3.0, 0)
    ]


@pytest.mark.parametrize("policy", POLICIES)
def test_where_all_is_forbidden_the_least_is_taken(policy):
    model = Bandit([0.3, 0.2, 0.5, 0.2])
    root = model.root(3)._replace(prior_logits=torch.tensor([[0.0, 1.0, 0.0, 2.0]] * 3))
    lanes = []

    def counted(action, state):
        lanes.append(len(action))
        return model.recurrent(action, state)

    options = {} if policy is search.gumbel_muzero_policy else {"dirichlet_fraction": 0.0}
    output = policy(root, counted, 32, **options)
    assert lanes == [3] * 4  # the rows stop once nothing is left
    assert not output.feasible.any()
    assert output.action.tolist() == [3, 3, 3]  # of two that are equal the likelier
    assert output.action_weights.tolist() == [[0.0, 0.0, 0.0, 1.0]] * 3
    assert output.value.tolist() == [0.0] * 3


def test_a_dead_end_closes_the_way_into_it_and_is_taken_out_of_the_means():
    # action 0 pays 1 and then every step is forbidden; action 1 pays nothing for ever
    def recurrent(action, state):
        first = state == 0
        after = torch.where(first, action + 1, state)
        forbidden = ~first & (state == 1)
        reward = (first & (action == 0)).float()
        rows = len(action)
        return search.RecurrentOutput(
            reward, torch.ones(rows), torch.zeros(rows, 2), torch.zeros(rows), forbidden=forbidden
        ), after

    root = search.Root(torch.zeros(1, 2), torch.zeros(1), torch.zeros(1, dtype=torch.int64))
    for policy in POLICIES:
        output = policy(root, recurrent, 20)
        tree = output.search_tree
        assert output.action.item() == 1
        assert tree.summary().value.item() == pytest.approx(0.0, abs=1e-6)
        direct = [one for one in tree.closed(0) if one.excess > 0]
        dead = [one for one in tree.closed(0) if one.excess == 0]
        assert sorted(one.path for one in direct) == [(0, 0), (0, 1)]
        assert [one.path for one in dead] == [(0,)]
        assert dead[0].visits >= 1
        assert direct[0].value == 1.0
        assert tree.summary().visit_counts.tolist() == [[0.0, 20 - 2 - dead[0].visits]]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_mask_that_forbids_nothing_changes_nothing(policy):
    plain, masked = TableModel(5), Forbidding(5, 0.0)
    ours = policy(masked.root(20), masked.recurrent, 50)
    theirs = policy(plain.root(20), plain.recurrent, 50)
    for name in ("node_values", "children_visits", "children_index", "children_prior_logits"):
        assert torch.equal(getattr(ours.search_tree, name), getattr(theirs.search_tree, name))
    assert torch.equal(ours.action, theirs.action)
    assert ours.feasible.all()


def test_players_lose_what_was_closed_too():
    # the same game with signs and with a value for each of two players
    model = Forbidding(4, 0.4)

    def player(state):
        return state % 2

    def signs(action, state):
        output, after = model.recurrent(action, state)
        return output._replace(to_play=player(after)), after

    def each(mine, mover):
        return torch.stack((mine, -mine), 1) * (1 - 2 * mover)[:, None]

    def vectors(action, state):
        output, after = signs(action, state)
        return output._replace(
            reward=each(output.reward, player(state)), value=each(output.value, player(after))
        ), after

    root = model.root(12)
    root = root._replace(to_play=player(root.embedding))
    vector = root._replace(value=each(root.value, root.to_play))
    for policy in POLICIES:
        ours = policy(root, signs, 50).search_tree
        theirs = policy(vector, vectors, 50).search_tree
        assert any(one.visits > 0 for row in range(12) for one in ours.closed(row))
        assert torch.equal(ours.children_visits, theirs.children_visits)
        torch.testing.assert_close(ours.node_values, theirs.node_values, atol=1e-4, rtol=1e-4)
        worth = [[one.value for one in tree.closed(0)] for tree in (ours, theirs)]
        np.testing.assert_allclose(*worth, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_forbidden_outcome_closes_the_action_before_it(policy):
    # action 0 awaits chance, whose outcome 1 must not come; action 1 is safe and pays nothing
    def recurrent(action, state):
        rows = len(action)
        waits = state == 1
        forbidden = waits & (action == 1)
        after = torch.where(state == 0, torch.where(action == 0, 1, 2), 2)
        return search.RecurrentOutput(
            (state == 0).float() * (action == 0),
            torch.ones(rows),
            torch.zeros(rows, 2),
            torch.zeros(rows),
            chance=after == 1,
            forbidden=forbidden,
        ), after

    root = search.Root(torch.zeros(4, 2), torch.zeros(4), torch.zeros(4, dtype=torch.int64))
    output = policy(root, recurrent, 20, num_outcomes=2)
    assert output.action.tolist() == [1] * 4
    closed = output.search_tree.closed(2)
    assert [(one.path, one.chance) for one in closed] == [((0, 1), True), ((0,), False)]
    assert output.value.tolist() == pytest.approx([0.0] * 4, abs=1e-6)


def test_clear_errors():
    model = Bandit([0.0, float("nan")])
    with pytest.raises(ValueError, match="forbidden: row 0 is not finite"):
        search.muzero_policy(model.root(), model.recurrent, 8)

    def wrong(action, state):
        output, state = model.recurrent(action, state)
        return output._replace(forbidden=torch.zeros(3, dtype=torch.int64)), state

    with pytest.raises(ValueError, match=r"forbidden: expected bool \[B=1\]"):
        search.muzero_policy(model.root(), wrong, 8)
