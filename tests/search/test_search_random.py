"""The random parts draw from the distributions they name. Seeds are fixed, so nothing flickers."""

import numpy as np
import pytest
import torch

import rollout.search as search

# a Kolmogorov-Smirnov statistic is above this / sqrt(n) once in a thousand
KS_THOUSANDTH = 1.95


def ks(sample, cdf):
    """The greatest distance of a sample's distribution from `cdf`, times sqrt(n)."""
    sample = np.sort(sample)
    n = len(sample)
    ideal = cdf(sample)
    above = (np.arange(1, n + 1) / n - ideal).max()
    below = (ideal - np.arange(n) / n).max()
    return max(above, below) * np.sqrt(n)


def chi_square(counts, probabilities):
    """Pearson's statistic, in standard deviations above its mean."""
    expected = counts.sum() * probabilities
    freedom = len(counts) - 1
    return (((counts - expected) ** 2 / expected).sum() - freedom) / np.sqrt(2 * freedom)


def null_search(policy, rows, actions, simulations, **settings):
    zeros = torch.zeros(rows)
    flat = torch.zeros(rows, actions)

    def recurrent(action, state):
        return search.RecurrentOutput(zeros, torch.ones(rows), flat, zeros), state

    root = settings.pop("root", search.Root(flat, zeros, ()))
    return policy(root, recurrent, simulations, **settings)


@pytest.mark.parametrize("seed", [0, 2**63])
def test_gumbel_noise(seed):
    output = null_search(search.gumbel_muzero_policy, 3000, 7, 1, seed=seed)
    noise = output.search_tree.root_gumbel.numpy()
    assert ks(noise.ravel(), lambda x: np.exp(-np.exp(-x))) < KS_THOUSANDTH
    # neighbours, within a row and between rows, share nothing
    assert abs(np.corrcoef(noise[:, 0], noise[:, 1])[0, 1]) < 4 / np.sqrt(3000)
    assert abs(np.corrcoef(noise[:-1, 0], noise[1:, 0])[0, 1]) < 4 / np.sqrt(3000)


def test_gumbel_scale():
    one = null_search(search.gumbel_muzero_policy, 5, 4, 1, seed=1).search_tree.root_gumbel
    half = null_search(search.gumbel_muzero_policy, 5, 4, 1, seed=1, gumbel_scale=0.5)
    torch.testing.assert_close(half.search_tree.root_gumbel, 0.5 * one)
    none = null_search(search.gumbel_muzero_policy, 5, 4, 1, seed=1, gumbel_scale=0.0)
    assert (none.search_tree.root_gumbel == 0).all()
    assert null_search(search.muzero_policy, 2, 2, 1).search_tree.root_gumbel is None


@pytest.mark.parametrize(("alpha", "actions"), [(0.3, 4), (0.03, 6), (1.0, 3), (10.0, 5)])
def test_dirichlet_noise(alpha, actions):
    rows = 4000
    output = null_search(
        search.muzero_policy, rows, actions, 1, dirichlet_fraction=1.0, dirichlet_alpha=alpha
    )
    noise = output.search_tree.children_prior_logits[:, 0].exp().double().numpy()
    np.testing.assert_allclose(noise.sum(-1), 1, atol=1e-5)
    reference = np.random.default_rng(0).dirichlet(np.full(actions, alpha), rows)
    for ours, theirs in [
        (noise[:, 0], reference[:, 0]),
        (noise[:, -1], reference[:, -1]),
        (noise.max(-1), reference.max(-1)),
        (noise.min(-1), reference.min(-1)),
    ]:
        # two samples: both are random, so the distance may be sqrt(2) as large
        theirs, ours = np.sort(theirs), np.maximum(ours, np.finfo(np.float32).tiny)
        theirs = np.maximum(theirs, np.finfo(np.float32).tiny)
        points = np.concatenate((ours, theirs))
        ours = np.sort(ours)
        # float32 rounds what is close to one
        distance = np.searchsorted(ours, points + 1e-6) - np.searchsorted(theirs, points + 1e-6)
        assert np.abs(distance).max() / np.sqrt(rows) < KS_THOUSANDTH * np.sqrt(2)


