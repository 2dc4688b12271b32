"""Search with simultaneous moves in plain Python, with the native one's draws; for one row."""

import math

from rollout import _native

MASK = 0xFFFFFFFF
JOINT, ACT = 24, 4


class Stream:
    def __init__(self, seed, row, simulation, site, index):
        self.key = (seed & MASK, seed >> 32)
        self.counter = [0, site | index << 8, simulation, row]
        self.words = []

    def next32(self):
        if not self.words:
            self.words = list(_native.philox4x32(self.counter, self.key))
            self.counter[0] += 1
        return self.words.pop(0)

    def double(self):
        high, low = self.next32() >> 5, self.next32() >> 6
        return (high << 26 | low) * 2.0**-53

    def below(self, n):
        while True:
            product = self.next32() * n
            if product & MASK >= (-n & MASK) % n:
                return product >> 32

    def index(self, weights):
        left = 0.0
        for weight in weights:
            left += weight
        left *= self.double()
        choice = 0
        for a, weight in enumerate(weights):
            if weight == 0.0:
                continue
            choice = a
            left -= weight
            if left < 0.0:
                break
        return choice


class Node:
    def __init__(self, state):
        self.state, self.visits, self.children, self.end = state, 0, {}, False
        self.reward, self.discount = None, 0.0

    def place(self, logits, value, invalid):
        self.value = list(value)
        players, actions = len(logits), len(logits[0])
        self.legal = [
            [not (invalid and invalid[p][a]) for a in range(actions)] for p in range(players)
        ]
        self.prior = []
        for p in range(players):
            most = max((x for x, ok in zip(logits[p], self.legal[p], strict=True) if ok), default=0)
            raw = [
                math.exp(x - most) if ok else 0.0
                for x, ok in zip(logits[p], self.legal[p], strict=True)
            ]
            total = 0.0
            for x in raw:
                total += x
            self.prior.append([x / total if total > 0 else x for x in raw])
        if not hasattr(self, "n"):
            zeros = lambda kind: [[kind(0)] * actions for _ in range(players)]  # noqa: E731
            self.n, self.sum = zeros(int), zeros(float)
            self.regret, self.played = zeros(float), zeros(float)

    def worth(self, p):
        return self.reward[p] + self.discount * self.value[p]


def matched(node, p):
    total = 0.0
    for r in node.regret[p]:
        total += max(r, 0.0)
    if total > 0.0:
        return [max(r, 0.0) / total for r in node.regret[p]]
    return list(node.prior[p])


def choose(node, p, stream, rule, c, exploration):
    legal = node.legal[p]
    share = min(1.0, exploration / math.sqrt(node.visits))
    if rule == "regret_matching":
        shares = matched(node, p)
        for a, x in enumerate(shares):
            node.played[p][a] += x
        count = float(sum(legal))
        mixed = [
            (1.0 - share) * x + share / count if ok else x
            for x, ok in zip(shares, legal, strict=True)
        ]
        return stream.index(mixed)
    if share > 0.0 and stream.double() < share:
        return stream.index(node.prior[p])
    scores = []
    for a, n in enumerate(node.n[p]):
        mean = node.sum[p][a] / n if n else node.value[p]
        bonus = c * node.prior[p][a] * math.sqrt(node.visits) / (1.0 + n)
        scores.append(mean + bonus if legal[a] else -math.inf)
    ties = [a for a, score in enumerate(scores) if score == max(scores)]
    return ties[stream.below(len(ties))] if len(ties) > 1 else ties[0]


def regret(node, joint):
    chosen = node.children[joint]
    for p in range(len(joint)):
        for a, ok in enumerate(node.legal[p]):
            if ok and a != joint[p]:
                node.regret[p][a] += node.value[p] - chosen.worth(p)
    for other, child in reversed(node.children.items()):
        differs = [p for p in range(len(joint)) if other[p] != joint[p]]
        if len(differs) == 1:
            p = differs[0]
            node.regret[p][other[p]] += child.worth(p) - node.value[p]


def search(root, model, simulations, rule, c, exploration, seed, row, max_depth=None):
    """root: (state, logits, value, invalid). model(state, joint) -> the same after the reward and
    the discount and whether it is the end. Returns the root node."""
    top = Node(root[0])
    top.place(*root[1:])
    top.visits = 1
    for simulation in range(simulations):
        node, depth, path = top, 0, []
        while True:
            stream = Stream(seed, row, simulation, JOINT, depth)
            joint = tuple(
                choose(node, p, stream, rule, c, exploration) for p in range(len(node.value))
            )
            path.append((node, joint))
            depth += 1
            fresh = joint not in node.children
            if fresh:
                node.children[joint] = Node(None)
            child = node.children[joint]
            if fresh or depth >= (max_depth or simulations) or child.end:
                break
            node = child
        reward, discount, state, logits, value, invalid, end = model(node.state, joint)
        child.state, child.reward, child.discount, child.end = state, reward, discount, end
        child.visits += 1
        child.place(logits, value, invalid)
        returns = list(child.value)
        for node, joint in reversed(path):
            below = node.children[joint]
            for p, a in enumerate(joint):
                returns[p] = below.reward[p] + below.discount * returns[p]
                node.value[p] = (node.value[p] * node.visits + returns[p]) / (node.visits + 1)
                node.n[p][a] += 1
                node.sum[p][a] += returns[p]
            node.visits += 1
            if rule == "regret_matching":
                regret(node, joint)
    return top
