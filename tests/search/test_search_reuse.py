"""Searches that begin from the trees of earlier ones, against the plain twin and each other."""

from functools import partial

import numpy as np
import pytest
import torch
from search_twin import LOWEST, Gumbel, Puct, TableModel, empty_tree, search_row
from test_disagreement import Unsure

import rollout.search as search
from rollout.search import drive, policies

POLICIES = [search.muzero_policy, search.gumbel_muzero_policy]
FIELDS = ("node_visits", "node_values", "raw_values", "parents", "children_index")
EDGES = ("children_visits", "children_values", "children_rewards", "children_prior_logits")
TREE_WIDE = search.qtransform_scaled(span="tree", unvisited="mean")


def assert_same(ours, theirs, rows=slice(None), others=slice(None)):
    for name in FIELDS + EDGES:
        a = getattr(ours.search_tree, name)[rows].numpy()
        b = getattr(theirs.search_tree, name)[others].numpy()
        nodes = min(a.shape[1], b.shape[1])
        np.testing.assert_array_equal(a[:, :nodes], b[:, :nodes], err_msg=name)
    assert torch.equal(ours.action[rows], theirs.action[others])
    assert torch.equal(ours.action_weights[rows], theirs.action_weights[others])


def moved(model, root, action):
    """The root that the model itself would give after an action."""
    output, state = model.recurrent(action.clamp(min=0), root.embedding)
    return search.Root(*output[2:4], state, output.to_play)


# -- the twin: which nodes are kept, and what they are worth, as defined


def children(tree, node):
    return [(a, int(tree.child[node, a])) for a in np.flatnonzero(tree.child[node] >= 0)]


def subtree(tree, path, value, most, max_depth, invalid, simulations):
    """The tree of one row below `path`, or None, with room for more simulations."""
    root = 0
    for action in path:
        root = tree.child[root, action] if action >= 0 else -1
        if root < 0:
            return None
    found, depths = [root], {root: 0}
    for node in found:
        for action, child in children(tree, node):
            if depths[node] < max_depth and not (
                node == root and invalid is not None and invalid[action]
            ):
                found.append(child)
                depths[child] = depths[node] + 1
    kept = sorted(sorted(found, key=lambda n: (-tree.node_visits[n], n))[:most])
    new = empty_tree(len(kept) + simulations, tree.child.shape[1])
    name = {old: i for i, old in enumerate(kept)}
    for old in reversed(kept):
        i, below = name[old], children(tree, old)
        own = tree.node_visits[old] - sum(tree.node_visits[c] for _, c in below)
        raw = tree.raw[old]
        if i == 0:
            own, raw = 1, value
        new.logits[i], new.raw[i], new.states[i] = tree.logits[old], raw, tree.states[old]
        new.node_visits[i], total, doubt = own, own * float(raw), 0.0
        new.own[i] = 0 if i == 0 else tree.own[old]
        for a, child in below:
            if child not in name:
                continue
            to = name[child]
            new.child[i, a], new.parent[to], new.action[to] = to, i, a
            new.reward[i, a], new.discount[i, a] = tree.reward[old, a], tree.discount[old, a]
            new.visits[i, a], new.child_value[i, a] = new.node_visits[to], new.value[to]
            q = new.reward[i, a] + new.discount[i, a] * new.value[to]
            new.low, new.high = min(new.low, q), max(new.high, q)
            new.node_visits[i] += new.node_visits[to]
            total += float(new.node_visits[to]) * float(q)
            step = new.own[to] + abs(new.discount[i, a]) * new.doubt[to]
            doubt += float(new.node_visits[to]) * float(step)
        new.value[i], new.doubt[i] = total / new.node_visits[i], doubt / new.node_visits[i]
        new.paths[:0] = [(i, raw)] * (own if i > 0 else 0)
    new.used, new.before = len(kept), new.visits[0].copy()
    return new


