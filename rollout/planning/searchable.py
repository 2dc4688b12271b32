"""A world model as a search sees it: a goal and a discount folded in, missing heads filled in."""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from rollout.models.noise import CounterNoise
from rollout.models.protocol import (
    Box,
    Discrete,
    EventValue,
    Fused,
    Legal,
    MultiDiscrete,
    Prior,
    Transition,
    Value,
    WorldModel,
)
from rollout.planning.goal import weigh
from rollout.search import (
    CandidateTree,
    CategoricalSampler,
    GaussianSampler,
    HybridSampler,
    RecurrentOutput,
    Root,
    Sampler,
    SearchTree,
    UniformSampler,
)
from rollout.search.executor import CannotCompileError, CompiledRecurrent


def compile_model(model: WorldModel[Any], discount: float) -> CompiledRecurrent:
    """Return a model's step for a search, compiled: (action, state, *goal weights).

    Raises CannotCompileError for a model on another device, or one that draws random numbers.
    """
    if model.spec.device.type != "cpu":
        raise CannotCompileError(
            f"compile: expected a model in host memory, got one on {model.spec.device}; move it "
            "with .to('cpu'), or search without it"
        )
    if not isinstance(model.spec.action, Discrete):
        raise CannotCompileError(
            f"compile: expected Discrete actions, got {model.spec.action}; search without it"
        )
    if not isinstance(model, Fused):
        raise CannotCompileError(
            "compile: expected a model with `recurrent` (rollout.models.protocol.Fused), got "
            f"{type(model).__name__}; give it one, or search without it"
        )

    def step(action: Tensor, state: Any, *weights: Tensor) -> tuple[RecurrentOutput, Any]:
        after, output = model.recurrent(state, action, *(weights or (None,)))
        return output._replace(discount=output.discount * discount), after

    return CompiledRecurrent(step, [model] if isinstance(model, nn.Module) else [])


def sampler_for(model: WorldModel[Any], count: int) -> Sampler:
    """Return what draws `count` candidates of a model's actions: by its policy, or evenly.

    Policies of numbers are read as `rollout.models.protocol.Prior` gives them, in units of the
    action and cut to its bounds.
    """
    action = model.spec.action
    if isinstance(action, Discrete):
        return CategoricalSampler(count)
    nvec = () if isinstance(action, Box) else action.nvec
    low = () if isinstance(action, MultiDiscrete) else action.low
    high = () if isinstance(action, MultiDiscrete) else action.high
    if not isinstance(model, Prior):
        return UniformSampler(count, nvec, low, high)
    return HybridSampler(count, nvec, low, high) if nvec else GaussianSampler(count, low, high)


