"""Open-loop search: against its plain twin, MuZero where nothing is drawn, and exact values."""

from types import SimpleNamespace

import numpy as np
import pytest
import torch
from search_twin import INDEX_SHIFT, LOWEST, Puct, TableModel
from test_search_options import Masked
from test_search_twin import some_invalid

import rollout.search as search
from rollout import _native

STEP_SITE = 17
TRANSFORM = search.qtransform_by_parent_and_siblings()


class Drawn(Masked):
    """A table whose next state also depends on the noise; ends at discount 0."""

    def step_fn(self, action, state, noise):
        kind = (noise[:, 0] * 3).long()
        return self.recurrent(action, state + 17 * kind)

    def one(self, state, action, noise):
        """One row, for the twin."""
        output, state = self.step_fn(
            torch.tensor([action]), torch.tensor([state]), torch.tensor([noise])
        )
        done = output.done is not None and bool(output.done)
        told = (output.reward.item(), output.discount.item(), output.value.item())
        closed = output.invalid_actions[0].numpy()
        return *told, output.prior_logits[0].numpy(), closed, done, state.item()


def noise_of(seed, row, simulation, depth, count=1):
    counter = [0, STEP_SITE | depth << INDEX_SHIFT, simulation, row]
    words = _native.philox4x32(counter, [seed & 0xFFFFFFFF, seed >> 32])
    return [(word >> 8) * 2.0**-24 for word in words[:count]]


def twin_row(model, root, row, simulations, max_depth, invalid, seed):
    """Search one row as the definition reads: lists of sampled returns, and their means."""
    actions = root.prior_logits.shape[1]
    rule = Puct(TRANSFORM, 1.25, 19652.0, seed, row)
    state, value = root.embedding[row].item(), root.value[row].item()
    logits = root.prior_logits[row].log_softmax(0).numpy()
    top = SimpleNamespace(logits=logits, values=[value], child={}, returns={})
    nodes = {0: top}  # by slot: a simulation's node has its number
    for simulation in range(simulations):
        node, at, closed, path = top, state, invalid, []
        while True:
            action = choose(rule, node, closed, len(path), simulation, actions)
            noise = noise_of(seed, row, simulation, len(path) + 1)
            reward, discount, value, logits, closed, done, at = model.one(at, action, noise)
            path.append((node, action, reward, discount))
            fresh = action not in node.child
            if fresh:
                node.child[action] = SimpleNamespace(
                    logits=logits, values=[], child={}, returns={}, edges=[], slot=simulation + 1
                )
                nodes[simulation + 1] = node.child[action]
            node = node.child[action]
            if fresh or done or len(path) == max_depth:
                break
        node.values.append(value)
        for parent, action, reward, discount in reversed(path):
            value = reward + discount * value
            parent.values.append(value)
            parent.returns.setdefault(action, []).append(value)
            parent.child[action].edges.append((reward, discount))
    return nodes


def choose(rule, node, closed, depth, simulation, actions):
    """PUCT over what the state allows, with the visits and Q of that alone."""
    open_ones = [a for a in range(actions) if not closed[a]]
    n, q = np.zeros(actions, np.int64), np.zeros(actions, np.float32)
    for a in open_ones:
        if a in node.returns:
            n[a], q[a] = len(node.returns[a]), np.mean(node.returns[a])
    logits = np.where(closed, LOWEST, node.logits).astype(np.float32)
    view = SimpleNamespace(
        reward=q[None], discount=np.zeros((1, actions), np.float32),
        child_value=np.zeros((1, actions), np.float32), visits=n[None], logits=logits[None],
        value=np.array([np.mean(node.values)], np.float32), node_visits=[1 + n.sum()],
        bonus=0.0,
    )  # fmt: skip
    return int(rule.select(view, 0, depth, simulation))


@pytest.mark.parametrize("actions", [2, 4, 9, 40])
@pytest.mark.parametrize("max_depth", [None, 3])
def test_the_native_search_equals_the_twin(actions, max_depth):
    model, rows, simulations = Drawn(actions, ends=True), 4, 60
    root, invalid = model.root(rows), some_invalid(actions, rows, 5)
    output = search.open_loop_policy(
        root,
        model.step_fn,
        simulations,
        invalid_actions=torch.from_numpy(invalid),
        max_depth=max_depth,
        dirichlet_fraction=0.0,
        seed=6,
    )
    tree = output.search_tree
    for row in range(rows):
        nodes = twin_row(model, root, row, simulations, max_depth or simulations, invalid[row], 6)
        assert int((tree.parents[row] >= 0).sum()) == len(nodes) - 1
        for slot, node in nodes.items():
            counts = torch.tensor([len(node.returns.get(a, ())) for a in range(actions)])
            assert torch.equal(tree.children_visits[row, slot], counts.int())
            assert tree.node_visits[row, slot] == len(node.values)
            np.testing.assert_allclose(
                tree.node_values[row, slot], np.mean(node.values), rtol=1e-4, atol=1e-5
            )
            for action, returns in node.returns.items():
                child = node.child[action]
                assert tree.children_index[row, slot, action] == child.slot
                q = tree.qvalues(torch.full((rows,), slot))[row, action]
                np.testing.assert_allclose(q, np.mean(returns), rtol=1e-4, atol=1e-5)
                found = (
                    tree.children_rewards[row, slot, action],
                    tree.children_discounts[row, slot, action],
                )
                np.testing.assert_allclose(
                    found, np.mean(child.edges, axis=0), rtol=1e-4, atol=1e-5
                )