def twin_search(
    policy, root, row, output, step, simulations, depth, mask, transform, tree, **options
):
    logits = root.prior_logits[row]
    if policy is search.muzero_policy:
        logits = logits.log_softmax(0)
        rule = Puct(transform, 1.25, 19652.0, 5, row)
    else:
        noise = output.search_tree.root_gumbel[row].numpy()
        rule = Gumbel(transform, 16, noise, simulations, mask)
    start = (logits.numpy(), root.value[row].item(), int(root.embedding[row]))
    return search_row(rule, *start, step, simulations, depth, mask, tree=tree, **options)


def compare(tree, row, twin):
    nodes = len(twin.value)
    np.testing.assert_array_equal(tree.children_visits[row, :nodes], twin.visits)
    np.testing.assert_array_equal(tree.children_index[row, :nodes], twin.child)
    np.testing.assert_array_equal(tree.node_visits[row, :nodes], twin.node_visits)
    np.testing.assert_array_equal(tree.parents[row, :nodes], twin.parent)
    np.testing.assert_array_equal(tree.action_from_parent[row, :nodes], twin.action)
    for ours, theirs in [
        (tree.node_values, twin.value),
        (tree.raw_values, twin.raw),
        (tree.children_values, twin.child_value),
        (tree.children_rewards, twin.reward),
        (tree.children_prior_logits, twin.logits),
    ]:
        np.testing.assert_allclose(ours[row, :nodes], theirs, rtol=1e-5, atol=1e-5)
    states = tree.embeddings[row, :nodes]
    reached = np.flatnonzero(twin.node_visits)
    assert [twin.states[slot] for slot in reached] == states[reached].tolist()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("actions", [4, 18, 40])
@pytest.mark.parametrize(
    ("max_depth", "most", "masked", "transform"),
    [(None, None, False, None), (3, None, True, None), (None, 35, True, TREE_WIDE)],
    ids=["plain", "shallow", "capped"],
)
def test_reuse_equals_a_tree_with_inherited_counts(
    policy, actions, max_depth, most, masked, transform
):
    rows, first, second = 6, 40, 30
    model = TableModel(actions, seed=actions, spread=3.0)
    transform = transform or (
        search.qtransform_by_parent_and_siblings()
        if policy is search.muzero_policy
        else search.qtransform_completed_by_mix_value()
    )
    settings = {"max_depth": max_depth, "qtransform": transform, "seed": 5}
    if policy is search.muzero_policy:
        settings["dirichlet_fraction"] = 0.0
    mask = np.random.default_rng(1).random((rows, actions)) < (0.4 if masked else 0.0)
    mask[:, 0] &= ~mask.all(1)
    root = model.root(rows)
    output = policy(root, model.recurrent, first, **settings)
    depth = max_depth or 1000
    twins = [
        twin_search(policy, root, r, output, model.step, first, depth, None, transform, None)
        for r in range(rows)
    ]
    path = output.search_tree.summary().visit_counts.argmax(1)
    path[4] = -1  # ended
    path[5] = output.search_tree.summary().visit_counts[5].argmin()  # perhaps never visited
    for steps in range(2):
        if steps == 1:  # two moves at once
            then = torch.tensor(
                [t.visits[t.child[0, a]].argmax() for t, a in zip(twins, path, strict=True)]
            )
            path = torch.stack((path, then), 1)
        after = moved(model, root, path if steps == 0 else path[:, 0])
        if steps == 1:
            after = moved(model, after, path[:, 1])
        again = policy(
            after,
            model.recurrent,
            second,
            invalid_actions=torch.from_numpy(mask) if masked else None,
            tree=output.search_tree,
            tree_action=path,
            max_nodes=most,
            **settings,
        )
        inherited = 0
        for r in range(rows):
            actions_of_row = np.atleast_1d(path[r].numpy())
            keep = (most or 10**6) - second
            tree = subtree(
                twins[r], actions_of_row, after.value[r].item(), keep, depth, mask[r], second
            )
            inherited += 0 if tree is None else tree.used - 1
            invalid = mask[r] if masked else None
            twin = twin_search(
                policy, after, r, again, model.step, second, depth, invalid, transform, tree
            )
            compare(again.search_tree, r, twin)
        assert inherited > (0 if steps else rows)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("actions", [4, 40])
