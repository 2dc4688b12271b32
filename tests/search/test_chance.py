"""States that await an outcome of chance: the native search against its twin, and by hand."""

import numpy as np
import pytest
import torch
from search_twin import Gumbel, Puct, TableModel, search_row
from test_search_twin import compare

import rollout.search as search

ROWS, SIMULATIONS = 3, 60


class Dice(TableModel):
    """A table in which every third state awaits one of `outcomes` outcomes."""

    def __init__(self, actions, outcomes):
        super().__init__(max(actions, outcomes), seed=actions + outcomes)
        self.choices, self.outcomes = actions, outcomes

    def awaits(self, state):
        return state % 3 == 0

    def root(self, rows, first=0):
        state = torch.arange(first, first + rows) * 36 + 1
        return search.Root(self.logits[state, : self.choices], self.value[state], state)

    def recurrent(self, action, state):
        output, state = super().recurrent(action, state)
        return output._replace(chance=self.awaits(state)), state


# as many as there are vectors in the kernels, and more outcomes than actions and fewer
COUNTS = [(4, 4), (3, 11), (9, 2), (18, 30), (41, 5), (4, 60)]


@pytest.mark.parametrize(("actions", "outcomes"), COUNTS)
@pytest.mark.parametrize("max_depth", [None, 4])
@pytest.mark.parametrize(
    "transform",
    [
        search.qtransform_by_parent_and_siblings(),
        search.qtransform_completed_by_mix_value(),
        search.qtransform_scaled(span="tree"),
    ],
)
def test_muzero_equals_the_twin(actions, outcomes, max_depth, transform):
    model = Dice(actions, outcomes)
    root = model.root(ROWS)
    output = search.muzero_policy(
        root,
        model.recurrent,
        SIMULATIONS,
        max_depth=max_depth,
        qtransform=transform,
        dirichlet_fraction=0.0,
        pb_c_base=100.0,
        seed=5,
        num_outcomes=outcomes,
    )
    twins = [
        search_row(
            Puct(transform, 1.25, 100.0, 5, row),
            torch.log_softmax(root.prior_logits[row], 0).numpy(),
            root.value[row].item(),
            root.embedding[row].item(),
            model.step,
            SIMULATIONS,
            max_depth or SIMULATIONS,
            None,
            model.awaits,
            outcomes,
        )
        for row in range(ROWS)
    ]
    tree = output.search_tree
    compare_with_chance(tree, twins, model)
    assert output.action_weights.shape == tree.summary().qvalues.shape == (ROWS, actions)
    shares = np.stack([twin.visits[0, :actions] / SIMULATIONS for twin in twins])
    np.testing.assert_allclose(output.action_weights, shares, rtol=1e-6)


@pytest.mark.parametrize(("actions", "outcomes"), COUNTS)
@pytest.mark.parametrize("rescale", [True, False])
def test_gumbel_equals_the_twin(actions, outcomes, rescale):
    model, transform = (
        Dice(actions, outcomes),
        search.qtransform_completed_by_mix_value(rescale_values=rescale),
    )
    root = model.root(ROWS)
    output = search.gumbel_muzero_policy(
        root,
        model.recurrent,
        SIMULATIONS,
        qtransform=transform,
        max_num_considered_actions=6,
        seed=3,
        num_outcomes=outcomes,
    )
    noise, free = output.search_tree.root_gumbel.numpy(), np.zeros(actions, bool)
    twins = [
        search_row(
            Gumbel(transform, 6, noise[row], SIMULATIONS, free),
            root.prior_logits[row].numpy(),
            root.value[row].item(),
            root.embedding[row].item(),
            model.step,
            SIMULATIONS,
            SIMULATIONS,
            None,
            model.awaits,
            outcomes,
        )
        for row in range(ROWS)
    ]
    compare_with_chance(output.search_tree, twins, model)
    assert output.action_weights.shape == (ROWS, actions)


def compare_with_chance(tree, twins, model):
    for twin in twins:
        assert twin.visits[:, : model.choices].sum() > 0
    compare(tree, twins)
    seen = tree.node_visits > 0
    chance = tree.chance_nodes
    assert torch.equal(chance[seen], model.awaits(tree.embeddings)[seen])
    assert (tree.children_visits.sum(-1) > 1)[chance].any()
    # what is past a node's own edges is never taken
    assert (tree.children_visits[chance][:, model.outcomes :] == 0).all()
    assert (tree.children_visits[~chance][:, model.choices :] == 0).all()


@pytest.mark.parametrize("wave", [1, 4])
def test_visits_follow_the_chances(wave):
    chances = torch.tensor([0.5, 0.3, 0.15, 0.05])
    worth = torch.tensor([1.0, -2.0, 4.0, 10.0])

    def recurrent(action, state):
        rolled = state[:, 0] == 1  # what is left is to look at the outcome
        reward = torch.where(rolled, worth[action], 0.0)
        logits = chances.log().expand(len(action), 4)
        zero = torch.zeros(len(action))
        output = search.RecurrentOutput(
            reward, torch.ones_like(zero), logits, zero, done=rolled, chance=~rolled
        )
        return output, state + 1

    root = search.Root(torch.zeros(2, 1), torch.zeros(2), torch.zeros(2, 1))
    tree = search.muzero_policy(
        root, recurrent, 2001, wave=wave, num_outcomes=4, zero_discount_ends=True
    ).search_tree
    assert tree.num_actions == 1
    child = int(tree.children_index[0, 0, 0])
    counts = tree.children_visits[0, child]
    assert (counts - 2000 * chances).abs().max() <= 1
    # the evaluation of the chance node itself, 0, counts once beside the 2000 outcomes
    expected = (chances * worth).sum() * 2000 / 2001
    assert tree.node_values[0, child] == pytest.approx(expected.item(), abs=0.02)


