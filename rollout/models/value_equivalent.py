"""A value-equivalent world model: a deterministic latent trained so that its heads come out right.

An encoder turns an observation into a latent; a dynamics network turns (latent, action) into the
next latent, the reward, the continuation and the probability of each event; a prediction network
turns a latent into a policy, a value and the discounted count of each event to come. Anything the
action does not decide, such as what a partner does, is predicted in expectation.

State: one float32 tensor [R, latent]. Not safe to train from two threads; inference is.
Cost: `recurrent` is about 25 torch kernels; see benches/test_imagine.py.
Sources: Schrittwieser et al. 2020 (MuZero: unroll, gradient scale); Ye et al. 2021 (EfficientZero:
latent consistency); Hansen et al. 2024 (TD-MPC2: SimNorm, consistency against a stopped encoder).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Any, Literal

import torch
from pydantic import BaseModel, ConfigDict, Field, model_validator
from torch import Tensor, nn
from torch.nn import functional as F

from rollout.models import protocol
from rollout.models.protocol import (
    Discrete,
    ModelSpec,
    Noise,
    ObsSpec,
    Path,
    Transition,
)
from rollout.models.scalar import ScalarHead, Support
from rollout.recurrent import RecurrentOutput

_GRADIENT_SCALE = 0.5  # of the latent that enters the dynamics, at each unrolled step (MuZero)
# what the heads say before any training: events and ends are rare
_CONT_BIAS, _EVENT_BIAS, _EVENT_VALUE_BIAS = 4.0, -4.0, -3.0
_TINY = 1e-6


class LossWeights(BaseModel):
    """The weight of each term of `ValueEquivalent.loss`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    reward: float = 1.0
    cont: float = 1.0
    policy: float = 1.0
    value: float = 0.25
    events: float = 1.0
    event_value: float = 0.25
    consistency: float = 2.0


class ValueEquivalentConfig(BaseModel):
    """Everything that fixes the shape of a `ValueEquivalent`; saved with it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    obs_shape: tuple[int, ...]
    obs_dtype: Literal["float32", "float64", "uint8", "int64", "bool"] = "float32"
    obs_scale: float | tuple[float, ...] = 1.0  # multiplies obs; a tuple spans its last axis
    num_actions: int = Field(ge=1, le=65536)
    events: tuple[str, ...] = ()
    event_rows: int = Field(default=1, ge=1, le=256)
    latent: int = Field(default=128, ge=1, le=8192)
    simnorm: int = Field(default=8, ge=2, le=1024)  # entries that share one softmax
    hidden: int = Field(default=256, ge=1, le=8192)
    encoder_layers: int = Field(default=2, ge=1, le=16)
    dynamics_layers: int = Field(default=2, ge=1, le=16)
    prediction_layers: int = Field(default=1, ge=1, le=16)
    activation: Literal["silu", "mish", "relu"] = "silu"
    reward: Support | None = Support()  # None: a plain number and squared error
    value: Support | None = Support()
    loss: LossWeights = LossWeights()

    @model_validator(mode="after")
    def _fits(self) -> ValueEquivalentConfig:
        if not self.obs_shape or min(self.obs_shape) < 1:
            raise ValueError(f"obs_shape: expected positive axes, got {self.obs_shape}")
        if math.prod(self.obs_shape) > 1 << 20:
            raise ValueError(f"obs_shape: expected at most 2**20 numbers, got {self.obs_shape}")
        if self.latent % self.simnorm:
            raise ValueError(
                f"latent: expected a multiple of simnorm={self.simnorm}, got {self.latent}"
            )
        if isinstance(self.obs_scale, tuple) and len(self.obs_scale) != self.obs_shape[-1]:
            raise ValueError(
                f"obs_scale: expected a number or {self.obs_shape[-1]} of them (the last axis of "
                f"obs_shape), got {len(self.obs_scale)}"
            )
        if len(set(self.events)) != len(self.events):
            raise ValueError(f"events: expected distinct names, got {self.events}")
        return self


@dataclass(frozen=True, slots=True)
class TrainBatch:
    """R segments of K steps: o_0 a_0 r_1 o_1 ... a_{K-1} r_K o_K.

    Step t of a segment is (o_t, a_t, r_{t+1}, ...) and counts when mask[:, t] is 1: its policy and
    values are then trained, and for t < K its reward, continuation and events too. The latent
    after it is matched with o_{t+1} when mask[:, t+1] is also 1. Past the end of an episode set
    mask to 0 and anything finite elsewhere. A row of `policy` that is all zeros trains no policy.
    """

    obs: Tensor  # [R, K+1, *obs_shape], the model's obs dtype
    action: Tensor  # [R, K] int64
    reward: Tensor  # [R, K] float32
    cont: Tensor  # [R, K] float32: 0 where the step ended the episode (not where it was cut)
    events: Tensor | None  # [R, K, *event_shape], any dtype, in [0, 1]
    policy: Tensor  # [R, K+1, A] float32, the policy target
    value: Tensor  # [R, K+1] float32
    event_value: Tensor | None  # [R, K+1, *event_shape] float32, >= 0
    mask: Tensor  # [R, K+1] float32 or bool
    weight: Tensor | None = None  # [R] float32, multiplies a row's loss; None = 1

    def to(self, device: torch.device | str) -> TrainBatch:
        """Return the batch on another device."""
        moved: dict[str, Any] = {}
        for field in fields(self):
            tensor = getattr(self, field.name)
            moved[field.name] = None if tensor is None else tensor.to(device)
        return TrainBatch(**moved)


class _Linear(nn.Module):
    """A linear map whose weights are set by its owner, from the owner's seed."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight, self.bias)


