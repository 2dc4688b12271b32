"""The world-model protocol: four verbs on an immutable pytree of rows, and optional capabilities.

A state is any pytree of tensors whose leaves are [R, ...]: R rows, one imagined world a row. No
verb changes its inputs. A model implements `WorldModel`; every other protocol here is a capability
that planners and `rollout.imagine` detect with `isinstance` and use when it is there.

Time, once for all: s_0 = observe(begin, o_0, first=1); (s_1, t_1) = step(s_0, a_0), where t_1
holds r_1 and c_1. A roll of horizon H has states 0..H, actions 0..H-1, rewards and continuations
1..H. Policy and value of s_t belong with a_t. Truncation never enters the continuation.

Letters: R rows, H horizon, A actions, K ensemble members, E events, N agents (docs/shapes.md).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, NamedTuple, Protocol, TypeVar, runtime_checkable

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from rollout.recurrent import RecurrentOutput

State = TypeVar("State")
StateIn = TypeVar("StateIn", contravariant=True)
StateOut = TypeVar("StateOut", covariant=True)
Obs = Any  # a tensor [R, ...], or a pytree of them for a model that says so


@dataclass(frozen=True, slots=True)
class ObsSpec:
    """Shape and dtype of one observation, without the row axis."""

    shape: tuple[int, ...]
    dtype: torch.dtype = torch.float32

    def check(self, obs: Tensor, rows: int | None = None, name: str = "obs") -> None:
        """Raise ValueError unless obs is [R, *shape] of this dtype, with R = `rows` when given."""
        fits = obs.dim() == len(self.shape) + 1 and tuple(obs.shape[1:]) == self.shape
        if fits and obs.dtype == self.dtype and (rows is None or obs.shape[0] == rows):
            return
        want = ", ".join([f"R={rows}" if rows is not None else "R", *map(str, self.shape)])
        hint = "pass obs[None] for one row" if tuple(obs.shape) == self.shape else "see model.spec"
        if fits and obs.dtype != self.dtype:
            hint = f"pass {name}.to({self.dtype})"
        raise ValueError(
            f"{name}: expected [{want}] {_name(self.dtype)}, "
            f"got {list(obs.shape)} {_name(obs.dtype)}; {hint}"
        )


@dataclass(frozen=True, slots=True)
class Discrete:
    """Actions 0..n-1; a batch is [R] int64."""

    n: int

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one action."""
        return ()

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of a batch of actions."""
        return torch.int64

    def bounds(self) -> tuple[float, float]:
        """Lowest and highest legal number."""
        return 0, self.n - 1


@dataclass(frozen=True, slots=True)
class MultiDiscrete:
    """Several discrete choices at once; a batch is [R, len(nvec)] int64."""

    nvec: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one action."""
        return (len(self.nvec),)

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of a batch of actions."""
        return torch.int64

    def bounds(self) -> tuple[Tensor, Tensor]:
        """Lowest and highest legal numbers, a column each."""
        top = torch.tensor(self.nvec) - 1
        return torch.zeros_like(top), top


@dataclass(frozen=True, slots=True)
class Box:
    """Continuous actions in environment units; a batch is [R, len(low)] float32."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one action."""
        return (len(self.low),)

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of a batch of actions."""
        return torch.float32

    def bounds(self) -> tuple[Tensor, Tensor]:
        """Lowest and highest legal numbers, a column each."""
        return torch.tensor(self.low), torch.tensor(self.high)


@dataclass(frozen=True, slots=True)
class Hybrid:
    """Discrete choices and continuous numbers at once.

    A batch is [R, len(nvec) + len(low)] float32: the choices first, as whole numbers, then the
    numbers in environment units.
    """

    nvec: tuple[int, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one action."""
        return (len(self.nvec) + len(self.low),)

    @property
    def dtype(self) -> torch.dtype:
        """Dtype of a batch of actions."""
        return torch.float32

    def bounds(self) -> tuple[Tensor, Tensor]:
        """Lowest and highest legal numbers, a column each."""
        top = [float(n - 1) for n in self.nvec]
        return torch.tensor([0.0] * len(top) + list(self.low)), torch.tensor(top + list(self.high))


