"""Search where players move at once: against its twin, and against games with known equilibria."""

import itertools

import numpy as np
import pytest
import simultaneous_twin
import torch

import rollout.search as search

RULES = ["decoupled_uct", "regret_matching"]


class Table:
    """A model of `SIZE` states given by tables."""

    SIZE = 40

    def __init__(self, players, actions, seed=0):
        rng = np.random.default_rng(seed)
        self.players, self.actions = players, actions
        joints = (self.SIZE, *[actions] * players)
        self.next = torch.from_numpy(rng.integers(0, self.SIZE, joints))
        self.reward = torch.from_numpy(rng.normal(size=(*joints, players))).float()
        self.discount = torch.from_numpy(rng.choice([0.0, 0.5, 0.9], self.SIZE)).float()
        self.value = torch.from_numpy(rng.normal(size=(self.SIZE, players))).float()
        shape = (self.SIZE, players, actions)
        self.logits = torch.from_numpy(rng.normal(size=shape)).float()
        self.invalid = torch.from_numpy(rng.random(shape) < 0.3)
        self.invalid[:, :, 0] &= ~self.invalid.all(-1)
        self.done = self.discount == 0.0

    def root(self, batch):
        state = torch.arange(batch) % self.SIZE
        return search.Root(self.logits[state], self.value[state], state), self.invalid[state]

    def recurrent(self, action, state):
        at = (state, *action.unbind(1))
        after = self.next[at]
        output = search.RecurrentOutput(
            self.reward[at],
            self.discount[after],
            self.logits[after],
            self.value[after],
            self.invalid[after],
            self.done[after],
        )
        return output, after

    def step(self, state, joint):
        at = (state, *joint)
        after = int(self.next[at])
        return (
            self.reward[at].tolist(),
            float(self.discount[after]),
            after,
            *(part[after].tolist() for part in (self.logits, self.value, self.invalid)),
            bool(self.done[after]),
        )


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize(("players", "actions", "depth"), [(2, 3, None), (3, 2, 2), (1, 4, None)])
def test_equals_the_twin(rule, players, actions, depth):
    model = Table(players, actions)
    root, invalid = model.root(3)
    for simulations in (1, 2, 7, 90):
        output = search.simultaneous_policy(
            root,
            model.recurrent,
            simulations,
            rule=rule,
            c=1.5,
            exploration=2.0,
            invalid_actions=invalid,
            max_depth=depth,
            seed=(3 << 32) + 1,
        )
        for row in range(3):
            start = row, *(x[row].tolist() for x in (root.prior_logits, root.value, invalid))
            twin = simultaneous_twin.search(
                start, model.step, simulations, rule, 1.5, 2.0, (3 << 32) + 1, row, depth
            )
            played = np.array(twin.played if rule == "regret_matching" else twin.n, float)
            shares = (played / played.sum(1, keepdims=True)).astype(np.float32)
            np.testing.assert_array_equal(output.visit_counts[row], twin.n)
            np.testing.assert_allclose(output.strategies[row], shares, rtol=1e-6)
            np.testing.assert_allclose(output.value[row], twin.value, rtol=1e-6)
            means = np.array(twin.sum) / np.maximum(twin.n, 1)
            np.testing.assert_allclose(output.qvalues[row], means, rtol=1e-6, atol=1e-7)
            assert not (output.visit_counts[row] > 0)[invalid[row]].any()


def matrix_game(payoffs):
    """Players who choose once; payoffs [P, A, ..., A]."""
    payoffs = torch.as_tensor(payoffs, dtype=torch.float32)
    players, actions = payoffs.shape[0], payoffs.shape[1]

    def recurrent(action, state):
        rows = len(action)
        reward = torch.stack([p[tuple(action.unbind(1))] for p in payoffs], 1)
        return search.RecurrentOutput(
            reward,
            torch.zeros(rows),
            torch.zeros(rows, players, actions),
            torch.zeros(rows, players),
            done=torch.ones(rows, dtype=torch.bool),
        ), state

    def root(batch):
        return search.Root(
            torch.zeros(batch, players, actions), torch.zeros(batch, players), torch.zeros(batch)
        )

    return root, recurrent


