"""What an imagined path is worth."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from rollout.models.protocol import Path


def weights(path: Path[Any], discount: float) -> Tensor:
    """Return how much each state of a path counts, [R, H+1] float32: w_0 = 1.

    w_t = discount**t * c_1 * ... * c_t, so r_{t+1} counts w_t, and a value of s_H counts w_H.
    """
    rows, horizon = path.actions.shape[:2]
    cont = path.trans.cont
    if cont is None:
        cont = torch.ones(rows, horizon, device=path.actions.device)
    start = torch.ones(rows, 1, dtype=cont.dtype, device=cont.device)
    return torch.cat([start, (cont * discount).cumprod(1)], 1)


def returns(path: Path[Any], discount: float, tail: Tensor | None = None) -> Tensor:
    """Return each row's discounted reward, [R] float32.

    tail: [R] float32, the value of the last state, or None for nothing after the horizon.
    Raises ValueError for a model that predicts no reward: score its states instead.
    """
    if path.trans.reward is None:
        raise ValueError("path: expected rewards, but this model has none; score path.states")
    weight = weights(path, discount)
    total = (weight[:, :-1] * path.trans.reward).sum(1)
    return total if tail is None else total + weight[:, -1] * tail
