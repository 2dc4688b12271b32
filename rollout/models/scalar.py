"""How a network states one number: as a distribution over fixed values, or plainly.

The values of a categorical head are spaced evenly under MuZero's transform h, so they are dense
near zero and sparse far away. A target is split between its two neighbours *in its own units*, so
the mean of the distribution is the number itself, and decoding is a softmax and a matrix product.
Sources: h is Appendix F of Schrittwieser et al. 2020; two-hot over values that are spaced unevenly
is Hafner et al. 2023.
"""

from __future__ import annotations

import math

import torch
from pydantic import BaseModel, ConfigDict, Field, field_validator
from torch import Tensor, nn

_EPSILON = 0.001


class Support(BaseModel):
    """The values of a categorical head: `bins` of them, from -limit to limit; 0 is one of them."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    limit: float = Field(default=300.0, gt=0, le=1e6)
    bins: int = Field(default=101, ge=3, le=2047)

    @field_validator("bins")
    @classmethod
    def _odd(cls, bins: int) -> int:
        if bins % 2 == 0:
            raise ValueError(f"bins: expected an odd number, so that 0 is a value; got {bins}")
        return bins

    def values(self) -> Tensor:
        """Return the values, [bins] float32, ascending, symmetric about 0."""
        top = math.sqrt(self.limit + 1.0) - 1.0 + _EPSILON * self.limit
        half = torch.linspace(0.0, top, self.bins // 2 + 1, dtype=torch.float64)
        root = (torch.sqrt(1 + 4 * _EPSILON * (half + 1 + _EPSILON)) - 1) / (2 * _EPSILON)
        positive = root.square() - 1
        positive[0] = 0.0
        return torch.cat([-positive[1:].flip(0), positive]).float()


class ScalarHead(nn.Module):
    """Reads the columns of a head as a number: categorical over a `Support`, or plain when None.

    size: columns it needs. It has no weights of its own.
    """

    values: Tensor | None

    def __init__(self, support: Support | None) -> None:
        super().__init__()
        self.size = 1 if support is None else support.bins
        values = None if support is None else support.values()
        self.register_buffer("values", values, persistent=False)

    def decode(self, columns: Tensor) -> Tensor:
        """Return the expected number, [...] float32. columns: [..., size]."""
        if self.values is None:
            return columns.squeeze(-1)
        return columns.softmax(-1) @ self.values

    def loss(self, columns: Tensor, target: Tensor) -> Tensor:
        """Return the loss of each number, [...]: cross-entropy, or squared error when plain.

        columns: [..., size]. target: [...] float32; a categorical head clips it to its support.
        """
        if self.values is None:
            return (columns.squeeze(-1) - target).square()
        values = self.values
        target = target.clamp(values[0], values[-1])
        low = (torch.bucketize(target, values, right=True) - 1).clamp(0, values.numel() - 2)
        left, right = values[low], values[low + 1]
        upper = (target - left) / (right - left)
        log_p = columns.log_softmax(-1)
        pair = log_p.gather(-1, torch.stack([low, low + 1], -1))
        return -((1 - upper) * pair[..., 0] + upper * pair[..., 1])
