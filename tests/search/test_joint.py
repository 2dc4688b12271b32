"""Search for a team: what independent searches miss, partners as chance, and whose turn it is."""

import pytest
import torch

import rollout.search as search

# the climbing game (Claus and Boutilier 1998): the best pair is surrounded by the worst
CLIMBING = torch.tensor([[11.0, -30.0, 0.0], [-30.0, 7.0, 6.0], [0.0, 0.0, 5.0]])


class Matrix:
    """A game of `steps` moves in which every joint action pays its entry of a table."""

    def __init__(self, table, steps=1, logits=None):
        self.table, self.steps, self.calls = table, steps, 0
        self.shape = table.dim(), max(table.shape)
        self.logits = torch.zeros(self.shape) if logits is None else logits

    def root(self, rows):
        logits = self.logits.expand(rows, *self.shape)
        return search.JointRoot(logits, torch.zeros(rows), torch.zeros(rows, dtype=torch.int64))

    def step(self, joint, moves):
        self.calls += len(joint)
        rows, reward = len(joint), self.table[tuple(joint.unbind(1))]
        output = search.JointRecurrentOutput(
            reward,
            torch.ones(rows),
            self.logits.expand(rows, *self.shape),
            torch.zeros(rows),
            done=moves + 1 == self.steps,
        )
        return output, moves + 1


def quiet(policy):
    if policy is search.joint_muzero_policy:
        return {"dirichlet_fraction": 0.0, "temperature": 0.0, "pb_c_init": 3.0}
    return {"gumbel_scale": 0.0}


POLICIES = [search.joint_muzero_policy, search.joint_gumbel_muzero_policy]


@pytest.mark.parametrize("turn", [[0, 1, 2], [2, 0, 1], [1, 2, 0]])
@pytest.mark.parametrize("steps", [1, 2])
def test_a_team_climbs_where_each_alone_does_not(turn, steps):
    table = CLIMBING[turn][:, turn[::-1]]
    best = [int(i) for i in torch.unravel_index(table.argmax(), table.shape)]
    game = Matrix(table, steps)
    output = search.joint_gumbel_muzero_policy(game.root(2), game.step, 800, gumbel_scale=0.0)
    assert output.action.tolist() == [best] * 2
    path, rewards = output.principal_path()
    assert path.shape[1] >= steps
    assert path[:, 0].tolist() == [best] * 2
    assert rewards[:, 0].tolist() == [11.0] * 2

    # alone, each takes the other to do anything alike
    def alone(action, state):
        zero = torch.zeros(len(action))
        done = torch.ones(len(action), dtype=torch.bool)
        mean = table.mean(1)[action]
        output = search.RecurrentOutput(mean, zero, torch.zeros(len(action), 3), zero, done=done)
        return output, state

    root = search.Root(torch.zeros(1, 3), torch.zeros(1), ())
    single = search.gumbel_muzero_policy(root, alone, 50, gumbel_scale=0.0)
    assert single.action.tolist() == [turn.index(2)]
    assert best[0] == turn.index(0)


def test_puct_climbs_too_where_mistakes_cost_less():
    game = Matrix(CLIMBING.clamp(min=-1.0))
    output = search.joint_muzero_policy(game.root(1), game.step, 1000, **quiet(POLICIES[0]))
    assert output.action.tolist() == [[0, 0]]


@pytest.mark.parametrize("policy", POLICIES)
def test_three_players_of_different_sizes(policy):
    parts = (
        torch.tensor([0.3, 1.0]),
        torch.tensor([0.2, 0.0, 1.1, 0.4]),
        torch.tensor([0.9, 0.1, 0.5]),
    )
    table = parts[0][:, None, None] + parts[1][None, :, None] + parts[2]
    game = Matrix(table)
    # what a player does not have is not allowed, at the root and below it
    missing = torch.zeros(3, 4, dtype=torch.bool)
    missing[0, 2:], missing[2, 3:] = True, True

    def step(joint, moves):
        output, moves = game.step(joint, moves)
        return output._replace(invalid_actions=missing.expand(len(joint), 3, 4)), moves

    output = policy(
        game.root(3), step, 2000, invalid_actions=missing.expand(3, 3, 4), **quiet(policy)
    )
    best = torch.unravel_index(table.argmax(), table.shape)
    assert output.action.tolist() == [[int(i) for i in best]] * 3
    assert (output.action_weights[:, missing] == 0).all()
    torch.testing.assert_close(output.action_weights.sum(-1), torch.ones(3, 3))
    # only complete joint actions, of which there are 24 and later ones again, were asked for
    assert game.calls < 3 * 2000


def test_the_model_is_called_for_joint_actions_only():
    game = Matrix(CLIMBING, steps=3)
    output = search.joint_muzero_policy(game.root(4), game.step, 100, **quiet(POLICIES[0]))
    tree = output.search_tree
    seats = tree.embeddings[0].seat
    reached = tree.node_visits[:, 1:] > 0
    model_nodes = (seats[:, 1:] == 0) & reached
    # an end is evaluated again where the search comes back to it
    assert model_nodes.sum() <= game.calls < reached.sum()
    rewards = tree.children_rewards[(tree.children_index > 0)]
    assert (rewards != 0).any()
    for row in range(4):
        for slot in (seats[row] == 1).nonzero()[:, 0].tolist():
            if tree.node_visits[row, slot] > 0:
                parent = int(tree.parents[row, slot])
                edge = int(tree.action_from_parent[row, slot])
                assert tree.children_rewards[row, parent, edge] == 0
                assert tree.children_discounts[row, parent, edge] == 1
                assert tree.raw_values[row, slot] == tree.raw_values[row, parent]