class Searchable:
    """One plan's view of a model.

    weights: a goal's, None for the model's own reward and value. noise: of the B rows, for models
    that draw; simulation s draws at time s.
    seconds: spent in the model so far (on a GPU, in launching it).
    """

    def __init__(
        self,
        model: WorldModel[Any],
        weights: Tensor | None,
        discount: float,
        noise: CounterNoise,
    ) -> None:
        self.model, self.weights, self.discount, self.noise = model, weights, discount, noise
        # a sampler of actions that are no list reads nothing where there is no policy
        self.actions = model.spec.action.n if isinstance(model.spec.action, Discrete) else 0
        self.step: Callable[[Tensor, Any], tuple[Any, Any]]
        self.step = self._fused if isinstance(model, Fused) else self._plain
        # what a search calls, in the order of its arguments
        self.functions: tuple[Callable[[Tensor, Any], tuple[Any, Any]], ...] = (self.recurrent_fn,)
        self.simulation = 0
        self.seconds = 0.0

    def root(self, state: Any) -> Root:
        """Return what a search starts from."""
        start = perf_counter()
        logits, value = self._predict(state, self.weights)
        self.seconds += perf_counter() - start
        return Root(logits, value, state)

    def invalid(self, state: Any) -> Tensor | None:
        """Return the actions that the rules do not allow, [R, A] bool, if the model knows them."""
        return ~self.model.legal(state) if isinstance(self.model, Legal) else None

    def weights_of(self, rows: Tensor) -> Tensor | None:
        """Return the goal's weights for some of the plan's rows. rows: [R] int64."""
        if self.weights is None or self.weights.shape == self.model.spec.event_shape:
            return self.weights
        return self.weights[rows]

    def use(self, compiled: CompiledRecurrent, state: Any) -> None:
        """Step by what `compile_model` made, for states like `state`."""
        weights = () if self.weights is None else (self.weights,)
        per_row = self.weights is not None and self.weights.shape != self.model.spec.event_shape
        self.step = compiled.bind(state, *weights, extras_have_rows=per_row)

    def recurrent_fn(self, action: Tensor, state: Any) -> tuple[Any, Any]:
        """Step the model once for a search."""
        start = perf_counter()
        result = self.step(action, state)
        self.seconds += perf_counter() - start
        return result

    def path(self, tree: SearchTree, first: Tensor) -> tuple[Tensor, Tensor]:
        """Return the actions of the line that a tree expects, and the reward of each, [B, D].

        first: [B] int64, the action that starts it; its column in a tree of candidates.
        """
        columns, rewards = tree.principal_path(first)
        if isinstance(tree, CandidateTree):
            return tree.actions_along(columns), rewards
        return columns, rewards

    def path_events(self, state: Any, actions: Tensor) -> Tensor | None:
        """Step along actions [B, D, ...] and return the events expected, [B, D, *event_shape].

        They are 0 after a path's end, where its actions are -1 or NaN. None without events.
        """
        if not self.model.spec.events:
            return None
        start = perf_counter()
        actions = actions.to(self.model.spec.device)
        alive = actions >= 0 if not actions.is_floating_point() else ~actions.isnan()
        # after the end any legal action does: the first
        actions = torch.where(alive, actions, actions[:, :1])
        alive = alive.flatten(2).all(-1) if alive.dim() > 2 else alive
        events = []
        for depth in range(actions.shape[1]):
            noise = self.noise.at(self.simulation + depth)
            state, transition = self.model.step(state, actions[:, depth], noise)
            events.append(expected_events(transition, alive[:, depth]))
        self.seconds += perf_counter() - start
        return torch.stack(events, 1).cpu()

    def _fused(self, action: Tensor, state: Any) -> tuple[RecurrentOutput, Any]:
        after, output = self.model.recurrent(state, action, self.weights)  # type: ignore[attr-defined]
        return output._replace(discount=output.discount * self.discount), after

    def _plain(self, action: Tensor, state: Any) -> tuple[RecurrentOutput, Any]:
        after, transition = self.model.step(state, action, self.noise.at(self.simulation))
        self.simulation += 1
        logits, value = self._predict(after, self.weights)
        reward, discount = self._pays(transition, self.weights)
        invalid = self.invalid(after)
        # a state that allows nothing must be an end
        done = None if invalid is None else discount == 0
        return RecurrentOutput(reward, discount, logits, value, invalid, done), after

    def _pays(self, transition: Transition, weights: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return a step's reward and discount."""
        reward = transition.reward
        if weights is not None:
            reward = weigh(_events(transition), weights)
        elif reward is None:
            raise ValueError(
                "model: its steps give no reward (Transition.reward is None); plan with a goal on "
                "its events, or with a model that predicts reward"
            )
        if transition.cont is None:
            discount = torch.full_like(reward, self.discount)
        else:
            discount = transition.cont * self.discount
        return reward, discount

    def _predict(self, state: Any, weights: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return prior logits [R, A] and value [R]."""
        model, device = self.model, self.noise.device
        rows = len(pytree.tree_leaves(state)[0])
        if isinstance(model, Prior):
            logits = model.policy(state)
        else:
            logits = torch.zeros(rows, self.actions, device=device)
        if weights is not None and isinstance(model, EventValue):
            value = weigh(model.event_value(state), weights)
        elif weights is None and isinstance(model, Value):
            value = model.value(state)
        else:
            value = torch.zeros(rows, device=device)
        return logits, value


def expected_events(transition: Transition, alive: Tensor) -> Tensor:
    """Return a step's events, 0 in the rows that are not alive, [R, *event_shape]."""
    counts = _events(transition)
    return counts * alive.view(-1, *[1] * (counts.dim() - 1))


def _events(transition: Transition) -> Tensor:
    if transition.events is None:
        raise ValueError(
            "model: its spec names events, but its steps give none (Transition.events is None)"
        )
    return transition.events
