"""The regularised policy: against bisection, its optimality conditions, its limits, and counts."""

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from search_twin import INDEX_SHIFT, LOWEST, Puct, TableModel, scale_q, search_row, softmax
from test_search_twin import compare, some_invalid

import rollout.search as search
from rollout import _native

REGULARISED_SITE, TIE_SITE, TIE_WIDTH = 16, 1, 1e-7


def solve(prior, q, strength):
    """argmax_y q . y - strength KL(prior, y), by bisection for alpha in float64."""
    prior, q = np.float64(prior), np.float64(q)
    used = prior > 0
    low = (q + strength * prior)[used].max()
    high = q[used].max() + strength
    for _ in range(80):
        alpha = (low + high) / 2
        with np.errstate(divide="ignore"):
            policy = np.where(used, strength * prior / (alpha - q), 0)
        # alpha at max q: all that is there
        low, high = (alpha, high) if policy[used].sum() > 1 else (low, alpha)
    return np.nan_to_num(policy / policy.sum())


def strength_of(visits, actions, c1=1.25, c2=19652.0):
    n = visits + 1
    return (c1 + np.log((n + c2 + 1) / c2)) * np.sqrt(n) / (visits + actions)


class Regularised(Puct):
    """The plain twin of selection; `sampled` draws."""

    def __init__(self, transform, seed, row, sampled):
        super().__init__(transform, 1.25, 19652.0, seed, row)
        self.sampled = sampled

    def policy(self, tree, node):
        allowed = tree.logits[node] != LOWEST
        prior = np.where(allowed, softmax(tree.logits[node]), 0)
        strength = strength_of(tree.visits[node].sum(), allowed.sum())
        return allowed, solve(prior, scale_q(tree, node, self.transform), strength)

    def select(self, tree, node, depth, simulation):
        allowed, policy = self.policy(tree, node)
        if self.sampled:
            site = REGULARISED_SITE | depth << INDEX_SHIFT
            u = _native.philox_doubles(self.seed, self.row, simulation, site, 1)[0]
            return int(np.searchsorted(policy.cumsum(), u, side="right"))
        score = np.where(allowed, policy / (tree.visits[node] + 1), -np.inf)
        tied = np.flatnonzero(score >= score.max() - TIE_WIDTH)
        if len(tied) == 1:
            return tied[0]
        site = TIE_SITE | depth << INDEX_SHIFT
        return tied[
            int(_native.philox_below(self.seed, self.row, simulation, site, len(tied), 1)[0])
        ]


def bandit(logits, q, simulations, **how):
    """Search a bandit whose arms pay q [B, A] at once."""
    rows, zero = torch.arange(len(q)), torch.zeros(len(q))
    flat = torch.zeros_like(q)

    def recurrent(action, state):
        return search.RecurrentOutput(
            q[state, action], zero[state], flat[state], zero[state]
        ), state

    value = (logits.softmax(-1) * q).sum(-1)
    how.setdefault("dirichlet_fraction", 0.0)
    return search.regularised_muzero_policy(
        search.Root(logits, value, rows), recurrent, simulations, **how
    )


@pytest.mark.parametrize("select", ["regularised", "sampled"])
@pytest.mark.parametrize(("actions", "simulations"), [(1, 8), (4, 30), (9, 30), (41, 30)])
def test_trees_equal_the_twin(select, actions, simulations):
    rows, model = 3, TableModel(actions, seed=actions)
    invalid = some_invalid(actions, rows, actions)
    root = model.root(rows)
    output = search.regularised_muzero_policy(
        root,
        model.recurrent,
        simulations,
        select=select,
        invalid_actions=torch.from_numpy(invalid),
        dirichlet_fraction=0.0,
        seed=11,
    )
    twins = []
    for row in range(rows):
        rule = Regularised(search.qtransform_by_parent_and_siblings(), 11, row, select == "sampled")
        twin = search_row(
            rule,
            torch.log_softmax(root.prior_logits[row], 0).numpy(),
            root.value[row].item(),
            root.embedding[row].item(),
            model.step,
            simulations,
            simulations,
            invalid[row],
        )
        np.testing.assert_allclose(
            output.action_weights[row], rule.policy(twin, 0)[1], rtol=1e-4, atol=1e-6
        )
        twins.append(twin)
    compare(output.search_tree, twins)


def test_the_tree_of_puct_is_muzeros():
    model = TableModel(5)
    ours = search.regularised_muzero_policy(model.root(8), model.recurrent, 30, seed=3)
    theirs = search.muzero_policy(model.root(8), model.recurrent, 30, seed=3)
    assert torch.equal(ours.search_tree.children_visits, theirs.search_tree.children_visits)
    assert not torch.equal(ours.action_weights, theirs.action_weights)


