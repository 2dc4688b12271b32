"""csrc/trajectory beside its NumPy twins."""

import numpy as np
import pytest
import trajectory_twin as twin

from rollout import _native
from rollout.planning.trajectory import Coloured, Rate, Spline, White

LEVELS = ["baseline", "avx2", "avx512"]
LEVELS = LEVELS[: LEVELS.index(_native.simd_level()) + 1]
POOL = _native.ThreadPool(1)
SHAPES = [(5, 1, 7, 1), (6, 3, 9, 2), (4, 2, 16, 3), (1, 2, 1, 5), (7, 1, 33, 8)]


@pytest.fixture(params=LEVELS)
def level(request):
    before = _native.simd_level()
    _native.set_simd_level(request.param)
    yield request.param
    _native.set_simd_level(before)


def distribution(shape, seed=0):
    horizon, batch, _, width = shape
    rng = np.random.default_rng(seed)
    mean = rng.normal(size=(batch, horizon, width)).astype(np.float32)
    std = rng.uniform(0.1, 2, size=(batch, horizon, width)).astype(np.float32)
    low = rng.uniform(-3, -1, width).astype(np.float32)
    high = rng.uniform(1, 3, width).astype(np.float32)
    seeds = rng.integers(0, 2**63, batch, dtype=np.uint64)
    return seeds, np.arange(batch, dtype=np.uint32), mean, std, low, high


def draw(shape, basis=None, iteration=2, pool=POOL, seed=0):
    seeds, rows, mean, std, low, high = distribution(shape, seed)
    out = np.full(shape, np.nan, np.float32)
    _native.trajectory_fill_normal(pool, out, seeds, rows, iteration, mean, std, low, high, basis)
    return out, twin.fill_normal(shape, seeds, rows, iteration, mean, std, low, high, basis)


@pytest.mark.parametrize("shape", SHAPES)
@pytest.mark.parametrize("noise", [White(), Coloured(2.0), Spline(3), Rate()])
def test_normal_candidates_are_the_twins(level, shape, noise):
    ours, theirs = draw(shape, noise.basis(shape[0]))
    np.testing.assert_allclose(ours, theirs, atol=2e-5)


def test_normal_candidates_have_the_same_bits_at_every_level_and_thread_count():
    shape = (9, 4, 700, 3)
    before = _native.simd_level()
    found = []
    for level in LEVELS:
        _native.set_simd_level(level)
        for threads in (1, 3):
            found.append(draw(shape, Coloured(1.0).basis(9), pool=_native.ThreadPool(threads))[0])
    _native.set_simd_level(before)
    for other in found[1:]:
        np.testing.assert_array_equal(found[0], other)


def test_a_candidate_does_not_depend_on_how_many_there_are():
    seeds, rows, mean, std, low, high = distribution((4, 2, 1, 3))
    few, many = (np.empty((4, 2, count, 3), np.float32) for count in (5, 11))
    for out in (few, many):
        _native.trajectory_fill_normal(POOL, out, seeds, rows, 0, mean, std, low, high, None)
    np.testing.assert_array_equal(few, many[:, :, :5])


def test_normal_numbers_are_standard_and_white():
    shape = (8, 1, 40000, 1)
    zeros, ones = np.zeros((1, 8, 1), np.float32), np.ones((1, 8, 1), np.float32)
    out = np.empty(shape, np.float32)
    wide = np.full(1, 99, np.float32)
    key = np.array([5], np.uint64), np.zeros(1, np.uint32)
    _native.trajectory_fill_normal(POOL, out, *key, 0, zeros, ones, -wide, wide, None)
    x = out[:, 0, :, 0]
    # each bound is five standard errors of its estimate
    assert abs(x.mean()) < 5 / np.sqrt(x.size)
    assert abs(x.var() - 1) < 5 * np.sqrt(2 / x.size)
    assert abs((x**4).mean() - 3) < 5 * np.sqrt(96 / x.size)
    between = np.cov(x) - np.eye(8)
    assert np.abs(between).max() < 6 * np.sqrt(2 / shape[2])


