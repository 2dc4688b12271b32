"""Value prefixes: the tree is that of a model with the rewards themselves."""

import pytest
import torch
from search_twin import TableModel
from test_search_options import assert_same_tree

import rollout.search as search

FIELDS = ("children_values", "children_discounts", "node_values")


class Rewards(TableModel):
    """Rewards that are multiples of 1/64, so that sums of them are exact."""

    def __init__(self, actions):
        super().__init__(actions)
        self.reward = (self.reward * 64).round() / 64


class Prefixes:
    """The same, told as sums since the memory was zeros, of at most `horizon`."""

    def __init__(self, model, horizon, discount=1.0):
        self.model, self.horizon, self.discount = model, horizon, discount
        self.seen = []

    def __call__(self, action, state):
        latent, memory = state
        output, latent = self.model.recurrent(action, latent)
        steps, paid = memory["steps"], memory["paid"]
        assert (steps < self.horizon).all()
        self.seen.append(steps)
        paid = paid + output.reward * self.discount**steps
        return output._replace(reward=paid), (latent, {"steps": steps + 1, "paid": paid})


def memory_of(rows):
    # begin makes zeros of what it is given
    return {"steps": torch.full((rows,), 7), "paid": torch.full((rows,), 7.0)}


@pytest.mark.parametrize("policy", [search.muzero_policy, search.gumbel_muzero_policy])
@pytest.mark.parametrize("horizon", [1, 2, 5, 100])
def test_the_tree_is_that_of_a_reward_model(policy, horizon):
    model, rows = Rewards(4), 6
    root = model.root(rows)
    plain = policy(root, model.recurrent, 60, seed=2)
    model_of_sums = Prefixes(model, horizon)
    prefix = search.ValuePrefix(model_of_sums, horizon)
    embedding = prefix.begin(root.embedding, memory_of(rows))
    ours = policy(root._replace(embedding=embedding), prefix, 60, seed=2)
    assert_same_tree(ours.search_tree, plain.search_tree)
    for name in FIELDS:
        assert torch.equal(getattr(ours.search_tree, name), getattr(plain.search_tree, name))
    assert torch.equal(ours.action, plain.action)
    assert torch.equal(ours.search_tree.embeddings.latent, plain.search_tree.embeddings)
    longest = max(int(steps.max()) for steps in model_of_sums.seen)
    assert longest == min(horizon - 1, longest)
    assert horizon == 100 or longest == horizon - 1


def test_a_memory_that_is_never_emptied_is_noticed():
    model = Rewards(3)
    root = model.root(2)
    prefix = search.ValuePrefix(Prefixes(model, 2), 3)
    embedding = prefix.begin(root.embedding, memory_of(2))
    with pytest.raises(AssertionError):
        search.muzero_policy(root._replace(embedding=embedding), prefix, 60)


def test_a_discounted_prefix_gives_plain_rewards():
    model, rows = Rewards(4), 6
    root = model.root(rows)
    # powers of a half are exact too
    prefix = search.ValuePrefix(Prefixes(model, 4, 0.5), 4, discount=0.5)
    embedding = prefix.begin(root.embedding, memory_of(rows))
    ours = search.muzero_policy(root._replace(embedding=embedding), prefix, 60)
    plain = search.muzero_policy(root, model.recurrent, 60)
    assert_same_tree(ours.search_tree, plain.search_tree)


def test_along_one_path():
    """By hand: prefixes 1, 3, 6, then from nothing 4, 9 pay 1, 2, 3, 4, 5."""
    sums = iter([1.0, 3.0, 6.0, 4.0, 9.0])
    seen = []

    def model(action, state):
        latent, memory = state
        seen.append(memory.item())
        zero = torch.zeros(1)
        told = search.RecurrentOutput(torch.tensor([next(sums)]), zero, zero[None], zero)
        return told, (latent, memory + 1)

    prefix = search.ValuePrefix(model, 3)
    state = prefix.begin(torch.zeros(1), torch.zeros(1, 1))
    paid = []
    for _ in range(5):
        output, state = prefix(torch.zeros(1, dtype=torch.int64), state)
        paid.append(output.reward.item())
    assert paid == [1, 2, 3, 4, 5]
    assert seen == [0, 1, 2, 0, 1]
    assert state.prefix.item() == 9
    assert state.steps.item() == 2


def test_several_players_and_errors():
    def two(action, state):
        latent, memory = state
        zero = torch.zeros(2)
        told = search.RecurrentOutput(memory + latent[:, None], zero, zero[:, None], zero[:, None])
        return told, (latent, memory + latent[:, None])

    prefix = search.ValuePrefix(two, 2)
    state = prefix.begin(torch.tensor([1.0, 2.0]), torch.zeros(2, 2), players=2)
    action = torch.zeros(2, dtype=torch.int64)
    for _ in range(4):
        output, state = prefix(action, state)
        assert output.reward.tolist() == [[1, 1], [2, 2]]
    with pytest.raises(ValueError, match=r"reward: expected the prefix \[2\], got \[2, 2\]"):
        prefix(action, prefix.begin(torch.zeros(2), torch.zeros(2, 2)))

    def turns(action, state):
        zero = torch.zeros(2)
        return search.RecurrentOutput(zero, zero, zero[:, None], zero, to_play=action), state

    prefix = search.ValuePrefix(turns, 2)
    with pytest.raises(ValueError, match="to_play: a prefix sums rewards of one player"):
        prefix(action, prefix.begin(torch.zeros(2), torch.zeros(2)))
    with pytest.raises(ValueError, match="horizon: expected at least 1 step, got 0"):
        search.ValuePrefix(turns, 0)
    with pytest.raises(ValueError, match="discount: expected"):
        search.ValuePrefix(turns, 2, discount=0.0)
    with pytest.raises(TypeError, match="latent, memory: expected"):
        prefix.begin((), ())
