"""Philox and NumPy's own stream against published vectors and plain Python."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from rollout import _native

WORD = st.integers(0, 2**32 - 1)

# Random123's kat_vectors, philox4x32 with 10 rounds: counter, key, block
KNOWN = [
    ("00000000 00000000 00000000 00000000", "00000000 00000000"),
    ("ffffffff ffffffff ffffffff ffffffff", "ffffffff ffffffff"),
    ("243f6a88 85a308d3 13198a2e 03707344", "a4093822 299f31d0"),
]
BLOCKS = [
    "6627e8d5 e169c58d bc57ac4c 9b00dbd8",
    "408f276d 41c83b0e a20bc7c6 6d5451fd",
    "d16cfe09 94fdcceb 5001e420 24126ea1",
]


def words(text: str) -> list[int]:
    return [int(word, 16) for word in text.split()]


def philox(counter: list[int], key: list[int]) -> list[int]:
    """The generator, written from the paper."""
    c, (k0, k1) = list(counter), key
    for _ in range(10):
        high0, low0 = divmod(0xD2511F53 * c[0], 2**32)
        high1, low1 = divmod(0xCD9E8D57 * c[2], 2**32)
        c = [high1 ^ c[1] ^ k0, low1, high0 ^ c[3] ^ k1, low0]
        k0, k1 = (k0 + 0x9E3779B9) % 2**32, (k1 + 0xBB67AE85) % 2**32
    return c


def site_words(seed: int, episode: int, step: int, site: int, count: int) -> list[int]:
    key = [seed % 2**32, seed >> 32]
    blocks = range((count + 3) // 4)
    return [w for block in blocks for w in philox([block, site, step, episode], key)][:count]


@pytest.mark.parametrize(("case", "block"), list(zip(KNOWN, BLOCKS, strict=True)))
def test_known_answers(case: tuple[str, str], block: str) -> None:
    assert _native.philox4x32(words(case[0]), words(case[1])) == words(block)


@given(st.lists(WORD, min_size=4, max_size=4), st.lists(WORD, min_size=2, max_size=2))
def test_block_equals_the_plain_one(counter: list[int], key: list[int]) -> None:
    assert _native.philox4x32(counter, key) == philox(counter, key)


@given(st.integers(0, 2**64 - 1), WORD, WORD, WORD)
def test_doubles_are_53_bits_of_the_site(seed: int, episode: int, step: int, site: int) -> None:
    raw = site_words(seed, episode, step, site, 10)
    pairs = zip(raw[::2], raw[1::2], strict=True)
    expected = [((high >> 5) * 2**26 + (low >> 6)) / 2**53 for high, low in pairs]
    assert _native.philox_doubles(seed, episode, step, site, 5).tolist() == expected


@given(st.integers(0, 2**64 - 1), st.integers(1, 2**32 - 1))
def test_below_rejects_the_short_remainder(seed: int, n: int) -> None:
    """Multiply and keep the high word, unless the low one is below 2^32 mod n (Lemire 2019)."""
    raw = iter(site_words(seed, 1, 2, 3, 200))
    expected: list[int] = []
    while len(expected) < 6:
        high, low = divmod(next(raw) * n, 2**32)
        if low >= 2**32 % n:
            expected.append(high)
    assert _native.philox_below(seed, 1, 2, 3, n, 6).tolist() == expected


@pytest.mark.parametrize("seed", [0, 1, 42, 2**31, 2**32 - 1, 2**32, 2**53 + 1, 2**64 - 1])
def test_numpys_stream(seed: int) -> None:
    expected = np.random.PCG64(np.random.SeedSequence(seed)).random_raw(1000)
    assert np.array_equal(_native.numpy_words(seed, 1000), expected)