class _Heads(_Linear):
    """Linear maps of one input, side by side in one matrix: neighbours are one product."""

    def __init__(self, inputs: int, sizes: tuple[int, ...]) -> None:
        super().__init__(inputs, sum(sizes))
        self.sizes = sizes

    def rows(self, first: int, last: int) -> slice:
        """Return where heads first..last-1 lie."""
        return slice(sum(self.sizes[:first]), sum(self.sizes[:last]))

    def some(self, x: Tensor, first: int, last: int) -> tuple[Tensor, ...]:
        """Return the columns of heads first..last-1, [..., size] each. x: [..., inputs]."""
        rows = self.rows(first, last)
        columns = F.linear(x, self.weight[rows], self.bias[rows])
        return columns.split_with_sizes(self.sizes[first:last], -1)


class _Layer(nn.Module):
    """Linear, layer norm, activation."""

    def __init__(self, inputs: int, outputs: int, activation: str, *, bias: bool = True) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(outputs, inputs))
        self.bias = nn.Parameter(torch.zeros(outputs)) if bias else None
        self.gain = nn.Parameter(torch.ones(outputs))
        self.shift = nn.Parameter(torch.zeros(outputs))
        self.width = (outputs,)
        self.activation = getattr(F, activation)

    def forward(self, x: Tensor, add: Tensor | None = None) -> Tensor:
        """x: [R, inputs]. add: [R, outputs] in place of the bias."""
        x = F.linear(x, self.weight, self.bias) if add is None else add.addmm(x, self.weight.t())
        return self.activation(F.layer_norm(x, self.width, self.gain, self.shift))  # type: ignore[no-any-return]


def _stack(inputs: int, hidden: int, layers: int, activation: str) -> nn.Sequential:
    """Return `layers` layers, the first from `inputs`."""
    sizes = [inputs] + [hidden] * (layers - 1)
    return nn.Sequential(*(_Layer(size, hidden, activation) for size in sizes))


