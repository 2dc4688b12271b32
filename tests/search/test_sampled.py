"""Search among candidates: what it shares with a search over a list, and what is its own."""

from functools import partial

import pytest
import torch
from search_twin import TableModel

import rollout.search as search
from rollout.models.noise import CounterNoise
from rollout.search import drive

ACTIONS, ROWS, SIMULATIONS = 6, 11, 40
POLICIES = ["muzero", "gumbel"]
EXACT = {"muzero": {"dirichlet_fraction": 0.0, "temperature": 0.0}, "gumbel": {"gumbel_scale": 0.0}}


class Numbers:
    """A model of two numbers: each step folds them into a state, whose hash the heads follow."""

    sampler = search.GaussianSampler(7, (-1.0, -1.0), (1.0, 2.0), uniform=2, temperature=2.0)

    def __init__(self):
        self.table = TableModel(4, seed=3)

    def root(self, rows):
        state = torch.arange(rows) * 37 % self.table.SIZE
        return search.Root(0.5 * self.table.logits[state], self.table.value[state], state)

    def recurrent(self, action, state):
        code = (action * 1000).long() % 997
        output, after = self.table.recurrent(code[:, 0] * 7 + code[:, 1], state)
        return output._replace(prior_logits=0.5 * output.prior_logits), after


def plan(rows=ROWS, simulations=SIMULATIONS, root=None, model=None, **settings):
    model = model or Numbers()
    return search.sampled_muzero_policy(
        root or model.root(rows),
        model.recurrent,
        simulations,
        **{"sampler": model.sampler} | settings,
    )


def trees(output):
    tree = output.search_tree
    names = ("parents", "action_from_parent", "node_visits", "node_values", "children_prior_logits")
    return [getattr(tree, name) for name in names] + [tree.actions, output.action_weights]


@pytest.mark.parametrize("policy", POLICIES)
def test_every_action_a_candidate_is_the_plain_search(policy):
    model = TableModel(ACTIONS)
    plain = {"muzero": search.muzero_policy, "gumbel": search.gumbel_muzero_policy}[policy]
    expected = plain(model.root(ROWS), model.recurrent, SIMULATIONS, **EXACT[policy])
    found = search.sampled_muzero_policy(
        model.root(ROWS),
        model.recurrent,
        SIMULATIONS,
        policy=policy,
        sampler=search.CategoricalSampler(ACTIONS),
        **EXACT[policy],
    )
    assert torch.equal(found.action, expected.action)
    weights = torch.zeros(ROWS, ACTIONS).scatter(1, found.actions, found.action_weights)
    torch.testing.assert_close(weights, expected.action_weights, atol=1e-4, rtol=1e-3)
    # the trees are equal but for the order of columns
    ours, theirs = found.search_tree, expected.search_tree
    assert torch.equal(ours.parents, theirs.parents)
    torch.testing.assert_close(ours.node_values, theirs.node_values)
    rows = torch.arange(ROWS)
    for node in range(1, SIMULATIONS + 1):
        parent, column = ours.parents[:, node].long(), ours.action_from_parent[:, node].long()
        entry = ours.actions[rows, parent.clamp(min=0), column.clamp(min=0)]
        assert torch.equal(entry[parent >= 0], theirs.action_from_parent[parent >= 0, node].long())


@pytest.mark.parametrize("policy", POLICIES)
def test_columns_and_actions_agree(policy):
    output = plan(policy=policy)
    rows, tree = torch.arange(ROWS), output.search_tree
    assert output.actions.shape == (ROWS, 7, 2)
    assert torch.equal(output.action, output.actions[rows, output.column])
    assert torch.equal(tree.actions[:, 0], output.actions)
    torch.testing.assert_close(output.action_weights.sum(1), torch.ones(ROWS))
    # every node's state is what its parent's action leads to
    model = Numbers()
    for node in range(1, SIMULATIONS + 1):
        parent, column = tree.parents[:, node].long(), tree.action_from_parent[:, node].long()
        there = parent >= 0
        taken = tree.actions[rows, parent, column]
        _, after = model.recurrent(taken, tree.embeddings[rows, parent])
        assert torch.equal(after[there], tree.embeddings[there, node])
    columns, _ = tree.principal_path(output.column)
    path = tree.actions_along(columns)
    assert torch.equal(path[:, 0], output.action)
    assert path.isnan().all(-1).eq(columns < 0).all()
    assert path.isnan().any()
    state = model.root(ROWS).embedding
    for depth in range(columns.shape[1]):
        alive = columns[:, depth] >= 0
        _, after = model.recurrent(path[:, depth].nan_to_num(), state)
        state = torch.where(alive, after, state)
        assert (tree.embeddings == state[:, None]).any(1).all()