def test_outcomes_that_cannot_be_are_never_taken():
    model = Dice(4, 6)
    generator = torch.Generator().manual_seed(1)
    closed = torch.rand(model.SIZE, 6, generator=generator) < 0.5
    closed[:, 0] &= ~closed[:, :4].all(1)

    def recurrent(action, state):
        output, state = model.recurrent(action, state)
        return output._replace(invalid_actions=closed[state]), state

    for policy in (search.muzero_policy, search.gumbel_muzero_policy):
        tree = policy(model.root(20), recurrent, 60, num_outcomes=6).search_tree
        taken = (tree.children_visits > 0)[:, 1:]
        assert (taken & tree.chance_nodes[:, 1:, None]).any()
        assert not (taken & closed[tree.embeddings[:, 1:]]).any()


def test_room_for_outcomes_changes_no_search_without_them():
    model = TableModel(5)

    def padded(action, state):
        output, state = model.recurrent(action, state)
        logits = torch.cat([output.prior_logits, torch.full((len(action), 40), 3.0)], 1)
        return output._replace(prior_logits=logits), state

    for policy in (search.muzero_policy, search.gumbel_muzero_policy):
        plain = policy(model.root(6), model.recurrent, 50)
        roomy = policy(model.root(6), padded, 50, num_outcomes=45)
        assert torch.equal(plain.action, roomy.action)
        assert torch.equal(plain.action_weights, roomy.action_weights)
        a, b = plain.search_tree, roomy.search_tree
        assert torch.equal(a.children_index, b.children_index[..., :5])
        assert torch.equal(a.node_values, b.node_values)


@pytest.mark.parametrize("policy", [search.muzero_policy, search.gumbel_muzero_policy])
def test_threads_company_and_budgets_change_nothing(policy):
    model = Dice(4, 7)
    settings = {"seed": torch.arange(40), "num_outcomes": 7, "wave": 2}
    budgets = torch.arange(40) % 30 + 20
    one = policy(model.root(40), model.recurrent, budgets, num_threads=1, **settings)
    two = policy(model.root(40), model.recurrent, budgets, num_threads=2, **settings)
    assert torch.equal(one.search_tree.node_values, two.search_tree.node_values)
    settings["seed"] = torch.arange(10, 20)
    part = policy(model.root(10, first=10), model.recurrent, budgets[10:20], **settings)
    nodes = part.search_tree.node_values.shape[1]
    together = one.search_tree.node_values[10:20, :nodes]
    assert torch.equal(part.search_tree.node_values, together)


def test_turns_and_chance_together():
    # told of turns, or with a discount that changes sign where they change: the same search
    model = Dice(4, 5)

    def player(state):
        return state // 3 % 2

    def with_turns(action, state):
        output, after = model.recurrent(action, state)
        return output._replace(to_play=player(after)), after

    def signed(action, state):
        output, after = model.recurrent(action, state)
        changes = player(after) != player(state)
        return output._replace(
            discount=torch.where(changes, -output.discount, output.discount)
        ), after

    root = model.root(8)
    one = search.muzero_policy(
        root._replace(to_play=player(root.embedding)), with_turns, 50, num_outcomes=5
    )
    other = search.muzero_policy(root, signed, 50, num_outcomes=5)
    assert torch.equal(one.search_tree.node_values, other.search_tree.node_values)


def test_what_is_wrong_is_named():
    # narrow has the right width, but nothing is said of outcomes
    model, narrow = Dice(4, 6), Dice(6, 4)
    with pytest.raises(ValueError, match=r"chance: row \d+ awaits an outcome.*num_outcomes"):
        search.muzero_policy(narrow.root(8), narrow.recurrent, 40)
    with pytest.raises(ValueError, match="num_outcomes: expected 0 to 65536, got -1"):
        search.muzero_policy(model.root(2), model.recurrent, 5, num_outcomes=-1)
    with pytest.raises(ValueError, match=r"prior_logits: expected float32 \[B=2, A=9\]"):
        search.muzero_policy(model.root(2), model.recurrent, 5, num_outcomes=9)


def test_a_tree_says_where_chance_is():
    tree = search.muzero_policy(
        Dice(4, 6).root(1), Dice(4, 6).recurrent, 60, num_outcomes=6
    ).search_tree
    open_nodes, kinds = [tree.to_dict(names=["n", "e", "s", "w"])], set()
    while open_nodes:
        node = open_nodes.pop()
        below = node.get("children", [])
        kinds |= {("chance" in child["name"], "outcome" in child) for child in below}
        open_nodes += below
    assert kinds == {(True, True), (False, False)}
    assert "chance 0" in tree.to_graphviz()
