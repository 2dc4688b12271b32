"""The native search against its plain twin: the same choices, values within 1e-5."""

import numpy as np
import pytest
import torch
from search_twin import Gumbel, Puct, TableModel, search_row, sequential_halving

import rollout.search as search
from rollout import _native

ROWS = 3
TRANSFORMS = [
    search.qtransform_by_parent_and_siblings(),
    search.qtransform_by_min_max(min_value=-4.0, max_value=4.0),
    search.qtransform_completed_by_mix_value(),
    search.qtransform_completed_by_mix_value(
        value_scale=0.4, maxvisit_init=20.0, rescale_values=False
    ),
    search.qtransform_completed_by_mix_value(use_mixed_value=False),
]


def some_invalid(actions, rows, seed):
    mask = np.random.default_rng(seed).random((rows, actions)) < 0.4
    mask[:, 0] &= ~mask.all(1)
    return mask


def compare(tree, twins):
    for row, twin in enumerate(twins):
        np.testing.assert_array_equal(tree.children_visits[row], twin.visits)
        np.testing.assert_array_equal(tree.children_index[row], twin.child)
        np.testing.assert_array_equal(tree.node_visits[row], twin.node_visits)
        np.testing.assert_array_equal(tree.parents[row], twin.parent)
        np.testing.assert_array_equal(tree.action_from_parent[row], twin.action)
        for ours, theirs in [
            (tree.node_values, twin.value),
            (tree.raw_values, twin.raw),
            (tree.children_values, twin.child_value),
            (tree.children_rewards, twin.reward),
            (tree.children_discounts, twin.discount),
            (tree.children_prior_logits, twin.logits),
        ]:
            np.testing.assert_allclose(ours[row], theirs, rtol=1e-5, atol=1e-5)


# edge arrays of one vector, one and a bit, four, more than the fixed kernels take; one action
@pytest.mark.parametrize("actions", [1, 4, 8, 9, 18, 32, 41])
@pytest.mark.parametrize("max_depth", [None, 3])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_muzero(actions, max_depth, transform):
    simulations, model = 40, TableModel(actions, seed=actions)
    invalid = some_invalid(actions, ROWS, actions)
    root = model.root(ROWS)
    output = search.muzero_policy(
        root,
        model.recurrent,
        simulations,
        invalid_actions=torch.from_numpy(invalid),
        max_depth=max_depth,
        qtransform=transform,
        dirichlet_fraction=0.0,
        pb_c_init=1.5,
        pb_c_base=100.0,
        seed=11,
    )
    twins = [
        search_row(
            Puct(transform, 1.5, 100.0, 11, row),
            # the search takes the logarithm of the prior's softmax
            torch.log_softmax(root.prior_logits[row], 0).numpy(),
            root.value[row].item(),
            root.embedding[row].item(),
            model.step,
            simulations,
            max_depth or simulations,
            invalid[row],
        )
        for row in range(ROWS)
    ]
    compare(output.search_tree, twins)
    weights = np.stack([twin.visits[0] / twin.visits[0].sum() for twin in twins])
    np.testing.assert_allclose(output.action_weights, weights, rtol=1e-6)


@pytest.mark.parametrize("actions", [1, 4, 8, 9, 18, 32, 41])
@pytest.mark.parametrize("max_depth", [None, 3])
@pytest.mark.parametrize("transform", TRANSFORMS)
def test_gumbel(actions, max_depth, transform):
    simulations, model = 40, TableModel(actions, seed=actions)
    invalid = some_invalid(actions, ROWS, actions)
    root = model.root(ROWS)
    output = search.gumbel_muzero_policy(
        root,
        model.recurrent,
        simulations,
        invalid_actions=torch.from_numpy(invalid),
        max_depth=max_depth,
        qtransform=transform,
        max_num_considered_actions=6,
        seed=3,
    )
    noise = output.search_tree.root_gumbel.numpy()
    rules, twins = [], []
    for row in range(ROWS):
        rules.append(Gumbel(transform, 6, noise[row], simulations, invalid[row]))
        twins.append(
            search_row(
                rules[row],
                root.prior_logits[row].numpy(),
                root.value[row].item(),
                root.embedding[row].item(),
                model.step,
                simulations,
                max_depth or simulations,
                invalid[row],
            )
        )
    compare(output.search_tree, twins)
    best = [rule.best(twin, twin.visits[0].max()) for rule, twin in zip(rules, twins, strict=True)]
    assert output.action.tolist() == best