@pytest.mark.parametrize("most", [None, 50])
def test_a_root_at_which_nothing_was_done_is_searched_on(policy, actions, most):
    rows, first, second, stay = 5, 40, 30, search.SearchTree.NOTHING_DONE
    model, root = TableModel(actions, seed=actions, spread=3.0), TableModel(actions).root(5)
    root = search.Root(model.logits[root.embedding], model.value[root.embedding], root.embedding)
    settings = {"seed": 5}
    transform = search.qtransform_completed_by_mix_value()
    if policy is search.muzero_policy:
        settings["dirichlet_fraction"] = 0.0
        transform = search.qtransform_by_parent_and_siblings()
    output = policy(root, model.recurrent, first, **settings)
    path = torch.tensor([stay, stay, -1, 0, stay])
    path[3] = output.search_tree.summary().visit_counts[3].argmax()
    there, before = moved(model, root, path), path == stay
    after = search.Root(
        *(
            torch.where(before if new.dim() == 1 else before[:, None], old, new)
            for new, old in zip(there[:3], root[:3], strict=True)
        )
    )
    run = partial(
        policy, after, model.recurrent, second, tree=output.search_tree, max_nodes=most, **settings
    )
    again = run(tree_action=path)
    for r in range(rows):
        rest = 1000, None, transform
        twin = twin_search(policy, root, r, output, model.step, first, *rest, None)
        way = [a for a in path[r : r + 1].tolist() if a != stay]
        keep = (most or 10**6) - second
        kept = subtree(twin, way, after.value[r].item(), keep, 1000, None, second)
        compare(
            again.search_tree, r,
            twin_search(policy, after, r, again, model.step, second, *rest, kept),
        )  # fmt: skip
    if most is None:
        counts = again.search_tree.summary().visit_counts.sum(1)
        assert counts[[0, 1, 4]].tolist() == [first + second] * 3
    # a row with fewer moves than others is filled up
    still = torch.full_like(path, stay)
    for two in (torch.stack((path, still), 1), torch.stack((still, path), 1)):
        assert_same(run(tree_action=two), again)


def test_thinking_twice_is_thinking_longer():
    model = TableModel(9, spread=3.0)
    root = model.root(20)
    run = partial(search.muzero_policy, root, model.recurrent, dirichlet_fraction=0.0)
    stay = torch.full((20,), search.SearchTree.NOTHING_DONE)
    first = run(60)
    ours, theirs = run(50, tree=first.search_tree, tree_action=stay), run(110)
    for name in ("node_visits", "children_index", "children_visits"):
        assert torch.equal(getattr(ours.search_tree, name), getattr(theirs.search_tree, name))
    torch.testing.assert_close(ours.search_tree.node_values, theirs.search_tree.node_values)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("actions", [4, 9, 40])
@pytest.mark.parametrize("most", [None, 45])
@pytest.mark.parametrize(
    ("share", "options"),
    [
        (0.5, {}),
        (0.25, {}),
        (0.4, {"disagreement_bonus": 0.5, "disagreement_penalty": 0.3}),
        (0.0, {"disagreement_bonus": 2.0}),
    ],
)
def test_what_was_closed_stays_closed(policy, actions, most, share, options):
    rows, first, second = 6, 40, 30
    model = Unsure(actions, share, seed=actions)
    transform = (
        search.qtransform_by_parent_and_siblings()
        if policy is search.muzero_policy
        else search.qtransform_completed_by_mix_value()
    )
    twin_options = {name.removeprefix("disagreement_"): x for name, x in options.items()}
    if policy is search.muzero_policy:
        options = options | {"dirichlet_fraction": 0.0}
    root = model.root(rows)
    output = policy(root, model.recurrent, first, seed=5, **options)
    path = output.search_tree.summary().visit_counts.argmax(1)
    after = moved(model, root, path)
    again = policy(
        after, model.recurrent, second, seed=5, tree=output.search_tree, tree_action=path,
        max_nodes=most, **options,
    )  # fmt: skip
    tree, inherited, closed_before = again.search_tree, 0, 0
    for r in range(rows):
        rest = 1000, None, transform
        before = twin_search(
            policy, root, r, output, model.step, first, *rest, None, **twin_options
        )
        kept = subtree(
            before, path[r : r + 1].numpy(), after.value[r].item(), (most or 10**6) - second,
            1000, None, second,
        )  # fmt: skip
        if kept is not None:
            inherited += kept.used - 1
            closed_before += (kept.logits[1 : kept.used, :actions] == LOWEST).sum()
        twin = twin_search(policy, after, r, again, model.step, second, *rest, kept, **twin_options)
        compare(tree, r, twin)
        found = tree.closed(r)
        assert [one.path[-1] for one in found] == [int(action) for _, action in twin.closed]
        assert tree.feasible[r] == (twin.logits[0] != LOWEST).any()
    reached = tree.node_visits > 0
    reached[:, 0] = False
    assert not model.forbidden[tree.embeddings[reached]].any()
    assert inherited > 0
    assert closed_before > 0 or share == 0.0 or inherited < 10


