"""Planners with the settings that their authors published, by name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from rollout.models.protocol import Box, Hybrid, ModelSpec, WorldModel
from rollout.planning.plan import Planner
from rollout.planning.trajectory import CEM, ICEM, MPPI, TDMPC
from rollout.planning.tree_search import TreeSearch


def _width(spec: ModelSpec) -> int:
    """Return how many numbers an action has."""
    return len(spec.action.low) if isinstance(spec.action, Box | Hybrid) else 0


def _tdmpc2(model: WorldModel[Any]) -> dict[str, Any]:
    # wide action spaces get two more iterations
    wide = _width(model.spec) >= 20
    return {
        "horizon": 3,
        "iterations": 8 if wide else 6,
        "population": 512,
        "elites": 64,
        "proposals": 24,
        "temperature": 2.0,  # theirs multiplies by 0.5
        "std": 2.0,
        "min_std": 0.05,
        "max_std": 2.0,
    }


def _pets(model: WorldModel[Any]) -> dict[str, Any]:
    settings: dict[str, Any] = {
        "horizon": 15,
        "iterations": 5,
        "population": 350,
        "elites": 35,
        "momentum": 0.1,
        "std": 0.5,  # a variance of (high - low)^2 / 16
        "discount": 1.0,
        "terminal_value": False,
    }
    if model.spec.members > 1:
        settings |= {"propagation": "ts1", "particles": 20}
    return settings


def _fixed(**settings: Any) -> Callable[[WorldModel[Any]], dict[str, Any]]:
    return lambda model: settings


_PRESETS: dict[
    str, tuple[Callable[..., Planner[Any]], Callable[[WorldModel[Any]], dict[str, Any]]]
] = {
    # tdmpc2/config.yaml; its discount follows an episode's length, see `tdmpc2_discount`
    "tdmpc2": (TDMPC, _tdmpc2),
    # mbrl-lib's examples/conf; 20 particles for an ensemble
    "pets": (CEM, _pets),
    # iCEM's README, with true dynamics; beta 0.25 is for fast motion, 2 to 3.5 for slow
    "icem": (
        ICEM,
        _fixed(
            horizon=30,
            population=100,
            elites=10,
            iterations=3,
            beta=2.0,
            decay=1.25,
            kept=0.3,
            momentum=0.1,
            std=0.5,
            discount=1.0,
        ),
    ),
    # pytorch_mppi/tests/pendulum.py: a variance of 10 where a torque is at most 2
    "mppi": (
        MPPI,
        _fixed(horizon=15, population=100, temperature=1.0, std=10**0.5 / 2, discount=1.0),
    ),
    # stable-worldmodel's CEM
    "swm-cem": (
        CEM,
        _fixed(population=300, iterations=30, elites=30, momentum=0.0, std=1.0, discount=1.0),
    ),
    # V-JEPA 2-AC's notebook
    "vjepa2-ac": (
        CEM,
        _fixed(
            population=100,
            elites=10,
            momentum=0.25,
            std_momentum=0.95,
            bounds=(-0.05, 0.05),
            discount=1.0,
        ),
    ),
    "mctx-muzero": (
        TreeSearch,
        _fixed(
            policy="muzero",
            pb_c_init=1.25,
            pb_c_base=19652.0,
            dirichlet_alpha=0.3,
            dirichlet_fraction=0.25,
            temperature=1.0,
        ),
    ),
    "mctx-gumbel": (
        TreeSearch,
        _fixed(policy="gumbel", max_num_considered_actions=16, gumbel_scale=1.0),
    ),
}

PRESETS = tuple(_PRESETS)


def make_planner(model: WorldModel[Any], preset: str, **settings: Any) -> Planner[Any]:
    """Return the planner of a preset for a model.

    preset: one of `PRESETS`. settings: arguments of the planner's class that replace the preset's.
    Raises ValueError for a name that is not there, and as the class does.
    """
    if preset not in _PRESETS:
        raise ValueError(f"preset: expected one of {', '.join(PRESETS)}, got {preset!r}")
    make, own = _PRESETS[preset]
    return make(model, **{**own(model), **settings})


def tdmpc2_discount(episode_steps: int) -> float:
    """Return TD-MPC2's discount for episodes of a length: its horizon is a fifth of one."""
    fifth = episode_steps / 5
    return min(max((fifth - 1) / fifth, 0.95), 0.995)