class ValueEquivalent(nn.Module):
    """A MuZero-style world model with event heads, for vector and grid observations.

    config: its shape. seed: of the first weights; the global random state is not touched.
    Capabilities: Rolls, Prior, Value, EventValue, Fused, Features, Trains.
    """

    kind = "value_equivalent"

    def __init__(self, config: ValueEquivalentConfig, *, seed: int = 0) -> None:
        super().__init__()
        self.config = config
        inputs, hidden, latent = math.prod(config.obs_shape), config.hidden, config.latent
        act = config.activation
        counts = config.event_rows * len(config.events)
        self.reward_head = ScalarHead(config.reward)
        self.value_head = ScalarHead(config.value)
        scale = None if config.obs_scale == 1.0 else torch.tensor(config.obs_scale)
        self.scale: Tensor | None
        self.register_buffer("scale", scale, persistent=False)

        self.encoder = _stack(inputs, hidden, config.encoder_layers, act)
        self.encoder_out = _Linear(hidden, latent)
        # the first layer of (latent, one-hot action) is a product plus a row of this table
        self.action_in = nn.Parameter(torch.empty(config.num_actions, hidden))
        self.dynamics_in = _Layer(latent, hidden, act, bias=False)
        self.dynamics = _stack(hidden, hidden, config.dynamics_layers - 1, act)
        # latent, cont, reward, events: a search reads the reward or the events, not both
        self.dynamics_out = _Heads(hidden, (latent, 1, self.reward_head.size, counts))
        self.prediction = _stack(latent, hidden, config.prediction_layers, act)
        # policy, value, event value: likewise
        self.prediction_out = _Heads(hidden, (config.num_actions, self.value_head.size, counts))
        self._initialise(torch.Generator().manual_seed(seed))

    @torch.no_grad()
    def _initialise(self, generator: torch.Generator) -> None:
        """Fan-in scaled normal weights; heads at zero so that the first targets are not noise."""
        for name, weight in self.named_parameters():
            if weight.dim() == 2:
                fan_in = self.config.latent if name == "action_in" else weight.shape[1]
                weight.normal_(0.0, fan_in**-0.5, generator=generator)
            elif not name.endswith("gain"):
                weight.zero_()
        step, prediction = self.dynamics_out, self.prediction_out
        step.weight[step.rows(1, 4)] = 0.0
        step.bias[step.rows(1, 2)] = _CONT_BIAS
        step.bias[step.rows(3, 4)] = _EVENT_BIAS
        prediction.weight.zero_()
        prediction.bias[prediction.rows(2, 3)] = _EVENT_VALUE_BIAS

    @property
    def spec(self) -> ModelSpec:
        """What the model takes and gives."""
        config = self.config
        return ModelSpec(
            obs=ObsSpec(config.obs_shape, getattr(torch, config.obs_dtype)),
            action=Discrete(config.num_actions),
            device=self.action_in.device,
            row_bytes=4 * config.latent,
            stochastic=False,
            events=config.events,
            event_rows=config.event_rows,
        )

    # --- the four verbs ---

    def begin(self, rows: int) -> Tensor:
        """Return [rows, latent] zeros: no latent that the encoder can give."""
        return self.action_in.new_zeros(rows, self.config.latent)

    def observe(
        self,
        state: Tensor,
        obs: Tensor,
        prev_action: Tensor | None = None,
        first: Tensor | None = None,
        noise: Noise | None = None,
    ) -> Tensor:
        """Encode obs [R, *obs_shape]; the old state and the previous action are not used.

        Raises ValueError for a wrong shape or dtype of obs.
        """
        self.spec.obs.check(obs, state.shape[0])
        return self._encode(obs)

    def step(
        self, state: Tensor, action: Tensor, noise: Noise | None = None
    ) -> tuple[Tensor, Transition]:
        """Imagine one step. state: [R, latent]. action: [R] int64 in [0, num_actions).

        Raises ValueError for a wrong shape or dtype of the action, and on a CPU for its range.
        """
        self._check_action(action, (state.shape[0],))
        trunk = self._dynamics(state, self._embed(action))
        latent, cont, reward, events = self.dynamics_out.some(trunk, 0, 4)
        return self._simnorm(latent), self._transition(cont, reward, events)

    def take(self, state: Tensor, rows: Tensor) -> Tensor:
        """Return copies of some rows. rows: [M] int64."""
        return state.index_select(0, rows)

    # --- capabilities ---

    def roll(self, state: Tensor, actions: Tensor, noise: Noise | None = None) -> Path[Tensor]:
        """Imagine H steps; the heads of all of them are one product. actions: [R, H] int64."""
        if actions.dim() != 2 or actions.shape[1] == 0:
            raise ValueError(f"actions: expected [R, H >= 1] int64, got {list(actions.shape)}")
        self._check_action(actions, (state.shape[0], actions.shape[1]))
        latents, trunks = self._unroll(state, self._embed(actions))
        return Path(latents, self._transition(*self._step_heads(trunks)), actions)

    def policy(self, state: Tensor) -> Tensor:
        """Return policy logits, [R, A] float32."""
        return self.prediction_out.some(self.prediction(state), 0, 1)[0]

    def value(self, state: Tensor) -> Tensor:
        """Return the discounted return to come, [R] float32."""
        return self.value_head.decode(self.prediction_out.some(self.prediction(state), 1, 2)[0])

    def event_value(self, state: Tensor) -> Tensor:
        """Return the discounted count of each event to come, [R, *event_shape] float32, >= 0."""
        (event_value,) = self.prediction_out.some(self.prediction(state), 2, 3)
        return self._events_like(F.softplus(event_value))

    def features(self, state: Tensor) -> Tensor:
        """Return the latent itself, [R, latent]."""
        return state

    def recurrent(
        self, state: Tensor, action: Tensor, goal_weights: Tensor | None = None
    ) -> tuple[Tensor, RecurrentOutput]:
        """Step, policy and value in one call; see `protocol.Fused`. Inputs are not checked.

        goal_weights: None, [*event_shape], or [R, *event_shape] float32.
        """
        trunk = self._dynamics(state, self.action_in.index_select(0, action))
        if goal_weights is None:
            latent, cont, reward = self.dynamics_out.some(trunk, 0, 3)
            after = self._simnorm(latent)
            logits, value = self.prediction_out.some(self.prediction(after), 0, 2)
            return after, RecurrentOutput(
                self.reward_head.decode(reward),
                cont.sigmoid().squeeze(1),
                logits,
                self.value_head.decode(value),
            )
        latent, cont = self.dynamics_out.some(trunk, 0, 2)
        (events,) = self.dynamics_out.some(trunk, 3, 4)
        after = self._simnorm(latent)
        read = self.prediction(after)
        (logits,) = self.prediction_out.some(read, 0, 1)
        (event_value,) = self.prediction_out.some(read, 2, 3)
        counts, to_come = events.sigmoid(), F.softplus(event_value)
        if goal_weights.dim() == (1 if self.config.event_rows == 1 else 2):
            weights = goal_weights.reshape(-1)
            reward, value = counts @ weights, to_come @ weights
        else:
            weights = goal_weights.flatten(1)
            reward, value = (counts * weights).sum(1), (to_come * weights).sum(1)
        return after, RecurrentOutput(reward, cont.sigmoid().squeeze(1), logits, value)

    # --- training ---

    def loss(
        self, batch: TrainBatch, noise: Noise | None = None
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """Unroll K steps from o_0 and compare every head with its target.

        Returns the scalar to minimise and its terms before weighting (detached, under the names of
        `LossWeights`). Terms of a step are averaged over the steps of a segment, so K does not
        change their scale. The latent after each step is pulled to the encoding of the real
        observation, which is not trained by it. Raises ValueError naming a field of a wrong shape.
        """
        self._check_batch(batch)
        rows, steps = batch.action.shape
        latent = self.config.latent
        mask = batch.mask.float()
        with torch.no_grad():
            real = self._encode(batch.obs[:, 1:].flatten(0, 1)).view(rows, steps, latent)
        latents, trunks = self._unroll(
            self._encode(batch.obs[:, 0]), self._embed(batch.action), _GRADIENT_SCALE
        )
        cont, reward, events = self._step_heads(trunks)
        logits, value, event_value = self.prediction_out.some(self.prediction(latents), 0, 3)

        here, both = mask[:, :-1], mask[:, :-1] * mask[:, 1:]
        terms = {
            "reward": (self.reward_head.loss(reward, batch.reward) * here).mean(1),
            "cont": (
                F.binary_cross_entropy_with_logits(cont.squeeze(-1), batch.cont, reduction="none")
                * here
            ).mean(1),
            "policy": -((batch.policy * logits.log_softmax(-1)).sum(-1) * mask).mean(1),
            "value": (self.value_head.loss(value, batch.value) * mask).mean(1),
            # sums over a group of a SimNorm latent are 1, so this is a mean over groups
            "consistency": ((latents[:, 1:] - real).square().sum(-1) * both).mean(1)
            * (self.config.simnorm / latent),
        }
        if batch.events is not None:
            target = batch.events.flatten(2).float()
            each = F.binary_cross_entropy_with_logits(events, target, reduction="none")
            terms["events"] = (each.sum(-1) * here).mean(1)
        if batch.event_value is not None:
            each = _count_deviance(F.softplus(event_value), batch.event_value.flatten(2))
            terms["event_value"] = (each.sum(-1) * mask).mean(1)

        weights = self.config.loss.model_dump()
        total = sum((weights[name] * term for name, term in terms.items()), mask.new_zeros(rows))
        if batch.weight is not None:
            total = total * batch.weight
        return total.mean(), {name: term.detach().mean() for name, term in terms.items()}

    # --- parts ---

    def _encode(self, obs: Tensor) -> Tensor:
        """[R, *obs_shape] -> [R, latent]."""
        x = obs.float()
        if self.scale is not None:
            x = x * self.scale
        return self._simnorm(self.encoder_out(self.encoder(x.flatten(1))))

    def _embed(self, action: Tensor) -> Tensor:
        """[...] int64 -> [..., hidden]."""
        try:
            return F.embedding(action, self.action_in)
        except IndexError:
            protocol.check_actions(self.spec.action, action, action.shape, "action")
            raise

    def _dynamics(self, state: Tensor, action: Tensor) -> Tensor:
        """[R, latent], [R, hidden] -> what every head of the step reads, [R, hidden]."""
        return self.dynamics(self.dynamics_in(state, action))  # type: ignore[no-any-return]

    def _step_heads(self, trunk: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Return the columns of continuation, reward and events of steps, [..., hidden]."""
        cont, reward, events = self.dynamics_out.some(trunk, 1, 4)
        return cont, reward, events

    def _simnorm(self, x: Tensor) -> Tensor:
        """Softmax within groups of `simnorm` entries.

        Entries of a group lie `latent / simnorm` apart: a softmax over the middle axis runs in
        whole vectors; one over a short last axis was 17 times slower on a CPU at [64, 128].
        """
        return x.view(*x.shape[:-1], self.config.simnorm, -1).softmax(-2).flatten(-2)

    def _transition(self, cont: Tensor, reward: Tensor, events: Tensor) -> Transition:
        """Decode the head columns of steps."""
        return Transition(
            reward=self.reward_head.decode(reward),
            cont=cont.sigmoid().squeeze(-1),
            events=self._events_like(events.sigmoid()) if self.config.events else None,
        )

    def _unroll(
        self, state: Tensor, actions: Tensor, gradient_scale: float = 1.0
    ) -> tuple[Tensor, Tensor]:
        """Imagine H steps. actions: embedded, [R, H, hidden].

        Returns the latents [R, H+1, latent] and what the heads of each step read, [R, H, hidden].
        """
        latents, trunks = [state], []
        for action in actions.unbind(1):
            if gradient_scale != 1.0:
                state = state.detach().lerp(state, gradient_scale)
            trunks.append(self._dynamics(state, action))
            state = self._simnorm(self.dynamics_out.some(trunks[-1], 0, 1)[0])
            latents.append(state)
        return torch.stack(latents, 1), torch.stack(trunks, 1)

    def _events_like(self, flat: Tensor) -> Tensor:
        """[..., event_rows * E] -> [..., *event_shape]."""
        return flat.reshape(*flat.shape[:-1], *self.spec.event_shape)

    def _check_action(self, action: Tensor, shape: tuple[int, ...]) -> None:
        """Check shape and dtype, which costs no wait for the device."""
        if tuple(action.shape) != shape or action.dtype != torch.int64:
            raise ValueError(
                f"action: expected {list(shape)} int64, got {list(action.shape)} {action.dtype}; "
                "one action a row, as numbers in [0, num_actions)"
            )

    def _check_batch(self, batch: TrainBatch) -> None:
        """Raise ValueError naming the first field whose shape or dtype is wrong."""
        if batch.action.dim() != 2 or batch.action.shape[1] == 0:
            raise ValueError(
                f"batch.action: expected [R, K >= 1] int64, got {list(batch.action.shape)}"
            )
        rows, steps = batch.action.shape
        self._check_action(batch.action, (rows, steps))
        ObsSpec((steps + 1, *self.config.obs_shape), self.spec.obs.dtype).check(
            batch.obs, rows, "batch.obs"
        )
        events = self.spec.event_shape
        wanted = {
            "reward": (rows, steps),
            "cont": (rows, steps),
            "events": (rows, steps, *events),
            "policy": (rows, steps + 1, self.config.num_actions),
            "value": (rows, steps + 1),
            "event_value": (rows, steps + 1, *events),
            "mask": (rows, steps + 1),
            "weight": (rows,),
        }
        for name, shape in wanted.items():
            got = getattr(batch, name)
            if got is not None and tuple(got.shape) != shape:
                raise ValueError(
                    f"batch.{name}: expected {list(shape)} (R, K from batch.action), "
                    f"got {list(got.shape)}; see rollout.models.TrainBatch"
                )


def _count_deviance(rate: Tensor, target: Tensor) -> Tensor:
    """Return half the Poisson deviance of a predicted mean count, elementwise; 0 where they agree.

    Its minimum is the mean of the targets, like squared error's, but its gradient with respect to a
    softplus is at most about 1 for counts of any size, so frequent events do not drown rare ones.
    """
    rate = rate + _TINY
    # not xlogy(target, target / rate): its gradient is 0 / 0 where the target is 0
    return rate - target + torch.xlogy(target, target) - target * rate.log()
