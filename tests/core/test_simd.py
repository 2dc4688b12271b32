"""Wide kernels give the bits of the plain ones."""

import contextlib
import math
from collections.abc import Iterator

import numpy as np
import pytest

from rollout import _native


@pytest.fixture
def levels() -> Iterator[list[str]]:
    """The levels of this processor, widest last; puts back the one in use."""
    before = _native.simd_level()
    found = ["baseline"]
    for level in ("avx2", "avx512"):
        with contextlib.suppress(ValueError):
            _native.set_simd_level(level)
            found.append(level)
    yield found
    _native.set_simd_level(before)


def angles() -> np.ndarray:
    """Angles within and around the range of the wide kernel, at every scale."""
    rng = np.random.default_rng(0)
    edges = [0.0, -0.0, 0.125, 0.25, 5e-324, 1e-300, 2.0**-27, 2.0**-26, 1.0, 1e6]
    near = [math.nextafter(edge, to) for edge in edges for to in (-math.inf, math.inf)]
    return np.concatenate(
        [
            edges,
            near,
            rng.uniform(-0.26, 0.26, 1_000_000),
            rng.uniform(-0.26, 0.26, 200_000) * 2.0 ** -rng.integers(0, 60, 200_000),
        ]
    )


def test_sine_and_cosine_are_the_c_librarys(levels: list[str]) -> None:
    x = angles()
    expected = np.array([math.sin(v) for v in x]), np.array([math.cos(v) for v in x])
    for level in levels:
        _native.set_simd_level(level)
        for got, wanted in zip(_native.sin_cos(x, small=True), expected, strict=True):
            assert np.array_equal(got.view(np.uint64), wanted.view(np.uint64)), level


def wide_angles() -> np.ndarray:
    """Angles of every size, near the multiples of pi / 4, and beyond those counted in quadrants."""
    rng = np.random.default_rng(1)
    steps = np.arange(-200, 201) * (math.pi / 4)
    near = [math.nextafter(edge, to) for edge in steps for to in (-math.inf, math.inf)]
    return np.concatenate(
        [
            angles()[:30],
            steps,
            near,
            (steps[:, None] + rng.uniform(-1, 1, 300) * 2.0 ** -rng.integers(1, 50, 300)).ravel(),
            rng.uniform(-4, 4, 600_000),
            rng.uniform(-100, 100, 400_000),
            rng.uniform(-1, 1, 10_000) * 2.0 ** rng.integers(7, 60, 10_000),
        ]
    )


def test_sine_and_cosine_of_any_angle_are_the_c_librarys(levels: list[str]) -> None:
    x = wide_angles()
    expected = np.array([math.sin(v) for v in x]), np.array([math.cos(v) for v in x])
    for level in levels:
        _native.set_simd_level(level)
        for got, wanted in zip(_native.sin_cos(x), expected, strict=True):
            assert np.array_equal(got.view(np.uint64), wanted.view(np.uint64)), level


def test_squares_are_the_c_librarys(levels: list[str]) -> None:
    """Its pow, that is, which is not always x * x; NumPy's scalars ask it as well."""
    rng = np.random.default_rng(2)
    x = np.concatenate(
        [
            [0.0, -0.0, 1.0, -3.0, 5e-324, 1e-200, 1e-150, 1e150],
            rng.uniform(-30, 30, 400_000),
            rng.uniform(-1, 1, 100_000) * 2.0 ** rng.integers(-300, 300, 100_000),
        ]
    )
    u = np.concatenate([x[:4], rng.uniform(-2, 2, 200_000), x[-10_000:] % 1e-3]).astype(np.float32)
    wanted = np.array([math.pow(v, 2) for v in x])
    wanted_floats = np.array([v**2 for v in u])
    assert (wanted != x * x).any()
    assert (wanted_floats != u * u).any()
    for level in levels:
        _native.set_simd_level(level)
        assert np.array_equal(_native.pow_two(x), wanted), level
        assert np.array_equal(_native.pow_two_floats(u), wanted_floats), level


def test_an_angle_that_is_no_number_stays_none(levels: list[str]) -> None:
    for level in levels:
        _native.set_simd_level(level)
        sines, cosines = _native.sin_cos(np.full(8, np.nan))
        assert np.isnan(sines).all()
        assert np.isnan(cosines).all()


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 'baseline'"):
        _native.set_simd_level("sse9")