@pytest.mark.parametrize("policy", POLICIES)
def test_a_row_does_not_depend_on_its_batch(policy):
    seeds = torch.arange(50, 50 + ROWS)
    root = Numbers().root(ROWS)
    whole = plan(policy=policy, seed=seeds)
    order = torch.tensor([8, 2, 5])
    part = plan(
        root=search.Root(*(leaf[order] for leaf in root[:3])), policy=policy, seed=seeds[order]
    )
    for ours, theirs in zip(trees(part), trees(whole), strict=True):
        assert torch.equal(ours, theirs[order])
    # one seed for all tells rows apart by their number
    head = search.Root(*(leaf[:4] for leaf in root[:3]))
    for ours, theirs in zip(
        trees(plan(root=head, policy=policy, seed=5)),
        trees(plan(policy=policy, seed=5)),
        strict=True,
    ):
        assert torch.equal(ours, theirs[:4])
    assert not torch.equal(plan(seed=1).actions, plan(seed=2).actions)
    same = search.Root(*(leaf[:1].expand(3, *leaf.shape[1:]) for leaf in root[:3]))
    drawn = plan(root=same).actions
    assert not torch.equal(drawn[0], drawn[1])


@pytest.mark.parametrize(
    "settings", [{"wave": 4}, {"early_stop": True}, {"simulations": torch.arange(3, 3 + ROWS)}]
)
def test_a_nodes_candidates_follow_from_the_way_to_it(settings):
    """However a search deals out its leaves, the same line meets the same candidates."""
    by_line = {}
    for output in (plan(), plan(**settings)):
        tree = output.search_tree
        for row in range(ROWS):
            lines = {0: ()}
            for node in range(1, tree.num_simulations + 1):
                parent = int(tree.parents[row, node])
                if parent < 0:
                    continue
                lines[node] = (*lines[parent], int(tree.action_from_parent[row, node]))
                found = tree.actions[row, node]
                assert torch.equal(found, by_line.setdefault((row, lines[node]), found))
    shared = sum(len(line) > 1 for _, line in by_line)
    assert shared > ROWS


def test_copies_are_not_visited():
    model = TableModel(3)
    output = search.sampled_muzero_policy(
        model.root(ROWS),
        model.recurrent,
        SIMULATIONS,
        sampler=search.CategoricalSampler(8, replace=True),
        dirichlet_fraction=0.5,
    )
    visits = output.search_tree.summary().visit_counts
    for row in range(ROWS):
        seen = set()
        for column, action in enumerate(output.actions[row].tolist()):
            assert visits[row, column] == 0 or action not in seen
            assert output.action_weights[row, column] == 0 or action not in seen
            seen.add(action)
    # below the root too
    tree = output.search_tree
    used = tree.children_visits > 0
    for row, node, column in used.nonzero().tolist():
        ids = tree.actions[row, node, : column + 1]
        assert (ids == ids[-1]).sum() == 1


def test_forbidden_actions_are_no_candidates():
    model = TableModel(ACTIONS)
    invalid = torch.zeros(ROWS, ACTIONS, dtype=torch.bool)
    invalid[:, :4] = True

    def recurrent(action, state):
        assert (action >= 4).all() or first[0] == 0
        first[0] = 0
        output, after = model.recurrent(action, state)
        forbid = torch.zeros(len(action), ACTIONS, dtype=torch.bool)
        forbid[:, 1] = True
        return output._replace(invalid_actions=forbid), after

    first = [1]
    output = search.sampled_muzero_policy(
        model.root(ROWS),
        recurrent,
        SIMULATIONS,
        sampler=search.CategoricalSampler(4),
        invalid_actions=invalid,
    )
    assert (output.action >= 4).all()
    tree = output.search_tree
    taken = tree.actions[tree.children_visits > 0]
    assert not (taken == 1).any()
    at_root = output.actions[tree.children_visits[:, 0] > 0]
    assert at_root.unique().tolist() == [4, 5]


def test_a_model_may_bring_candidates_of_any_build():
    """Choices and numbers as a dict are what they are side by side."""
    model = Numbers()
    noise = search.candidate_noise(9, ROWS)

    def split(candidates):
        number = candidates.actions
        parts = {"discrete": (number[..., 0] > 0).long(), "continuous": number[..., 1:]}
        return candidates._replace(actions=parts)

    def join(action):
        assert action["discrete"].dtype == torch.int64
        return torch.cat((action["discrete"][:, None].float(), action["continuous"]), 1)

    def joined(candidates):
        return candidates._replace(actions=join_many(split(candidates).actions))

    def join_many(actions):
        return torch.cat((actions["discrete"][..., None].float(), actions["continuous"]), -1)

    def step(shape, unshape):
        def recurrent(action, state, noise):
            output, after = model.recurrent(unshape(action), state)
            drawn = model.sampler(output.prior_logits, noise)
            return search.SampledOutput(*output[:2], shape(drawn), output.value), after

        return recurrent

    outputs = []
    for shape, unshape in ((split, join), (joined, lambda action: action)):
        root = model.root(ROWS)
        drawn = model.sampler(root.prior_logits, noise)
        outputs.append(
            search.sampled_muzero_policy(
                search.SampledRoot(shape(drawn), root.value, root.embedding),
                step(shape, unshape),
                SIMULATIONS,
                policy="gumbel",
                seed=9,
            )
        )
    parts, flat = outputs
    assert torch.equal(join(parts.action), flat.action)
    assert torch.equal(join_many(parts.search_tree.actions), flat.search_tree.actions)
    assert torch.equal(parts.action_weights, flat.action_weights)