ZERO_SUM = {
    # who matches heads wins 2, tails 1
    "biased pennies": ([[2, -1], [-1, 1]], [0.4, 0.6], [0.4, 0.6], 0.2),
    # paper on rock pays 1, scissors on paper 3, rock on scissors 2
    "biased rock-paper-scissors": (
        [[0, -1, 2], [1, 0, -3], [-2, 3, 0]],
        [3 / 6, 2 / 6, 1 / 6],
        [3 / 6, 2 / 6, 1 / 6],
        0.0,
    ),
}


@pytest.mark.parametrize("name", ZERO_SUM)
def test_regret_matching_finds_the_mixed_equilibrium(name):
    matrix, mine, theirs, value = ZERO_SUM[name]
    root, recurrent = matrix_game([matrix, (-np.array(matrix)).tolist()])
    output = search.simultaneous_policy(root(16), recurrent, 4000, rule="regret_matching")
    expected = torch.tensor([mine, theirs])
    torch.testing.assert_close(output.strategies.mean(0), expected, atol=0.02, rtol=0.0)
    assert (output.strategies - expected).abs().max() < 0.1
    torch.testing.assert_close(
        output.value, torch.tensor([[value, -value]]).expand(16, 2), atol=0.05, rtol=0.0
    )


@pytest.mark.parametrize("rule", RULES)
def test_dominated_actions_are_given_up(rule):
    # the prisoners' dilemma, and a game that needs two rounds of elimination
    dilemma = [[[3, 0], [5, 1]], [[3, 5], [0, 1]]]
    rounds = [[[3, 0, 1], [1, 1, 0], [0, 4, 0]], [[2, 1, 0], [3, 2, 1], [5, 3, 2]]]
    for payoffs, expected in ((dilemma, (1, 1)), (rounds, (0, 0))):
        root, recurrent = matrix_game(payoffs)
        output = search.simultaneous_policy(
            root(3), recurrent, 3000, rule=rule, exploration=4.0, temperature=0.0
        )
        assert output.action.tolist() == [list(expected)] * 3
        for p, a in enumerate(expected):
            assert (output.strategies[:, p, a] > 0.6).all()


PRIZES = (3.0, 2.0)
# who takes how much of a prize by the first player's card and the second's
TAKES = np.array([[0.0, -1.0, 2.0], [1.0, 0.0, -1.0], [-2.0, 1.0, 0.0]])


def goofspiel():
    """Two players bid one of three cards for a prize, then one of the other two for the next.

    The higher card takes the prize from the other player, but the lowest takes it twice from the
    highest; equal cards leave it. State: the cards played, -1 for none yet [B, 2].
    """
    takes = torch.from_numpy(TAKES).float()

    def recurrent(action, state):
        first = state[:, 0] < 0
        prize = torch.where(first, PRIZES[0], PRIZES[1])
        gain = prize * takes[action[:, 0], action[:, 1]]
        after = torch.where(first[:, None], action, torch.full_like(action, 3))
        invalid = torch.arange(3) == after[:, :, None]
        output = search.RecurrentOutput(
            torch.stack([gain, -gain], 1),
            first.float(),
            torch.zeros(len(action), 2, 3),
            torch.zeros(len(action), 2),
            invalid,
            ~first,
        )
        return output, after

    def root(batch):
        state = torch.full((batch, 2), -1)
        return search.Root(torch.zeros(batch, 2, 3), torch.zeros(batch, 2), state)

    return root, recurrent


def fictitious_play(matrix, rounds):
    """The value of a zero-sum game, and by how much it may be wrong."""
    mine, theirs = np.zeros(matrix.shape[0]), np.zeros(matrix.shape[1])
    mine[0] = theirs[0] = 1
    for _ in range(rounds):
        a, b = np.argmax(matrix @ theirs), np.argmin(mine @ matrix)
        mine[a] += 1
        theirs[b] += 1
    high, low = (matrix @ theirs).max() / theirs.sum(), (mine @ matrix).min() / mine.sum()
    return (high + low) / 2, (high - low) / 2


def test_regret_matching_plays_two_rounds_of_goofspiel():
    matrix = np.zeros((3, 3))
    for a, b in itertools.product(range(3), repeat=2):
        mine, theirs = ([c for c in range(3) if c != taken] for taken in (a, b))
        rest, wrong = fictitious_play(PRIZES[1] * TAKES[np.ix_(mine, theirs)], 2000)
        assert wrong < 0.05
        matrix[a, b] = PRIZES[0] * TAKES[a, b] + rest
    value, wrong = fictitious_play(matrix, 5000)
    assert abs(value) < 0.05
    assert wrong < 0.1
    assert matrix.min(1).max() < -3.0  # no single card is safe

    root, recurrent = goofspiel()
    output = search.simultaneous_policy(root(16), recurrent, 4000, rule="regret_matching")
    mine, theirs = output.strategies.double().mean(0).numpy()
    assert (mine @ matrix).min() > value - 0.4
    assert (matrix @ theirs).max() < value + 0.4
    np.testing.assert_allclose(output.value.mean(0), [value, -value], atol=0.1)


