"""Distributions over action sequences: what a planner draws candidates from, and fits to the best.

A population is [H, B, C, W] float32 in host memory: H steps, B problems, C candidates, W numbers an
action, choices as whole numbers. Rows b of everything are problem b's alone.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from rollout import _native
from rollout.models.protocol import ActionSpec, Discrete, Hybrid, MultiDiscrete
from rollout.planning.trajectory.noise import Basis, NoiseShape

Floats = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Keys:
    """What the random numbers of B problems are a function of."""

    seeds: NDArray[np.uint64]  # [B]
    rows: NDArray[np.uint32]  # [B]


@dataclass(frozen=True, slots=True)
class ProposalSettings:
    """How a distribution begins, and what it may not become.

    Deviations are in half ranges of an action: 1 is from its middle to its bound, or 1 unit where
    there is no bound.
    """

    std: float
    min_std: float
    max_std: float
    noise: NoiseShape
    explore: float  # share of a choice's chance that stays spread over all its options
    repeat_last: bool  # whether a warm start ends in its last action twice


class Proposal(Protocol):
    """A distribution over sequences for B problems."""

    def begin(self, rows: int) -> None:
        """Forget everything."""

    def advance(self, fresh: NDArray[np.bool_]) -> None:
        """Move one step on, for the next plan; start anew where `fresh` [B] is true."""

    def sample(self, keys: Keys, iteration: int, count: int) -> Floats:
        """Draw candidates, [H, B, count, W]; the memory serves again at the next call."""

    def fit(self, population: Floats, weights: Floats, keep: float, keep_spread: float) -> None:
        """Move to a population under weights [B, C] that sum to one, or to 0: then stay.

        keep, keep_spread: how much of the old centre and of the old spread stays, in [0, 1].
        """

    def centre(self) -> Floats:
        """Return a copy of the likeliest sequence, [H, B, 1, W]."""

    def clip(self, sequences: Floats) -> Floats:
        """Return sequences with every number in its bounds."""

    def numbers(self, sequences: Floats) -> Floats:
        """Return the columns that are no choices, in half ranges, [H, B, C, D]."""


class Gaussian:
    """Numbers, each with a mean and a deviation of its own."""

    def __init__(
        self,
        low: Tensor,
        high: Tensor,
        horizon: int,
        settings: ProposalSettings,
        pool: _native.ThreadPool,
    ) -> None:
        self.low, self.high = (bound.numpy().astype(np.float32) for bound in (low, high))
        bounded = np.isfinite(self.low) & np.isfinite(self.high)
        with np.errstate(invalid="ignore"):
            self.half = np.where(bounded, (self.high - self.low) / 2, 1.0).astype(np.float32)
            middle = np.where(bounded, (self.high + self.low) / 2, 0.0)
        self.middle = np.clip(middle, self.low, self.high).astype(np.float32)
        self.horizon, self.settings, self.pool = horizon, settings, pool
        self.basis: Basis = settings.noise.basis(horizon)
        self.mean = self.std = np.empty((0, horizon, len(self.low)), np.float32)
        self._memory = np.empty(0, np.float32)

    def begin(self, rows: int) -> None:
        """Start around the middle of the bounds."""
        shape = (rows, self.horizon, len(self.low))
        self.mean = np.broadcast_to(self.middle, shape).copy()
        self.std = np.broadcast_to(self.half * np.float32(self.settings.std), shape).copy()

    def advance(self, fresh: NDArray[np.bool_]) -> None:
        """Shift the mean; every deviation starts anew."""
        last = self.mean[:, -1:] if self.settings.repeat_last else self.middle[None, None]
        last = np.broadcast_to(last, self.mean[:, -1:].shape)
        shifted = np.concatenate((self.mean[:, 1:], last), 1)
        self.mean = np.where(fresh[:, None, None], self.middle, shifted)
        self.std[:] = self.half * np.float32(self.settings.std)

    def sample(self, keys: Keys, iteration: int, count: int) -> Floats:
        """Draw candidates, clamped to the bounds."""
        shape = (self.horizon, len(self.mean), count, len(self.low))
        if self._memory.size < np.prod(shape):
            self._memory = np.empty(np.prod(shape), np.float32)
        out = self._memory[: np.prod(shape)].reshape(shape)
        _native.trajectory_fill_normal(
            self.pool,
            out,
            keys.seeds,
            keys.rows,
            iteration,
            self.mean,
            self.std,
            self.low,
            self.high,
            self.basis,
        )
        return out

    def fit(self, population: Floats, weights: Floats, keep: float, keep_spread: float) -> None:
        """Take on the weighted mean and deviation."""
        mean, std = _native.trajectory_moments(self.pool, population, weights, keep_spread < 1)
        stay = (weights.sum(1) == 0)[:, None, None]
        if keep or stay.any():
            mean = np.where(stay, self.mean, keep * self.mean + (1 - keep) * mean)
        self.mean = mean.astype(np.float32, copy=False)
        if std is None:
            return
        std = np.clip(std, self.settings.min_std * self.half, self.settings.max_std * self.half)
        if keep_spread or stay.any():
            std = np.where(stay, self.std, keep_spread * self.std + (1 - keep_spread) * std)
        self.std = std.astype(np.float32, copy=False)

    def centre(self) -> Floats:
        """Return the mean."""
        return self.mean.transpose(1, 0, 2)[:, :, None].copy()

    def clip(self, sequences: Floats) -> Floats:
        """Clamp to the bounds."""
        return np.clip(sequences, self.low, self.high)

    def numbers(self, sequences: Floats) -> Floats:
        """Return all columns, in half ranges."""
        return sequences / self.half


class Categorical:
    """Choices, each with a chance for every option."""

    def __init__(
        self,
        nvec: tuple[int, ...],
        horizon: int,
        settings: ProposalSettings,
        pool: _native.ThreadPool,
    ) -> None:
        self.nvec = np.array(nvec)
        self.horizon, self.settings, self.pool = horizon, settings, pool
        legal = np.arange(max(nvec)) < self.nvec[:, None]
        self.uniform = (legal / self.nvec[:, None]).astype(np.float32)  # [P, A]
        self.chances = np.empty((0, horizon, *self.uniform.shape), np.float32)
        # [B, A] bool, options that must not be taken in the first step; for a single choice only
        self.barred: NDArray[np.bool_] | None = None

    def begin(self, rows: int) -> None:
        """Start with every option equally likely."""
        self.chances = np.broadcast_to(
            self.uniform, (rows, self.horizon, *self.uniform.shape)
        ).copy()

    def advance(self, fresh: NDArray[np.bool_]) -> None:
        """Shift the chances, the new last step being uniform."""
        last = self.chances[:, -1:] if self.settings.repeat_last else self.uniform[None, None]
        last = np.broadcast_to(last, self.chances[:, -1:].shape)
        shifted = np.concatenate((self.chances[:, 1:], last), 1)
        # half of the chance is spread out again, as every deviation of a number starts anew
        shifted = 0.5 * shifted + 0.5 * self.uniform
        self.chances = np.where(fresh[:, None, None, None], self.uniform, shifted).astype(
            np.float32
        )

    def sample(self, keys: Keys, iteration: int, count: int) -> Floats:
        """Draw candidates."""
        out = np.empty((self.horizon, len(self.chances), count, len(self.nvec)), np.float32)
        _native.trajectory_fill_choices(
            self.pool, out, keys.seeds, keys.rows, iteration, self._legal()
        )
        return out

    def fit(self, population: Floats, weights: Floats, keep: float, keep_spread: float) -> None:
        """Take on the weight of each option."""
        found = _native.trajectory_frequencies(
            self.pool, population, weights, self.uniform.shape[1]
        )
        stay = (weights.sum(1) == 0)[:, None, None, None]
        mixed = keep * self.chances + (1 - keep) * found
        mixed += self.settings.explore * (self.uniform - mixed)
        self.chances = np.where(stay, self.chances, mixed).astype(np.float32)

    def centre(self) -> Floats:
        """Return the likeliest option of each choice."""
        best: Floats = self._legal().argmax(-1).astype(np.float32)
        return best.transpose(1, 0, 2)[:, :, None].copy()

    def clip(self, sequences: Floats) -> Floats:
        """Round to the nearest option."""
        nearest: Floats = np.clip(np.round(sequences), 0, self.nvec - 1).astype(np.float32)
        return nearest

    def numbers(self, sequences: Floats) -> Floats:
        """Return no column: a choice has no distance."""
        return sequences[..., :0]

    def _legal(self) -> Floats:
        if self.barred is None:
            return self.chances
        chances = self.chances.copy()
        first = chances[:, 0, 0]
        first[self.barred] = 0.0
        empty = first.sum(1) == 0
        first[empty] = ~self.barred[empty]
        return chances


class Both:
    """Choices and numbers, drawn and fitted apart."""

    def __init__(self, choices: Categorical, numbers: Gaussian) -> None:
        self.choices, self.real = choices, numbers
        self.split = len(choices.nvec)

    def begin(self, rows: int) -> None:
        """Start both."""
        self.choices.begin(rows)
        self.real.begin(rows)

    def advance(self, fresh: NDArray[np.bool_]) -> None:
        """Move both on."""
        self.choices.advance(fresh)
        self.real.advance(fresh)

    def sample(self, keys: Keys, iteration: int, count: int) -> Floats:
        """Draw both."""
        choices = self.choices.sample(keys, iteration, count)
        return np.concatenate((choices, self.real.sample(keys, iteration, count)), 3)

    def fit(self, population: Floats, weights: Floats, keep: float, keep_spread: float) -> None:
        """Fit both to their columns."""
        columns = np.split(population, [self.split], 3)
        choices, numbers = (np.ascontiguousarray(own) for own in columns)
        self.choices.fit(choices, weights, keep, keep_spread)
        self.real.fit(numbers, weights, keep, keep_spread)

    def centre(self) -> Floats:
        """Return both centres."""
        return np.concatenate((self.choices.centre(), self.real.centre()), 3)

    def clip(self, sequences: Floats) -> Floats:
        """Clip both."""
        choices, numbers = np.split(sequences, [self.split], 3)
        return np.concatenate((self.choices.clip(choices), self.real.clip(numbers)), 3)

    def numbers(self, sequences: Floats) -> Floats:
        """Return the columns after the choices, in half ranges."""
        return self.real.numbers(sequences[..., self.split :])


def make_proposal(
    action: ActionSpec,
    horizon: int,
    settings: ProposalSettings,
    pool: _native.ThreadPool,
    bounds: tuple[float, float] | None,
) -> Proposal:
    """Return the distribution that fits a model's actions; `bounds` narrow those of numbers."""
    if isinstance(action, Discrete):
        return Categorical((action.n,), horizon, settings, pool)
    if isinstance(action, MultiDiscrete):
        return Categorical(action.nvec, horizon, settings, pool)
    low, high = torch.tensor(action.low), torch.tensor(action.high)
    if bounds is not None:
        low, high = low.clamp(min=bounds[0]), high.clamp(max=bounds[1])
        if bool((low > high).any()):
            raise ValueError(f"bounds: {bounds} leave nothing of the model's {action}")
    numbers = Gaussian(low, high, horizon, settings, pool)
    if isinstance(action, Hybrid):
        return Both(Categorical(action.nvec, horizon, settings, pool), numbers)
    return numbers


def to_actions(sequences: Floats | Tensor, action: ActionSpec) -> Tensor:
    """Return [H, B, C, W] numbers as the actions of H steps of B * C rows, on the CPU."""
    flat = torch.as_tensor(sequences).flatten(1, 2)
    if isinstance(action, Discrete):
        return flat[..., 0].long()
    return flat.long() if isinstance(action, MultiDiscrete) else flat


def from_actions(actions: Tensor, rows: int) -> Floats:
    """Return the actions of H steps of B * C rows as numbers [H, B, C, W]."""
    host: Any = actions.float().cpu().numpy()
    return np.ascontiguousarray(host.reshape(len(host), rows, host.shape[1] // rows, -1))