# -- options, against searches that must be equal


def two_searches(policy, model, rows=slice(None), threads=1, most=None, **options):
    """A search and one from its trees; rows 0, 3, 6, ... of the second start afresh."""
    whole = model.root(24)
    seeds = torch.arange(24)
    root = search.Root(*(leaf if leaf is None else leaf[rows] for leaf in whole))
    first = policy(root, model.recurrent, 40, seed=seeds[rows], num_threads=threads, **options)
    # any action that was tried will do, and it must not depend on the rows around
    counts = first.search_tree.summary().visit_counts
    action = torch.where(seeds[rows] % 3 > 0, counts.argmax(1), -1)
    after = moved(model, root, counts.argmax(1))
    return policy(
        after,
        model.recurrent,
        30,
        seed=seeds[rows],
        num_threads=threads,
        tree=first.search_tree,
        tree_action=action,
        max_nodes=most,
        **options,
    ), after


OPTIONS = {
    "plain": {},
    "wave": {"wave": 5},
    "capped": {"most": 40},
    "capped waves": {"most": 45, "wave": 3, "zero_discount_ends": True},
    "early stop": {"early_stop": True},
}


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("actions", [4, 40])
@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS)
def test_rows_do_not_depend_on_threads_or_company(policy, actions, options):
    model = TableModel(actions, spread=2.0)
    ours, after = two_searches(policy, model, **options)
    assert_same(ours, two_searches(policy, model, threads=3, **options)[0])
    order = torch.tensor([7, 3, 20, 11, 4, 5])
    assert_same(ours, two_searches(policy, model, order, **options)[0], order)
    # a row that starts afresh is as in a search without a tree
    seeds = torch.arange(24)
    options = {name: value for name, value in options.items() if name != "most"}
    plain = policy(after, model.recurrent, 30, seed=seeds, **options)
    fresh, kept = seeds % 3 == 0, seeds % 3 > 0
    assert_same(ours, plain, fresh, fresh)
    mine, theirs = (out.search_tree.summary().visit_counts for out in (ours, plain))
    assert (mine[kept].sum(1) > theirs[kept].sum(1)).any()
    # what was inherited and what was added hang together
    tree = ours.search_tree
    inner = tree.children_visits.sum(-1)
    assert ((tree.node_visits - inner)[tree.node_visits > 0] >= 1).all()
    assert (tree.node_visits[:, 0] == 1 + inner[:, 0]).all()
    rows, nodes, acts = (tree.children_index >= 0).nonzero(as_tuple=True)
    below = tree.children_index[rows, nodes, acts].long()
    assert torch.equal(tree.children_visits[rows, nodes, acts], tree.node_visits[rows, below])
    _, expected = model.recurrent(acts, tree.embeddings[rows, nodes])
    assert torch.equal(tree.embeddings[rows, below], expected)


@pytest.mark.parametrize("policy", POLICIES)
def test_budgets_of_rows(policy):
    model, rows = TableModel(4), 8
    root, seeds = model.root(rows), torch.arange(rows)
    first = policy(root, model.recurrent, 40, seed=seeds)
    counts = first.search_tree.summary().visit_counts
    action, budgets = counts.argmax(1), torch.tensor([1, 30, 7, 30, 12, 2, 30, 5])
    after = moved(model, root, action)
    again = {"tree": first.search_tree, "tree_action": action, "seed": seeds}
    some = policy(after, model.recurrent, budgets, **again)
    all_of_them = policy(after, model.recurrent, 30, **again)
    full = budgets == 30
    assert_same(some, all_of_them, full, full)
    kept = counts.amax(1) - 1
    assert torch.equal(some.search_tree.summary().visit_counts.sum(1), kept + budgets)