@pytest.mark.parametrize("shape", SHAPES)
def test_choices_are_the_twins(level, shape):
    horizon, batch, _, width = shape
    rng = np.random.default_rng(3)
    chances = rng.uniform(size=(batch, horizon, width, 6)).astype(np.float32)
    chances[..., 2] = 0.0
    chances[..., 5] = 0.0
    seeds, rows, *_ = distribution(shape)
    out = np.full(shape, np.nan, np.float32)
    _native.trajectory_fill_choices(POOL, out, seeds, rows, 1, chances)
    np.testing.assert_array_equal(out, twin.fill_choices(shape, seeds, rows, 1, chances))
    assert not np.isin(out, (2, 5)).any()


def test_choices_come_as_often_as_their_chances_say():
    chances = np.array([[[[0.1, 0.0, 0.6, 0.3]]]], np.float32)
    out = np.empty((1, 1, 30000, 1), np.float32)
    key = np.array([1], np.uint64), np.zeros(1, np.uint32)
    _native.trajectory_fill_choices(POOL, out, *key, 0, chances)
    share = np.bincount(out.astype(int).ravel(), minlength=4) / out.size
    assert np.abs(share - chances.ravel()).max() < 5 * np.sqrt(0.25 / out.size)


@pytest.mark.parametrize(("candidates", "count"), [(1, 1), (10, 3), (50, 50), (1000, 100)])
def test_elites_are_the_twins(candidates, count):
    rng = np.random.default_rng(candidates)
    scores = rng.integers(0, 20, (4, candidates)).astype(np.float32)  # with many ties
    scores[1, : candidates // 2] = -np.inf
    index = _native.trajectory_elites(POOL, scores, count)
    np.testing.assert_array_equal(index, twin.elites(scores, count))


@pytest.mark.parametrize("temperature", [0.01, 1.0, 50.0])
@pytest.mark.parametrize("candidates", [1, 8, 13, 1000])
def test_soft_weights_are_the_twins(level, candidates, temperature):
    rng = np.random.default_rng(candidates)
    scores = (rng.normal(size=(3, candidates)) * 5).astype(np.float32)
    scores[1, candidates // 3 :] = -np.inf
    scores[2] = -np.inf
    weights = _native.trajectory_soft_weights(POOL, scores, temperature)
    np.testing.assert_allclose(weights, twin.soft_weights(scores, temperature), atol=1e-6)
    assert weights[2].sum() == 0
    assert weights[0].sum() == pytest.approx(1, abs=1e-5)


@pytest.mark.parametrize("shape", SHAPES)
def test_moments_dot_and_frequencies_are_the_twins(level, shape):
    horizon, batch, count, width = shape
    rng = np.random.default_rng(8)
    population = rng.normal(size=shape).astype(np.float32) * 3
    weights = rng.uniform(size=(batch, count)).astype(np.float32)
    weights /= weights.sum(1, keepdims=True)
    mean, std = _native.trajectory_moments(POOL, population, weights)
    want_mean, want_std = twin.moments(population, weights)
    np.testing.assert_allclose(mean, want_mean, atol=1e-5)
    np.testing.assert_allclose(std, want_std, atol=1e-5)
    alone, none = _native.trajectory_moments(POOL, population, weights, False)
    np.testing.assert_array_equal(alone, mean)
    assert none is None

    coefficients = rng.normal(size=(batch, horizon, width)).astype(np.float32)
    dot = _native.trajectory_dot(POOL, population, coefficients)
    want = np.einsum("hbcd,bhd->bc", population, coefficients)
    np.testing.assert_allclose(dot, want, atol=1e-4)

    choices = rng.integers(0, 4, shape).astype(np.float32)
    found = _native.trajectory_frequencies(POOL, choices, weights, 4)
    np.testing.assert_allclose(found, twin.frequencies(choices, weights, 4), atol=1e-5)


@pytest.mark.parametrize("horizon", [2, 9, 12, 30])
@pytest.mark.parametrize("beta", [0.25, 1.0, 2.0, 3.5])
def test_coloured_noise_is_the_inverse_transform(horizon, beta):
    basis = Coloured(beta).basis(horizon)
    rng = np.random.default_rng(0)
    z = rng.normal(size=(3, horizon))
    reals = horizon // 2 + 1
    want = twin.coloured(z[:, :reals], z[:, reals:], beta)
    np.testing.assert_allclose(z @ basis.T, want, atol=1e-4)


def test_coloured_noise_is_that_of_the_colorednoise_package():
    colorednoise = pytest.importorskip("colorednoise")
    horizon, beta = 30, 2.0
    basis = Coloured(beta).basis(horizon).astype(np.float64)
    theirs = colorednoise.powerlaw_psd_gaussian(beta, (200000, horizon), random_state=0)
    ours = basis @ basis.T
    # 200000 draws leave the covariance an error of about 1 / sqrt(200000) of its scale
    error = 6 * ours.max() / np.sqrt(len(theirs))
    np.testing.assert_allclose(np.cov(theirs.T), ours, atol=error)


@pytest.mark.parametrize("degree", [0, 1, 3])
def test_a_spline_goes_through_its_knots_and_keeps_its_deviation(degree):
    basis = Spline(6, degree).basis(21)
    np.testing.assert_allclose(basis[::4], np.eye(6), atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(basis, axis=1), 1, atol=1e-5)
    # white noise changes by the root of two a step
    assert np.linalg.norm(np.diff(basis, axis=0), axis=1).mean() < 0.5


def test_a_cubic_spline_has_no_kinks():
    bends = [np.abs(np.diff(Spline(6, degree).basis(101), 2, axis=0)).max() for degree in (1, 3)]
    assert bends[1] < 0.4 * bends[0]


def test_shapes_that_do_not_fit_are_refused():
    seeds, rows, mean, std, low, high = distribution((4, 2, 5, 3))
    out = np.empty((4, 2, 5, 3), np.float32)
    with pytest.raises(ValueError, match=r"mean: expected \[2, 4, 3\], got \[2, 4, 1\]"):
        _native.trajectory_fill_normal(
            POOL, out, seeds, rows, 0, mean[..., :1].copy(), std, low, high, None
        )
    with pytest.raises(ValueError, match="1 to C=5 elites, got 6"):
        _native.trajectory_elites(POOL, np.zeros((2, 5), np.float32), 6)
    with pytest.raises(ValueError, match=r"weights: expected \[2, 5\], got \[2, 4\]"):
        _native.trajectory_moments(POOL, out, np.zeros((2, 4), np.float32))


@pytest.mark.parametrize(("horizon", "n"), [(1, 1), (7, 3), (30, 513), (4, 5000)])
@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("has_tail", [False, True])
def test_returns_are_the_twins(horizon, n, ends, has_tail):
    rng = np.random.default_rng(n)
    reward = rng.normal(size=(horizon, n)).astype(np.float32)
    cont = rng.uniform(size=(horizon, n)).astype(np.float32) if ends else None
    tail = rng.normal(size=n).astype(np.float32) if has_tail else None
    discounts = (0.9 ** np.arange(horizon + 1)).astype(np.float32)
    if ends and has_tail:
        cont[horizon // 2, 0], tail[0] = 0.0, np.nan  # a world that is over is worth what it was
    found = _native.trajectory_returns(POOL, reward, cont, discounts, tail)
    want = twin.returns(reward, cont, discounts, tail)
    np.testing.assert_allclose(found, want, atol=1e-5)
    few = slice(0, max(1, n // 3))
    parts = (x if x is None else np.ascontiguousarray(x[..., few]) for x in (reward, cont, tail))
    one, goes_on, end = parts
    many = _native.ThreadPool(3)
    np.testing.assert_array_equal(
        _native.trajectory_returns(many, one, goes_on, discounts, end), found[few]
    )


def test_returns_refuse_what_does_not_fit():
    good = np.zeros((3, 4), np.float32)
    discounts = np.ones(4, np.float32)
    with pytest.raises(ValueError, match=r"discounts: expected \[4\], got \[3\]"):
        _native.trajectory_returns(POOL, good, None, discounts[:3], None)
    with pytest.raises(ValueError, match=r"cont: expected \[3, 4\], got \[4, 3\]"):
        _native.trajectory_returns(POOL, good, good.reshape(4, 3), discounts, None)
