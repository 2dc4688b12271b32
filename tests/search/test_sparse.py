"""Each node keeps its k likeliest actions: the plain search with the others forbidden."""

from types import SimpleNamespace

import pytest
import torch
from search_twin import TableModel
from test_search_properties import FIELDS

import rollout.search as search

POLICIES = [search.muzero_policy, search.gumbel_muzero_policy]
ROWS, SIMULATIONS = 9, 40


def with_masks(model, share=0.4):
    """The model, forbidding some actions in every state but never its likeliest."""

    def recurrent(action, state):
        output, after = model.recurrent(action, state)
        columns = torch.arange(model.actions)
        invalid = (after[:, None] * 31 + columns * 17) % 100 < 100 * share
        invalid.scatter_(1, output.prior_logits.argmax(1, keepdim=True), False)
        return output._replace(invalid_actions=invalid), after

    return recurrent


def root_mask(model, rows=ROWS):
    invalid = torch.rand(rows, model.actions, generator=torch.Generator().manual_seed(2)) < 0.3
    invalid[:, 0] &= ~invalid.all(1)
    return invalid


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("actions", [5, 40])
@pytest.mark.parametrize("more", [0, 7])
def test_all_actions_kept_is_the_plain_search(policy, actions, more):
    model = TableModel(actions)
    arguments = (model.root(ROWS), with_masks(model), SIMULATIONS)
    settings = {"invalid_actions": root_mask(model), "seed": 4}
    plain = policy(*arguments, **settings)
    sparse = policy(*arguments, **settings, top_k=actions + more)
    for name in FIELDS:
        ours, theirs = getattr(sparse.search_tree, name), getattr(plain.search_tree, name)
        assert torch.equal(ours, theirs), name
    assert torch.equal(sparse.action, plain.action)
    assert torch.equal(sparse.dense_weights(actions), plain.action_weights)
    assert torch.equal(plain.dense_weights(actions), plain.action_weights)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize(("actions", "k"), [(6, 3), (50, 20)])
@pytest.mark.parametrize("masked", [False, True])
def test_fewer_is_the_plain_search_with_the_others_forbidden(policy, actions, k, masked):
    model = TableModel(actions, spread=2.0)
    step = with_masks(model) if masked else model.recurrent
    settings = {} if policy is search.gumbel_muzero_policy else {"dirichlet_fraction": 0.0}

    def forbidden(score, invalid):
        if invalid is not None:
            score = score.masked_fill(invalid, -torch.inf)
        kept = torch.zeros_like(score, dtype=torch.bool)
        kept.scatter_(1, score.topk(k).indices, True)
        return ~kept | score.isinf()

    def narrowed(action, state):
        output, after = step(action, state)
        output = output._replace(
            invalid_actions=forbidden(output.prior_logits, output.invalid_actions)
        )
        return output, after

    root, invalid = model.root(ROWS), root_mask(model) if masked else None
    # what the root keeps goes by the noise of a Gumbel search
    noise = policy(root, step, 1, seed=7, **settings).search_tree.root_gumbel
    score = root.prior_logits if noise is None else root.prior_logits + noise
    plain = policy(
        root, narrowed, SIMULATIONS, invalid_actions=forbidden(score, invalid), seed=7, **settings
    )
    sparse = policy(root, step, SIMULATIONS, invalid_actions=invalid, seed=7, top_k=k, **settings)
    assert sparse.actions.shape == sparse.action_weights.shape == (ROWS, k)
    assert sparse.actions.diff(dim=1).min() > 0
    ours, theirs = sparse.search_tree, plain.search_tree
    assert torch.equal(ours.parents, theirs.parents)
    torch.testing.assert_close(ours.node_values, theirs.node_values)
    rows = torch.arange(ROWS)
    for node in range(1, SIMULATIONS + 1):
        column = ours.action_from_parent[:, node].long()
        action = ours.actions[rows, ours.parents[:, node].long(), column]
        assert torch.equal(action, theirs.action_from_parent[:, node])
    assert torch.equal(sparse.action, plain.action)
    weights = sparse.dense_weights(actions)
    torch.testing.assert_close(weights, plain.action_weights, atol=1e-5, rtol=1e-4)
    columns, rewards = ours.principal_path(sparse.column)
    expected, expected_rewards = theirs.principal_path(plain.action)
    assert torch.equal(ours.actions_along(columns), expected.int())
    assert torch.equal(rewards, expected_rewards)
    # the model's states are its own
    assert torch.equal(ours.embeddings, theirs.embeddings)


def test_gumbel_considers_what_the_whole_search_would():
    model = TableModel(60, spread=2.0)
    settings = {"max_num_considered_actions": 8, "seed": 3}
    whole = search.gumbel_muzero_policy(model.root(ROWS), model.recurrent, 8, **settings)
    part = search.gumbel_muzero_policy(model.root(ROWS), model.recurrent, 8, top_k=12, **settings)
    for row in range(ROWS):
        visited = part.search_tree.summary().visit_counts[row] > 0
        expected = whole.search_tree.summary().visit_counts[row].nonzero()[:, 0]
        assert torch.equal(part.actions[row, visited], expected)
    assert torch.equal(part.action, whole.action)
    quiet = search.gumbel_muzero_policy(
        model.root(ROWS), model.recurrent, 8, top_k=12, gumbel_scale=0.0
    )
    best = model.root(ROWS).prior_logits.topk(12).indices.sort(1).values
    assert torch.equal(quiet.actions, best)


