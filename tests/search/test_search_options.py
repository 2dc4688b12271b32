"""Options that mctx does not have: each against the plain twin, a search without it, or by hand."""

import time

import numpy as np
import pytest
import torch
from search_twin import Puct, TableModel, search_row

import rollout.search as search

POLICIES = [search.muzero_policy, search.gumbel_muzero_policy]
FIELDS = ("node_visits", "node_values", "children_index", "children_visits", "children_rewards")


def assert_same_tree(ours, theirs, rows=slice(None), nodes=None):
    for name in FIELDS:
        a, b = getattr(ours, name).numpy(), getattr(theirs, name).numpy()
        np.testing.assert_array_equal(a[rows][:, :nodes], b[:, :nodes], err_msg=name)


SPANS = [
    search.qtransform_scaled(span=span, unvisited=unvisited)
    for span in ("siblings", "tree", "fixed", "none")
    for unvisited in ("least", "parent", "mean", "reduced", 0.25)
]


@pytest.mark.parametrize("transform", SPANS, ids=lambda t: f"{t.span}-{t.unvisited}")
def test_named_scaling_equals_the_twin(transform):
    actions, simulations = 5, 40
    model = TableModel(actions)
    root = model.root(3)
    tree = search.muzero_policy(
        root, model.recurrent, simulations, qtransform=transform, dirichlet_fraction=0.0, seed=7
    ).search_tree
    for row in range(3):
        logits = root.prior_logits[row].log_softmax(0)
        twin = search_row(
            Puct(transform, 1.25, 19652.0, 7, row),
            logits.numpy(),
            root.value[row].item(),
            int(root.embedding[row]),
            model.step,
            simulations,
            simulations,
            None,
        )
        np.testing.assert_array_equal(tree.children_visits[row].numpy(), twin.visits)


def test_the_mean_of_siblings_is_another_rule_than_the_least():
    model = TableModel(5)
    trees = [
        search.muzero_policy(model.root(16), model.recurrent, 40, qtransform=t).search_tree
        for t in SPANS[:3]
    ]
    assert not torch.equal(trees[0].children_visits, trees[1].children_visits)
    assert not torch.equal(trees[1].children_visits, trees[2].children_visits)
    with pytest.raises(ValueError, match="span: expected one of siblings, tree, fixed, none"):
        search.qtransform_scaled(span="all")
    with pytest.raises(ValueError, match="unvisited: expected one of least"):
        search.qtransform_scaled(unvisited="best")


class Masked(TableModel):
    """Forbids the actions of a table in every state, and ends where the discount is 0."""

    def __init__(self, actions, ends=False):
        super().__init__(actions)
        generator = torch.Generator().manual_seed(9)
        self.closed = torch.rand(self.SIZE, actions, generator=generator) < 0.5
        self.closed[:, 1] &= ~self.closed.all(1)
        self.ends = ends

    def recurrent(self, action, state):
        output, state = super().recurrent(action, state)
        done = output.discount == 0 if self.ends else None
        return output._replace(invalid_actions=self.closed[state], done=done), state


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("actions", [5, 40])
def test_actions_forbidden_below_the_root_are_never_tried(policy, actions):
    model = Masked(actions)
    tree = policy(model.root(20), model.recurrent, 60).search_tree
    visits, states = tree.children_visits, tree.embeddings
    below = (tree.node_visits > 0)[:, 1:]
    tried = visits[:, 1:][below] > 0
    assert tried.any()
    assert not (tried & model.closed[states[:, 1:][below]]).any()


