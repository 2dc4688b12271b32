"""A world model as a search sees it: a goal, a discount and rules folded in, missing heads filled
in.
"""

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
    Members,
    MultiDiscrete,
    Prior,
    Transition,
    Value,
    WorldModel,
)
from rollout.planning.carried import Carried, chances, join, split
from rollout.planning.goal import weigh
from rollout.planning.rules import Rule
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

_WORD = (1 << 32) - 1
_KEY_STEP = 0x9E3779B1  # odd


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


def why_plain(ruled: tuple[Rule, ...], doubts: bool) -> str:
    """Say why a search needs a model's `step` where it has `recurrent`; "" where it does not."""
    if ruled:
        return "rules need the events of each step, which `recurrent` does not give"
    if doubts:
        return "disagreement needs the spread of each step, which `recurrent` does not give"
    return ""


class Searchable:
    """One plan's view of a model.

    weights: a goal's, None for the model's own reward and value.
    keys: [B] int64, what the noise of each root is drawn by; a node's is a function of its root's
        and of the actions that lead to it, and of nothing else that is searched.
    ruled: the events that must stay improbable. doubts: whether steps are to tell their spread.
    ragged: whether a call may be about other rows than all of them, once each and in order.
    seconds: spent in the model so far (on a GPU, in launching it).
    """

    def __init__(
        self,
        model: WorldModel[Any],
        weights: Tensor | None,
        discount: float,
        keys: Tensor,
        *,
        ruled: tuple[Rule, ...] = (),
        doubts: bool = False,
        ragged: bool = False,
    ) -> None:
        self.model, self.weights, self.discount, self.keys = model, weights, discount, keys
        self.ruled, self.doubts = ruled, doubts
        self.limits = torch.tensor([rule.limit for rule in ruled], device=keys.device)
        # a sampler of actions that are no list reads nothing where there is no policy
        self.actions = model.spec.action.n if isinstance(model.spec.action, Discrete) else 0
        fused = isinstance(model, Fused) and not why_plain(ruled, doubts)
        self.step: Callable[[Tensor, Any], tuple[Any, Any]]
        self.step = self._fused if fused else self._plain
        # what a search calls, in the order of its arguments
        self.functions: tuple[Callable[[Tensor, Any], tuple[Any, Any]], ...] = (self.recurrent_fn,)
        self.draws = model.spec.stochastic and not fused
        self.per_row = weights is not None and weights.shape != model.spec.event_shape
        self.carries_goal = self.per_row and (ragged or bool(ruled))
        self.seconds = 0.0

    @property
    def carries(self) -> bool:
        """Whether nodes keep anything beside the model's state."""
        return self.draws or self.carries_goal or bool(self.ruled)

    def root(self, state: Any) -> Root:
        """Return what a search starts from."""
        start = perf_counter()
        rows, device = len(self.keys), self.keys.device
        logits, value = self._predict(state, self.weights)
        carried: Carried = {}
        if self.draws:
            carried["key"] = self.keys
        if self.carries_goal:
            assert self.weights is not None
            carried["goal"] = self.weights
        if self.ruled:
            # of each rule, the probability that its event has not happened on the way here
            carried["clear"] = torch.ones(rows, len(self.ruled), device=device)
            carried["alive"] = torch.ones(rows, device=device)
        self.seconds += perf_counter() - start
        return Root(logits, value, join(state, carried))

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
        if self.carries_goal:
            raise CannotCompileError(
                "compile: expected one goal for all rows where a call may be about some of them "
                "(wave, early_stop, overlap, a budget for each row), got one for each"
            )
        weights = () if self.weights is None else (self.weights,)
        self.step = compiled.bind(state, *weights, extras_have_rows=self.per_row)

    def recurrent_fn(self, action: Tensor, embedding: Any) -> tuple[Any, Any]:
        """Step the model once for a search."""
        start = perf_counter()
        result = self.step(action, embedding)
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

        They are weighed by the chance that the episode gets that far, and 0 after a path's end,
        where its actions are -1 or NaN. None without events.
        """
        if not self.model.spec.events:
            return None
        start = perf_counter()
        actions, keys = actions.to(self.model.spec.device), self.keys
        alive = actions >= 0 if not actions.is_floating_point() else ~actions.isnan()
        # after the end any legal action does: the first
        actions = torch.where(alive, actions, actions[:, :1])
        alive = alive.flatten(2).all(-1) if alive.dim() > 2 else alive
        events, reached = [], torch.ones(len(actions), device=actions.device)
        for depth in range(actions.shape[1]):
            keys = child_keys(keys, actions[:, depth])
            state, transition = self.model.step(state, actions[:, depth], CounterNoise(0, keys))
            events.append(expected_events(transition, reached * alive[:, depth]))
            reached = survival(transition, reached)
        self.seconds += perf_counter() - start
        return torch.stack(events, 1).cpu()

    def _fused(self, action: Tensor, embedding: Any) -> tuple[RecurrentOutput, Any]:
        state, carried = split(embedding, self.carries)
        weights = carried.get("goal", self.weights)
        after, output = self.model.recurrent(state, action, weights)  # type: ignore[attr-defined]
        output = output._replace(discount=output.discount * self.discount)
        return output, join(after, carried)

    def _plain(self, action: Tensor, embedding: Any) -> tuple[RecurrentOutput, Any]:
        state, carried = split(embedding, self.carries)
        weights = carried.get("goal", self.weights)
        noise = CounterNoise(0, len(action), device=action.device)
        if self.draws:
            carried = carried | {"key": child_keys(carried["key"], action)}
            noise = CounterNoise(0, carried["key"])
        after, transition = self.model.step(state, action, noise)
        logits, value = self._predict(after, weights)
        reward, discount = self._pays(transition, weights)
        invalid = self.invalid(after)
        # a state that allows nothing must be an end
        done = None if invalid is None else discount == 0
        output = RecurrentOutput(reward, discount, logits, value, invalid, done)
        if self.doubts:
            output = output._replace(spread=self._spread(state, action, noise, transition, weights))
        if self.ruled:
            excess, carried = self._excess(transition, carried)
            output = output._replace(forbidden=excess)
        return output, join(after, carried)

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

    def _excess(self, transition: Transition, carried: Carried) -> tuple[Tensor, Carried]:
        """Return by how much each path is over its limits, [L], and what is carried on."""
        events, clear, alive = _events(transition).flatten(1), carried["clear"], carried["alive"]
        columns = torch.stack([rule.columns for rule in self.ruled], 1)
        clear = clear * (1.0 - (events @ columns).clamp(0.0, 1.0) * alive[:, None])
        if transition.cont is not None:
            alive = alive * transition.cont
        carried = carried | {"clear": clear, "alive": alive}
        return (chances(carried) - self.limits).clamp(min=0.0).sum(1), carried

    def _spread(
        self,
        state: Any,
        action: Tensor,
        noise: CounterNoise,
        transition: Transition,
        weights: Tensor | None,
    ) -> Tensor:
        """Return how far off a step may be, [L]."""
        if transition.spread is not None:
            return transition.spread
        if not (isinstance(self.model, Members) and self.model.spec.members > 1):
            raise ValueError(
                "disagreement_bonus, disagreement_penalty: this model tells no disagreement; use "
                "an ensemble (Members) or one that gives Transition.spread, or leave them at 0"
            )
        worth = []
        for member in range(self.model.spec.members):
            which = torch.full((len(action),), member, device=action.device)
            after, one = self.model.step_member(state, action, which, noise)
            reward, discount = self._pays(one, weights)
            worth.append(reward + discount * self._predict(after, weights)[1])
        return torch.stack(worth).std(0, unbiased=False)

    def _predict(self, state: Any, weights: Tensor | None) -> tuple[Tensor, Tensor]:
        """Return prior logits [L, A] and value [L]."""
        model, device = self.model, self.keys.device
        rows = len(pytree.tree_leaves(state)[0])
        if isinstance(model, Prior):
            logits = model.policy(state)
        else:
            logits = torch.zeros(rows, self.actions, device=device)
        if weights is not None and isinstance(model, EventValue):
            value = weigh(model.event_value(state), weights)
        elif weights is None and isinstance(model, Value):
            value = model.value(state)
            value = value if value.dim() == 1 else value.mean(0)  # of an ensemble
        else:
            value = torch.zeros(rows, device=device)
        return logits, value


def child_keys(keys: Tensor, action: Tensor) -> Tensor:
    """Return the noise keys of nodes that actions lead to: distinct for those of a list.

    keys: [L] int64. action: [L, *action shape]; of numbers the bits count.
    """
    bits = action.float().contiguous().view(torch.int32) if action.is_floating_point() else action
    for part in bits.long().reshape(len(keys), -1).unbind(1):
        keys = (keys * _KEY_STEP + part + 1) & _WORD
    return keys


def expected_events(transition: Transition, reached: Tensor) -> Tensor:
    """Return a step's events, [R, *event_shape], times the chance [R] that the step is made."""
    counts = _events(transition)
    return counts * reached.view(-1, *[1] * (counts.dim() - 1))


def survival(transition: Transition, reached: Tensor) -> Tensor:
    """Return the chance [R] that the step after this one is made."""
    return reached if transition.cont is None else reached * transition.cont


def _events(transition: Transition) -> Tensor:
    if transition.events is None:
        raise ValueError(
            "model: its spec names events, but its steps give none (Transition.events is None)"
        )
    return transition.events