@pytest.mark.parametrize("policy", POLICIES)
def test_very_many_actions_take_what_k_take(policy):
    actions, k, rows, simulations = 47_049, 64, 4, 50
    model = TableModel(8)
    generator = torch.Generator().manual_seed(0)
    spread = torch.randn(7, actions, generator=generator)

    def recurrent(action, state):
        output, after = model.recurrent(action % 8, state)
        return output._replace(prior_logits=spread[after % 7]), after

    root = model.root(rows)
    root = root._replace(prior_logits=spread[root.embedding % 7])
    output = policy(root, recurrent, simulations, top_k=k)
    narrow = TableModel(k)
    small = policy(narrow.root(rows), narrow.recurrent, simulations)
    assert output.search_tree.nbytes == small.search_tree.nbytes < 200_000
    tree = output.search_tree
    assert tree.children_index.shape == (rows, simulations + 1, k)
    for node in (1, simulations):
        best = spread[tree.embeddings[:, node] % 7].topk(k).indices.sort(1).values
        assert torch.equal(tree.actions[:, node].long(), best)
    dense = output.dense_weights(actions)
    assert dense.shape == (rows, actions)
    torch.testing.assert_close(dense.sum(1), torch.ones(rows))
    assert (dense.gather(1, output.action[:, None]) > 0).all()


def test_more_actions_than_a_tree_can_number():
    model = TableModel(3)
    actions = 70_000
    wide = SimpleNamespace(logits=torch.zeros(2, actions))
    wide.logits[:, 66_000:66_004] = 5.0

    def recurrent(action, state):
        output, after = model.recurrent(action % 3, state)
        return output._replace(prior_logits=wide.logits), after

    root = model.root(2)._replace(prior_logits=wide.logits)
    output = search.muzero_policy(root, recurrent, 12, top_k=4)
    assert output.actions.tolist() == 2 * [[66_000, 66_001, 66_002, 66_003]]
    with pytest.raises(ValueError, match="at most 65536 actions, got 70000; search the likeliest"):
        search.muzero_policy(root, recurrent, 12)
    with pytest.raises(ValueError, match="at most 65536 actions, got 70000"):
        search.muzero_policy(root, recurrent, 12, top_k=actions)


@pytest.mark.parametrize("policy", POLICIES)
def test_forbidden_actions_are_not_kept(policy):
    """Also where fewer than k are allowed."""
    model = TableModel(30)
    invalid = torch.ones(ROWS, 30, dtype=torch.bool)
    invalid[:, [4, 17, 29]] = False

    def recurrent(action, state):
        output, after = model.recurrent(action, state)
        return output._replace(invalid_actions=invalid[: len(action)]), after

    output = policy(model.root(ROWS), recurrent, SIMULATIONS, invalid_actions=invalid, top_k=8)
    tree = output.search_tree
    assert tree.actions[tree.children_visits > 0].unique().tolist() == [4, 17, 29]
    weights = output.dense_weights(30)
    assert weights[invalid].eq(0).all()
    torch.testing.assert_close(weights.sum(1), torch.ones(ROWS))


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("settings", [{}, {"wave": 3}])
def test_a_row_does_not_depend_on_its_batch(policy, settings):
    model, seeds = TableModel(30), torch.arange(70, 70 + ROWS)
    root = model.root(ROWS)
    settings = {"top_k": 6} | settings
    whole = policy(root, model.recurrent, SIMULATIONS, seed=seeds, **settings)
    order = torch.tensor([7, 0, 3])
    part = search.Root(*(leaf[order] for leaf in root[:3]))
    found = policy(part, model.recurrent, SIMULATIONS, seed=seeds[order], **settings)
    assert torch.equal(found.actions, whole.actions[order])
    assert torch.equal(found.search_tree.parents, whole.search_tree.parents[order])
    assert torch.equal(found.search_tree.actions, whole.search_tree.actions[order])
    assert torch.equal(found.action_weights, whole.action_weights[order])


def test_clear_errors():
    model = TableModel(5)
    with pytest.raises(ValueError, match="top_k: expected at least 1, or None, got 0"):
        search.muzero_policy(model.root(3), model.recurrent, 4, top_k=0)

    def short(action, state):
        output, after = model.recurrent(action, state)
        return output._replace(invalid_actions=torch.zeros(3, 4, dtype=torch.bool)), after

    with pytest.raises(ValueError, match=r"recurrent_fn: invalid_actions: expected bool \[3, 5\]"):
        search.muzero_policy(model.root(3), short, 4, top_k=2)
