"""Candidate actions drawn from what a policy head says, with the density that they were drawn by.

A sampler is a function (params [L, W], noise, invalid) -> Candidates, and a frozen dataclass of how
to draw. Params are what `rollout.models.protocol.Prior` gives: logits for choices, then a mean and
a log deviation for numbers. Densities are kept in log space throughout.

Numbers are computed in double precision and rounded once: torch rounds a float32 tanh or logarithm
differently at the end of a tensor, so that a node's would depend on the batch around it.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Literal, Protocol

import torch
from torch import Tensor
from torch.nn import functional as F

from rollout.models.noise import CounterNoise
from rollout.search.candidates import Candidates

Squash = Literal["clamp", "tanh"]
_HALF_LOG_2PI = 0.5 * math.log(2 * math.pi)


class Sampler(Protocol):
    """Draws candidates for L nodes."""

    def __call__(
        self, params: Tensor, noise: CounterNoise, invalid: Tensor | None = None
    ) -> Candidates:
        """Draw. params: [L, W] float32. invalid: [L, ...] bool, options that must not be drawn."""


@dataclass(frozen=True, slots=True)
class GaussianSampler:
    """Numbers from a Gaussian each; params [L, 2 D] are means, then log deviations.

    count: K. low, high: the D bounds. squash: "clamp", params are in the action's units and draws
        are cut to the bounds (what lies beyond is then probability at a bound); "tanh", the draw's
        tanh spans the bounds.
    temperature: candidates are drawn from a Gaussian of temperature times the variance.
    uniform: of the K, those drawn uniformly from the bounds. Both explore; the prior accounts for
        them.
    """

    count: int
    low: tuple[float, ...]
    high: tuple[float, ...]
    squash: Squash = "clamp"
    temperature: float = 1.0
    uniform: int = 0

    def __post_init__(self) -> None:
        _check(self.count, self.uniform, self.temperature)
        _check_bounds(self.low, self.high, self.squash, self.uniform)

    def __call__(
        self, params: Tensor, noise: CounterNoise, invalid: Tensor | None = None
    ) -> Candidates:
        """Draw; see `Sampler`. Takes no mask: every number in the bounds is allowed."""
        if invalid is not None:
            raise ValueError("invalid_actions: numbers have no options to forbid")
        _check_params(params, 2 * len(self.low))
        return _joint(self, (), params, noise, None)


@dataclass(frozen=True, slots=True)
class HybridSampler:
    """Choices and numbers at once; params [L, sum(nvec) + 2 D]: logits, means, log deviations.

    An action is a row of float32, choices first as whole numbers (`rollout.models.Hybrid`); without
    numbers it is int64 (MultiDiscrete). nvec: options of each choice. invalid: [L, sum(nvec)].
    The rest is as in `GaussianSampler`; temperature also divides logits.
    """

    count: int
    nvec: tuple[int, ...]
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()
    squash: Squash = "clamp"
    temperature: float = 1.0
    uniform: int = 0

    def __post_init__(self) -> None:
        _check(self.count, self.uniform, self.temperature)
        _check_bounds(self.low, self.high, self.squash, self.uniform)

    def __call__(
        self, params: Tensor, noise: CounterNoise, invalid: Tensor | None = None
    ) -> Candidates:
        """Draw; see `Sampler`."""
        options = sum(self.nvec)
        _check_params(params, options + 2 * len(self.low))
        _check_mask(invalid, len(params), options)
        return _joint(self, self.nvec, params, noise, invalid)


@dataclass(frozen=True, slots=True)
class CategoricalSampler:
    """One of A actions by logits [L, A], for A too large to search whole; actions [L, K] int64.

    count: K, at most A are drawn. replace: draw with replacement, equal ones then being merged;
        without, by Gumbel top-k, all K differ and each is weighed by the inverse of its probability
        to be among them. invalid: [L, A]; where fewer than K are allowed, columns are left unused.
    temperature: candidates are drawn by softmax(logits / temperature). uniform: of the K (without
        replacement, of the chance), those drawn uniformly from allowed actions.
    Source: Kool et al. 2019 for the weights without replacement.
    """

    count: int
    replace: bool = False
    temperature: float = 1.0
    uniform: int = 0

    def __post_init__(self) -> None:
        _check(self.count, self.uniform, self.temperature)

    def __call__(
        self, params: Tensor, noise: CounterNoise, invalid: Tensor | None = None
    ) -> Candidates:
        """Draw; see `Sampler`."""
        _check_mask(invalid, len(params), params.shape[1])
        policy = _log_softmax(params, invalid)
        proposal = _log_softmax(params / self.temperature, invalid)
        if self.uniform:
            anything = _log_softmax(torch.zeros_like(params), invalid)
            share = self.uniform / self.count
            proposal = _mix(proposal.double(), anything.double(), share).float()
        if self.replace:
            chosen = _pick(proposal, noise.uniform("search.choices", (self.count,)))
            if self.temperature == 1.0 and not self.uniform:
                return Candidates(chosen)
            return Candidates(chosen, policy.gather(1, chosen), proposal.gather(1, chosen))
        actions = params.shape[1]
        count = min(self.count, actions)
        keyed = proposal + noise.gumbel("search.choices", (actions,))
        top = keyed.topk(min(count + 1, actions))
        chosen = top.indices[:, :count]
        # with the best key left out at `edge`, an action is in by the chance of a key above it
        edge = top.values[:, count:] if actions > count else keyed.new_tensor(-math.inf)
        inclusion = _log_above(proposal.gather(1, chosen) - edge)
        unused = None if invalid is None else invalid.gather(1, chosen)
        if unused is not None:
            inclusion = inclusion.masked_fill(unused, 0.0)
        return Candidates(chosen, policy.gather(1, chosen), inclusion, unused)


@dataclass(frozen=True, slots=True)
class UniformSampler:
    """Candidates spread evenly over choices and bounds, for a model without a policy head.

    Actions as in `HybridSampler`. Reads only the number of rows of its params; invalid
    [L, sum(nvec)].
    """

    count: int
    nvec: tuple[int, ...] = ()
    low: tuple[float, ...] = ()
    high: tuple[float, ...] = ()

    def __post_init__(self) -> None:
        _check(self.count, 0, 1.0)
        _check_bounds(self.low, self.high, "tanh", 0)

    def __call__(
        self, params: Tensor, noise: CounterNoise, invalid: Tensor | None = None
    ) -> Candidates:
        """Draw; see `Sampler`."""
        _check_mask(invalid, len(params), sum(self.nvec))
        parts = []
        if self.nvec:
            logits = params.new_zeros(len(params), sum(self.nvec))
            parts.append(_choices(self.nvec, logits, invalid, noise, self.count)[0])
        if self.low:
            low, high = params.new_tensor(self.low), params.new_tensor(self.high)
            unit = noise.uniform("search.uniform", (self.count, len(self.low)))
            parts.append(low + (high - low) * unit)
        return Candidates(_rows(parts))


def _joint(
    how: GaussianSampler | HybridSampler,
    nvec: tuple[int, ...],
    params: Tensor,
    noise: CounterNoise,
    invalid: Tensor | None,
) -> Candidates:
    """Draw choices and numbers, independent of each other; the last `uniform` rows evenly."""
    options, policy = sum(nvec), how.count - how.uniform
    own = how.temperature == 1.0 and not how.uniform
    parts: list[Tensor] = []
    # log densities of each candidate under the policy, what it was drawn by, and evenly
    logs: list[tuple[Tensor, Tensor, Tensor]] = []
    if nvec:
        chosen, densities = _choices(
            nvec, params[:, :options], invalid, noise, how.count, how.temperature, policy
        )
        parts.append(chosen)
        logs += densities
    if how.low:
        mean, log_std = params[:, None, options:].double().chunk(2, -1)
        wide = log_std + 0.5 * math.log(how.temperature)
        raw = mean + wide.exp() * noise.normal("search.numbers", (policy, mean.shape[-1]))
        numbers = _Numbers(mean.new_tensor(how.low), mean.new_tensor(how.high), how.squash)
        if how.uniform:
            unit = noise.uniform("search.uniform", (how.uniform, mean.shape[-1]))
            raw = torch.cat((raw, numbers.even(unit.double())), 1)
        parts.append(numbers.squashed(raw).float())
        if not own:
            logs.append(
                (
                    numbers.log_density(raw, mean, log_std),
                    numbers.log_density(raw, mean, wide),
                    numbers.log_even(raw) if how.uniform else torch.zeros_like(raw[..., 0]),
                )
            )
    actions = _rows(parts)
    if own:
        return Candidates(actions)
    log_policy, drawn, evenly = (_total(log) for log in zip(*logs, strict=True))
    log_proposal = _mix(drawn, evenly, how.uniform / how.count)
    return Candidates(actions, log_policy.float(), log_proposal.float())


def _choices(
    nvec: Sequence[int],
    logits: Tensor,
    invalid: Tensor | None,
    noise: CounterNoise,
    count: int,
    temperature: float = 1.0,
    policy: int | None = None,
) -> tuple[Tensor, list[tuple[Tensor, Tensor, Tensor]]]:
    """Draw `count` joint choices [L, count, M]: the first `policy` by logits, the rest evenly.

    Returns them, and for each of the M choices log probabilities [L, count] under the policy, the
    policy at that temperature, and evenly.
    """
    units = noise.uniform("search.choices", (count, len(nvec))).unbind(-1)
    masks = [None] * len(nvec) if invalid is None else invalid.split_with_sizes(list(nvec), -1)
    policy = count if policy is None else policy
    columns, logs = [], []
    for part, mask, unit in zip(logits.split_with_sizes(list(nvec), -1), masks, units, strict=True):
        table = (
            _log_softmax(part, mask),
            _log_softmax(part / temperature, mask),
            _log_softmax(torch.zeros_like(part), mask),
        )
        chosen = _pick(table[1], unit[:, :policy])
        if policy < count:
            chosen = torch.cat((chosen, _pick(table[2], unit[:, policy:])), 1)
        columns.append(chosen)
        own, warm, even = (log.gather(1, chosen) for log in table)
        logs.append((own, warm, even))
    return torch.stack(columns, -1), logs


@dataclass(frozen=True, slots=True)
class _Numbers:
    """Raw Gaussian draws as numbers in bounds. low, high: [D]."""

    low: Tensor
    high: Tensor
    squash: Squash

    def squashed(self, raw: Tensor) -> Tensor:
        """Return actions, [L, K, D]."""
        if self.squash == "clamp":
            return raw.clamp(self.low, self.high)
        half = (self.high - self.low) / 2
        # rounding must not lead out of the bounds
        return (self.low + half + half * raw.tanh()).clamp(self.low, self.high)

    def even(self, unit: Tensor) -> Tensor:
        """Return the raw draws whose actions lie at `unit` between the bounds."""
        if self.squash == "clamp":
            return self.low + (self.high - self.low) * unit
        return (2 * unit - 1).atanh()

    def log_density(self, raw: Tensor, mean: Tensor, log_std: Tensor) -> Tensor:
        """Return the log density of actions, [L, K]; at a bound that clamps, of probability."""
        inverse = (-log_std).exp()
        z = (raw - mean) * inverse
        inside = -0.5 * z.square() - log_std - _HALF_LOG_2PI
        if self.squash == "clamp":
            below = torch.special.log_ndtr((self.low - mean) * inverse)
            above = torch.special.log_ndtr((mean - self.high) * inverse)
            density = torch.where(raw <= self.low, below, inside)
            return _total(torch.where(raw >= self.high, above, density).unbind(-1))
        # the slope of half * tanh, log(half (1 - tanh^2)), stable for any raw
        slope = ((self.high - self.low) / 2).log() + 2 * (
            math.log(2.0) - raw - F.softplus(-2 * raw)
        )
        return _total((inside - slope).unbind(-1))

    def log_even(self, raw: Tensor) -> Tensor:
        """Return the log density of actions spread evenly, [L, K]; they meet no bound."""
        log = -(self.high - self.low).log().expand_as(raw)
        if self.squash == "clamp":
            log = log.masked_fill((raw <= self.low) | (raw >= self.high), -math.inf)
        return _total(log.unbind(-1))


def _pick(log_weights: Tensor, unit: Tensor) -> Tensor:
    """Draw with replacement: [L, n] int64 from log weights [L, A] by unit [L, n] in (0, 1)."""
    # in double precision no draw falls on an option of weight 0 or past the last
    ends = log_weights.double().exp().cumsum(-1)
    return torch.searchsorted(ends, (unit.double() * ends[:, -1:]).contiguous(), right=True)


def _log_softmax(logits: Tensor, invalid: Tensor | None) -> Tensor:
    if invalid is not None:
        logits = logits.masked_fill(invalid, -math.inf)
    return logits.log_softmax(-1)


def _log_above(x: Tensor) -> Tensor:
    """Return log(1 - exp(-exp(x))): that a Gumbel number of location x is above 0."""
    wide = x.double()
    return torch.where(x < -10, wide, (-torch.expm1(-wide.exp())).log()).float()


def _mix(log_a: Tensor, log_b: Tensor, share: float) -> Tensor:
    """Return the log of (1 - share) a + share b."""
    if share == 0.0:
        return log_a
    return torch.logaddexp(log_a + math.log1p(-share), log_b + math.log(share))


def _total(parts: Sequence[Tensor]) -> Tensor:
    """Add up tensors one after the other: torch's sum may take another order in another batch."""
    return reduce(torch.add, parts)


