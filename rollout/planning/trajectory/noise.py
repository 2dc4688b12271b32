"""How the noise of a candidate runs over its horizon.

Every kind is linear in white noise, x = basis @ z, so the native sampler needs a matrix and nothing
else: no Fourier transform runs while planning.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

Basis = NDArray[np.float32] | None  # [H, M]; None is white: a number of its own for every step


class NoiseShape(Protocol):
    """A kind of noise over time."""

    def basis(self, horizon: int) -> Basis:
        """Return what makes M white numbers into H, [H, M] float32; None for white noise."""


@dataclass(frozen=True, slots=True)
class White:
    """Every step on its own."""

    def basis(self, horizon: int) -> Basis:
        """Return None."""
        return None


@dataclass(frozen=True, slots=True)
class Coloured:
    """Power that falls with frequency f as 1 / f**beta: 0 is white, 2 is a random walk's.

    Its covariance is that of `colorednoise.powerlaw_psd_gaussian`, which iCEM uses.
    Source: Timmer and Koenig 1995; Pinneri et al. 2020 (iCEM).
    """

    beta: float

    def basis(self, horizon: int) -> Basis:
        """Return the inverse Fourier transform of each scaled frequency, [H, H]."""
        if self.beta == 0 or horizon == 1:
            return None
        return _coloured(self.beta, horizon)


@dataclass(frozen=True, slots=True)
class Spline:
    """White noise at `knots` moments of the horizon, and a smooth line through them.

    degree: 0 holds, 1 is straight, 3 is a natural cubic. Every step has the deviation asked for.
    """

    knots: int
    degree: int = 3

    def __post_init__(self) -> None:
        if self.knots < 1 or self.degree not in (0, 1, 3):
            raise ValueError(
                f"noise: expected at least one knot and degree 0, 1 or 3, got {self.knots} knots "
                f"and degree {self.degree}"
            )

    def basis(self, horizon: int) -> Basis:
        """Return the line through each knot, [H, knots]."""
        if self.knots >= horizon:
            return None
        return _spline(self.knots, self.degree, horizon)


@dataclass(frozen=True, slots=True)
class Rate:
    """Noise on the change from one step to the next, summed up: smooth MPPI's.

    The deviation asked for is that of one step's change. Source: Kim et al. 2022.
    """

    def basis(self, horizon: int) -> Basis:
        """Return the running sum, [H, H]."""
        return np.tri(horizon, dtype=np.float32)


@lru_cache(maxsize=32)
def _coloured(beta: float, horizon: int) -> NDArray[np.float32]:
    frequency = np.fft.rfftfreq(horizon)
    frequency[0] = frequency[1]
    scale = frequency ** (-beta / 2.0)
    counted = scale[1:].copy()
    counted[-1] *= (1 + horizon % 2) / 2.0
    sigma = 2.0 * np.sqrt((counted**2).sum()) / horizon
    # a real part for every frequency; those of 0 and of the highest have no imaginary part
    real = np.diag(scale).astype(np.complex128)
    real[0, 0] *= np.sqrt(2.0)
    inner = slice(1, len(scale) - (horizon % 2 == 0))
    if horizon % 2 == 0:
        real[-1, -1] *= np.sqrt(2.0)
    spectra = np.concatenate((real, 1j * np.diag(scale)[inner]))
    return np.ascontiguousarray(np.fft.irfft(spectra, horizon).T / sigma, np.float32)


@lru_cache(maxsize=32)
def _spline(knots: int, degree: int, horizon: int) -> NDArray[np.float32]:
    at = np.linspace(0.0, knots - 1.0, horizon)
    left = np.minimum(at.astype(int), max(knots - 2, 0))
    part = (at - left)[:, None]
    identity = np.eye(knots)
    if degree == 0 or knots == 1:
        lines = identity[np.round(at).astype(int)]
    else:
        lines = (1 - part) * identity[left] + part * identity[left + 1]
    if degree == 3 and knots > 2:
        # second derivatives of the natural cubic through unit knots at unit distance
        inside = np.arange(1, knots - 1)
        system, right = np.eye(knots), np.zeros((knots, knots))
        for k in inside:
            system[k, k - 1 : k + 2] = 1.0, 4.0, 1.0
            right[k, k - 1 : k + 2] = 6.0, -12.0, 6.0
        bend = np.linalg.solve(system, right)
        lines += ((1 - part) ** 3 - (1 - part)) / 6 * bend[left]
        lines += (part**3 - part) / 6 * bend[left + 1]
    lines /= np.linalg.norm(lines, axis=1, keepdims=True)
    return np.ascontiguousarray(lines, np.float32)