def test_dirichlet_fraction_mixes_with_the_prior():
    logits = torch.tensor([[2.0, 0.0, -1.0]]).repeat(2000, 1)
    root = search.Root(logits, torch.zeros(2000), ())
    output = null_search(
        search.muzero_policy, 2000, 3, 1, root=root, dirichlet_fraction=0.4, dirichlet_alpha=0.5
    )
    mixed = output.search_tree.children_prior_logits[:, 0].exp().double().numpy()
    prior = torch.softmax(logits[0], 0).double().numpy()
    noise = (mixed - 0.6 * prior) / 0.4
    assert noise.min() > -1e-5
    error = np.sqrt((1 / 3 * 2 / 3) / 2.5 / 2000)
    np.testing.assert_allclose(noise.mean(0), 1 / 3, atol=4 * error)


def test_noise_reaches_forbidden_actions_and_is_taken_away_there():
    """As in mctx: the draw covers all actions, then the mask rescales what is left."""
    invalid = torch.tensor([[False, True, False, True]]).repeat(50, 1)
    settings = {"dirichlet_fraction": 1.0, "seed": 4}
    free = null_search(search.muzero_policy, 50, 4, 1, **settings)
    masked = null_search(search.muzero_policy, 50, 4, 1, invalid_actions=invalid, **settings)
    full = free.search_tree.children_prior_logits[:, 0].softmax(-1)
    left = masked.search_tree.children_prior_logits[:, 0].softmax(-1)
    assert (left[invalid] == 0).all()
    expected = full * ~invalid
    torch.testing.assert_close(left, expected / expected.sum(-1, keepdim=True))


@pytest.mark.parametrize("temperature", [1.0, 0.5, 2.0])
def test_temperature(temperature):
    rows, actions = 20000, 4
    prior = torch.tensor([0.1, 0.2, 0.3, 0.4])
    root = search.Root(prior.log().repeat(rows, 1), torch.zeros(rows), ())
    output = null_search(
        search.muzero_policy,
        rows,
        actions,
        10,
        root=root,
        dirichlet_fraction=0.0,
        temperature=temperature,
    )
    weights = output.action_weights
    # the rows' trees may differ by ties only; compare rows with the commonest outcome
    kinds, index = weights.unique(dim=0, return_inverse=True)
    common = index.bincount().argmax()
    action = output.action[index == common]
    assert len(action) > 2000
    shares = kinds[common].double().numpy()
    shares = np.maximum(shares, 1e-38) ** (1 / temperature)
    shares /= shares.sum()
    likely = shares > 1e-3
    counts = np.bincount(action.numpy(), minlength=actions)
    assert counts[~likely].sum() == 0
    assert chi_square(counts[likely], shares[likely]) < 4


def test_temperature_zero_takes_the_most_visited():
    rows = 300
    logits = torch.randn(rows, 5, generator=torch.Generator().manual_seed(0))
    root = search.Root(logits, torch.zeros(rows), ())
    output = null_search(search.muzero_policy, rows, 5, 20, root=root, temperature=0.0)
    chosen = output.action_weights.gather(1, output.action[:, None])[:, 0]
    assert torch.equal(chosen, output.action_weights.max(-1).values)


def test_ties_are_broken_evenly():
    rows, actions = 6000, 6
    output = null_search(search.muzero_policy, rows, actions, 1, dirichlet_fraction=0.0)
    first = output.search_tree.action_from_parent[:, 1].numpy()
    assert chi_square(np.bincount(first, minlength=actions), np.full(actions, 1 / actions)) < 4
    # among a subset as well, wherever in the row it is
    logits = torch.full((rows, 20), -30.0)
    logits[:, [2, 9, 19]] = 0.0
    root = search.Root(logits, torch.zeros(rows), ())
    output = null_search(search.muzero_policy, rows, 20, 1, root=root, dirichlet_fraction=0.0)
    counts = np.bincount(output.search_tree.action_from_parent[:, 1].numpy(), minlength=20)
    assert counts[[2, 9, 19]].sum() == rows
    assert chi_square(counts[[2, 9, 19]], np.full(3, 1 / 3)) < 4


def test_seeds():
    def actions(seed):
        return null_search(search.muzero_policy, 64, 9, 8, seed=seed).action

    assert torch.equal(actions(1), actions(1))
    assert not torch.equal(actions(1), actions(2))
    assert not torch.equal(actions(1), actions(1 + 2**32))
    # B seeds: equal seeds make equal rows, and numbers of any kind serve
    assert len(set(actions([7] * 64).tolist())) == 1
    assert torch.equal(actions(list(range(64))), actions(torch.arange(64)))