@pytest.mark.parametrize("policy", POLICIES)
def test_nothing_comes_after_what_is_done(policy):
    model = Masked(4, ends=True)
    done = policy(model.root(20), model.recurrent, 60).search_tree
    plain = Masked(4)
    zero = policy(plain.root(20), plain.recurrent, 60, zero_discount_ends=True).search_tree
    assert_same_tree(done, zero)
    assert (done.children_visits.sum(-1) == 60).sum() == 20
    ends = (done.children_discounts == 0) & (done.children_visits > 0)
    assert ends.any()
    rows, nodes, actions = ends.nonzero(as_tuple=True)
    inside = done.children_index[rows, nodes, actions].long()
    assert (done.children_visits[rows, inside] == 0).all()
    assert (done.children_visits[rows, nodes, actions] > 1).any()
    below = policy(plain.root(20), plain.recurrent, 60).search_tree
    assert not torch.equal(below.children_index, done.children_index)


def test_a_state_that_allows_nothing_and_goes_on_is_an_error():
    model = Masked(3)
    model.closed[:] = True
    with pytest.raises(ValueError, match="invalid_actions: row 0 allows no action"):
        search.muzero_policy(model.root(4), model.recurrent, 5)


class Game(TableModel):
    """The player to move is a function of the state; values are the mover's."""

    def player(self, state):
        return state % 2

    def root(self, rows, first=0):
        root = super().root(rows, first)
        return root._replace(to_play=self.player(root.embedding))

    def recurrent(self, action, state):
        output, after = super().recurrent(action, state)
        return output._replace(to_play=self.player(after)), after


def signed(model):
    """The same game as mctx wants it: the discount is negative where the mover changes."""

    def recurrent(action, state):
        output, after = model.recurrent(action, state)
        changes = model.player(after) != model.player(state)
        discount = torch.where(changes, -output.discount, output.discount)
        return output._replace(discount=discount, to_play=None), after

    return recurrent


def vectors(model):
    """The same game with a value for each of its players."""

    def each(mine, player):
        return torch.stack((mine, -mine), 1) * (1 - 2 * player)[:, None]

    def recurrent(action, state):
        output, after = model.recurrent(action, state)
        return output._replace(
            reward=each(output.reward, model.player(state)),
            value=each(output.value, model.player(after)),
        ), after

    root = model.root(12)
    return root._replace(value=each(root.value, root.to_play)), recurrent


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("actions", [4, 40])
def test_turns_in_any_order_equal_negative_discounts_and_vectors(policy, actions):
    model = Game(actions)
    root = model.root(12)
    ours = policy(root, model.recurrent, 50)
    mctx = policy(root._replace(to_play=None), signed(model), 50)
    assert_same_tree(ours.search_tree, mctx.search_tree)
    assert torch.equal(ours.action, mctx.action)
    assert (ours.search_tree.children_discounts < 0).any()
    vector = policy(*vectors(model), 50)
    assert torch.equal(vector.search_tree.children_visits, ours.search_tree.children_visits)
    torch.testing.assert_close(vector.search_tree.node_values, ours.search_tree.node_values)
    with pytest.raises(ValueError, match=r"root: to_play: expected \[B\] int64"):
        policy(vectors(model)[0]._replace(to_play=None), model.recurrent, 5)
    bad = vectors(model)[0]
    with pytest.raises(ValueError, match=r"to_play: expected players 0 to 1, got 2 in row 0"):
        policy(bad._replace(to_play=bad.to_play + 2), model.recurrent, 5)