@pytest.mark.parametrize("actions", [5, 40])
@pytest.mark.parametrize("how", [{}, {"max_depth": 3}, {"zero_discount_ends": True}])
@pytest.mark.parametrize("masked", [False, True])
def test_where_nothing_is_drawn_it_is_muzero(actions, how, masked):
    model = Masked(actions) if masked else TableModel(actions)
    rows, simulations = 20, 50
    invalid = torch.from_numpy(some_invalid(actions, rows, 2))

    def step_fn(action, state, noise):
        return model.recurrent(action, state)

    how = {"invalid_actions": invalid, "seed": 8, **how}
    ours = search.open_loop_policy(model.root(rows), step_fn, simulations, **how)
    theirs = search.muzero_policy(model.root(rows), model.recurrent, simulations, **how)
    for name in ("node_visits", "children_visits", "children_index", "parents"):
        a, b = getattr(ours.search_tree, name), getattr(theirs.search_tree, name)
        assert torch.equal(a, b), name
    for name in ("node_values", "children_rewards", "children_discounts", "children_values"):
        a, b = getattr(ours.search_tree, name), getattr(theirs.search_tree, name)
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5, err_msg=name)
    assert torch.equal(ours.action, theirs.action)
    assert torch.equal(ours.action_weights, theirs.action_weights)


PAYS = torch.tensor([0.2, 0.5, 0.55])


def bernoulli(action, state, noise):
    rows, zero = len(action), torch.zeros(len(action))
    reward = (noise[:, 0] < PAYS[action]).float()
    done = torch.ones(rows, dtype=torch.bool)
    flat = torch.zeros(rows, 3)
    return search.RecurrentOutput(reward, zero, flat, zero, done=done), state


def test_q_converges_to_the_mean_of_a_bandit_and_a_closed_tree_does_not():
    rows, simulations = 50, 2000
    zero = torch.zeros(rows)
    root = search.Root(torch.zeros(rows, 3), zero + 0.4, zero)
    how = {"dirichlet_fraction": 0.0, "qtransform": search.qtransform_by_min_max(0.0, 1.0)}
    summary = search.open_loop_policy(root, bernoulli, simulations, **how).search_tree.summary()
    error = (PAYS * (1 - PAYS) / summary.visit_counts).sqrt()
    assert ((summary.qvalues - PAYS).abs() < 4.5 * error + 1e-6).all()
    generator = torch.Generator().manual_seed(0)

    def closed(action, state):
        output, state = bernoulli(action, state, torch.rand(len(action), 1, generator=generator))
        # what was drawn once is what comes, for as long as the tree lives
        return output, state

    wrong = search.muzero_policy(root, closed, 200, **how, max_depth=2).search_tree.summary()
    assert wrong.qvalues.unique().tolist() == [0.0, 1.0]


def test_a_plan_may_not_react_to_a_coin():
    """Guess a coin for 1, or take 0.6 for sure; only a tree of states thinks it can guess."""
    rows = 40

    def step(action, state, drawn):
        first = state == 0
        coin = torch.where(drawn < 0.5, 1, 2)
        new = torch.where(first & (action == 0), coin, torch.where(first, 3, 4))
        right = ~first & (state < 3) & (action == state - 1)
        reward = torch.where(first & (action == 1), 0.6, right.float())
        done, zero = new > 2, torch.zeros(len(action))
        told = search.RecurrentOutput(
            reward, (~done).float(), torch.zeros(len(action), 2), zero, done=done
        )
        return told, new

    root = search.Root(torch.zeros(rows, 2), torch.zeros(rows), torch.zeros(rows).long())
    how = {
        "dirichlet_fraction": 0.0,
        "temperature": 0.0,
        "qtransform": search.qtransform_by_min_max(0.0, 1.0),
        "pb_c_init": 0.5,
    }
    open_loop = search.open_loop_policy(
        root, lambda action, state, noise: step(action, state, noise[:, 0]), 1500, **how
    )
    generator = torch.Generator().manual_seed(1)
    closed = search.muzero_policy(
        root, lambda a, state: step(a, state, torch.rand(len(a), generator=generator)), 1500, **how
    )
    # 0.5 by either guess, 0.6 for sure
    assert (open_loop.action == 1).all()
    assert open_loop.search_tree.summary().qvalues[:, 0].mean() < 0.52
    assert (closed.action == 0).all()
    assert closed.search_tree.summary().qvalues[:, 0].min() > 0.9


