"""The learning half of a run: windows of experience become targets, and targets an update.

The targets of a window's states 0..K:
  policy       what a search chose there: when it played, or now (reanalysis)
  value        n-step discounted reward, and the bootstrap's value at its end
  event_value  n-step discounted event counts, and the target network's event_value at their end
The target network trails the model and is what all bootstraps and reanalyses read.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rollout.data import Replay, Segments
from rollout.learn.config import TrainConfig
from rollout.learn.players import first_state
from rollout.learn.streams import stream, stream_seed
from rollout.models import TrainBatch, ValueEquivalent


class Learner:
    """Owns the target network and the optimizer; updates the model it was given in place."""

    def __init__(
        self,
        model: ValueEquivalent,
        target: ValueEquivalent,
        search: Any,
        replay: Replay,
        config: TrainConfig,
    ) -> None:
        """Begin with a target network equal to the model.

        target: a second model of the same sizes; its weights are overwritten.
        search: a planner over `target`, for reanalysis.
        """
        self.model, self.target, self.search = model, target, search
        self.replay, self.config = replay, config
        self.updates = 0
        target.load_state_dict(model.state_dict())
        target.requires_grad_(False)
        self.optimizer = torch.optim.AdamW(
            model.parameters(),
            lr=config.learning_rate,
            weight_decay=config.weight_decay,
            fused=True,
        )

    def update(self, progress: float) -> dict[str, float]:
        """Make one update; return its losses by name.

        progress: how much of the run is done, in [0, 1]; decides the step size.
        """
        config = self.config
        rng = stream(config.seed, "batch", self.updates)
        segments = self.replay.sample(config.batch, config.unroll, config.horizon, rng)
        batch = self.targets(segments)
        loss, parts = self.model.loss(batch)
        self.optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        norm = torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = self._learning_rate(progress)
        self.optimizer.step()
        with torch.no_grad():
            torch._foreach_lerp_(
                list(self.target.parameters()), list(self.model.parameters()), config.target_rate
            )
        self.updates += 1
        return {
            "loss": loss.item(),
            **{name: float(part) for name, part in parts.items()},
            "gradient": float(norm),
        }

    def targets(self, segments: Segments) -> TrainBatch:
        """Turn windows into what the model is compared with."""
        config, model = self.config, self.model
        policy = segments.policy
        if self.updates >= config.reanalyse_after:
            fresh = round(config.reanalyse * config.batch)
            if fresh:
                policy[:fresh] = self._reanalyse(segments, fresh)
        where, weight = segments.bootstrap(config.discount)
        rows = np.broadcast_to(segments.rows[:, None], where.shape)
        value = segments.returns(config.discount)
        event_value = None
        if config.bootstrap == "search":
            value += weight * self.replay.values(rows, where)
        if config.bootstrap == "target" or model.config.events:
            with torch.inference_mode():
                tails = self._states(self.replay.observations(rows, where))
                if config.bootstrap == "target":
                    value += weight * self.target.value(tails).numpy().reshape(weight.shape)
                if model.config.events:
                    tail = self.target.event_value(tails).numpy()
                    event_value = segments.event_returns(config.discount)
                    tail = tail.reshape(event_value.shape)
                    event_value += tail * weight.reshape(*weight.shape, *(1,) * (tail.ndim - 2))
        # a final observation that was only cut off has no step to learn from, unless it comes last
        mask = np.concatenate([segments.step_mask, segments.state_mask[:, -1:]], axis=1)
        return TrainBatch(
            obs=torch.from_numpy(segments.obs),
            action=torch.from_numpy(segments.action),
            reward=torch.from_numpy(segments.reward[:, : config.unroll]),
            cont=torch.from_numpy(segments.cont),
            events=torch.from_numpy(segments.events[:, : config.unroll])
            if model.config.events
            else None,
            policy=torch.from_numpy(policy),
            value=torch.from_numpy(value),
            event_value=None if event_value is None else torch.from_numpy(event_value),
            mask=torch.from_numpy(mask),
        )

    def _reanalyse(self, segments: Segments, fresh: int) -> NDArray[np.float32]:
        """Search again from the states of the first `fresh` windows, and store what it finds.

        Returns policies [fresh, K+1, A]; those of states that do not count stay as they were.
        """
        policy = segments.policy[:fresh]
        counts = segments.state_mask[:fresh]
        window, k = np.nonzero(counts)
        with torch.inference_mode():
            plan = self.search.plan(
                first_state(self.target, segments.obs[window, k]),
                seed=stream_seed(self.config.seed, "reanalyse", self.updates),
            )
        policy[window, k] = plan.action_weights.numpy()
        self.replay.refresh(
            segments.rows[window],
            segments.start[window] + k,
            plan.action_weights.numpy(),
            plan.value.numpy(),
        )
        return policy

    def _states(self, obs: NDArray[Any]) -> torch.Tensor:
        """[B, K+1, ...] observations to the target network's states, the two axes joined."""
        state: torch.Tensor = first_state(self.target, obs.reshape(-1, *obs.shape[2:]))
        return state

    def _learning_rate(self, progress: float) -> float:
        config = self.config
        rate = config.learning_rate
        if config.learning_rate_end is not None:
            fall = 0.5 * (1 + np.cos(np.pi * progress))
            rate = config.learning_rate_end + (rate - config.learning_rate_end) * fall
        return float(rate * min(1.0, (self.updates + 1) / max(1, config.learning_warmup)))

    def state(self) -> dict[str, NDArray[Any]]:
        """Return the weights of both networks and the optimizer's moments, by name."""
        arrays = {}
        for name, parameter in self.model.named_parameters():
            moments = self.optimizer.state[parameter] if self.updates else {}
            for moment, tensor in moments.items():
                arrays[f"adam.{moment}.{name}"] = tensor.numpy().reshape(-1).copy()
        for prefix, network in (("model", self.model), ("target", self.target)):
            for name, tensor in network.state_dict().items():
                arrays[f"{prefix}.{name}"] = tensor.numpy().copy()
        return arrays

    def load_state(self, arrays: Mapping[str, NDArray[Any]], updates: int) -> None:
        """Take back what `state` returned, after so many updates."""
        for prefix, network in (("model", self.model), ("target", self.target)):
            network.load_state_dict(
                {
                    name: torch.from_numpy(arrays[f"{prefix}.{name}"])
                    for name in network.state_dict()
                }
            )
        self.updates = updates
        if not updates:
            return
        for name, parameter in self.model.named_parameters():
            moments = {
                moment: torch.from_numpy(arrays[f"adam.{moment}.{name}"].copy())
                for moment in ("step", "exp_avg", "exp_avg_sq")
            }
            self.optimizer.state[parameter] = {
                "step": moments["step"].reshape(()),
                "exp_avg": moments["exp_avg"].view_as(parameter),
                "exp_avg_sq": moments["exp_avg_sq"].view_as(parameter),
            }
