"""UCT in plain Python, with the native one's draws and arithmetic; for one world."""

import math

import numpy as np

from rollout import _native

SITE, CHOICE_SITE = 0x55435431, 0x43484F49
MASK = 0xFFFFFFFF


def draw(seed: int, row: int, simulation: int) -> tuple[int, int]:
    """The word that chooses what to try, and the seed of what follows."""
    block = _native.philox4x32((row, 0, simulation, SITE), (seed & MASK, seed >> 32))
    return block[0], block[2] << 32 | block[3]


class Node:
    def __init__(self, snapshot, rewards, mover, ended):
        self.snapshot, self.rewards, self.mover, self.ended = snapshot, rewards, mover, ended
        self.edges = None
        self.tried = 0


class Edge:
    def __init__(self, action):
        self.action, self.child, self.visits, self.sum = action, None, 0, 0.0


def root_log(n: int) -> np.float32:
    return np.float32(math.sqrt(math.log(max(n, 1))))


def inverse_root(n: int) -> np.float32:
    return np.float32(1.0 / math.sqrt(n))


def score(edge: Edge, c: float, visits: int) -> np.float32:
    q = np.float32(edge.sum / edge.visits)
    return q + np.float32(c) * root_log(visits) * inverse_root(edge.visits)


def step(env, snapshot, action):
    """World, everyone's rewards, whose turn, whether it is over."""
    out = env.step_from(snapshot, np.array([action]))
    rewards = out.signals["rewards"][0].astype(float) if env.num_players > 1 else out.reward
    mover = 0 if out.to_play is None else int(out.to_play[0])
    return out.snapshot, rewards, mover, bool(out.terminated[0] or out.truncated[0])


def playout(env, snapshot, seed):
    """Everyone's returns in a random game, played by the native stream of this seed."""
    choices = Choices(seed)
    returns = np.zeros(env.num_players)
    world = reseed(snapshot, seed)
    view = env.view(world)
    mask = np.ones(env.single_action_space.n) if view.action_mask is None else view.action_mask[0]
    while True:
        legal = np.flatnonzero(mask)
        if not len(legal):
            return returns
        out = env.step_from(world, np.array([legal[choices.below(len(legal))]]))
        world = out.snapshot
        returns += out.signals["rewards"][0] if env.num_players > 1 else out.reward
        if out.terminated[0] or out.truncated[0]:
            return returns
        if out.action_mask is not None:
            mask = out.action_mask[0]


def reseed(snapshot, seed):
    data = snapshot.data.copy()
    data[0, :8] = np.array([seed], np.uint64).view(np.uint8)
    return type(snapshot)(snapshot.env_id, snapshot.fingerprint, data)


class Choices:
    """Numbers below n, many from one word; the seed is the first word."""

    def __init__(self, seed):
        self.key, self.word, self.cases = (seed & MASK, seed >> 32), seed, 1
        self.words, self.block = [], 0

    def below(self, n):
        self.cases *= n
        if self.cases > MASK:
            if not self.words:
                a, b, c, d = _native.philox4x32((self.block, 0, 0, CHOICE_SITE), self.key)
                self.words = [a << 32 | b, c << 32 | d]
                self.block += 1
            self.word, self.cases = self.words.pop(0), n
        product = self.word * n
        self.word = product & (1 << 64) - 1
        return product >> 64


def search(env, snapshot, simulations, c, seed, row=0):
    """Yield (visits [A], values [A]) of the root after every simulation; worlds are kept."""
    view = env.view(snapshot)
    actions = env.single_action_space.n
    mover = 0 if view.to_play is None else int(view.to_play[0])
    root = Node(snapshot, None, mover, False)
    for simulation in range(simulations):
        choice, playout_seed = draw(seed, row, simulation)
        node, visits, path = root, simulation, []
        while True:
            if node.ended:
                returns = np.zeros(env.num_players)
                break
            if node.edges is None:
                mask = env.view(node.snapshot).action_mask
                legal = range(actions) if mask is None else np.flatnonzero(mask[0])
                node.edges = [Edge(int(a)) for a in legal]
            if node.tried < len(node.edges):
                k = node.tried
                other = k + (choice * (len(node.edges) - k) >> 32)
                a, b = node.edges[k], node.edges[other]
                a.action, b.action = b.action, a.action
                edge, node.tried = a, k + 1
            else:
                edge = max(node.edges, key=lambda e, n=visits: score(e, c, n))
            path.append((node, edge))
            if edge.child is None:
                edge.child = Node(*step(env, node.snapshot, edge.action))
                returns = np.zeros(env.num_players)
                if not edge.child.ended:
                    returns = playout(env, edge.child.snapshot, playout_seed)
                break
            node, visits = edge.child, edge.visits
        for node, edge in reversed(path):
            returns = returns + edge.child.rewards
            edge.visits += 1
            edge.sum += returns[node.mover]
        found = np.zeros(actions, np.int32), np.zeros(actions, np.float32)
        for edge in root.edges:
            if edge.visits:
                found[0][edge.action] = edge.visits
                found[1][edge.action] = np.float32(edge.sum / edge.visits)
        yield found


def sample(env, snapshot, simulations, c, seed, row=0):
    """The same where chance falls anew in every simulation."""
    view = env.view(snapshot)
    actions = env.single_action_space.n
    root: dict = {"edges": [Edge(a) for a in range(actions)]}
    for simulation in range(simulations):
        choice, own = draw(seed, row, simulation)
        world, node, visits, path = reseed(snapshot, own), root, simulation, []
        mask = np.ones(actions) if view.action_mask is None else view.action_mask[0]
        mover = 0 if view.to_play is None else int(view.to_play[0])
        while True:
            legal = [e for e in node["edges"] if mask[e.action]]
            untried = [e for e in legal if not e.visits]
            if untried:
                edge = untried[choice * len(untried) >> 32]
            else:
                edge = max(legal, key=lambda e, n=visits: score(e, c, n))
            out = env.step_from(world, np.array([edge.action]))
            rewards = out.signals["rewards"][0] if env.num_players > 1 else out.reward
            path.append((edge, mover, rewards))
            world, ended = out.snapshot, bool(out.terminated[0] or out.truncated[0])
            mover = 0 if out.to_play is None else int(out.to_play[0])
            mask = mask if out.action_mask is None else out.action_mask[0]
            fresh, visits = edge.child is None, edge.visits
            if fresh:
                edge.child = {"edges": [Edge(a) for a in range(actions)]}
            node = edge.child
            if ended or fresh:
                returns = np.zeros(env.num_players) if ended else playout(env, world, own)
                break
        for edge, mover, rewards in reversed(path):
            returns = returns + rewards
            edge.visits += 1
            edge.sum += returns[mover]
    visits = np.array([e.visits for e in root["edges"]], np.int32)
    return visits, np.array(
        [np.float32(e.sum / e.visits) if e.visits else 0 for e in root["edges"]]
    )
