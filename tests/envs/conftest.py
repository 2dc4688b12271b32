"""Shared by the environments' tests. That it is here puts this folder on the path."""

from collections.abc import Iterator

import pytest

from rollout import _native


@pytest.fixture(params=["baseline", "avx2", "avx512"])
def simd(request: pytest.FixtureRequest) -> Iterator[str]:
    """Run the test once a level of vector instructions."""
    before = _native.simd_level()
    try:
        _native.set_simd_level(request.param)
    except ValueError:
        pytest.skip(f"this processor has no {request.param}")
    yield request.param
    _native.set_simd_level(before)
