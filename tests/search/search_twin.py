"""The plain twin of the native search: one row, NumPy and Python, as the definitions read.

Slow on purpose. Float32 where the native search uses it, so that choices agree; random numbers come
in as arguments, or from the native Philox stream that tests/core checks on its own.
"""

import math
from types import SimpleNamespace

import numpy as np
import torch

import rollout.search as search
from rollout import _native

TINY = np.finfo(np.float32).tiny
LOWEST = np.finfo(np.float32).min
TIE_SITE, INDEX_SHIFT, TIE_WIDTH = 1, 8, 1e-7


def softmax(x):
    weight = np.exp(x - x.max())
    return weight / weight.sum()


def sequential_halving(considered, simulations):
    """The visit count considered at each simulation, as published."""
    if considered <= 1:
        return list(range(simulations))
    rounds = math.ceil(math.log2(considered))
    sequence, visits, k = [], [0] * considered, considered
    while len(sequence) < simulations:
        for _ in range(max(1, simulations // (rounds * k))):
            sequence += visits[:k]
            visits[:k] = [v + 1 for v in visits[:k]]
        k = max(2, k // 2)
    return sequence[:simulations]


def scale_q(tree, node, transform):
    q = (tree.reward[node] + tree.discount[node] * tree.child_value[node]).astype(np.float32)
    n = tree.visits[node]
    if tree.bonus:
        child = tree.child[node]
        doubt = tree.own[child] + abs(tree.discount[node]) * tree.doubt[child]
        q = q + np.float32(tree.bonus) * np.where(n > 0, doubt, 0).astype(np.float32)
    if isinstance(transform, search.qtransform_by_min_max):
        low, high = np.float32(transform.min_value), np.float32(transform.max_value)
        return (np.where(n > 0, q, low) - low) / (high - low)
    epsilon = np.float32(transform.epsilon)
    if isinstance(transform, search.qtransform_scaled):
        return scale_by_name(tree, node, transform, q, n)
    if isinstance(transform, search.qtransform_by_parent_and_siblings):
        value = tree.value[node]
        filled = np.where(n > 0, q, value)
        low, high = min(value, filled.min()), max(value, filled.max())
        return (np.where(n > 0, q, low) - low) / max(high - low, epsilon)
    fill, total = tree.raw[node], n.sum()
    if transform.use_mixed_value and total > 0:
        prior = np.where(n > 0, np.maximum(softmax(tree.logits[node]), TINY), 0)
        weighted = (prior * np.where(n > 0, q, 0)).sum() / prior.sum()
        fill = (fill + total * weighted) / (total + 1)
    q = np.where(n > 0, q, np.float32(fill))
    if transform.rescale_values:
        q = (q - q.min()) / max(q.max() - q.min(), epsilon)
    return np.float32((transform.maxvisit_init + n.max()) * transform.value_scale) * q


def scale_by_name(tree, node, transform, q, n):
    value, seen = tree.value[node], q[n > 0]
    if len(seen) == 0:
        return np.zeros_like(q)
    low, span = np.float32(0), np.float32(1)
    if transform.span == "siblings":
        low = min(value, *seen, value)
        span = max(value, *seen, value) - low
    elif transform.span == "fixed":
        low, span = transform.min_value, transform.max_value - transform.min_value
    elif transform.span == "tree" and tree.high > tree.low:
        low, span = tree.low, tree.high - tree.low
    fill = transform.unvisited
    if fill == "least":
        fill = min(value, *seen, value)
    elif fill == "mean":
        fill = seen.mean() if len(seen) else value
    elif fill == "parent":
        fill = value
    elif fill == "reduced":
        prior = softmax(tree.logits[node])[n > 0].sum()
        fill = value - transform.reduction * np.sqrt(prior)
    q = (np.where(n > 0, q, np.float32(fill)) - low) / max(span, np.float32(transform.epsilon))
    return q.clip(0, 1) if transform.span == "tree" else q


class Puct:
    def __init__(self, transform, c1, c2, seed, row):
        self.transform, self.c1, self.c2, self.seed, self.row = transform, c1, c2, seed, row

    def select(self, tree, node, depth, simulation):
        visits = np.float32(tree.node_visits[node])
        weight = np.sqrt(visits) * np.float32(self.c1 + np.log((visits + self.c2 + 1) / self.c2))
        score = scale_q(tree, node, self.transform)
        score = score + weight * softmax(tree.logits[node]) / (tree.visits[node] + 1)
        score = np.where(tree.logits[node] == LOWEST, -np.inf, score)
        tied = np.flatnonzero(score >= score.max() - TIE_WIDTH)
        if len(tied) == 1:
            return tied[0]
        site = TIE_SITE | depth << INDEX_SHIFT
        draw = _native.philox_below(self.seed, self.row, simulation, site, len(tied), 1)
        return tied[int(draw[0])]


class Gumbel:
    def __init__(self, transform, considered, noise, simulations, invalid):
        self.transform, self.noise = transform, noise
        valid = len(noise) if invalid is None else int((~invalid).sum())
        considered = min(considered, valid)
        self.table = sequential_halving(considered, simulations)

    def select(self, tree, node, depth, simulation):
        if depth == 0:
            since = tree.visits[0] - tree.before[: len(self.noise)]
            return self.best(tree, self.refill(tree, self.table[int(since.sum())]))
        scaled = scale_q(tree, node, self.transform)
        visits = tree.visits[node]
        score = softmax(tree.logits[node] + scaled) - visits / (1 + visits.sum())
        return np.argmax(np.where(tree.logits[node] == LOWEST, -np.inf, score))

    def refill(self, tree, considered):
        """The visits of those who stand in where closed actions left nobody with `considered`."""
        since = tree.visits[0] - tree.before[: len(self.noise)]
        counts = since[tree.logits[0] != LOWEST]
        fewer = counts[counts <= considered]
        return fewer.max() if len(fewer) else counts.min()

    def best(self, tree, visits):
        logits = tree.logits[0]
        score = self.noise + (logits - logits.max()) + scale_q(tree, 0, self.transform)
        since = tree.visits[0] - tree.before[: len(self.noise)]
        score = np.where(since == visits, np.maximum(-1e9, score), -np.inf)
        return np.argmax(np.where(logits == LOWEST, -np.inf, score))


def select_outcome(tree, node):
    """The outcome whose share of the visits is furthest behind its chance."""
    return np.argmax(softmax(tree.logits[node]) / (tree.visits[node] + 1))


EDGES = ("reward", "discount", "child_value", "logits", "visits", "child")


def columns(tree, count):
    """The same tree, each node with its first `count` edges only."""
    cut = {name: getattr(tree, name)[:, :count] for name in EDGES}
    return SimpleNamespace(**(vars(tree) | cut))


def empty_tree(nodes, width):
    edges = {
        name: np.zeros((nodes, width), np.float32)
        for name in ("reward", "discount", "child_value", "logits")
    }
    tree = SimpleNamespace(
        visits=np.zeros((nodes, width), np.int64),
        child=np.full((nodes, width), -1),
        value=np.zeros(nodes, np.float32),
        raw=np.zeros(nodes, np.float32),
        node_visits=np.zeros(nodes, np.int64),
        parent=np.full(nodes, -1),
        action=np.full(nodes, -1),
        before=np.zeros(width, np.int64),
        own=np.zeros(nodes, np.float32),
        doubt=np.zeros(nodes, np.float32),
        paths=[],
        closed=[],
        low=np.float32(np.inf),
        high=np.float32(-np.inf),
        states=[None] * nodes,
        used=1,
        **edges,
    )
    tree.logits[:] = LOWEST
    return tree


def search_row(
    rule,
    logits,
    value,
    state,
    step,
    simulations,
    max_depth,
    invalid,
    awaits=None,
    outcomes=0,
    bonus=0.0,
    penalty=0.0,
    tree=None,
):
    """Search one row; `invalid` is a mask [A] or None. `tree` is one to go on with.

    step(state, action) -> reward, discount, logits, value, state, and, where the model says so,
    whether the step must not be taken, and its spread.
    awaits(state): whether it awaits an outcome of chance, of which there are `outcomes`.
    """
    actions = len(logits)
    if tree is None:
        tree = empty_tree(simulations + 1, max(actions, outcomes))
        tree.value[0], tree.node_visits[0] = value, 1
    tree.bonus = bonus
    if invalid is not None:
        logits = np.where(invalid, LOWEST, logits - logits.max()).astype(np.float32)
    tree.logits[0, :actions], tree.raw[0], tree.states[0] = logits, value, state
    for simulation in range(simulations):
        if (tree.logits[0] == LOWEST).all():
            break
        node, depth = 0, 0
        while True:
            if awaits is not None and awaits(tree.states[node]):
                action = int(select_outcome(columns(tree, outcomes), node))
            else:
                action = int(rule.select(columns(tree, actions), node, depth, simulation))
            child, depth = tree.child[node, action], depth + 1
            if child < 0 or depth >= max_depth:
                break
            node = child
        slot = tree.used + simulation if child < 0 else child
        reward, discount, new_logits, new_value, state, *more = step(tree.states[node], action)
        forbidden, spread = more or (False, 0.0)
        if forbidden:
            close(tree, node, action)
            continue
        reward -= penalty * spread
        tree.own[slot] = spread
        count = outcomes if awaits is not None and awaits(state) else actions
        tree.logits[slot, :count] = new_logits[:count]
        tree.value[slot], tree.raw[slot], tree.states[slot] = new_value, new_value, state
        tree.node_visits[slot] += 1
        tree.child[node, action], tree.parent[slot], tree.action[slot] = slot, node, action
        tree.reward[node, action], tree.discount[node, action] = reward, discount
        tree.paths.append((slot, new_value))
        back_up(tree, slot)
    tree.logits[tree.node_visits == 0] = 0
    return tree


def close(tree, node, action):
    """Take an edge out, forget what lies behind it, and replay everything else."""
    tree.closed.append((node, action))
    tree.logits[node, action] = LOWEST
    gone = [] if tree.child[node, action] < 0 else [tree.child[node, action]]
    tree.child[node, action] = -1
    for slot in gone:  # grows
        gone += [child for child in tree.child[slot] if child >= 0]
    for edges in (tree.visits, tree.reward, tree.discount, tree.child_value):
        edges[gone] = edges[node, action] = 0
    tree.logits[gone], tree.child[gone] = 0, -1
    tree.parent[gone], tree.action[gone], tree.raw[gone] = -1, -1, 0
    tree.paths = [path for path in tree.paths if path[0] not in gone]
    tree.visits[:], tree.node_visits[:], tree.doubt[:] = 0, 0, 0
    tree.value[:], tree.node_visits[0] = tree.raw, 1
    for slot, value in tree.paths:
        tree.value[slot] = value
        tree.node_visits[slot] += 1
        back_up(tree, slot)
    # what is taken out is first of all what was inherited
    tree.before = np.minimum(tree.before, tree.visits[0])
    if node != 0 and (tree.logits[node] == LOWEST).all():
        close(tree, tree.parent[node], tree.action[node])


def back_up(tree, node):
    value, doubt = tree.value[node], np.float32(0)
    while node != 0:
        parent, action = tree.parent[node], tree.action[node]
        value = tree.reward[parent, action] + tree.discount[parent, action] * value
        visits = np.float32(tree.node_visits[parent])
        tree.value[parent] = (tree.value[parent] * visits + value) / (visits + 1)
        doubt = tree.own[node] + abs(tree.discount[parent, action]) * doubt
        tree.doubt[parent] = (tree.doubt[parent] * visits + doubt) / (visits + 1)
        tree.node_visits[parent] += 1
        tree.child_value[parent, action] = tree.value[node]
        q = tree.reward[parent, action] + tree.discount[parent, action] * tree.value[node]
        tree.low, tree.high = min(tree.low, q), max(tree.high, q)
        tree.visits[parent, action] += 1
        node = parent


class TableModel:
    """A deterministic model with no structure: a state is a number, its heads a row of a table."""

    SIZE = 4093  # prime

    def __init__(self, actions, seed=0, spread=1.0, terminal=0.1):
        generator = torch.Generator().manual_seed(seed)
        self.actions = actions
        self.logits = spread * torch.randn(self.SIZE, actions, generator=generator)
        self.reward = torch.randn(self.SIZE, generator=generator)
        self.value = torch.randn(self.SIZE, generator=generator)
        ends = torch.rand(self.SIZE, generator=generator) < terminal
        self.discount = torch.where(ends, 0.0, 0.97)

    def to(self, device):
        for name in ("logits", "reward", "value", "discount"):
            setattr(self, name, getattr(self, name).to(device))
        return self

    def root(self, rows, first=0):
        state = torch.arange(first, first + rows, device=self.value.device) * 37 % self.SIZE
        return search.Root(self.logits[state], self.value[state], state)

    def recurrent(self, action, state):
        state = (state * 1009 + action * 131 + 7) % self.SIZE
        output = search.RecurrentOutput(
            self.reward[state], self.discount[state], self.logits[state], self.value[state]
        )
        return output, state

    def step(self, state, action):
        """One row, for the twin."""
        output, state = self.recurrent(torch.tensor([action]), torch.tensor([state]))
        reward, discount, logits, value = output[:4]
        return reward.item(), discount.item(), logits[0].numpy(), value.item(), state.item()
