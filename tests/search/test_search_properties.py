"""What must hold for any model: rows, threads and instruction sets do not change a bit."""

import threading

import numpy as np
import pytest
import torch
from search_twin import TableModel

import rollout.search as search
from rollout import _native

POLICIES = [search.muzero_policy, search.gumbel_muzero_policy]
FIELDS = (
    "node_visits",
    "node_values",
    "raw_values",
    "parents",
    "action_from_parent",
    "children_index",
    "children_visits",
    "children_values",
    "children_rewards",
    "children_discounts",
    "children_prior_logits",
)


def everything(output):
    arrays = {name: getattr(output.search_tree, name).numpy() for name in FIELDS}
    return arrays | {"action": output.action.numpy(), "weights": output.action_weights.numpy()}


def assert_same(ours, theirs, rows=slice(None), other_rows=slice(None)):
    for name, array in ours.items():
        np.testing.assert_array_equal(array[rows], theirs[name][other_rows], err_msg=name)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_row_does_not_depend_on_its_batch(policy):
    model, rows, simulations = TableModel(6), 12, 24
    root = model.root(rows)
    seeds = torch.arange(100, 100 + rows)
    alone = everything(policy(root, model.recurrent, simulations, seed=seeds))
    order = torch.randperm(rows, generator=torch.Generator().manual_seed(1))[:7]
    part = search.Root(*(leaf[order] for leaf in root[:3]))
    mixed = everything(policy(part, model.recurrent, simulations, seed=seeds[order]))
    assert_same(mixed, alone, other_rows=order.numpy())
    # one seed for all: row r is the same in any batch where it is row r
    whole = everything(policy(root, model.recurrent, simulations, seed=5))
    head = search.Root(*(leaf[:4] for leaf in root[:3]))
    assert_same(
        everything(policy(head, model.recurrent, simulations, seed=5)), whole, other_rows=slice(4)
    )


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("actions", [4, 40])
def test_threads_do_not_change_a_bit(policy, actions):
    # enough rows and levels that every number of threads gets several chunks
    model, rows, simulations = TableModel(actions, spread=3.0), 500, 16
    one = everything(policy(model.root(rows), model.recurrent, simulations, num_threads=1))
    for threads in (2, 3, 8):
        many = policy(model.root(rows), model.recurrent, simulations, num_threads=threads)
        assert_same(everything(many), one)


@pytest.mark.skipif(_native.simd_level() == "baseline", reason="this processor has one level")
@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("actions", [1, 5, 8, 13, 24, 31, 33])
def test_instruction_sets_do_not_change_a_bit(policy, actions):
    model, rows, simulations = TableModel(actions), 20, 30
    before = _native.simd_level()
    wide = everything(policy(model.root(rows), model.recurrent, simulations, max_depth=6))
    _native.set_simd_level("baseline")
    try:
        narrow = everything(policy(model.root(rows), model.recurrent, simulations, max_depth=6))
    finally:
        _native.set_simd_level(before)
    assert_same(narrow, wide)


@pytest.mark.parametrize("policy", POLICIES)
def test_visits_add_up(policy):
    model, rows, simulations = TableModel(5), 9, 60
    tree = policy(model.root(rows), model.recurrent, simulations).search_tree
    reached = tree.node_visits > 0
    assert reached.all()
    torch.testing.assert_close(tree.node_visits, 1 + tree.children_visits.sum(-1).int())
    assert (tree.node_visits[:, 0] == simulations + 1).all()
    assert (tree.summary().visit_counts.sum(-1) == simulations).all()
    # a child's visits are its node's
    for row in range(rows):
        for node in range(1, simulations + 1):
            parent, action = tree.parents[row, node], tree.action_from_parent[row, node]
            assert tree.children_index[row, parent, action] == node
            assert tree.children_visits[row, parent, action] == tree.node_visits[row, node]
            assert tree.children_values[row, parent, action] == tree.node_values[row, node]


@pytest.mark.parametrize("policy", POLICIES)
def test_values_from_scratch_equal_the_incremental_ones(policy):
    model, rows, simulations = TableModel(4), 6, 50
    tree = policy(model.root(rows), model.recurrent, simulations).search_tree
    raw, parents, actions = tree.raw_values, tree.parents, tree.action_from_parent
    rewards, discounts = tree.children_rewards, tree.children_discounts
    for row in range(rows):
        sums = raw[row].double().clone()
        for leaf in range(1, simulations + 1):
            node, value = leaf, raw[row, leaf].double()
            while node != 0:
                parent, action = int(parents[row, node]), int(actions[row, node])
                value = rewards[row, parent, action] + discounts[row, parent, action] * value
                sums[parent] += value
                node = parent
        torch.testing.assert_close(
            sums / tree.node_visits[row], tree.node_values[row].double(), rtol=1e-4, atol=1e-5
        )


@pytest.mark.parametrize("policy", POLICIES)
def test_a_forbidden_action_is_never_tried(policy):
    model, rows, actions = TableModel(7), 200, 7
    invalid = torch.rand(rows, actions, generator=torch.Generator().manual_seed(0)) < 0.6
    invalid[:, 3] &= ~invalid.all(1)
    settings = {"temperature": 50.0} if policy is search.muzero_policy else {}
    output = policy(model.root(rows), model.recurrent, 20, invalid_actions=invalid, **settings)
    assert not invalid[torch.arange(rows), output.action].any()
    assert (output.search_tree.summary().visit_counts[invalid] == 0).all()
    assert (output.action_weights[invalid] == 0).all()
    torch.testing.assert_close(output.action_weights.sum(-1), torch.ones(rows))
    assert torch.equal(output.search_tree.root_invalid_actions, invalid)
    # numbers serve as a mask too
    again = policy(
        model.root(rows), model.recurrent, 20, invalid_actions=invalid.float(), **settings
    )
    assert torch.equal(again.action_weights, output.action_weights)