ActionSpec = Discrete | MultiDiscrete | Box | Hybrid


def check_actions(spec: ActionSpec, actions: Tensor, lead: Sequence[int], name: str) -> None:
    """Raise ValueError unless actions is [*lead, *spec.shape], of the right dtype and in range.

    Reads the values, so on a GPU it waits for them: call it once at the edge, not in a loop.
    """
    shape = [*lead, *spec.shape]
    if list(actions.shape) != shape or actions.dtype != spec.dtype:
        raise ValueError(
            f"{name}: expected {shape} {_name(spec.dtype)}, "
            f"got {list(actions.shape)} {_name(actions.dtype)}; see model.spec.action"
        )
    low, high = spec.bounds()
    if isinstance(low, Tensor) and isinstance(high, Tensor):
        low, high = low.to(actions.device), high.to(actions.device)
    # written so that a NaN is out of range too
    bad = ~((actions >= low) & (actions <= high))
    if isinstance(spec, Hybrid):
        choices = actions[..., : len(spec.nvec)]
        bad[..., : len(spec.nvec)] |= choices != choices.floor()
    if bool(bad.any()):
        at = tuple(int(i) for i in bad.nonzero()[0])
        raise ValueError(
            f"{name}: expected numbers in {spec}, got {actions[at].item()} "
            f"at {list(at)} (the first is the row); clip or mask the actions"
        )


@dataclass(frozen=True, slots=True)
class ModelSpec:
    """What a model takes and gives.

    dtype is that of the state's leaves; heads always return float32. row_bytes is the size of one
    row of state, so that trees and populations can be sized before they are allocated. events
    names the columns of `Transition.events`; () means that the model predicts none.
    """

    obs: ObsSpec
    action: ActionSpec
    device: torch.device
    dtype: torch.dtype = torch.float32
    agents: int = 1  # actions [R, N, ...] and reward [R, N] when above 1
    context: int = 1  # observations needed before `step` can be trusted
    row_bytes: int = 0
    stochastic: bool = True  # whether `step` draws from its noise
    members: int = 1  # ensemble size; 1 = no epistemic spread
    events: tuple[str, ...] = ()
    event_rows: int = 1  # players whose events are told apart

    @property
    def event_shape(self) -> tuple[int, ...]:
        """Shape of one row's events: (event_rows, E), or (E,) when event_rows is 1."""
        return (len(self.events),) if self.event_rows == 1 else (self.event_rows, len(self.events))


class Transition(NamedTuple):
    """What leaving s_t by a_t gave. Every field is float32; R becomes [R, H] in a `Path`."""

    reward: Tensor | None  # [R], or [R, N]: r_{t+1}; None = a goal-conditioned model
    cont: Tensor | None  # [R]: P(s_{t+1} is not terminal), no discount in it; None = never ends
    spread: Tensor | None = None  # [R]: disagreement of the ensemble, in units of latent distance
    events: Tensor | None = None  # [R, *event_shape]: expected count of each event in this step


class Path(NamedTuple, Generic[State]):
    """A rolled segment."""

    states: State  # leaves [R, H+1, ...], the root first
    trans: Transition  # fields [R, H, ...]
    actions: Tensor  # [R, H, *action shape]


class Noise(Protocol):
    """Random numbers as an input: a pure function of (seed, row id, time, site)."""

    def normal(self, site: str, shape: Sequence[int]) -> Tensor:
        """Return [R, *shape] float32 standard normal numbers."""

    def uniform(self, site: str, shape: Sequence[int]) -> Tensor:
        """Return [R, *shape] float32 numbers in (0, 1)."""