def test_a_model_that_brings_candidates_is_the_sampler_from_outside():
    model = Numbers()

    def recurrent(action, state, noise):
        assert isinstance(noise, CounterNoise)
        output, after = model.recurrent(action, state)
        drawn = model.sampler(output.prior_logits, noise)
        return search.SampledOutput(output.reward, output.discount, drawn, output.value), after

    root = model.root(ROWS)
    drawn = model.sampler(root.prior_logits, search.candidate_noise(3, ROWS))
    ours = search.sampled_muzero_policy(
        search.SampledRoot(drawn, root.value, root.embedding), recurrent, SIMULATIONS, seed=3
    )
    for a, b in zip(trees(ours), trees(plan(seed=3)), strict=True):
        assert torch.equal(a, b)


def test_the_prior_is_corrected_in_the_tree():
    """Proposals of another temperature: over many nodes the tree's prior is the policy still."""
    rows, logits = 4000, torch.tensor([1.5, 0.0, -0.5, -1.0])
    zeros = torch.zeros(rows)

    def recurrent(action, state):
        return search.RecurrentOutput(zeros, zeros, logits.expand(rows, -1), zeros), state

    output = search.sampled_muzero_policy(
        search.Root(logits.expand(rows, -1), zeros, ()),
        recurrent,
        1,
        sampler=search.CategoricalSampler(64, replace=True, temperature=5.0),
        dirichlet_fraction=0.0,
    )
    prior = output.search_tree.children_prior_logits[:, 0].softmax(-1)
    drawn = torch.full_like(prior, 1 / 64)
    expected = logits.softmax(-1)
    for action in range(4):
        here = output.actions == action
        assert abs((prior * here).sum(1).mean() - expected[action]) < 0.02
    assert abs((drawn * (output.actions == 0)).sum(1).mean() - expected[0]) > 0.15


def test_clear_errors():
    model = Numbers()
    with pytest.raises(ValueError, match="policy: expected 'muzero' or 'gumbel', got 'puct'"):
        plan(policy="puct")
    with pytest.raises(TypeError, match="root: expected a SampledRoot, or a sampler and a Root"):
        plan(sampler=None)
    with pytest.raises(ValueError, match="numbers have no options to forbid"):
        plan(invalid_actions=torch.zeros(ROWS, 2, dtype=torch.bool))
    with pytest.raises(ValueError, match="seed: expected an int, or B=11 ints"):
        plan(seed=[1, 2])
    with pytest.raises(ValueError, match="top_k: a sampler's count"):
        plan(top_k=3)
    root = model.root(ROWS)
    sampled = search.SampledRoot(
        model.sampler(root.prior_logits, CounterNoise(0, ROWS)), root.value, root.embedding
    )
    with pytest.raises(TypeError, match="root: expected a Root with a sampler, got SampledRoot"):
        plan(root=sampled)
    with pytest.raises(ValueError, match="the model brings candidates; mark them in theirs"):
        plan(root=sampled, sampler=None, invalid_actions=torch.zeros(ROWS, 7, dtype=torch.bool))
    with pytest.raises(TypeError, match=r"recurrent_fn: expected \(SampledOutput, embedding\)"):
        search.sampled_muzero_policy(sampled, lambda a, s, n: model.recurrent(a, s), SIMULATIONS)
    with pytest.raises(TypeError, match=r"a compiled one takes actions \[L\] int64 only"):
        search.sampled_muzero_policy(
            root, search.compile_recurrent(model.recurrent), SIMULATIONS, sampler=model.sampler
        )

    def diverged(action, state):
        output, after = model.recurrent(action, state)
        output.prior_logits[2, 0] = float("nan")
        return output, after

    with pytest.raises(ValueError, match="recurrent_fn: candidates: actions: row 2 is not finite"):
        search.sampled_muzero_policy(root, diverged, SIMULATIONS, sampler=model.sampler)


def test_every_node_draws_its_own_candidates():
    zeros = torch.zeros(2)

    def recurrent(action, state):  # the same policy everywhere
        return search.RecurrentOutput(zeros, zeros, torch.zeros(2, 2), zeros), state

    sampler = search.GaussianSampler(5, (-1.0,), (1.0,), squash="tanh")
    output = search.sampled_muzero_policy(
        search.Root(torch.zeros(2, 2), zeros, ()), recurrent, SIMULATIONS, sampler=sampler
    )
    drawn = output.search_tree.actions
    assert len(drawn.unique()) == drawn.numel() == 2 * (SIMULATIONS + 1) * 5


@pytest.mark.parametrize("policy", POLICIES)
def test_the_device_path_gives_the_same(policy, monkeypatch):
    """The path for states on a device, run in host memory: candidates stay with the states."""
    theirs = plan(policy=policy)
    monkeypatch.setattr(drive, "_drive_host", partial(drive._drive_device, edges=7))
    for ours, expected in zip(trees(plan(policy=policy)), trees(theirs), strict=True):
        assert torch.equal(ours, expected)
