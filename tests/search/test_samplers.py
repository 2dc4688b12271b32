"""Candidates are drawn by the density that they say, and corrected candidates stand for pi."""

import math

import pytest
import torch
from torch import distributions

from rollout.models.noise import CounterNoise
from rollout.search import (
    Candidates,
    CategoricalSampler,
    GaussianSampler,
    HybridSampler,
    UniformSampler,
)
from rollout.search.samplers import _Numbers

LOW, HIGH = (-1.0, -2.0), (1.0, 3.0)
NODES = 6000


def gaussian(nodes=NODES):
    """Two numbers whose policies reach past a bound."""
    return torch.tensor([[0.6, -0.5, -0.7, 0.3]]).expand(nodes, -1)


def expectation(candidates, what):
    """Return sum_a prior(a) what(a) of each node, [L], as a search weighs candidates."""
    logits, invalid = candidates.prior("test")
    if invalid is not None:
        logits = logits.masked_fill(invalid, -math.inf)
    return (logits.softmax(-1) * what(candidates.actions)).sum(-1)


def assert_mean(found, expected, sigmas=4.0):
    error = found.std() / math.sqrt(len(found))
    assert abs(found.mean() - expected) < sigmas * error, (found.mean(), expected, error)


@pytest.mark.parametrize("squash", ["clamp", "tanh"])
def test_densities_are_those_of_torch_distributions(squash):
    numbers = _Numbers(torch.tensor(LOW), torch.tensor(HIGH), squash)
    mean, log_std = (x[None, None] for x in (torch.tensor([0.6, -0.5]), torch.tensor([-0.7, 0.3])))
    raw = mean + log_std.exp() * torch.randn(3, 50, 2, generator=torch.Generator().manual_seed(0))
    normal = distributions.Normal(mean.double(), log_std.double().exp())
    low, high = numbers.low.double(), numbers.high.double()
    if squash == "clamp":
        inside = normal.log_prob(raw.double())
        expected = torch.where(raw <= low, normal.cdf(low).log(), inside)
        expected = torch.where(raw >= high, (1 - normal.cdf(high)).log(), expected)
        assert ((raw <= low) | (raw >= high)).any()
    else:
        half = (high - low) / 2
        spread = distributions.TransformedDistribution(
            normal,
            [distributions.TanhTransform(), distributions.AffineTransform(low + half, half)],
        )
        expected = spread.log_prob(low + half + half * raw.double().tanh())
    found = numbers.log_density(raw, mean, log_std)
    torch.testing.assert_close(found.double(), expected.sum(-1), rtol=1e-4, atol=1e-4)


def test_a_saturated_tanh_keeps_its_density():
    numbers = _Numbers(torch.tensor([-1.0]), torch.tensor([1.0]), "tanh")
    raw = torch.tensor([[[-30.0], [-12.0], [12.0], [30.0]]])
    assert numbers.squashed(raw).abs().eq(1).all()  # where the slope of tanh is 0 in float32
    zero = torch.zeros(1, 1, 1)
    # log(1 - tanh(x)^2) = 2 log 2 - 2 |x| to first order
    expected = -0.5 * raw**2 - 0.5 * math.log(2 * math.pi) - 2 * math.log(2.0) + 2 * raw.abs()
    torch.testing.assert_close(numbers.log_density(raw, zero, zero), expected[..., 0])


SKEWED = {
    "clamp, warm": GaussianSampler(64, LOW, HIGH, temperature=4.0),
    "clamp, half even": GaussianSampler(64, LOW, HIGH, uniform=32),
    "tanh, warm": GaussianSampler(64, LOW, HIGH, squash="tanh", temperature=3.0),
    "tanh, half even": GaussianSampler(64, LOW, HIGH, squash="tanh", temperature=2.0, uniform=32),
}


