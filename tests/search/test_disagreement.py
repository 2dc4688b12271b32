"""What the model does not know: backed up beside values, looked for and paid for."""

import numpy as np
import pytest
import torch
from search_twin import Gumbel, Puct, TableModel, search_row
from test_search_twin import compare

import rollout.search as search

POLICIES = [search.muzero_policy, search.gumbel_muzero_policy]
ROWS = 3


class Unsure(TableModel):
    """Each state tells how far off it may be; some must not be entered."""

    def __init__(self, actions, forbidden=0.0, seed=0):
        super().__init__(actions, seed)
        generator = torch.Generator().manual_seed(seed + 2)
        self.spread = torch.rand(self.SIZE, generator=generator)
        self.forbidden = torch.rand(self.SIZE, generator=generator) < forbidden
        self.discount = torch.where(self.spread < 0.3, -self.discount, self.discount)

    def recurrent(self, action, state):
        output, state = super().recurrent(action, state)
        return output._replace(spread=self.spread[state], forbidden=self.forbidden[state]), state

    def step(self, state, action):
        *heads, state = super().step(state, action)
        return *heads, state, bool(self.forbidden[state]), self.spread[state].item()


@pytest.mark.parametrize("forbidden", [0.0, 0.3])
@pytest.mark.parametrize("actions", [4, 9, 41])
@pytest.mark.parametrize(("bonus", "penalty"), [(1.5, 0.0), (0.0, 0.7), (0.4, 0.4)])
@pytest.mark.parametrize("policy", POLICIES)
def test_bonus_and_penalty_equal_the_twin(policy, actions, forbidden, bonus, penalty):
    simulations, model = 50, Unsure(actions, forbidden)
    root = model.root(ROWS)
    options = {"disagreement_bonus": bonus, "disagreement_penalty": penalty, "seed": 5}
    if policy is search.muzero_policy:
        options["dirichlet_fraction"] = 0.0
    output = policy(root, model.recurrent, simulations, **options)
    tree, twins = output.search_tree, []
    for row in range(ROWS):
        logits = root.prior_logits[row]
        if policy is search.muzero_policy:
            rule = Puct(search.qtransform_by_parent_and_siblings(), 1.25, 19652.0, 5, row)
            logits = logits.log_softmax(0)
        else:
            transform = search.qtransform_completed_by_mix_value()
            noise = tree.root_gumbel[row].numpy()
            rule = Gumbel(transform, 16, noise, simulations, np.zeros(actions, bool))
        twin = search_row(
            rule,
            logits.numpy(),
            root.value[row].item(),
            root.embedding[row].item(),
            model.step,
            simulations,
            simulations,
            None,
            bonus=bonus,
            penalty=penalty,
        )
        twins.append(twin)
        if policy is search.gumbel_muzero_policy and tree.feasible[row]:
            twin.bonus = 0.0  # acting goes by what is expected
            assert output.action[row] == rule.best(twin, twin.visits[0].max())
    compare(tree, twins)


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("wave", [1, 4])
@pytest.mark.parametrize("actions", [4, 40])
def test_coefficients_of_zero_change_no_bit(policy, wave, actions):
    told, plain = Unsure(actions), TableModel(actions)
    plain.discount = told.discount
    ours = policy(told.root(30), told.recurrent, 40, wave=wave)
    theirs = policy(plain.root(30), plain.recurrent, 40, wave=wave)
    for name in ("node_values", "children_visits", "children_index", "children_rewards"):
        assert torch.equal(getattr(ours.search_tree, name), getattr(theirs.search_tree, name))
    assert torch.equal(ours.action_weights, theirs.action_weights)
    with_bonus = policy(told.root(30), told.recurrent, 40, wave=wave, disagreement_bonus=1.0)
    assert not torch.equal(with_bonus.search_tree.children_visits, ours.search_tree.children_visits)


@pytest.mark.parametrize("policy", POLICIES)
def test_of_two_equal_arms_the_bonus_looks_at_the_unsure_and_the_penalty_leaves_it(policy):
    spread = torch.tensor([0.0, 1.0])

    def recurrent(action, state):
        rows = len(action)
        return search.RecurrentOutput(
            torch.full((rows,), 0.5),
            torch.zeros(rows),
            torch.zeros(rows, 2),
            torch.zeros(rows),
            spread=spread[action],
        ), state

    root = search.Root(torch.zeros(16, 2), torch.full((16,), 0.5), torch.zeros(16))
    transform = search.qtransform_by_min_max(min_value=0.0, max_value=1.0)

    def visits(**options):
        output = policy(root, recurrent, 40, qtransform=transform, max_depth=1, **options)
        return output, output.search_tree.summary()

    _, plain = visits()
    _, curious = visits(disagreement_bonus=1.0)
    wary_output, wary = visits(disagreement_penalty=0.4)
    if policy is search.muzero_policy:  # Gumbel's root halves, and has no room for a bonus of two
        assert (curious.visit_counts[:, 1] > plain.visit_counts[:, 1]).all()
    torch.testing.assert_close(curious.qvalues, torch.full((16, 2), 0.5))
    torch.testing.assert_close(wary.qvalues, torch.tensor([[0.5, 0.1]]).expand(16, 2))
    assert (wary.visit_counts[:, 1] <= plain.visit_counts[:, 1]).all()
    assert (wary_output.action_weights[:, 0] > 0.5).float().mean() > 0.8


def test_clear_errors():
    model = TableModel(3)
    with pytest.raises(ValueError, match="spread: expected float32"):
        search.muzero_policy(model.root(2), model.recurrent, 4, disagreement_bonus=1.0)
    with pytest.raises(ValueError, match="disagreement_penalty: expected a finite number"):
        search.muzero_policy(model.root(2), model.recurrent, 4, disagreement_penalty=-1.0)
    unsure = Unsure(3)
    unsure.spread -= 2.0
    with pytest.raises(ValueError, match=r"spread: row 0 is not finite .*or is below 0"):
        search.muzero_policy(unsure.root(2), unsure.recurrent, 4)