@runtime_checkable
class WorldModel(Protocol[State]):
    """The four verbs that every model has."""

    @property
    def spec(self) -> ModelSpec:
        """What the model takes and gives."""

    def begin(self, rows: int) -> State:
        """Return the state of `rows` rows before any observation."""

    def observe(
        self, state: State, obs: Obs, prev_action: Tensor, first: Tensor, noise: Noise
    ) -> State:
        """Take one observation into each row.

        obs: [R, *spec.obs.shape]. prev_action: [R, *spec.action.shape], the action that led to
        obs. first: [R] bool, true where obs opens an episode: the row's old state and prev_action
        are then ignored, even when they are NaN.
        """

    def step(self, state: State, action: Tensor, noise: Noise) -> tuple[State, Transition]:
        """Imagine one step of each row. action: [R, *spec.action.shape]."""

    def take(self, state: State, rows: Tensor) -> State:
        """Return copies of some rows, in that order, repeats allowed. rows: [M] int64."""


@runtime_checkable
class Rolls(Protocol[State]):
    """A roll fused over time; it must equal H steps."""

    def roll(self, state: State, actions: Tensor, noise: Noise) -> Path[State]:
        """Imagine H steps. actions: [R, H, *spec.action.shape].

        noise: its draws are [R, H, *shape]; slice t of a site is what step t would draw there.
        """


@runtime_checkable
class Follows(Protocol[State]):
    """A roll without the states in between: what a planner of whole sequences asks for."""

    def follow(
        self, state: State, rows: Tensor, actions: Tensor, noise: Noise
    ) -> tuple[State, Transition]:
        """Take H actions from each of some rows; it must equal H steps.

        rows: [R] int64, the row of `state` that each sequence starts from, repeats allowed.
        actions: [H, R, *spec.action.shape], time first. noise: as for `Rolls.roll`, of the R rows.
        Returns the R last states, and transitions with fields [H, R, ...].
        """


@runtime_checkable
class Members(Protocol[State]):
    """An ensemble whose `spec.members` can be asked one by one; its `step` is their mean."""

    def step_member(
        self, state: State, action: Tensor, member: Tensor, noise: Noise
    ) -> tuple[State, Transition]:
        """Imagine one step of each row by one member. member: [R] int64, as `step` otherwise."""


@runtime_checkable
class Prior(Protocol[StateIn]):
    """A policy head."""

    def policy(self, state: StateIn) -> Tensor:
        """Return logits [R, A] float32.

        Of several choices their logits side by side; of numbers means, then log deviations; of both
        at once (Hybrid) the choices first: [R, sum(nvec) + 2 D].
        """


@runtime_checkable
class Value(Protocol[StateIn]):
    """A state-value head."""

    def value(self, state: StateIn) -> Tensor:
        """Return the discounted return to come, [R] float32 (or [K, R] from an ensemble)."""


@runtime_checkable
class ActionValue(Protocol[StateIn]):
    """An action-value head."""

    def qvalue(self, state: StateIn, action: Tensor) -> Tensor:
        """Return the discounted return of taking `action`, [R] float32 (or [K, R])."""


@runtime_checkable
class EventValue(Protocol[StateIn]):
    """Successor features over events: a goal stated after training has a value at once."""

    def event_value(self, state: StateIn) -> Tensor:
        """Return the expected discounted count of each event to come, [R, *event_shape] float32.

        Under weights w on the events the state is worth (w * event_value).sum() of its row.
        """


@runtime_checkable
class Fused(Protocol[State]):
    """One call for a search: step, policy and value together, a goal folded in."""

    def recurrent(
        self, state: State, action: Tensor, goal_weights: Tensor | None
    ) -> tuple[State, RecurrentOutput]:
        """Imagine one step with no noise and read the new state's policy and value.

        The discount is `Transition.cont`: a search multiplies its own in.

        goal_weights: None for the model's own reward and value; or weights on the events,
        [*event_shape], or [R, *event_shape] for a goal a row, so that the reward is
        (w * events).sum() and the value (w * event_value).sum(). Inputs are not checked.
        """


