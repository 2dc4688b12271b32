"""The counter-based noise: known answers, a NumPy twin, and independence from the batch."""

import math

import numpy as np
import pytest
import torch

from rollout.models import CounterNoise
from rollout.models.noise import philox


def numpy_philox(counter, seed):
    """Philox4x32-10 on one counter, in Python integers."""
    c = list(counter)
    k0, k1 = seed & 0xFFFFFFFF, seed >> 32
    for _ in range(10):
        p0, p1 = c[0] * 0xD2511F53, c[2] * 0xCD9E8D57
        c = [(p1 >> 32) ^ c[1] ^ k0, p1 & 0xFFFFFFFF, (p0 >> 32) ^ c[3] ^ k1, p0 & 0xFFFFFFFF]
        k0, k1 = (k0 + 0x9E3779B9) & 0xFFFFFFFF, (k1 + 0xBB67AE85) & 0xFFFFFFFF
    return c


# counters, keys and outputs of the authors' own test file (Random123, kat_vectors)
KNOWN = [
    ([0] * 4, 0, [0x6627E8D5, 0xE169C58D, 0xBC57AC4C, 0x9B00DBD8]),
    ([0xFFFFFFFF] * 4, 2**64 - 1, [0x408F276D, 0x41C83B0E, 0xA20BC7C6, 0x6D5451FD]),
    (
        [0x243F6A88, 0x85A308D3, 0x13198A2E, 0x03707344],
        0x299F31D0A4093822,
        [0xD16CFE09, 0x94FDCCEB, 0x5001E420, 0x24126EA1],
    ),
]


@pytest.mark.parametrize(("counter", "seed", "expected"), KNOWN)
def test_philox_gives_the_known_answers(counter, seed, expected):
    words = philox(tuple(torch.tensor([c]) for c in counter), seed)
    assert [int(w) for w in words] == expected
    assert numpy_philox(counter, seed) == expected


def test_uniform_matches_the_scalar_twin():
    noise = CounterNoise(2**40 + 7, torch.tensor([5, 2**32 - 1]), time=3)
    drawn = noise.uniform("here", (2, 3))
    for i, row in enumerate([5, 2**32 - 1]):
        words = []
        for block in range(2):
            words += numpy_philox([block, 3, row, 0x213B65CB], 2**40 + 7)
        expected = [((w >> 9) + 0.5) / 2**23 for w in words[:6]]
        assert drawn[i].flatten().tolist() == expected


@pytest.mark.parametrize("time", [-3, 2**33 + 1, torch.tensor([0, 5, 2**32 - 1])])
@pytest.mark.parametrize("seed", [-1, 2**64 + 5])
def test_native_numbers_are_those_of_the_tensor_arithmetic(time, seed):
    noise = CounterNoise(seed, torch.tensor([1, 9, 2**32 - 1])[::2], time)
    for shape in ((), (7,), (3, 2), (0,)):
        bits = noise._bits("site", math.prod(shape))
        expected = ((bits >> 9).float() + 0.5) * 2.0**-23
        drawn = noise.uniform("site", shape)
        assert torch.equal(drawn, expected.reshape(drawn.shape))
        assert drawn.shape == (*bits.shape[:-1], *shape)


def test_a_row_does_not_depend_on_its_batch():
    whole = CounterNoise(1, 10, time=4)
    order = torch.tensor([7, 2, 9])
    some = CounterNoise(1, order, time=4)
    for draw in ("uniform", "normal", "gumbel"):
        want = getattr(whole, draw)("site", (5,))[order]
        assert torch.equal(getattr(some, draw)("site", (5,)), want)
        assert torch.equal(getattr(whole.take(order), draw)("site", (5,)), want)


def test_many_times_at_once_equal_one_at_a_time():
    noise = CounterNoise(9, 4)
    for draw in ("uniform", "normal"):
        many = getattr(noise.at(torch.arange(6)), draw)("s", (3, 2))
        each = [getattr(noise.at(t), draw)("s", (3, 2)) for t in range(6)]
        assert torch.equal(many, torch.stack(each, 1))


def test_every_part_of_the_key_matters():
    base = CounterNoise(1, 4, time=2).uniform("s", (8,))
    others = [
        CounterNoise(2, 4, time=2).uniform("s", (8,)),
        CounterNoise(1 + 2**32, 4, time=2).uniform("s", (8,)),
        CounterNoise(1, 4, time=3).uniform("s", (8,)),
        CounterNoise(1, torch.arange(4) + 1, time=2).uniform("s", (8,)),
        CounterNoise(1, 4, time=2).uniform("t", (8,)),
    ]
    for other in others:
        assert (base != other).all(1).any()
        assert float((base == other).float().mean()) < 0.01


def test_the_distributions():
    noise = CounterNoise(3, 1000)
    uniform = noise.uniform("u", (200,)).double()
    assert float(uniform.min()) > 0
    assert float(uniform.max()) < 1
    assert abs(float(uniform.mean()) - 0.5) < 4 * (1 / 12 / 200_000) ** 0.5
    normal = noise.normal("n", (200,)).double().numpy()
    assert abs(normal.mean()) < 4 / 200_000**0.5
    assert abs(normal.var() - 1) < 4 * (2 / 200_000) ** 0.5
    assert abs(np.corrcoef(normal[:, ::2].ravel(), normal[:, 1::2].ravel())[0, 1]) < 0.015
    # gumbel noise samples a softmax
    logits = torch.tensor([0.0, 1.0, -1.0])
    picks = (logits + noise.gumbel("g", (200, 3))).argmax(-1).flatten()
    share = torch.bincount(picks, minlength=3) / picks.numel()
    assert torch.allclose(share, logits.softmax(0), atol=0.005)


def test_bad_rows_are_named():
    with pytest.raises(ValueError, match=r"rows: expected \[R\] int64 row ids, got \[2, 2\]"):
        CounterNoise(0, torch.zeros(2, 2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"float32; pass rows.long\(\)"):
        CounterNoise(0, torch.zeros(2))
