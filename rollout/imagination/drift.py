"""How far a model can be trusted: its open-loop error against what really happened.

A model that is fed real observations never shows how its errors feed on themselves, so a training
loss hides them. Here a model imagines real action sequences from real starts, and each imagined
state is compared with the state that `observe` makes of the real observation.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from rollout.imagination.roll import imagine
from rollout.models.noise import CounterNoise
from rollout.models.protocol import Features, WorldModel


@dataclass(frozen=True, slots=True)
class DriftReport:
    """Errors by depth, and three ratios that need no unit.

    Errors are root mean squared distances between features, over rows; index h-1 is depth h.
    """

    open_loop: tuple[float, ...]  # imagined h steps from s_0
    one_step: tuple[float, ...]  # imagined 1 step from the real s_{h-1}
    shuffled: tuple[float, ...]  # open loop, under the actions of another row
    frozen: tuple[float, ...]  # predicting that nothing ever changes
    reward: tuple[float, ...] | None  # open loop, mean absolute error; None = no rewards were given

    @property
    def exposure_ratio(self) -> float:
        """Open-loop error over one-step error, at the horizon: 1 when errors do not compound."""
        return _ratio(self.open_loop[-1], self.one_step[-1])

    @property
    def shuffle_ratio(self) -> float:
        """Error under another row's actions over error under its own: 1 if actions are ignored."""
        return _ratio(self.shuffled[-1], self.open_loop[-1])

    @property
    def frozen_ratio(self) -> float:
        """Open-loop error over that of a world that stands still: below 1 the model knows more."""
        return _ratio(self.open_loop[-1], self.frozen[-1])

    def __str__(self) -> str:
        rows = [f"{'depth':>5} {'open loop':>10} {'one step':>10} {'shuffled':>10} {'frozen':>10}"]
        columns = zip(self.open_loop, self.one_step, self.shuffled, self.frozen, strict=True)
        for depth, numbers in enumerate(columns, 1):
            rows.append(f"{depth:>5} " + " ".join(f"{number:>10.4g}" for number in numbers))
        rows.append(
            f"exposure ratio {self.exposure_ratio:.3g} (1 is best), shuffle ratio "
            f"{self.shuffle_ratio:.3g} (more is better), frozen ratio {self.frozen_ratio:.3g} "
            "(less is better)"
        )
        return "\n".join(rows)


@torch.no_grad()
def drift(
    model: WorldModel[Any],
    obs: Tensor,
    actions: Tensor,
    rewards: Tensor | None = None,
    *,
    seed: int = 0,
) -> DriftReport:
    """Compare imagined with real segments.

    obs: [R, H+1, *spec.obs.shape], real observations of R segments, none across an episode's end.
    actions: [R, H, *spec.action.shape], those taken. rewards: [R, H] float, those received.
    R is at least 2, and the rows should come from different moments: the shuffle gives each row
    the actions of another. Cost: about 3 H steps and H+1 observations of R rows.
    """
    rows, horizon = actions.shape[:2]
    if rows < 2 or tuple(obs.shape[:2]) != (rows, horizon + 1):
        raise ValueError(
            f"obs: expected [R >= 2, H+1={horizon + 1}, ...] with actions {list(actions.shape)}, "
            f"got {list(obs.shape)}"
        )
    noise = CounterNoise(seed, rows, device=obs.device)
    first = torch.ones(rows, dtype=torch.bool, device=obs.device)
    state = model.begin(rows)
    real = []
    for time in range(horizon + 1):
        # the action before the first observation is ignored by contract
        previous = actions[:, max(time - 1, 0)]
        state = model.observe(state, obs[:, time], previous, first, noise.at(time))
        first = torch.zeros_like(first)
        real.append(state)
    truth = torch.stack([_features(model, state) for state in real], 1)

    def error(states: Tensor, target: Tensor) -> tuple[float, ...]:
        distance = (states - target).square().sum(-1)
        return tuple(distance.mean(0).sqrt().tolist())

    def opened(played: Tensor) -> tuple[Tensor, Tensor | None]:
        path = imagine(model, real[0], played, horizon, seed=seed)
        steps = [
            pytree.tree_map(lambda x, t=t: x[:, t], path.states) for t in range(1, horizon + 1)
        ]
        return torch.stack([_features(model, step) for step in steps], 1), path.trans.reward

    imagined, predicted = opened(actions)
    stepped = [model.step(real[t], actions[:, t], noise.at(t))[0] for t in range(horizon)]
    one_step = torch.stack([_features(model, step) for step in stepped], 1)
    reward = None
    if rewards is not None and predicted is not None:
        reward = tuple((predicted - rewards).abs().mean(0).tolist())
    return DriftReport(
        open_loop=error(imagined, truth[:, 1:]),
        one_step=error(one_step, truth[:, 1:]),
        shuffled=error(opened(actions.roll(1, 0))[0], truth[:, 1:]),
        frozen=error(truth[:, :1], truth[:, 1:]),
        reward=reward,
    )


def _ratio(over: float, under: float) -> float:
    """Return a quotient in which equal errors, even two zeros, give 1."""
    if over == under:
        return 1.0
    return over / under if under > 0 else float("inf")


def _features(model: WorldModel[Any], state: Any) -> Tensor:
    """Return what a state looks like, [R, D] float32: its features, or else all of its leaves."""
    if isinstance(model, Features):
        return model.features(state)
    leaves = pytree.tree_leaves(state)
    return torch.cat([leaf.reshape(leaf.shape[0], -1).float() for leaf in leaves], 1)