@pytest.mark.parametrize("policy", POLICIES)
def test_a_partner_is_worth_what_it_does_on_average(policy):
    generator = torch.Generator().manual_seed(8)
    table = torch.randn(3, 4, generator=generator)
    logits = torch.zeros(2, 4)
    logits[1] = torch.tensor([0.5, -1.0, 2.0, 0.0])
    missing = torch.zeros(2, 4, dtype=torch.bool)
    missing[0, 3] = True
    game = Matrix(table, logits=logits)
    output = policy(
        game.root(2),
        game.step,
        4000,
        partners=[1],
        invalid_actions=missing.expand(2, 2, 4),
        **quiet(policy),
    )
    expected = (table * logits[1].softmax(0)).sum(1)
    best = int(expected.argmax())
    assert output.action.tolist() == [[best, 2]] * 2
    torch.testing.assert_close(output.action_weights[:, 1], logits[1].softmax(0).expand(2, 4))
    worth = output.search_tree.summary().qvalues[0, best]
    assert worth == pytest.approx(expected[best].item(), abs=0.02)
    # a team-mate would have done better than such a partner does
    together = policy(
        game.root(2), game.step, 4000, invalid_actions=missing.expand(2, 2, 4), **quiet(policy)
    )
    best_pair = torch.unravel_index(table.argmax(), table.shape)
    assert together.action[0].tolist() == [int(i) for i in best_pair]


def test_a_partner_may_be_the_first_player():
    table = torch.tensor([[0.0, 5.0], [3.0, 0.0]])
    logits = torch.tensor([[0.0, 3.0], [0.0, 0.0]])
    game = Matrix(table, logits=logits)
    output = search.joint_gumbel_muzero_policy(
        game.root(1), game.step, 200, partners=(0,), gumbel_scale=0.0
    )
    assert output.order == (1, 0)
    assert output.action.tolist() == [[1, 0]]  # the partner does 1, mostly, and 3 is better than 0
    path, rewards = output.principal_path()
    assert path[0, 0].tolist() == [1, 0]
    assert rewards[0, 0] == 3.0


def test_the_seats_order_loses_nothing():
    generator = torch.Generator().manual_seed(5)
    found = 0
    for table in torch.randn(10, 4, 4, generator=generator):
        for shown in (table, table.T):
            game = Matrix(shown)
            output = search.joint_gumbel_muzero_policy(
                game.root(1), game.step, 300, gumbel_scale=0.0
            )
            best = torch.unravel_index(shown.argmax(), shown.shape)
            found += output.action[0].tolist() == [int(i) for i in best]
    assert found >= 18


def test_every_seat_is_drawn_by_its_temperature():
    game = Matrix(torch.zeros(3, 3))
    rows = 3000
    output = search.joint_muzero_policy(
        game.root(rows), game.step, 21, temperature=1.0, dirichlet_fraction=0.0, seed=4,
        invalid_actions=torch.tensor([[0, 0, 1], [0, 0, 0]], dtype=torch.bool).expand(rows, 2, 3),
    )  # fmt: skip
    first, second = output.action.unbind(1)
    assert (first < 2).all()
    # weights are for what was drawn before: their mean over rows is what is drawn on average
    drawn = torch.nn.functional.one_hot(second, 3).float().mean(0)
    torch.testing.assert_close(drawn, output.action_weights[:, 1].mean(0), atol=0.03, rtol=0)
    seeds = torch.arange(100, 200)
    some = search.joint_muzero_policy(game.root(100), game.step, 21, seed=seeds)
    part = search.joint_muzero_policy(game.root(40), game.step, 21, seed=seeds[60:])
    assert torch.equal(some.action[60:], part.action)


def test_what_is_wrong_is_named():
    game = Matrix(CLIMBING)
    root = game.root(2)

    def run(root=root, step=game.step, **settings):
        search.joint_gumbel_muzero_policy(root, step, 20, **settings)

    with pytest.raises(ValueError, match=r"prior_logits: expected float32 \[B, P, A\]"):
        run(root._replace(prior_logits=torch.zeros(2, 3)))
    with pytest.raises(
        ValueError, match=r"partners: expected some, but not all.*0 to 1, got \(0, 1"
    ):
        run(partners=(0, 1))
    with pytest.raises(ValueError, match=r"invalid_actions: expected bool \[B=2, P=2, A=3\]"):
        run(invalid_actions=torch.zeros(2, 3, dtype=torch.bool))

    def narrow(joint, state):
        output, state = game.step(joint, state)
        return output._replace(prior_logits=output.prior_logits[:, :1]), state

    with pytest.raises(ValueError, match=r"prior_logits: expected float32 \[R, P=2, A=3\]"):
        run(step=narrow)
    with pytest.raises(ValueError, match="embedding: expected the structure"):
        run(step=lambda joint, state: (game.step(joint, state)[0], (state, state)))
