"""Wide kernels give the bits of the plain ones."""

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
    try:
        _native.set_simd_level("avx2")
        found.append("avx2")
    except ValueError:
        pass
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
        for got, wanted in zip(_native.sin_cos(x), expected, strict=True):
            assert np.array_equal(got.view(np.uint64), wanted.view(np.uint64)), level


def test_an_angle_that_is_no_number_stays_none(levels: list[str]) -> None:
    for level in levels:
        _native.set_simd_level(level)
        sines, cosines = _native.sin_cos(np.full(8, np.nan))
        assert np.isnan(sines).all()
        assert np.isnan(cosines).all()


def test_an_unknown_level_is_refused() -> None:
    with pytest.raises(ValueError, match="expected 'baseline'"):
        _native.set_simd_level("sse9")