@pytest.mark.parametrize("rule", RULES)
def test_results_do_not_depend_on_threads_or_on_company(rule):
    model = Table(2, 4)
    root, invalid = model.root(100)
    seeds = list(range(100))
    outputs = [
        search.simultaneous_policy(
            root,
            model.recurrent,
            40,
            rule=rule,
            invalid_actions=invalid,
            seed=seeds,
            num_threads=threads,
        )
        for threads in (1, 3)
    ]
    few = search.Root(*(part[7:9] for part in root[:3]))
    outputs.append(
        search.simultaneous_policy(
            few, model.recurrent, 40, rule=rule, invalid_actions=invalid[7:9], seed=[7, 8]
        )
    )
    for name in ("action", "strategies", "visit_counts", "qvalues", "value"):
        first, second, part = (getattr(output, name) for output in outputs)
        assert torch.equal(first, second), name
        assert torch.equal(first[7:9], part), name


def test_actions_follow_the_strategies():
    root, recurrent = matrix_game([[[2, -1], [-1, 1]], [[-2, 1], [1, -1]]])
    output = search.simultaneous_policy(root(2000), recurrent, 30, rule="regret_matching")
    expected = output.strategies[:, :, 1].mean(0)
    np.testing.assert_allclose(output.action.float().mean(0), expected, atol=0.05)
    likeliest = search.simultaneous_policy(
        root(50), recurrent, 31, rule="regret_matching", temperature=0.0
    )
    assert torch.equal(likeliest.action, likeliest.strategies.argmax(-1))


def test_refusals_name_the_argument():
    model = Table(2, 3)
    root, invalid = model.root(4)

    def go(root=root, recurrent=model.recurrent, simulations=5, **kwargs):
        return search.simultaneous_policy(root, recurrent, simulations, **kwargs)

    with pytest.raises(ValueError, match="rule: expected 'decoupled_uct' or 'regret_matching'"):
        go(rule="exp3")
    with pytest.raises(ValueError, match="exploration: expected a finite number"):
        go(exploration=-1.0)
    with pytest.raises(ValueError, match="num_simulations: expected at least 1, got 0"):
        go(simulations=0)
    with pytest.raises(ValueError, match=r"root: prior_logits: expected float32 \[B, P, A\]"):
        go(root._replace(prior_logits=torch.zeros(4, 3)))
    with pytest.raises(ValueError, match=r"root: value: expected float32 \[B=4, P=2\]"):
        go(root._replace(value=torch.zeros(4)))
    with pytest.raises(ValueError, match=r"invalid_actions: expected bool \[B=4, P=2, A=3\]"):
        go(invalid_actions=invalid[0])
    closed = invalid.clone()
    closed[2, 1] = True
    with pytest.raises(ValueError, match="root: invalid_actions: row 2 allows player 1 no action"):
        go(invalid_actions=closed)
    with pytest.raises(ValueError, match="root: value: row 3 is not finite"):
        go(root._replace(value=torch.tensor([[0.0, 0], [0, 0], [0, 0], [0, float("nan")]])))

    def changed(**heads):
        def recurrent(action, state):
            output, state = model.recurrent(action, state)
            return output._replace(**heads), state

        return recurrent

    with pytest.raises(ValueError, match=r"recurrent_fn: reward: expected float32 \[B=4, P=2\]"):
        go(recurrent=changed(reward=torch.zeros(4)))
    with pytest.raises(ValueError, match="recurrent_fn: discount: row 0 is not finite"):
        go(recurrent=changed(discount=torch.full((4,), float("inf"))))
    with pytest.raises(TypeError, match="recurrent_fn: expected"):
        go(recurrent=lambda action, state: state)
    with pytest.raises(ValueError, match=r"recurrent_fn: embedding: expected torch\.int64"):
        go(recurrent=lambda action, state: (model.recurrent(action, state)[0], state.float()))