@pytest.mark.parametrize("name", SKEWED)
def test_corrected_numbers_stand_for_the_policy(name):
    sampler = SKEWED[name]
    mean, log_std = gaussian(1).double().chunk(2, -1)
    raw = mean + log_std.exp() * torch.randn(
        1_000_000, 2, dtype=torch.float64, generator=torch.Generator().manual_seed(1)
    )
    numbers = _Numbers(torch.tensor(LOW).double(), torch.tensor(HIGH).double(), sampler.squash)
    expected = numbers.squashed(raw).mean(0)
    candidates = sampler(gaussian(), CounterNoise(1, NODES))
    assert candidates.actions.shape == (NODES, 64, 2)
    weight = (candidates.log_policy - candidates.log_proposal).exp()
    for d in range(2):
        number = candidates.actions[..., d]
        assert abs(number.mean() - expected[d]) > 0.05  # the proposal is another
        # importance weights are unbiased; those that the search normalises are so to 1 / K
        assert_mean((weight * number).mean(-1), expected[d])
        normalised = expectation(candidates, lambda a, d=d: a[..., d])
        assert abs(normalised.mean() - expected[d]) < 0.02
    assert_mean(weight.mean(-1), 1.0)


@pytest.mark.parametrize("own", [gaussian()[:, :0], gaussian()])
def test_draws_from_the_policy_itself_need_no_correction(own):
    sampler = GaussianSampler(16, LOW, HIGH) if own.shape[1] else UniformSampler(16, (), LOW, HIGH)
    candidates = sampler(own, CounterNoise(0, NODES))
    assert candidates.log_proposal is None
    assert candidates.actions.amin((0, 1)).ge(torch.tensor(LOW)).all()
    assert candidates.actions.amax((0, 1)).le(torch.tensor(HIGH)).all()
    if own.shape[1] == 0:
        assert_mean(candidates.actions[..., 1].mean(-1), 0.5)


LOGITS = torch.tensor([2.0, 0.5, 0.0, -0.5, -1.0, -3.0])


@pytest.mark.parametrize("count", [2, 4])
@pytest.mark.parametrize("settings", [{}, {"temperature": 3.0}, {"uniform": 1}])
def test_draws_without_replacement_are_weighed_by_their_inclusion(count, settings):
    nodes = 4 * NODES
    candidates = CategoricalSampler(count, **settings)(
        LOGITS.expand(nodes, -1), CounterNoise(2, nodes)
    )
    assert candidates.actions.sort(-1).values.diff(dim=-1).min() > 0  # all differ
    weight = (candidates.log_policy - candidates.log_proposal).exp()
    for action, expected in enumerate(LOGITS.softmax(-1)):
        # Horvitz and Thompson's estimate is unbiased
        assert_mean((weight * (candidates.actions == action)).sum(-1), expected)


@pytest.mark.parametrize("settings", [{}, {"temperature": 3.0}, {"uniform": 8}])
def test_draws_with_replacement_are_merged(settings):
    candidates = CategoricalSampler(64, replace=True, **settings)(
        LOGITS.expand(NODES, -1), CounterNoise(3, NODES)
    )
    logits, copies = candidates.prior("test")
    kept = (~copies).sum(-1)
    for node in range(20):
        assert kept[node] == len(candidates.actions[node].unique())
    prior = logits.masked_fill(copies, -math.inf).softmax(-1)
    for action, expected in enumerate(LOGITS.softmax(-1)):
        found = (prior * (candidates.actions == action)).sum(-1).mean()
        assert abs(found - expected) < 0.015
    if settings:  # counts alone follow the proposal
        counts = [(candidates.actions == a).float().mean() for a in range(6)]
        assert abs(counts[0] - LOGITS.softmax(-1)[0]) > 0.05