@settings(max_examples=150, deadline=None)
@given(
    st.lists(
        st.tuples(st.floats(-12, 12, width=32), st.floats(-3, 3, width=32)), min_size=2, max_size=20
    ),
    st.integers(1, 30),
    st.sampled_from([1e-4, 0.05, 1.25, 30.0]),
)
def test_the_weights_are_the_optimum(arms, simulations, c1):
    logits, q = (torch.tensor([column]) for column in zip(*arms, strict=True))
    output = bandit(
        logits,
        q,
        simulations,
        qtransform=search.qtransform_scaled(span="none"),
        pb_c_init=c1,
        seed=1,
    )
    policy = output.action_weights[0].double().numpy()
    assert abs(policy.sum() - 1) < 1e-5
    visits, _, value, found = (part[0].numpy() for part in output.search_tree.summary()[:4])
    seen = visits > 0
    q = np.where(seen, found, min(value, found[seen].min()))
    prior = logits[0].softmax(0).double().numpy()
    strength = strength_of(visits.sum(), len(arms), c1)
    # what a small move of probability would gain is the same everywhere
    gain = q + strength * prior / policy.clip(1e-300)
    weighed = (policy * gain).sum()
    np.testing.assert_allclose(policy * (gain - weighed), 0, atol=2e-5 * max(1, abs(weighed)))
    best = solve(prior, q, strength)
    np.testing.assert_allclose(policy, best, atol=2e-5)


def test_limits():
    logits, q = torch.randn(40, 6), torch.rand(40, 6)
    greedy = bandit(logits, q, 60, pb_c_init=0.0, pb_c_base=1e12, select="puct")
    found = greedy.search_tree.summary()
    seen = torch.where(found.visit_counts > 0, found.qvalues, -1.0)
    assert torch.equal(greedy.action_weights.argmax(-1), seen.argmax(-1))
    assert (greedy.action_weights.amax(-1) > 0.999).all()
    same = bandit(logits, torch.full((40, 6), 0.5), 9)
    np.testing.assert_allclose(same.action_weights, logits.softmax(-1), atol=1e-5)


@pytest.mark.parametrize("select", ["puct", "regularised", "sampled"])
def test_extreme_priors_stay_a_policy(select):
    logits = torch.tensor([[0.0, -80.0, -60.0, -1e9], [-1e9, 0.0, 0.0, -100.0]])
    q = torch.tensor([[0.0, 1.0, 0.5, 2.0], [5.0, 0.0, 0.0, 1.0]])
    weights = bandit(logits, q, 20, select=select).action_weights
    assert torch.isfinite(weights).all()
    np.testing.assert_allclose(weights.sum(-1), 1, atol=1e-5)
    # what the prior rules out altogether stays out, though it would pay most
    assert weights[0, 3] + weights[1, 0] < 1e-6


@pytest.mark.parametrize("simulations", [2, 4, 8, 16])
def test_the_policy_is_worth_more_than_counts(simulations):
    generator = torch.Generator().manual_seed(simulations)
    logits = torch.randn(4000, 20, generator=generator)
    q = torch.rand(4000, 20, generator=generator)
    output = bandit(logits, q, simulations, qtransform=search.qtransform_by_min_max(0.0, 1.0))
    counts = output.search_tree.summary().visit_probs
    gain = (output.action_weights * q).sum(-1) - (counts * q).sum(-1)
    error = gain.std() / len(gain) ** 0.5
    # 0.04 at each of these, with an error of 0.0017
    assert gain.mean() > 0.03 > 10 * error


@pytest.mark.parametrize("select", ["puct", "regularised", "sampled"])
def test_masks_waves_budgets_and_threads(select):
    rows, model = 24, TableModel(6)
    invalid = torch.from_numpy(some_invalid(6, rows, 2))
    budgets = torch.arange(rows) % 5 + 8

    def run(count, threads, wave=3):
        return search.regularised_muzero_policy(
            model.root(count),
            model.recurrent,
            budgets[:count],
            select=select,
            invalid_actions=invalid[:count],
            num_threads=threads,
            wave=wave,
            seed=5,
        )

    all_of_them, few = run(rows, 2), run(7, 1)
    assert torch.equal(all_of_them.action_weights[:7], few.action_weights)
    assert torch.equal(all_of_them.action[:7], few.action)
    assert torch.equal(all_of_them.search_tree.summary().visit_counts.sum(-1).long(), budgets)
    assert (all_of_them.action_weights[invalid] == 0).all()
    assert not invalid[torch.arange(rows), all_of_them.action].any()


def test_errors_name_the_argument():
    model = TableModel(3)
    with pytest.raises(ValueError, match="select: expected one of puct, regularised, sampled"):
        search.regularised_muzero_policy(model.root(2), model.recurrent, 3, select="best")
    with pytest.raises(ValueError, match="temperature: expected"):
        search.regularised_muzero_policy(model.root(2), model.recurrent, 3, temperature=-1.0)