@pytest.mark.parametrize("policy", POLICIES)
def test_the_depth_limit_holds(policy):
    model = TableModel(3)
    tree = policy(model.root(8), model.recurrent, 40, max_depth=2).search_tree
    depth = torch.zeros(8, 41, dtype=torch.int64)
    for node in range(1, 41):
        parent = tree.parents[:, node].long()
        known = depth.gather(1, parent.clamp(min=0)[:, None])[:, 0] + 1
        depth[:, node] = torch.where(parent >= 0, known, 0)
    assert depth.max() == 2
    assert tree.mean_depth <= 2
    # 3 + 9 nodes at most: the other simulations evaluated leaves again
    assert ((tree.node_visits > 0).sum(1) <= 13).all()
    assert (tree.node_visits[:, 0] == 41).all()


def test_mean_depth_counts_every_simulations_edges():
    model, rows, simulations = TableModel(3), 5, 30
    tree = search.muzero_policy(model.root(rows), model.recurrent, simulations).search_tree
    total = 0
    for row in range(rows):
        for node in range(1, simulations + 1):
            while node != 0:
                node, total = int(tree.parents[row, node]), total + 1
    assert tree.mean_depth == pytest.approx(total / (rows * simulations))


def test_summary_and_qvalues_are_the_trees():
    model, rows = TableModel(6), 10
    tree = search.muzero_policy(model.root(rows), model.recurrent, 12).search_tree
    summary = tree.summary()
    root = torch.zeros(rows, dtype=torch.int64)
    visited = tree.children_visits[:, 0] > 0
    torch.testing.assert_close(summary.qvalues, tree.qvalues(root) * visited)
    torch.testing.assert_close(summary.value, tree.node_values[:, 0])
    torch.testing.assert_close(summary.visit_probs, summary.visit_counts / 12)
    assert tree.num_simulations == 12
    assert (tree.batch_size, tree.num_actions) == (10, 6)


def test_the_principal_path_follows_the_visits():
    model, rows = TableModel(3), 6
    output = search.gumbel_muzero_policy(model.root(rows), model.recurrent, 40)
    tree = output.search_tree
    actions, rewards = tree.principal_path(output.action)
    assert torch.equal(actions[:, 0], output.action)
    for row in range(rows):
        node = 0
        for step, action in enumerate(actions[row].tolist()):
            if step > 0:
                visits = tree.children_visits[row, node]
                assert action == (-1 if visits.sum() == 0 else int(visits.argmax()))
            if action < 0:
                assert rewards[row, step:].eq(0).all()
                break
            assert rewards[row, step] == tree.children_rewards[row, node, action]
            node = int(tree.children_index[row, node, action])


def test_searches_in_several_threads_at_once():
    model = TableModel(5)
    expected = [
        everything(search.muzero_policy(model.root(300), model.recurrent, 12, seed=i))
        for i in range(4)
    ]
    found = [None] * 4

    def work(i):
        for _ in range(3):
            output = search.muzero_policy(
                model.root(300), model.recurrent, 12, seed=i, num_threads=2
            )
            found[i] = everything(output)

    threads = [threading.Thread(target=work, args=(i,)) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for ours, theirs in zip(found, expected, strict=True):
        assert_same(ours, theirs)


def test_a_returned_tree_outlives_the_searches_after_it():
    model = TableModel(5)
    first = search.muzero_policy(model.root(16), model.recurrent, 20, seed=1)
    before = everything(first)
    for seed in range(5):
        search.muzero_policy(model.root(16, first=50), model.recurrent, 20, seed=seed)
    assert_same(everything(first), before)


def test_trees_of_many_actions_are_small():
    # mctx takes 405 MB for these before states
    rows, simulations, actions = 1024, 200, 82
    root = search.Root(torch.zeros(rows, actions), torch.zeros(rows), torch.zeros(rows, 1))
    output = search.RecurrentOutput(*torch.zeros(2, rows), torch.zeros(rows, actions), root.value)
    tree = search.gumbel_muzero_policy(root, lambda a, e: (output, e), simulations).search_tree
    assert tree.nbytes <= 100_000_000
    assert (tree.summary().visit_counts.sum(-1) == simulations).all()


@pytest.mark.parametrize("policy", POLICIES)
def test_a_wide_nodes_list_grows_to_every_action(policy):
    # one state with many children: the list is moved several times
    actions, simulations = 150, 600
    model = TableModel(actions, spread=0.1)
    settings = {"qtransform": search.qtransform_by_min_max(min_value=0.0, max_value=1e6)}
    if policy is search.gumbel_muzero_policy:
        settings = {"max_num_considered_actions": actions}
    tree = policy(model.root(3), model.recurrent, simulations, max_depth=1, **settings).search_tree
    visits = tree.children_visits[:, 0]
    assert (visits > 0).sum(1).min() > 100
    assert (visits.sum(1) == simulations).all()
    assert torch.equal(tree.qvalues(torch.zeros(3, dtype=torch.int64)) != 0, visits > 0)