def test_three_players_each_take_their_own():
    # one step: player 2 moves, action a pays player a alone
    rows = 5
    root = search.Root(
        torch.zeros(rows, 3), torch.zeros(rows, 3), torch.zeros(rows), torch.full((rows,), 2)
    )

    def recurrent(action, state):
        zero = torch.zeros(rows, 3)
        pays = torch.nn.functional.one_hot(action, 3).float()
        output = search.RecurrentOutput(
            pays, torch.zeros(rows), zero, zero, to_play=torch.zeros(rows, dtype=torch.int64)
        )
        return output, state

    for policy in POLICIES:
        output = policy(root, recurrent, 30, max_depth=1)
        assert output.search_tree.summary().visit_counts.argmax(1).eq(2).all()
        torch.testing.assert_close(
            output.search_tree.summary().qvalues, torch.tensor([[0.0, 0.0, 1.0]]).expand(rows, 3)
        )


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("actions", [4, 40])
def test_waves_add_up_and_do_not_depend_on_threads_or_rows(policy, actions):
    model, rows, simulations = TableModel(actions), 40, 50
    root = model.root(rows)
    calls = []

    def counted(action, state):
        calls.append(len(action))
        return model.recurrent(action, state)

    seeds = torch.arange(rows)
    output = policy(root, counted, simulations, wave=8, seed=seeds, num_threads=1)
    tree = output.search_tree
    assert calls == [8 * rows] * 6 + [2 * rows]
    assert (tree.children_visits[:, 0].sum(1) == simulations).all()
    inner = tree.children_visits.sum(-1)
    evaluations = tree.node_visits - inner
    assert (evaluations[tree.node_visits > 0] >= 1).all()
    assert evaluations.sum(1).eq(simulations + 1).all()
    many = policy(root, model.recurrent, simulations, wave=8, seed=seeds, num_threads=3)
    assert_same_tree(tree, many.search_tree)
    some = search.Root(*(leaf[5:9] for leaf in root[:3]))
    alone = policy(some, model.recurrent, simulations, wave=8, seed=seeds[5:9])
    assert_same_tree(tree, alone.search_tree, rows=slice(5, 9))
    one = policy(root, model.recurrent, simulations, wave=1, seed=seeds)
    plain = policy(root, model.recurrent, simulations, seed=seeds)
    assert_same_tree(one.search_tree, plain.search_tree)


def test_a_wave_halves_among_the_same_actions():
    # with nothing to learn the root's visits are the plan of sequential halving, wave or not
    zero = torch.zeros(6)
    output = search.RecurrentOutput(zero, zero + 1, torch.zeros(6, 9), zero)

    def null(action, state):
        return search.RecurrentOutput(
            *(head[:1].expand(len(action), *head.shape[1:]) for head in output[:4])
        ), state

    root = search.Root(torch.zeros(6, 9), zero, zero)
    counts = [
        search.gumbel_muzero_policy(root, null, 32, wave=wave, max_num_considered_actions=8)
        .search_tree.summary()
        .visit_counts
        for wave in (1, 4, 8, 32)
    ]
    assert all(torch.equal(count, counts[0]) for count in counts)
    assert sorted(counts[0][0].tolist()) == [0, 1, 1, 1, 1, 3, 3, 11, 11]


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("wave", [1, 3])
def test_a_row_with_its_own_budget_equals_that_row_alone(policy, wave):
    model, rows = TableModel(4), 9
    budgets = torch.tensor([3, 30, 12, 1, 30, 7, 12, 2, 25])
    root, seeds = model.root(rows), torch.arange(rows)
    lanes = []

    def counted(action, state):
        lanes.append(len(action))
        return model.recurrent(action, state)

    output = policy(root, counted, budgets, seed=seeds, wave=wave)
    assert sum(lanes) == budgets.sum()
    assert lanes == sorted(lanes, reverse=True)
    for row in range(rows):
        part = search.Root(*(leaf[row : row + 1] for leaf in root[:3]))
        alone = policy(
            part, model.recurrent, int(budgets[row]), seed=seeds[row : row + 1], wave=wave
        )
        nodes = int(budgets[row]) + 1
        assert_same_tree(output.search_tree, alone.search_tree, slice(row, row + 1), nodes)
        assert output.action[row] == alone.action[0]
    with pytest.raises(ValueError, match=r"num_simulations: expected an int, or B=9 ints"):
        policy(root, model.recurrent, budgets[:3])