class Game(TableModel):
    """The player to move is a function of the state; values are the mover's, or each player's."""

    def __init__(self, actions, vectors=False):
        super().__init__(actions, spread=3.0)
        self.vectors = vectors

    def each(self, mine, player):
        return torch.stack((mine, -mine), 1) * (1 - 2 * player)[:, None] if self.vectors else mine

    def root(self, rows, first=0):
        root = super().root(rows, first)
        player = root.embedding % 2
        return root._replace(value=self.each(root.value, player), to_play=player)

    def recurrent(self, action, state):
        output, after = super().recurrent(action, state)
        return output._replace(
            reward=self.each(output.reward, state % 2),
            value=self.each(output.value, after % 2),
            to_play=after % 2,
        ), after


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("actions", [4, 40])
@pytest.mark.parametrize("most", [None, 40])
def test_values_of_several_players_equal_signs(policy, actions, most):
    ours, _ = two_searches(policy, Game(actions, vectors=True), most=most)
    theirs, _ = two_searches(policy, Game(actions), most=most)
    for name in ("children_visits", "children_index", "node_visits"):
        assert torch.equal(getattr(ours.search_tree, name), getattr(theirs.search_tree, name))
    torch.testing.assert_close(ours.search_tree.node_values, theirs.search_tree.node_values)
    torch.testing.assert_close(ours.action_weights, theirs.action_weights)


@pytest.mark.parametrize("most", [None, 40])
def test_the_lower_bound_counts_inherited_returns(most):
    model, seen = TableModel(4), 0
    output, _ = two_searches(
        search.muzero_policy, model, most=most, choice="lower_bound", deviations=0.4
    )
    tree = output.search_tree
    parents, steps, raws = tree.parents, tree.action_from_parent, tree.raw_values
    rewards, discounts = tree.children_rewards, tree.children_discounts
    for row in range(24):
        returns = {a: [] for a in range(4)}
        for leaf in range(1, raws.shape[1]):
            node, value = leaf, raws[row, leaf].item()
            if parents[row, leaf] < 0:
                continue
            while node != 0:
                action = int(steps[row, node])
                node, at = int(parents[row, node]), (row, parents[row, node], action)
                value = rewards[at].item() + discounts[at].item() * value
            returns[action].append(value)
        most_visited = max(map(len, returns.values()))
        bounds = {
            a: np.mean(r) - 0.4 * np.std(r, ddof=1) / np.sqrt(len(r))
            for a, r in returns.items()
            if len(r) >= 2 and len(r) >= 0.1 * most_visited
        }
        assert int(output.action[row]) == max(bounds, key=bounds.get)
        seen += most_visited > 30
    assert seen > 0


@pytest.mark.parametrize("policy", POLICIES)
def test_the_device_path_gives_the_same(policy, monkeypatch):
    theirs, _ = two_searches(policy, TableModel(4), most=45)
    monkeypatch.setattr(drive, "_drive_host", partial(drive._drive_device, edges=4))
    ours, _ = two_searches(policy, TableModel(4), most=45)
    assert_same(ours, theirs)
    reached = ours.search_tree.node_visits > 0
    assert torch.equal(ours.search_tree.embeddings[reached], theirs.search_tree.embeddings[reached])