@runtime_checkable
class Features(Protocol[StateIn]):
    """A vector for goals, probes and drift."""

    def features(self, state: StateIn) -> Tensor:
        """Return [R, D] float32."""


@runtime_checkable
class Goal(Protocol):
    """A goal given as an observation."""

    def goal(self, obs: Obs) -> Tensor:
        """Return [R, D] float32, comparable with `Features.features`."""


@runtime_checkable
class Decoder(Protocol[StateIn]):
    """States back to observations."""

    def decode(self, state: StateIn) -> Obs:
        """Return the observation expected in each state, [R, *spec.obs.shape]."""


@runtime_checkable
class Chance(Protocol[State]):
    """A step in two halves, the player's and chance's, as in Stochastic MuZero."""

    def afterstate(self, state: State, action: Tensor) -> tuple[Any, Tensor]:
        """Return the state after the action and before chance, with chance logits [R, C] float32.

        action: [R, *spec.action.shape]. An afterstate is a pytree of tensors [R, ...] of its own.
        """

    def resolve(self, after: Any, outcome: Tensor) -> tuple[State, Transition]:
        """Resolve a chance outcome, [R] int64. The transition is the whole step's."""


@runtime_checkable
class AfterstateValue(Protocol):
    """A value head for afterstates."""

    def afterstate_value(self, after: Any) -> Tensor:
        """Return the discounted return to come, the reward of this step included, [R] float32."""


@runtime_checkable
class Legal(Protocol[StateIn]):
    """Rules about which actions there are."""

    def legal(self, state: StateIn) -> Tensor:
        """Return which actions are allowed, [R, A] bool; none where nothing comes after."""


@runtime_checkable
class Compacts(Protocol[State]):
    """States too large for a tree: keep a packed form there and rebuild on demand."""

    def pack(self, state: State) -> State:
        """Return the small form."""

    def unpack(self, packed: State) -> State:
        """Return the full form."""


@runtime_checkable
class Trains(Protocol):
    """A model that states its own loss."""

    def loss(self, batch: Any, noise: Noise | None = None) -> tuple[Tensor, Mapping[str, Tensor]]:
        """Return the scalar to minimise and named scalars that explain it."""


@runtime_checkable
class Examples(Protocol):
    """A model whose observations cannot be made up of random numbers."""

    def example_obs(self, rows: int, seed: int) -> Tensor:
        """Return valid observations, [R, *spec.obs.shape]; `rollout.models.check` uses them."""


def take(state: State, rows: Tensor) -> State:
    """Return copies of some rows of any pytree of tensors: the usual body of `WorldModel.take`.

    rows: [M] int64, repeats allowed. Cost: one index_select a leaf.
    """
    taken: State = pytree.tree_map(lambda leaf: leaf.index_select(0, rows), state)
    return taken


def row_bytes(state: object) -> int:
    """Return the bytes of one row of a state, summed over its leaves."""
    return sum(
        leaf.element_size() * math.prod(leaf.shape[1:]) for leaf in pytree.tree_leaves(state)
    )


def check_finite(name: str, head: Tensor) -> None:
    """Raise ValueError naming the head and its first bad row if any number is NaN or infinite.

    head: [R, ...]. Reads the values, so on a GPU it waits for them.
    """
    good = torch.isfinite(head)
    if bool(good.all()):
        return
    at = [int(i) for i in (~good).nonzero()[0]]
    raise ValueError(
        f"{name}: expected finite numbers, got {head[tuple(at)].item()} in row {at[0]}"
        + (f" at {at[1:]}" if len(at) > 1 else "")
        + "; look for a diverged training run or an observation out of scale"
    )


def _name(dtype: torch.dtype) -> str:
    """Return a dtype's short name, as in float32."""
    return str(dtype).removeprefix("torch.")
