"""Random numbers for environments in numba: a pure function of (key, site), with rollout's bits.

A site is a constant of yours for each place that draws, so that no two places share numbers; a
place that draws many times in a step gives them `number` 0, 1, 2, ... Needs numba.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numba import njit, uint32, uint64


@njit(inline="always")
def philox(key: Any, site: int, block: int) -> Any:
    """Philox4x32-10 (Salmon et al. 2011): block `block` of a site's numbers, four of 32 bits."""
    low = uint64(0xFFFFFFFF)
    c0, c1, c2, c3 = uint64(block), uint64(site), uint64(key.step), uint64(key.episode)
    k0, k1 = uint64(key.seed) & low, uint64(key.seed) >> uint64(32)
    for _ in range(10):
        p0, p1 = uint64(0xD2511F53) * c0, uint64(0xCD9E8D57) * c2
        c0, c2 = (p1 >> uint64(32)) ^ c1 ^ k0, (p0 >> uint64(32)) ^ c3 ^ k1
        c1, c3 = p1 & low, p0 & low
        k0, k1 = (k0 + uint64(0x9E3779B9)) & low, (k1 + uint64(0xBB67AE85)) & low
    return uint32(c0), uint32(c1), uint32(c2), uint32(c3)


@njit
def uniform(key: Any, site: int, number: int = 0) -> float:
    """Return the `number`-th draw of a site, uniform in [0, 1) with 53 random bits."""
    block = philox(key, site, number // 2)
    high, low = (block[0], block[1]) if number % 2 == 0 else (block[2], block[3])
    bits = (uint64(high) >> uint64(5) << uint64(26)) | (uint64(low) >> uint64(6))
    return np.float64(bits) * 2.0**-53


@njit
def below(key: Any, site: int, n: int, number: int = 0) -> int:
    """Return the `number`-th draw of a site, uniform in 0 .. n - 1 (n at most 2**31).

    It is `uniform` times n, rounded down: off from even by less than n in 2**53.
    """
    return int(uniform(key, site, number) * n)