@pytest.mark.parametrize("policy", POLICIES)
def test_memory_stays_bounded_over_many_moves(policy):
    model, rows, simulations = TableModel(3, terminal=0.0, spread=8.0), 4, 20
    root, tree, action = model.root(rows), None, None
    nodes = []
    for move in range(200):
        output = policy(
            root, model.recurrent, simulations, tree=tree, tree_action=action, seed=move,
            max_nodes=3 * simulations, max_depth=50,
        )  # fmt: skip
        tree, action = output.search_tree, output.action
        nodes.append(tree.node_visits.shape[1])
        root = moved(model, root, action)
    assert nodes[0] == simulations + 1
    assert max(nodes) == 3 * simulations
    # the default is 8 nodes a simulation; here every move keeps all but one
    only = torch.tensor([[True, False, True]]).expand(rows, 3)
    action = torch.ones(rows, dtype=torch.int64)
    tree = None
    for move in range(12):
        tree = policy(
            root,
            lambda a, s: (model.recurrent(a, s)[0]._replace(invalid_actions=only), s),
            simulations,
            invalid_actions=only,
            tree=tree,
            tree_action=None if tree is None else action,
        ).search_tree
        assert tree.node_visits.shape[1] == min(1 + simulations + move * 19, 8 * simulations)


@pytest.mark.parametrize("policy", POLICIES)
def test_a_deadline_takes_back_what_is_out(policy, monkeypatch):
    model, rows, now = TableModel(4), 3, 0.0
    for module in (drive, policies):
        monkeypatch.setattr(module, "perf_counter", lambda: now)

    def slow(action, state):
        nonlocal now
        now += 0.02
        return model.recurrent(action, state)

    for actions in (4, 40):
        model, now = TableModel(actions), 0.0
        output = policy(model.root(rows), slow, 1000, deadline_ms=100.0, wave=6)
        tree = output.search_tree
        done = tree.native.simulation * 6
        assert done in (24, 30)  # in 100 ms, with a sum of fractions that may be a bit above
        assert (tree.children_visits[:, 0].sum(1) == done).all()
        assert tree.children_visits.max() <= done
        evaluations = tree.node_visits - tree.children_visits.sum(-1)
        assert (evaluations.sum(1) == done + 1).all()
        # what is left can be gone on with
        action = tree.summary().visit_counts.argmax(1)
        again = policy(
            moved(model, model.root(rows), action), model.recurrent, 10, tree=tree,
            tree_action=action, wave=6,
        )  # fmt: skip
        everyone = torch.arange(rows)
        child = tree.children_index[everyone, 0, action].long()
        inherited = tree.children_visits[everyone, child].sum(1)
        assert torch.equal(again.search_tree.summary().visit_counts.sum(1), inherited + 10)


def test_what_is_wrong_is_said():
    model = TableModel(4)
    root = model.root(6)
    tree = search.muzero_policy(root, model.recurrent, 5).search_tree
    action = torch.zeros(6, dtype=torch.int64)

    def again(root=root, policy=search.muzero_policy, **options):
        return policy(root, model.recurrent, 5, **{"tree": tree, "tree_action": action, **options})

    with pytest.raises(TypeError, match=r"tree_action: expected int64 \[B=6\].* got NoneType"):
        again(tree_action=None)
    with pytest.raises(ValueError, match=r"tree_action: .* got int32 \[6\]"):
        again(tree_action=action.int())
    with pytest.raises(ValueError, match=r"tree_action: .* got int64 \[3\]"):
        again(tree_action=action[:3])
    with pytest.raises(ValueError, match=r"tree_action: expected actions below A=4, got 4"):
        again(tree_action=action + 4)
    with pytest.raises(ValueError, match="tree_action: expected None without a tree"):
        again(tree=None)
    with pytest.raises(TypeError, match=r"tree: expected the search_tree .* got PolicyOutput"):
        again(tree=search.muzero_policy(root, model.recurrent, 5))
    with pytest.raises(ValueError, match=r"tree: expected one of \[B=2, A=4\]"):
        again(search.Root(*(leaf[:2] for leaf in root[:3])), tree_action=action[:2])
    with pytest.raises(ValueError, match=r"max_nodes: expected at least num_simulations \+ 1 = 6"):
        again(max_nodes=5)
    with pytest.raises(ValueError, match="root: embedding: expected leaf 0 as in the earlier tree"):
        again(root._replace(embedding=root.embedding.float()))
    with pytest.raises(ValueError, match="root: embedding: expected the structure"):
        again(root._replace(embedding=(root.embedding,)))
    with pytest.raises(
        ValueError, match=r"tree: expected one of 2 players' values .* got one of one"
    ):
        again(root._replace(value=torch.zeros(6, 2), to_play=action))