def test_all_actions_stand_for_themselves():
    invalid = torch.zeros(5, 6, dtype=torch.bool)
    invalid[1, :4] = True
    candidates = CategoricalSampler(9)(LOGITS.expand(5, -1), CounterNoise(0, 5), invalid)
    logits, unused = candidates.prior("test")
    assert candidates.actions.shape == (5, 6)
    prior = torch.zeros(5, 6).scatter(
        1, candidates.actions, logits.masked_fill(unused, -math.inf).softmax(-1)
    )
    torch.testing.assert_close(prior, LOGITS.masked_fill(invalid, -math.inf).softmax(-1))


@pytest.mark.parametrize("replace", [False, True])
@pytest.mark.parametrize("uniform", [0, 3])
def test_forbidden_options_are_not_drawn(replace, uniform):
    invalid = torch.rand(500, 6, generator=torch.Generator().manual_seed(0)) < 0.5
    invalid[:, 2] &= ~invalid.all(1)
    candidates = CategoricalSampler(4, replace=replace, uniform=uniform)(
        LOGITS.expand(500, -1), CounterNoise(0, 500), invalid
    )
    _, unused = candidates.prior("test")
    bad = invalid.gather(1, candidates.actions)
    assert (unused | ~bad).all()
    assert (~unused).any(1).all()
    assert torch.isfinite(candidates.prior("test")[0]).all()


@pytest.mark.parametrize(
    "settings", [{"temperature": 2.5}, {"uniform": 24}, {"temperature": 0.7, "uniform": 8}]
)
def test_corrected_hybrids_stand_for_the_policy(settings):
    nvec = (3, 2)
    logits = torch.tensor([1.0, 0.0, -1.0, 0.5, -0.5])
    params = torch.cat((logits.expand(NODES, -1), gaussian()), 1)
    sampler = HybridSampler(48, nvec, LOW, HIGH, squash="tanh", **settings)
    candidates = sampler(params, CounterNoise(4, NODES))
    assert candidates.actions.shape == (NODES, 48, 4)
    assert candidates.actions.dtype == torch.float32
    weight = (candidates.log_policy - candidates.log_proposal).exp()
    choices = candidates.actions[..., :2]
    pi = logits[:3].softmax(-1)[:, None] * logits[3:].softmax(-1)
    for first in range(3):
        for second in range(2):
            hit = (choices == torch.tensor([first, second])).all(-1)
            assert_mean((weight * hit).mean(-1), pi[first, second])


def test_choices_alone_are_whole_numbers():
    params = torch.zeros(50, 5)
    invalid = torch.tensor([False, True, False, True, False]).expand(50, -1)
    for sampler in (HybridSampler(8, (3, 2)), UniformSampler(8, (3, 2))):
        actions = sampler(params, CounterNoise(0, 50), invalid).actions
        assert actions.dtype == torch.int64
        assert actions[..., 0].unique().tolist() == [0, 2]
        assert actions[..., 1].unique().tolist() == [1]


SAMPLERS = {
    "gaussian": (GaussianSampler(5, LOW, HIGH, uniform=2, temperature=2.0), 4),
    "tanh": (GaussianSampler(5, LOW, HIGH, squash="tanh", uniform=2, temperature=2.0), 4),
    "hybrid": (HybridSampler(5, (3, 2), LOW, HIGH, uniform=1), 9),
    "with replacement": (CategoricalSampler(5, replace=True, temperature=2.0), 21),
    "without": (CategoricalSampler(5, uniform=2), 21),
    "uniform": (UniformSampler(5, (3, 2), LOW, HIGH), 0),
}


@pytest.mark.parametrize("name", SAMPLERS)
def test_a_nodes_candidates_do_not_depend_on_the_batch(name):
    sampler, width = SAMPLERS[name]
    generator = torch.Generator().manual_seed(0)
    params, noise = torch.randn(37, width, generator=generator), CounterNoise(5, 37)
    whole = sampler(params, noise)
    for rows in (torch.tensor([31]), torch.randperm(37, generator=generator)[:18]):
        part = sampler(params[rows], noise.take(rows))
        for ours, theirs in zip(part, whole, strict=True):
            if theirs is not None:
                assert torch.equal(ours, theirs[rows])


