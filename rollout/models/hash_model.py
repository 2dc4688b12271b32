"""A world with no network: the state is a random key, folded with everything that happens to it.

Every history has its own key, so any tree of any depth has one exact answer that a few lines of
integer arithmetic repeat (mctx tests its search this way). Heads are multiples of 2**-24, so
float32 holds them exactly. Use it to test planners, and to time them beside a cheap model.

State: int64 [R]. Immutable; safe to share between threads.
"""

from __future__ import annotations

import math

import torch
from torch import Tensor

from rollout.models import protocol
from rollout.models.protocol import (
    Discrete,
    ModelSpec,
    Noise,
    ObsSpec,
    Transition,
)
from rollout.recurrent import RecurrentOutput

# the finaliser of splitmix64 (Steele, Lea, Flood 2014), as two's complement
_GAMMA = 0x9E3779B97F4A7C15 - 2**64
_MIX_0 = 0xBF58476D1CE4E5B9 - 2**64
_MIX_1 = 0x94D049BB133111EB - 2**64
_TO_SIGNED_UNIT = 2.0**-23
# a head reads the key through its own door
_REWARD, _CONT, _VALUE, _POLICY, _EVENTS, _EVENT_VALUE = range(1, 7)


def fold(key: Tensor, data: Tensor | int) -> Tensor:
    """Return a new int64 key made of a key and an int64 number; tensors broadcast."""
    step = (data + 1) * _GAMMA
    # tensors wrap by themselves, Python's integers do not
    z = key + (step if isinstance(step, Tensor) else (step + 2**63) % 2**64 - 2**63)
    z = (z ^ _shift(z, 30)) * _MIX_0
    z = (z ^ _shift(z, 27)) * _MIX_1
    return z ^ _shift(z, 31)


def _shift(z: Tensor, bits: int) -> Tensor:
    """Shift right and fill with zeros, as for an unsigned number."""
    return (z >> bits) & ((1 << (64 - bits)) - 1)


class HashModel:
    """The hash model.

    num_actions: A. events, event_rows: named events to predict. terminal: the share of states in
    which the episode has ended. seed: picks the world.
    An observation is an int64 number a row: the first opens a history, later ones are folded in.
    Capabilities: Prior, Value, EventValue, Fused. Rewards, logits and values lie in [-1, 1), event
    probabilities and event values in [0, 1), continuations are 0 or 1.
    """

    def __init__(
        self,
        num_actions: int,
        *,
        events: tuple[str, ...] = (),
        event_rows: int = 1,
        terminal: float = 0.0,
        seed: int = 0,
        device: torch.device | str = "cpu",
    ) -> None:
        if num_actions < 1:
            raise ValueError(f"num_actions: expected at least 1, got {num_actions}")
        if not 0 <= terminal <= 1:
            raise ValueError(f"terminal: expected a share in [0, 1], got {terminal}")
        self.terminal = terminal
        self.spec = ModelSpec(
            obs=ObsSpec((), torch.int64),
            action=Discrete(num_actions),
            device=torch.device(device),
            dtype=torch.int64,
            row_bytes=8,
            stochastic=False,
            events=events,
            event_rows=event_rows,
        )
        self._root = fold(torch.zeros((), dtype=torch.int64, device=device), seed)
        self._actions = torch.arange(num_actions, device=device)
        shape = self.spec.event_shape
        self._events = torch.arange(math.prod(shape), device=device).view(shape)

    def begin(self, rows: int) -> Tensor:
        """Return the same key in every row, [rows] int64."""
        return self._root.repeat(rows)

    def observe(
        self, state: Tensor, obs: Tensor, prev_action: Tensor, first: Tensor, noise: Noise
    ) -> Tensor:
        """Fold an observation, and the action before it, into each history; see `WorldModel`."""
        self.spec.obs.check(obs, state.shape[0])
        after = fold(fold(state, prev_action), obs)
        return torch.where(first, fold(self._root, obs), after)

    def step(self, state: Tensor, action: Tensor, noise: Noise) -> tuple[Tensor, Transition]:
        """Fold the action into the key. action: [R] int64; its range is not checked."""
        if action.shape != state.shape or action.dtype != torch.int64:
            raise ValueError(
                f"action: expected {list(state.shape)} int64, "
                f"got {list(action.shape)} {action.dtype}; one action a row"
            )
        after = fold(state, action)
        events = self._share(self._for_events(after), _EVENTS) if self.spec.events else None
        return after, Transition(self._signed(after, _REWARD), self._cont(after), events=events)

    def take(self, state: Tensor, rows: Tensor) -> Tensor:
        """Return copies of some rows. rows: [M] int64."""
        return protocol.take(state, rows)

    def policy(self, state: Tensor) -> Tensor:
        """Return logits, [R, A] float32."""
        return self._signed(fold(state[:, None], self._actions), _POLICY)

    def value(self, state: Tensor) -> Tensor:
        """Return values, [R] float32."""
        return self._signed(state, _VALUE)

    def event_value(self, state: Tensor) -> Tensor:
        """Return event values, [R, *event_shape] float32."""
        return self._share(self._for_events(state), _EVENT_VALUE)

    def recurrent(
        self, state: Tensor, action: Tensor, goal_weights: Tensor | None = None
    ) -> tuple[Tensor, RecurrentOutput]:
        """Step, policy and value in one call; see `protocol.Fused`."""
        after = fold(state, action)
        logits, cont = self.policy(after), self._cont(after)
        if goal_weights is None:
            return after, RecurrentOutput(
                self._signed(after, _REWARD), cont, logits, self.value(after)
            )
        counts, to_come = self._share(self._for_events(after), _EVENTS), self.event_value(after)
        axes = tuple(range(1, counts.dim()))
        return after, RecurrentOutput(
            (counts * goal_weights).sum(axes), cont, logits, (to_come * goal_weights).sum(axes)
        )

    def _for_events(self, key: Tensor) -> Tensor:
        """Return a key for each event, [R, *event_shape]."""
        return fold(key.view(-1, *(1 for _ in self._events.shape)), self._events)

    def _cont(self, key: Tensor) -> Tensor:
        """Return 0 in terminal states and 1 elsewhere."""
        return (self._share(key, _CONT) >= self.terminal).float()

    def _signed(self, key: Tensor, head: int) -> Tensor:
        """Return a head's number in [-1, 1)."""
        return ((fold(key, -head - 1) >> 40).float()) * _TO_SIGNED_UNIT

    def _share(self, key: Tensor, head: int) -> Tensor:
        """Return a head's number in [0, 1)."""
        return self._signed(key, head) * 0.5 + 0.5