def test_a_null_model_ties_everywhere_and_still_agrees():
    rows, actions, simulations = 4, 5, 30
    zeros = torch.zeros(rows, actions), torch.zeros(rows), torch.zeros(rows)
    discount = torch.full((rows,), 0.997)

    def recurrent(action, state):
        return search.RecurrentOutput(zeros[1], discount, zeros[0], zeros[2]), state

    output = search.muzero_policy(
        search.Root(zeros[0], zeros[1], ()), recurrent, simulations, dirichlet_fraction=0.0, seed=2
    )
    flat = np.zeros(actions, np.float32)
    twins = [
        search_row(
            Puct(search.qtransform_by_parent_and_siblings(), 1.25, 19652.0, 2, row),
            np.log(np.full(actions, 0.2, np.float32)),
            0.0,
            None,
            lambda state, action: (0.0, 0.997, flat, 0.0, None),
            simulations,
            simulations,
            None,
        )
        for row in range(rows)
    ]
    compare(output.search_tree, twins)
    assert len({tuple(twin.action) for twin in twins}) == rows


def test_sequential_halving():
    for considered in range(40):
        for simulations in (1, 2, 3, 7, 24, 47, 50, 200):
            assert _native.considered_visits(considered, simulations) == sequential_halving(
                considered, simulations
            )
    assert _native.considered_visits(8, 24) == [0] * 8 + [1] * 4 + [2] * 4 + [
        3,
        3,
        4,
        4,
        5,
        5,
        6,
        6,
    ]
    assert _native.considered_visits(8, 2) == [0, 0]
    tail = [x for n in range(4, 17) for x in (n, n)]
    expected = [0] * 8 + [1] * 4 + [2] * 4 + [3] * 4 + tail + [17]
    assert _native.considered_visits(8, 47) == expected


def test_bandit_with_a_mask_and_a_depth_limit():
    rewards = torch.tensor([[20.0, 3.0, -1.0, 10.0]])

    def recurrent(action, state):
        zero = torch.zeros(1)
        return search.RecurrentOutput(rewards[0, action], zero, torch.zeros(1, 4), zero), state

    output = search.gumbel_muzero_policy(
        search.Root(torch.tensor([[0.0, -1.0, 2.0, 3.0]]), torch.tensor([-5.0]), ()),
        recurrent,
        17,
        invalid_actions=torch.tensor([[1.0, 0.0, 0.0, 1.0]]),
        max_depth=3,
        qtransform=search.qtransform_completed_by_mix_value(value_scale=0.05, maxvisit_init=60),
    )
    assert output.action.tolist() == [1]
    summary = output.search_tree.summary()
    assert summary.visit_counts.tolist() == [[0, 9, 8, 0]]
    assert output.search_tree.node_visits.max() == 18
    # the target: softmax over the allowed actions of logits + completed, rescaled Q
    prior = torch.softmax(torch.tensor([-1.0, 2.0]), 0)
    mixed = (-5.0 + 17 * (prior * rewards[0, 1:3]).sum()) / 18
    completed = torch.tensor([mixed, 3.0, -1.0, mixed])
    rescaled = (completed - completed.min()) / (completed.max() - completed.min())
    target = torch.softmax(torch.tensor([-1.0, 2.0]) + (60 + 9) * 0.05 * rescaled[1:3], 0)
    np.testing.assert_allclose(output.action_weights[0, 1:3], target, atol=1e-6)
    assert output.action_weights[0, [0, 3]].tolist() == [0, 0]