def test_rows_stop_when_their_choice_is_settled():
    model, rows = TableModel(4, spread=4.0), 64
    settings = {"temperature": 0.0, "seed": 3}
    full = search.muzero_policy(model.root(rows), model.recurrent, 60, **settings)
    short = search.muzero_policy(model.root(rows), model.recurrent, 60, early_stop=True, **settings)
    assert torch.equal(short.action, full.action)
    spent = short.search_tree.summary().visit_counts.sum(1)
    assert (spent < 60).any()
    assert spent.min() > 29
    only = torch.ones(rows, 4, dtype=torch.bool)
    only[:, 2] = False
    for policy in POLICIES:
        one = policy(model.root(rows), model.recurrent, 60, early_stop=True, invalid_actions=only)
        assert one.action.eq(2).all()
        assert (one.search_tree.summary().visit_counts.sum(1) == 1).all()


@pytest.mark.parametrize("policy", POLICIES)
def test_a_deadline_returns_the_best_so_far(policy):
    model, rows = TableModel(4), 3

    def slow(action, state):
        time.sleep(0.02)
        return model.recurrent(action, state)

    start = time.perf_counter()
    output = policy(model.root(rows), slow, 1000, deadline_ms=200.0)
    took = time.perf_counter() - start
    spent = output.search_tree.summary().visit_counts.sum(1)
    assert (spent == spent[0]).all()
    assert 1 <= spent[0] <= 10
    assert took < 0.4
    assert torch.isfinite(output.action_weights).all()
    # nothing but the prior to go by
    settings = {"dirichlet_fraction": 0.0, "temperature": 0.0}
    if policy is search.gumbel_muzero_policy:
        settings = {"gumbel_scale": 0.0}
    none = policy(model.root(rows), slow, 1000, deadline_ms=0.0, **settings)
    assert torch.equal(none.action, model.root(rows).prior_logits.argmax(1))
    torch.testing.assert_close(none.action_weights, model.root(rows).prior_logits.softmax(1))


def test_dirichlet_noise_for_allowed_actions_keeps_its_share():
    root = search.Root(
        torch.tensor([[0.9, 0.1, 0.0, 0.0]]).add(1e-30).log(), torch.zeros(1), torch.zeros(1)
    )
    invalid = torch.tensor([[False, False, True, True]])
    zero = torch.zeros(1)
    output = search.RecurrentOutput(zero, zero, torch.zeros(1, 4), zero)

    def ratio(legal_only):
        tree = search.muzero_policy(
            root,
            lambda action, state: (output, state),
            1,
            invalid_actions=invalid,
            dirichlet_fraction=0.5,
            dirichlet_alpha=1e6,  # all but uniform
            dirichlet_legal_only=legal_only,
        ).search_tree
        logits = tree.children_prior_logits[0, 0]
        return (logits[0] - logits[1]).exp().item()

    # 0.45 + 0.5 / n to 0.05 + 0.5 / n, with n actions in the draw
    assert ratio(False) == pytest.approx(0.575 / 0.175, rel=0.01)
    assert ratio(True) == pytest.approx(0.70 / 0.30, rel=0.01)


def test_the_lower_bound_is_that_of_the_returns():
    model, rows, simulations = TableModel(4), 60, 30
    output = search.muzero_policy(
        model.root(rows), model.recurrent, simulations, choice="lower_bound", deviations=0.4
    )
    tree = output.search_tree
    parents, steps = tree.parents, tree.action_from_parent
    differs = 0
    for row in range(rows):
        returns = {a: [] for a in range(4)}
        for leaf in range(1, simulations + 1):
            node, value = leaf, tree.raw_values[row, leaf].item()
            while node != 0:
                parent, action = int(parents[row, node]), int(steps[row, node])
                value = (
                    tree.children_rewards[row, parent, action].item()
                    + tree.children_discounts[row, parent, action].item() * value
                )
                node = parent
            returns[action].append(value)
        most = max(map(len, returns.values()))
        bounds = {
            a: np.mean(r) - 0.4 * np.std(r, ddof=1) / np.sqrt(len(r))
            for a, r in returns.items()
            if len(r) >= 2 and len(r) >= 0.1 * most
        }
        assert int(output.action[row]) == max(bounds, key=bounds.get)
        differs += int(output.action[row]) != max(returns, key=lambda a: len(returns[a]))
    assert differs > 0
