"""What candidate sequences are worth in a world model.

Candidates are rolled through their whole horizon a chunk at a time, so that what a step writes is
still in cache when the next one reads it. A candidate's score is its discounted reward, weighted by
the model's own continuation, plus the value of its last state; less penalties for disagreement and
for risk. Rules set aside candidates in which a forbidden event is too likely.

Candidates of one problem share the model's random numbers, so that they differ by their actions
alone; problems do not.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any, Literal, NamedTuple, Protocol, overload

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils import _pytree as pytree

from rollout import _native
from rollout.models.noise import CounterNoise
from rollout.models.protocol import (
    ActionValue,
    EventValue,
    Follows,
    Members,
    Prior,
    Rolls,
    Transition,
    Value,
)
from rollout.planning.rules import Rule
from rollout.planning.trajectory.compiled import Step
from rollout.planning.trajectory.policy_head import likeliest_action
from rollout.planning.trajectory.proposals import Floats, Keys, to_actions

Propagation = Literal["mean", "ts1", "tsinf"]
_CPU_ROWS = 2048  # a step's activations of a small network then stay in a core's own cache
_NATIVE_ROWS = 8192  # a native roll is cut to the cache by itself; what it gives should fit too


class Objective(Protocol):
    """What is wanted, where the model's own reward is not it."""

    def reward(self, before: Any, action: Tensor, transition: Transition, after: Any) -> Tensor:
        """Return what a step is worth, [R] float32."""

    def tail(self, last: Any) -> Tensor:
        """Return what is still to come after the horizon, [R] float32."""


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a model can do beyond its four verbs. Asked once a planner: the question is slow."""

    follows: bool
    rolls: bool
    members: bool
    value: bool
    action_value: bool
    event_value: bool

    @classmethod
    def of(cls, model: Any) -> Abilities:
        """Ask a model."""
        return cls(
            follows=isinstance(model, Follows),
            rolls=isinstance(model, Rolls),
            members=model.spec.members > 1 and isinstance(model, Members),
            value=isinstance(model, Value),
            action_value=isinstance(model, ActionValue) and isinstance(model, Prior),
            event_value=isinstance(model, EventValue),
        )


@dataclass(frozen=True, slots=True)
class ScoreSettings:
    """How candidates are scored; see `TrajectoryOptimiser`."""

    can: Abilities
    discount: float
    terminal_value: bool
    objective: Objective | None
    propagation: Propagation
    particles: int
    spread_penalty: float
    risk: float
    rules: tuple[Rule, ...]
    chunk_rows: int | None


class Rolled(NamedTuple):
    """Scores of R sequences, and what they are made of. P particles."""

    score: Tensor  # [R]
    chances: Tensor  # [R, F], of each forbidden event
    rewards: Tensor  # [H, R * P]
    events: Tensor | None  # [H, R * P, event_rows * E]


@dataclass(frozen=True, slots=True)
class Scores:
    """What B x C candidates are worth."""

    ranked: Floats  # [B, C]; -inf loses: not finite, or against a rule where others are not
    raw: Floats  # [B, C]; -inf where not finite
    excess: Floats  # [B, C, F], how far each rule is overstepped; 0 where it is kept
    nonfinite: NDArray[np.int64]  # [B]
    feasible: NDArray[np.bool_]  # [B]


class Scorer:
    """One plan's view of a model.

    weights: a goal's, None for the model's own reward and value. step: a compiled form of the
    model's, None to call it as it is. pool: for the native part.
    """

    def __init__(
        self,
        model: Any,
        settings: ScoreSettings,
        weights: Tensor | None,
        keys: Keys,
        horizon: int,
        step: Step | None,
        pool: _native.ThreadPool,
    ) -> None:
        self.step, self.pool = step, pool
        self.model, self.settings, self.horizon = model, settings, horizon
        self.spec = model.spec
        self.rows, self.particles = len(keys.seeds), settings.particles
        self.seconds = 0.0
        self.weights = None
        if weights is not None:
            flat = weights.flatten(-len(self.spec.event_shape))
            self.weights = flat if flat.dim() == 2 else flat.expand(self.rows, -1)
        self.reads_events = self.weights is not None or bool(settings.rules)
        self.stepwise = settings.objective is not None or settings.propagation != "mean"
        self.follows = settings.can.follows and not self.stepwise
        self.rolls = settings.can.rolls and not self.stepwise
        self.ids = torch.from_numpy(_ids(keys, self.particles)).to(self.spec.device)
        self.noise = CounterNoise(0, self.ids.flatten())
        self.members = self._members()
        powers = settings.discount ** np.arange(horizon + 1)
        self.discounts = torch.tensor(powers, dtype=torch.float32, device=self.spec.device)

    def population(self, state: Any, population: Floats, charge: Floats | None) -> Scores:
        """Score candidates [H, B, C, W]. charge: [B, C] to take off their scores."""
        start = perf_counter()
        problems, count = population.shape[1:3]
        actions = to_actions(population, self.spec.action)
        step = max(1, self._chunk_rows() // self.particles)
        scores, chances = [], []
        with torch.inference_mode():
            problem = torch.arange(problems).repeat_interleave(count)
            for index, some in zip(
                torch.split(problem, step), torch.split(actions, step, 1), strict=True
            ):
                rolled = self.sequences(state, index, some.to(self.spec.device))
                scores.append(rolled.score)
                chances.append(rolled.chances)
            raw = torch.cat(scores).float().cpu().numpy().reshape(problems, count)
            likely = torch.cat(chances).cpu().numpy().reshape(problems, count, -1)
        self.seconds += perf_counter() - start
        return self._ranked(raw if charge is None else raw - charge, likely)

    def line(self, state: Any, actions: Tensor) -> Rolled:
        """Score one sequence a row, [H, B, *action shape]; rewards and events are of all particles.

        Rewards become [H, B] and events [H, B, event_rows * E], means over the particles.
        """
        start = perf_counter()
        with torch.inference_mode():
            rolled = self.sequences(state, torch.arange(self.rows), actions, bool(self.spec.events))
            shape = (self.horizon, self.rows, self.particles)
            events = rolled.events
            rewards = rolled.rewards.view(shape).mean(2)
            events = None if events is None else events.view(*shape, -1).mean(2)
        self.seconds += perf_counter() - start
        return rolled._replace(rewards=rewards, events=events)

    def sequences(
        self, state: Any, problems: Tensor, actions: Tensor, keep_events: bool = False
    ) -> Rolled:
        """Score sequences, differentiably in their actions.

        problems: [R] int64, whose sequence each is. actions: [H, R, *action shape].
        """
        problems = problems.to(self.spec.device)
        if self.particles > 1:
            particle = torch.arange(self.particles, device=problems.device).repeat(len(problems))
            problems = problems.repeat_interleave(self.particles)
            actions = actions.repeat_interleave(self.particles, 1)
            places = problems * self.particles + particle
        else:
            places = problems
        rewards, cont, spread, events, last = self._roll(
            state, problems, places, actions, self.reads_events or keep_events
        )
        if self.weights is not None and self.settings.objective is None:
            rewards = (_needed(events) * self.weights[problems]).sum(-1)
        worth = rewards
        if self.settings.spread_penalty:
            if spread is None:
                raise ValueError(
                    "spread_penalty: this model's steps give no disagreement "
                    "(Transition.spread is None); use an ensemble, or leave the penalty at 0"
                )
            worth = rewards - self.settings.spread_penalty * spread
        tail = self._tail(last, problems)
        score = self._returns(worth, cont, tail)
        chances = self._chances(events, cont, len(problems))
        if self.particles > 1:
            worlds = score.view(-1, self.particles)
            score = worlds.mean(1)
            if self.settings.risk:
                score = score - self.settings.risk * worlds.std(1, correction=0)
            chances = chances.view(len(score), self.particles, -1).mean(1)
        if keep_events and cont is not None:
            # what comes after an episode's end does not happen
            events = _needed(events) * _alive(cont)[:-1, :, None]
        return Rolled(score, chances, rewards, events)

    def _returns(self, worth: Tensor, cont: Tensor | None, tail: Tensor | None) -> Tensor:
        """Add up what sequences bring, [R]; see `_native.trajectory_returns`, which does so unless
        gradients are wanted or the tensors are on a device."""
        if worth.is_cpu and torch.is_inference_mode_enabled():
            summed = _native.trajectory_returns(
                self.pool, _host(worth), _host(cont), _host(self.discounts), _host(tail)
            )
            return torch.from_numpy(summed)
        if cont is None:
            score = _sum(self.discounts[:-1, None] * worth)
            return score if tail is None else score + self.discounts[-1] * tail
        weight = self.discounts[:, None] * _alive(cont)
        score = _sum(weight[:-1] * worth)
        if tail is None:
            return score
        # a tail is not asked of a world that is over: there it may be anything
        return score + torch.where(weight[-1] > 0, weight[-1] * tail, 0.0)

    def _roll(
        self, state: Any, problems: Tensor, places: Tensor, actions: Tensor, keep_events: bool
    ) -> tuple[Tensor, Tensor | None, Tensor | None, Tensor | None, Any]:
        """Return rewards, continuation, spread and events, [H, R, ...], and the last states."""
        noise = self.noise.take(places)
        if self.follows or self.rolls:
            timed = noise.at(torch.arange(self.horizon, device=noise.device))
            if self.follows:
                last, trans = self.model.follow(state, problems, actions, timed)
            else:
                rows = self.model.take(state, problems)
                path = self.model.roll(rows, actions.transpose(0, 1).contiguous(), timed)
                last = pytree.tree_map(lambda leaf: leaf[:, -1], path.states)
                trans = Transition(*(x if x is None else x.transpose(0, 1) for x in path.trans))
            events = _flat(trans.events, self.spec.event_shape) if keep_events else None
            return self._own_reward(trans.reward), trans.cont, trans.spread, events, last
        rewards, conts, spreads, counts = (_Kept(self.horizon) for _ in range(4))
        now = self.model.take(state, problems)
        # compiled code passes no gradients
        compiled = self.step if self.members is None and torch.is_inference_mode_enabled() else None
        for time, action in enumerate(actions.unbind()):
            if compiled is not None:
                after, trans = compiled(now, action)
            elif self.members is None:
                after, trans = self.model.step(now, action, noise.at(time))
            else:
                member = self.members[time % len(self.members)][places]
                after, trans = self.model.step_member(now, action, member, noise.at(time))
            if self.settings.objective is not None:
                rewards.add(self.settings.objective.reward(now, action, trans, after))
            else:
                rewards.add(self._own_reward(trans.reward))
            conts.add(trans.cont)
            spreads.add(trans.spread)
            if keep_events:
                counts.add(_flat(trans.events, self.spec.event_shape))
            now = after
        found = rewards.all()
        assert found is not None
        return found, conts.all(), spreads.all(), counts.all(), now

    def _own_reward(self, reward: Tensor | None) -> Tensor:
        if reward is not None:
            return reward
        if self.weights is None:
            raise ValueError(
                "model: its steps give no reward (Transition.reward is None); plan with a goal on "
                "its events, or with an objective"
            )
        return self.discounts[:0]  # not read: the goal makes the reward

    def _tail(self, last: Any, problems: Tensor) -> Tensor | None:
        """Return what is to come after the horizon, [R], where anybody knows."""
        model, can = self.model, self.settings.can
        if self.settings.objective is not None:
            return self.settings.objective.tail(last)
        if not self.settings.terminal_value:
            return None
        if self.weights is not None:
            if not can.event_value:
                return None
            counts = _flat(model.event_value(last), self.spec.event_shape)
            return (_needed(counts) * self.weights[problems]).sum(-1)
        if can.value:
            value: Tensor = model.value(last)
        elif can.action_value:
            value = model.qvalue(last, likeliest_action(model, last))
        else:
            return None
        return value if value.dim() == 1 else value.mean(0)

    def _chances(self, events: Tensor | None, cont: Tensor | None, rows: int) -> Tensor:
        """Return the probability of each forbidden event along each sequence, [R, F]."""
        found = []
        alive = _alive(cont) if cont is not None and self.settings.rules else None
        for rule in self.settings.rules:
            once = (_needed(events) * rule.columns).sum(-1).clamp(0.0, 1.0)
            if alive is not None:
                once = once * alive[:-1]
            found.append(1.0 - (1.0 - once).cumprod(0)[-1])
        return torch.stack(found, 1) if found else torch.zeros(rows, 0, device=self.spec.device)

    def _ranked(self, raw: Floats, likely: Floats) -> Scores:
        """Give the losers minus infinity, and say who they are."""
        lost = ~np.isfinite(raw)
        if self.settings.rules:
            lost |= ~np.isfinite(likely).all(-1)
        raw[lost] = -np.inf
        all_lost = np.asarray(lost.all(1))
        if all_lost.any():
            row = int(all_lost.argmax())
            raise ValueError(
                f"model: every candidate of row {row} scored a NaN or an infinity; look for a "
                "diverged training run or a state out of scale"
            )
        if not self.settings.rules:
            return Scores(raw, raw, likely, lost.sum(1), ~all_lost)
        limits = np.array([rule.limit for rule in self.settings.rules], np.float32)
        excess = np.maximum(likely - limits, 0.0)
        excess[lost] = 0.0
        ranked = raw
        against = excess.sum(-1)
        feasible = ((against == 0) & ~lost).any(1)
        if against.any():
            # where nothing keeps to the rules, what breaks them least is best
            ranked = np.where(feasible[:, None], raw, -against)
            ranked = np.where((feasible[:, None] & (against > 0)) | lost, -np.inf, ranked)
        return Scores(ranked.astype(np.float32), raw, excess, lost.sum(1), feasible)

    def _members(self) -> Tensor | None:
        """Return each particle's member by time, [H or 1, B * P]; None where the model has none.

        A problem's particles share the members out evenly. TS1 shuffles them at every step.
        """
        settings, count = self.settings, self.spec.members
        if settings.propagation == "mean":
            return None
        if not settings.can.members:
            raise ValueError(
                f"propagation: {settings.propagation!r} needs an ensemble whose members can be "
                "stepped one by one (rollout.models.Members); use 'mean'"
            )
        if self.particles < count:
            raise ValueError(
                f"particles: expected at least {count}, one a member of the ensemble, got "
                f"{self.particles}"
            )
        if settings.propagation == "tsinf":
            order = torch.arange(self.particles, device=self.spec.device).expand(1, self.rows, -1)
        else:
            times = torch.arange(self.horizon, device=self.spec.device)
            drawn = self.noise.at(times).uniform("trajectory.member")  # [B * P, H]
            order = drawn.view(self.rows, self.particles, -1).argsort(1).permute(2, 0, 1)
        shared: Tensor = (order % count).flatten(1)
        return shared

    def _chunk_rows(self) -> int:
        if self.settings.chunk_rows is not None:
            return self.settings.chunk_rows
        if self.follows:
            return _NATIVE_ROWS
        return _CPU_ROWS if self.spec.device.type == "cpu" else 1 << 30


def _ids(keys: Keys, particles: int) -> NDArray[np.int64]:
    """Return the 32-bit id of each problem's particles, [B, P]: a hash of its key."""
    with np.errstate(over="ignore"):
        x = keys.seeds + keys.rows.astype(np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        x = x[:, None] + np.arange(particles, dtype=np.uint64) * np.uint64(0xD1B54A32D192ED03)
        for shift, factor in ((30, 0xBF58476D1CE4E5B9), (27, 0x94D049BB133111EB)):
            x = (x ^ (x >> np.uint64(shift))) * np.uint64(factor)
        low: NDArray[np.uint64] = (x ^ (x >> np.uint64(31))) & np.uint64(0xFFFFFFFF)
        return low.astype(np.int64)


def _alive(cont: Tensor) -> Tensor:
    """Return the probability to get to each step, [H + 1, R]."""
    return torch.cat((torch.ones_like(cont[:1]), cont.cumprod(0)))


def _sum(x: Tensor) -> Tensor:
    """Add up [H, R] over H, in an order that is the same for any R; torch's own is not."""
    while len(x) > 1:
        half = len(x) // 2
        x = torch.cat((x[:half] + x[half : 2 * half], x[2 * half :]))
    return x[0]


@overload
def _host(x: Tensor) -> Floats: ...


@overload
def _host(x: None) -> None: ...


def _host(x: Tensor | None) -> Floats | None:
    """Return a tensor's numbers as the kernels take them."""
    return None if x is None else x.float().numpy()


class _Kept:
    """What each step gives of one field, as [H, ...]; None where no step gives any.

    Without gradients it is copied at once: a small tensor kept from every step would stand between
    the blocks that the steps allocate, and each step would find none of them still in the cache.
    """

    def __init__(self, horizon: int) -> None:
        self._horizon = horizon
        self._whole: Tensor | None = None
        self._places: tuple[Tensor, ...] = ()
        self._fields: list[Tensor] = []

    def add(self, field: Tensor | None) -> None:
        """Take the next step's."""
        if field is None:
            return
        if torch.is_inference_mode_enabled():
            if self._whole is None:
                self._whole = field.new_empty((self._horizon, *field.shape))
                self._places = self._whole.unbind()
            field = self._places[len(self._fields)].copy_(field)
        self._fields.append(field)

    def all(self) -> Tensor | None:
        """Return what there was."""
        if self._whole is not None:
            return self._whole[: len(self._fields)]
        return torch.stack(self._fields) if self._fields else None


def _flat(events: Tensor | None, shape: tuple[int, ...]) -> Tensor | None:
    return None if events is None else events.flatten(-len(shape))


def _needed(events: Tensor | None) -> Tensor:
    if events is None:
        raise ValueError(
            "model: its spec names events, but its steps give none (Transition.events is None)"
        )
    return events