def _rows(parts: list[Tensor]) -> Tensor:
    """Put choices and numbers side by side, in float32 where there are numbers."""
    return parts[0] if len(parts) == 1 else torch.cat((parts[0].float(), parts[1]), -1)


def _check(count: int, uniform: int, temperature: float) -> None:
    if count < 1:
        raise ValueError(f"count: expected at least 1 candidate, got {count}")
    if not 0 <= uniform < count:
        raise ValueError(f"uniform: expected 0 to count - 1 = {count - 1}, got {uniform}")
    if not 0.0 < temperature < math.inf:
        raise ValueError(f"temperature: expected a positive number, got {temperature}")


def _check_bounds(
    low: tuple[float, ...], high: tuple[float, ...], squash: Squash, uniform: int
) -> None:
    if squash not in ("clamp", "tanh"):
        raise ValueError(f"squash: expected 'clamp' or 'tanh', got {squash!r}")
    if len(low) != len(high) or not all(a < b for a, b in zip(low, high, strict=True)):
        raise ValueError(f"high: expected one above each of low={low}, got {high}")
    if (squash == "tanh" or uniform) and not all(map(math.isfinite, (*low, *high))):
        raise ValueError(
            f"low, high: expected finite bounds to spread actions over, got {low} and {high}"
        )


def _check_params(params: Tensor, width: int) -> None:
    if params.dim() != 2 or params.shape[1] != width:
        raise ValueError(
            f"prior_logits: expected [L, {width}], the sampler's logits, means and log "
            f"deviations, got {list(params.shape)}"
        )


def _check_mask(invalid: Tensor | None, nodes: int, options: int) -> None:
    if invalid is not None and (invalid.shape != (nodes, options) or invalid.dtype != torch.bool):
        raise ValueError(
            f"invalid_actions: expected bool [{nodes}, {options}], one an option, got "
            f"{invalid.dtype} {list(invalid.shape)}"
        )