def test_equal_candidates_are_one():
    actions = torch.tensor([[3, 1, 3, 3], [0, 1, 2, 4]])
    logits, copies = Candidates(actions).prior("test")
    assert copies.tolist() == [[False, False, True, True], [False] * 4]
    torch.testing.assert_close(logits[0, :2].exp(), torch.tensor([3.0, 1.0]))
    # a pytree is equal where all of it is
    actions = {"a": actions, "b": torch.tensor([[[0.0], [0.0], [0.5], [-0.0]]]).expand(2, 4, 1)}
    assert Candidates(actions).prior("test")[1].tolist() == [[False] * 3 + [True], [False] * 4]
    # one that is none has no share
    unused = torch.tensor([[True, False, False, False], [False] * 4])
    logits, copies = Candidates(actions["a"], None, None, unused).prior("test")
    assert copies.tolist() == [[True, False, False, True], [False] * 4]
    torch.testing.assert_close(logits[0, 1:3].exp(), torch.tensor([1.0, 2.0]))


@pytest.mark.parametrize(
    ("candidates", "message"),
    [
        (Candidates(()), r"test: candidates: actions: expected a pytree of tensors \[L, K"),
        (Candidates(torch.zeros(3)), r"expected a pytree of tensors \[L, K, ...\], got \[\[3\]\]"),
        (Candidates((torch.zeros(3, 2), torch.zeros(3, 4))), r"equal \[L, K\], got \[3, 2\] and"),
        (Candidates(torch.tensor([[0.0, 1.0], [math.nan, 1.0]])), "row 1 is not finite"),
        (Candidates(torch.zeros(3, 2), torch.zeros(3, 2)), "log_policy and log_proposal, or"),
        (
            Candidates(torch.zeros(3, 2), torch.zeros(3, 2), torch.zeros(3, 1)),
            r"log_proposal: expected torch.float32 \[3, 2\] as actions, got torch.float32 \[3, 1\]",
        ),
        (Candidates(torch.zeros(3, 2), invalid=torch.zeros(3, 2)), "invalid: expected torch.bool"),
    ],
)
def test_candidates_that_do_not_fit(candidates, message):
    with pytest.raises(ValueError, match=message):
        candidates.prior("test")


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: GaussianSampler(0, LOW, HIGH), "count: expected at least 1 candidate, got 0"),
        (lambda: GaussianSampler(4, LOW, HIGH, uniform=4), "uniform: expected 0 to count - 1 = 3"),
        (lambda: GaussianSampler(4, LOW, HIGH, temperature=0.0), "temperature: expected a pos"),
        (lambda: GaussianSampler(4, HIGH, LOW), "high: expected one above each of low"),
        (lambda: GaussianSampler(4, LOW, HIGH, squash="sin"), "squash: expected 'clamp' or 'tanh'"),
        (lambda: GaussianSampler(4, (-math.inf,), (1.0,), uniform=1), "expected finite bounds"),
        (
            lambda: GaussianSampler(4, LOW, HIGH)(torch.zeros(2, 3), CounterNoise(0, 2)),
            r"prior_logits: expected \[L, 4\].* got \[2, 3\]",
        ),
        (
            lambda: CategoricalSampler(4)(
                torch.zeros(2, 9), CounterNoise(0, 2), torch.zeros(2, 8, dtype=torch.bool)
            ),
            r"invalid_actions: expected bool \[2, 9\]",
        ),
        (
            lambda: GaussianSampler(4, LOW, HIGH)(
                torch.zeros(2, 4), CounterNoise(0, 2), torch.zeros(2, 4)
            ),
            "numbers have no options",
        ),
    ],
)
def test_clear_errors(make, message):
    with pytest.raises(ValueError, match=message):
        make()
