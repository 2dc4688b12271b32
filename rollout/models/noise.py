"""Counter-based noise: every number is a pure function of (seed, row id, time, site).

A row's noise does not depend on which rows share its batch, on their order or on how many draws
came before, so a result can be repeated, batched, split or forked without changing. The generator
is Philox4x32-10 (Salmon et al. 2011) in integer tensor arithmetic, so it runs on any torch device.

Cost: on a CPU some nanoseconds a number, natively; elsewhere, and where torch compiles, about 90
elementwise kernels a draw whatever its size: draw a whole horizon at once there (`CounterNoise.at`
with a tensor of times).
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor

from rollout import _native

_MASK = 0xFFFFFFFF
_KEY_MASK = (1 << 64) - 1
_MULTIPLIER_0, _MULTIPLIER_1 = 0xD2511F53, 0xCD9E8D57
_WEYL_0, _WEYL_1 = 0x9E3779B9, 0xBB67AE85
_ROUNDS = 10
_TO_UNIT = 2.0**-23


def philox(counter: tuple[Tensor, Tensor, Tensor, Tensor], seed: int) -> tuple[Tensor, ...]:
    """Return the four 32-bit words of Philox4x32-10 for each counter.

    counter: four int64 tensors that broadcast together, each value in [0, 2**32).
    seed: any integer; its low 64 bits are the key.
    Returns four int64 tensors in [0, 2**32).
    Source: Salmon, Moraes, Dror, Shaw, "Parallel random numbers: as easy as 1, 2, 3", SC 2011.
    """
    c0, c1, c2, c3 = counter
    k0, k1 = seed & _MASK, (seed >> 32) & _MASK
    for _ in range(_ROUNDS):
        # int64 products wrap modulo 2**64, so both halves of the unsigned product are there
        p0, p1 = c0 * _MULTIPLIER_0, c2 * _MULTIPLIER_1
        c0, c1, c2, c3 = (
            ((p1 >> 32) & _MASK) ^ c1 ^ k0,
            p1 & _MASK,
            ((p0 >> 32) & _MASK) ^ c3 ^ k1,
            p0 & _MASK,
        )
        k0, k1 = (k0 + _WEYL_0) & _MASK, (k1 + _WEYL_1) & _MASK
    return c0, c1, c2, c3


def _checksum(site: str) -> int:
    """Return the 32-bit FNV-1a hash of a name, in arithmetic that torch.compile can trace."""
    value = 0x811C9DC5
    for letter in site:
        value = ((value ^ ord(letter)) * 0x01000193) & _MASK
    return value


class CounterNoise:
    """Noise for R rows at one time, or at T times.

    seed: the stream; its low 64 bits count.
    rows: [R] int64 row ids in [0, 2**32), or a row count, which means ids 0..R-1. An id belongs to
        what the row stands for, and stays with it when rows are reordered, split or joined.
    time: an int, or an int64 tensor [T]; draws then have shape [R, T, *shape].
    Immutable; safe to share between threads.
    """

    __slots__ = ("rows", "seed", "time")

    def __init__(
        self,
        seed: int,
        rows: int | Tensor,
        time: int | Tensor = 0,
        *,
        device: torch.device | str = "cpu",
    ) -> None:
        if isinstance(rows, int):
            rows = torch.arange(rows, device=device)
        elif rows.dim() != 1 or rows.dtype != torch.int64:
            raise ValueError(
                f"rows: expected [R] int64 row ids, got {list(rows.shape)} {rows.dtype}; "
                "pass rows.long() or a row count"
            )
        self.seed = seed
        self.rows = rows
        self.time = time

    @property
    def device(self) -> torch.device:
        """Where draws are made."""
        return self.rows.device

    def at(self, time: int | Tensor) -> CounterNoise:
        """Return the same rows' noise at another time (an int, or [T] int64 for many at once)."""
        return CounterNoise(self.seed, self.rows, time)

    def take(self, index: Tensor) -> CounterNoise:
        """Return the noise of some of the rows: they keep their ids. index: [M] int64."""
        return CounterNoise(self.seed, self.rows.index_select(0, index), self.time)

    def uniform(self, site: str, shape: Sequence[int] = ()) -> Tensor:
        """Return [R, *shape] float32 in the open interval (0, 1), multiples of 2**-24.

        site: names the place that draws; two sites never share numbers by design of the counter
        (up to a collision of 32-bit checksums of their names).
        """
        count = math.prod(shape)
        if self.rows.is_cpu and not torch.compiler.is_compiling():
            return self._native_uniform(site, count).reshape(*self._lead(), *shape)
        bits = self._bits(site, count)
        # 23 bits and a half keep every value exact in float32, and away from 0 and 1
        unit = ((bits >> 9).to(torch.float32) + 0.5) * _TO_UNIT
        return unit.reshape(*bits.shape[:-1], *shape)

    def normal(self, site: str, shape: Sequence[int] = ()) -> Tensor:
        """Return [R, *shape] float32 standard normal numbers (Box-Muller on `uniform`)."""
        count = math.prod(shape)
        unit = self.uniform(site, (2, count))
        radius = torch.sqrt(-2.0 * torch.log(unit[..., 0, :]))
        value = radius * torch.cos((2.0 * math.pi) * unit[..., 1, :])
        return value.reshape(*value.shape[:-1], *shape)

    def gumbel(self, site: str, shape: Sequence[int] = ()) -> Tensor:
        """Return [R, *shape] float32 standard Gumbel numbers; argmax(logits + gumbel) samples."""
        return -torch.log(-torch.log(self.uniform(site, shape)))

    def _lead(self) -> tuple[int, ...]:
        """Return the axes before a draw's own: (R,) or (R, T)."""
        times = () if isinstance(self.time, int) else (len(self.time),)
        return (len(self.rows), *times)

    def _native_uniform(self, site: str, count: int) -> Tensor:
        """Return what `uniform` does with `_bits`, to the last bit, [R, T, count]."""
        times = torch.tensor([self.time]) if isinstance(self.time, int) else self.time
        out = torch.empty(len(self.rows), len(times), count)
        _native.philox_uniform(
            out.numpy(), self.rows.numpy(), times.numpy(), _checksum(site), self.seed & _KEY_MASK
        )
        return out

    def _bits(self, site: str, count: int) -> Tensor:
        """Return [R, count] or [R, T, count] int64 words of 32 bits."""
        device = self.rows.device
        blocks = torch.arange((count + 3) // 4, device=device)
        rows = self.rows[:, None]
        if isinstance(self.time, int):
            time = torch.full((1, 1), self.time & _MASK, device=device)
        else:
            rows = rows[:, None]
            time = self.time[:, None] & _MASK
        place = torch.full_like(rows, _checksum(site))
        words = philox((blocks, time, rows, place), self.seed)
        # rounds mix every part of the counter, so all four words have the full shape
        return torch.stack(words, dim=-1).flatten(-2)[..., :count]