def test_only_what_the_sampled_state_allows_is_tried():
    model = Drawn(4, ends=True)
    asked = []

    def step_fn(action, state, noise):
        started = (state[:, None] == model.root(30).embedding).any(1)
        closed = model.closed[state].gather(1, action[:, None])[:, 0]
        assert not (closed & ~started).any()
        asked.append(len(action))
        return model.step_fn(action, state, noise)

    tree = search.open_loop_policy(model.root(30), step_fn, 40).search_tree
    # a row goes on by itself: calls are the most steps that a row took
    assert len(asked) < 40 * tree.mean_depth * 1.6
    assert sum(asked) == round(30 * 40 * tree.mean_depth)
    assert asked[0] == 30 > asked[-1]
    model.closed[:] = True
    with pytest.raises(ValueError, match="step_fn: invalid_actions: row 0 allows no action"):
        search.open_loop_policy(model.root(30), model.step_fn, 40)


def test_rows_depend_on_nothing_around_them():
    model = Drawn(5)
    budgets = torch.arange(300) % 7 + 10

    def run(count, threads, **how):
        return search.open_loop_policy(
            model.root(count), model.step_fn, budgets[:count], num_threads=threads, **how
        )

    full, few = run(300, 2, seed=3), run(9, 1, seed=3)
    assert torch.equal(full.action[:9], few.action)
    n = few.search_tree.node_values.shape[1]
    assert torch.equal(full.search_tree.node_values[:9, :n], few.search_tree.node_values)
    assert torch.equal(full.search_tree.summary().visit_counts.sum(-1).long(), budgets)
    other = run(9, 1, seed=4)
    assert not torch.equal(other.search_tree.node_values, few.search_tree.node_values)
    seeds = [5] * 300
    same = search.open_loop_policy(model.root(300), model.step_fn, 12, seed=seeds)
    moved = search.open_loop_policy(model.root(1, first=20), model.step_fn, 12, seed=[5])
    assert torch.equal(same.search_tree.node_values[20], moved.search_tree.node_values[0])


def test_noise_is_uniform_and_new_at_every_step():
    model, seen = TableModel(3), []

    def step_fn(action, state, noise):
        seen.append(noise.clone())
        return model.recurrent(action, state)

    search.open_loop_policy(model.root(64), step_fn, 30, noise_size=5, seed=1)
    numbers = torch.cat(seen).flatten()
    assert len(numbers.unique()) > 0.99 * len(numbers)  # of 24 bits: some coincide
    assert 0 <= numbers.min() < numbers.max() < 1
    assert abs(numbers.mean() - 0.5) < 4 / (12 * len(numbers)) ** 0.5
    search.open_loop_policy(
        model.root(2), lambda a, s, noise: model.recurrent(a, s + noise.shape[1]), 3, noise_size=0
    )


def test_early_stops_deadlines_and_lower_bounds():
    model = Drawn(4)
    one = torch.tensor([[True, False, True, True]] * 3)
    stopped = search.open_loop_policy(
        model.root(3), model.step_fn, 40, invalid_actions=one, early_stop=True
    )
    assert (stopped.search_tree.summary().visit_counts.sum(-1) == 1).all()
    late = search.open_loop_policy(model.root(3), model.step_fn, 10**6, deadline_ms=30)
    assert (late.search_tree.summary().visit_counts.sum(-1) < 10**6).all()
    rows = 30
    zero = torch.zeros(rows)
    root = search.Root(torch.zeros(rows, 3), zero, zero)
    bound = search.open_loop_policy(root, bernoulli, 300, choice="lower_bound")
    assert (bound.action > 0).all()


def test_errors_name_the_argument():
    model = Drawn(3)
    root = model.root(2)
    with pytest.raises(ValueError, match="noise_size: expected at least 0, got -1"):
        search.open_loop_policy(root, model.step_fn, 3, noise_size=-1)
    turns = root._replace(to_play=torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match="root: expected the values of one player"):
        search.open_loop_policy(turns, model.step_fn, 3)

    def says_who(action, state, noise):
        output, state = model.step_fn(action, state, noise)
        return output._replace(to_play=action), state

    with pytest.raises(ValueError, match="step_fn: to_play: expected None"):
        search.open_loop_policy(root, says_who, 3)

    def forbids(action, state, noise):
        output, state = model.step_fn(action, state, noise)
        return output._replace(forbidden=action == 0), state

    with pytest.raises(ValueError, match="step_fn: forbidden: expected None in an open-loop"):
        search.open_loop_policy(root, forbids, 3)

    def breaks(action, state, noise):
        output, state = model.step_fn(action, state, noise)
        output.reward[1] = np.nan
        return output, state

    with pytest.raises(ValueError, match="step_fn: reward: row 1 is not finite"):
        search.open_loop_policy(root, breaks, 3)

    def grows(action, state, noise):
        output, state = model.step_fn(action, state, noise)
        return output, state[:, None]

    with pytest.raises(ValueError, match=r"step_fn: embedding: expected tensor 0 as it was given"):
        search.open_loop_policy(root, grows, 3)
    with pytest.raises(TypeError, match=r"step_fn: expected .RecurrentOutput"):
        search.open_loop_policy(root, lambda a, s, noise: None, 3)
    tree = search.open_loop_policy(root, model.step_fn, 3).search_tree
    with pytest.raises(ValueError, match="a node of an open-loop search has no state"):
        _ = tree.embeddings
