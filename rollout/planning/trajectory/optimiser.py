"""What all trajectory optimisers share: draw sequences, score them, fit to the best, act.

A method is a subclass that says how many candidates an iteration has, which others join them, and
how scores become weights. A distribution over sequences (`proposals`) says how to draw and fit, so
every method serves every action space.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter
from typing import Any, ClassVar, Literal, TypedDict, Unpack

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils import _pytree as pytree

from rollout import _native
from rollout.models.protocol import WorldModel
from rollout.planning.goal import GoalLike, goal_weights
from rollout.planning.plan import TrajectoryPlan
from rollout.planning.rules import Rejection, Rule, rules
from rollout.planning.trajectory.compiled import CompiledStep, Step
from rollout.planning.trajectory.gradient import Refine, refined
from rollout.planning.trajectory.memory import keep_freed_memory
from rollout.planning.trajectory.noise import NoiseShape, White
from rollout.planning.trajectory.proposals import (
    Categorical,
    Floats,
    Keys,
    ProposalSettings,
    make_proposal,
    to_actions,
)
from rollout.planning.trajectory.scoring import (
    Abilities,
    Objective,
    Propagation,
    Scorer,
    Scores,
    ScoreSettings,
)
from rollout.search.packages import CannotCompileError
from rollout.search.types import Seed

_SEED_STEP = 0x9E3779B97F4A7C15  # odd, so that the seeds of a planner's plans are distinct
_SEED_MASK = (1 << 64) - 1
_ACT_ITERATION = 0xFFFFFFFF  # of the draw that chooses among candidates: no real iteration's
Act = Literal["mean", "best", "sample"]


class Common(TypedDict, total=False):
    """Settings that every method takes; see `TrajectoryOptimiser`."""

    horizon: int
    discount: float
    goal: GoalLike | None
    objective: Objective | None
    terminal_value: bool
    std: float
    min_std: float
    max_std: float
    noise: NoiseShape
    bounds: tuple[float, float] | None
    rate_cost: float
    forbid: Mapping[str, float] | None
    propagation: Propagation
    particles: int
    spread_penalty: float
    risk: float
    refine: Refine | None
    act: Act
    explore: float
    chunk_rows: int | None
    num_threads: int | None
    seed: int
    paths: bool
    compile: bool | Literal["auto"]


@dataclass(slots=True)
class Run:
    """One plan in the making, B rows."""

    keys: Keys
    fresh: NDArray[np.bool_]  # [B], rows that do not follow on their last plan
    state: Any
    scorer: Scorer
    population: Floats  # [H, B, C, W], of the last iteration, as all below but the best
    ranked: Floats  # [B, C]
    raw: Floats  # [B, C]
    weights: Floats  # [B, C]
    best: Floats  # [H, B, 1, W], of all iterations
    best_rank: Floats  # [B]
    best_feasible: NDArray[np.bool_]  # [B]

    def take(self, index: NDArray[np.int64]) -> Floats:
        """Return copies of some candidates of each row, [H, B, n, W]. index: [B, n]."""
        taken: Floats = self.population[:, np.arange(len(index))[:, None], index]
        return taken

    def keep_best(self, population: Floats, scores: Scores) -> None:
        """Remember the best candidate so far; one that keeps to the rules goes before others."""
        found = scores.ranked.argmax(1)
        rank = scores.ranked[np.arange(len(found)), found]
        better = (scores.feasible & ~self.best_feasible) | (
            (scores.feasible == self.best_feasible) & (rank > self.best_rank)
        )
        rows = np.flatnonzero(better)
        self.best[:, rows, 0] = population[:, rows, found[rows]]
        self.best_rank[rows] = rank[rows]
        self.best_feasible[rows] = scores.feasible[rows]


class TrajectoryOptimiser:
    """A planner that optimises whole action sequences, for B rows at once.

    model: any `rollout.models` model. One that `Follows` or `Rolls` is rolled in one call a chunk.
    horizon: H steps that a sequence is long.
    discount: a step's, on top of the model's own continuation.
    goal: weights on the model's events, in place of its reward and value; see `goal_weights`.
    objective: in place of both, any function of states and actions.
    terminal_value: whether the last state counts what the model's value, event value or action
        value says of it.
    std, min_std, max_std: deviation of a number at the start of a plan, and its bounds while
        fitting, in half ranges of the action (in units where it has no bounds).
    noise: how noise runs over the horizon: `White`, `Coloured`, `Spline` or `Rate`.
    bounds: narrower (low, high) for every continuous number.
    rate_cost: reward units for a squared change between steps of one number by a half range, the
        last action taken included.
    forbid: event name -> the highest probability of it along a plan; see `rules`. Candidates above
        are set aside; where all are, those that overstep least are kept, and `Plan.feasible` tells.
    propagation: "mean", or for an ensemble with members "ts1" (a particle's member is drawn anew at
        every step) or "tsinf" (it keeps one); particles: futures that a candidate is averaged over.
    spread_penalty: reward units for a unit of `Transition.spread`, each step.
    risk: deviations among particles to take off their mean.
    refine: improve the best sequences along the model's gradient; see `Refine`.
    act: take the centre of the distribution ("mean"), the best candidate of all ("best"), or one of
        the last iteration's by its weight ("sample"). With `refine` or `forbid` it is always the
        best; with `forbid` the centre is one of the candidates.
    explore: share of a choice's chance that stays spread over all its options.
    chunk_rows: sequences rolled at a time; None chooses for the cache.
    num_threads: of the native kernels; None for all processors.
    seed: of the planner's own sequence of seeds, one a plan.
    paths: whether to step the model along the plan, for path_rewards and path_events and for the
        value of that very line: H more steps of B rows.
    compile: whether to call a compiled form of the model's `step`, for models in host memory that
        draw no random numbers (`spec.stochastic` False). "auto" does where it can be had and tells
        in `not_compiled` why it could not; the first plan then takes seconds, unless the code is on
        disk from before. The model's `follow` or `roll` goes before.

    Between plans it keeps the distribution that it found, shifted by a step. Not for two threads at
    once: make a planner for each.
    """

    repeat_last: ClassVar[bool] = False  # whether a warm start ends in its last action twice

    def __init__(
        self,
        model: WorldModel[Any],
        *,
        horizon: int = 15,
        discount: float = 0.99,
        goal: GoalLike | None = None,
        objective: Objective | None = None,
        terminal_value: bool = True,
        std: float = 0.5,
        min_std: float = 0.0,
        max_std: float = 10.0,
        noise: NoiseShape | None = None,
        bounds: tuple[float, float] | None = None,
        rate_cost: float = 0.0,
        forbid: Mapping[str, float] | None = None,
        propagation: Propagation = "mean",
        particles: int = 1,
        spread_penalty: float = 0.0,
        risk: float = 0.0,
        refine: Refine | None = None,
        act: Act = "mean",
        explore: float = 0.02,
        chunk_rows: int | None = None,
        num_threads: int | None = None,
        seed: int = 0,
        paths: bool = True,
        compile: bool | Literal["auto"] = False,
    ) -> None:
        at_least("horizon", horizon, 1)
        at_least("particles", particles, 1)
        if chunk_rows is not None:
            at_least("chunk_rows", chunk_rows, 1)
        if not 0.0 <= discount <= 1.0:
            raise ValueError(f"discount: expected a number in [0, 1], got {discount}")
        if not 0.0 <= min_std <= max_std:
            raise ValueError(f"min_std: expected 0 <= min_std <= max_std, got {min_std}, {max_std}")
        if std <= 0.0:
            raise ValueError(f"std: expected a positive number of half ranges, got {std}")
        if propagation not in ("mean", "ts1", "tsinf"):
            raise ValueError(f"propagation: expected 'mean', 'ts1' or 'tsinf', got {propagation!r}")
        if act not in ("mean", "best", "sample"):
            raise ValueError(f"act: expected 'mean', 'best' or 'sample', got {act!r}")
        share("explore", explore)
        if goal is not None and objective is not None:
            raise ValueError("objective: expected None with a goal; state one of the two")
        self.model, self.horizon, self.goal = model, horizon, goal
        self.refine, self.rate_cost, self.paths = refine, rate_cost, paths
        self.scoring = ScoreSettings(
            can=Abilities.of(model),
            discount=discount,
            terminal_value=terminal_value,
            objective=objective,
            propagation=propagation,
            particles=particles,
            spread_penalty=spread_penalty,
            risk=risk,
            rules=rules(forbid, model.spec),
            chunk_rows=chunk_rows,
        )
        self.act: Act = "best" if self.scoring.rules or refine is not None else act
        self.pool = _native.ThreadPool(num_threads or _native.hardware_threads())
        keep_freed_memory()
        settings = ProposalSettings(
            std=std,
            min_std=min_std,
            max_std=max_std,
            noise=noise or White(),
            explore=explore,
            repeat_last=self.repeat_last,
        )
        self.proposal = make_proposal(model.spec.action, horizon, settings, self.pool, bounds)
        self.not_compiled = ""  # why the model is called as it is, where compile="auto"
        self._must_compile = compile is True
        self._compiled: CompiledStep | None = None
        if compile:
            try:
                self._compiled = CompiledStep(model)
            except CannotCompileError as error:
                self._do_without(error)
        self._seed, self._plans = seed, 0
        self._last: Floats | None = None  # [1, B, 1, W], the actions of the last plan

    @property
    def iterations(self) -> int:
        """How often candidates are drawn, scored and fitted to."""
        return 1

    def count(self, iteration: int) -> int:
        """Return how many candidates an iteration has."""
        raise NotImplementedError

    def prepare(self, run: Run) -> None:
        """Look at the state before the first iteration."""

    def place(self, run: Run, iteration: int) -> None:
        """Put candidates of the method's own in the place of the last ones that were drawn."""

    def weigh(self, run: Run) -> Floats:
        """Return weights [B, C] that sum to one for the scores of this iteration."""
        raise NotImplementedError

    def fit(self, run: Run) -> None:
        """Move the distribution to the weighted candidates."""
        self.proposal.fit(run.population, run.weights, 0.0, 0.0)

    def finish(self, run: Run) -> None:
        """Keep something for the next plan."""

    def plan(
        self,
        state: Any,
        *,
        goal: GoalLike | None = None,
        invalid_actions: Tensor | None = None,
        reset: Tensor | NDArray[np.bool_] | None = None,
        seed: Seed | None = None,
    ) -> TrajectoryPlan:
        """Plan from B states at once.

        state: the model's pytree, leaves [B, ...].
        goal: None for the planner's own.
        invalid_actions: [B, A] bool, true where a discrete action must not be taken now.
        reset: [B] bool, true where this plan does not follow on the last one: an episode begins.
            Other rows go on from the last plan, unless the number of rows has changed.
        seed: an int, or one a row, as in `rollout.search.muzero_policy`; None for the next of the
            planner's own sequence.
        Raises ValueError naming the argument, or the row in which no candidate had a finite score.
        """
        start = perf_counter()
        rows = int(pytree.tree_leaves(state)[0].shape[0])
        goal = self.goal if goal is None else goal
        weights = None if goal is None else goal_weights(goal, self.model.spec, rows)
        run = self._begin(state, rows, self._keys(seed, rows), weights, reset)
        self._bar(invalid_actions, rows)
        self.prepare(run)
        tally = _Tally(self.scoring.rules, rows)
        for iteration in range(self.iterations):
            run.population = self.proposal.sample(run.keys, iteration, self.count(iteration))
            if self.scoring.rules:
                # the mean of lawful sequences need not be lawful, so it has to stand the test
                run.population[:, :, :1] = self.proposal.centre()
            self.place(run, iteration)
            self._score(run, tally, run.population)
            run.weights = self.weigh(run)
            self.fit(run)
        if self.refine is not None:
            top = self.elites(run.ranked, min(self.refine.candidates, run.ranked.shape[1]))
            better = refined(run.scorer, state, self.proposal, run.take(top), self.refine)
            run.keep_best(better, self._scores(run, tally, better))
        self.finish(run)
        sequence = self._chosen(run)
        self._last = sequence[:1]
        return self._plan(run, sequence, tally, start)

    def elites(self, ranked: Floats, count: int) -> NDArray[np.int64]:
        """Return each row's best candidates, [B, count], best first."""
        return _native.trajectory_elites(self.pool, ranked, count)

    def elite_weights(self, ranked: Floats, count: int) -> Floats:
        """Return equal weights for each row's best candidates, [B, C]; a loser is no elite."""
        index = self.elites(ranked, count)
        chosen = np.isfinite(np.take_along_axis(ranked, index, 1))
        weights = np.zeros_like(ranked)
        np.put_along_axis(weights, index, chosen / chosen.sum(1, keepdims=True), 1)
        return weights

    def softmax(self, ranked: Floats, temperature: float) -> Floats:
        """Return exp(rank / temperature), scaled to sum to one in each row."""
        return _native.trajectory_soft_weights(self.pool, ranked, temperature)

    def _begin(
        self,
        state: Any,
        rows: int,
        keys: Keys,
        weights: Tensor | None,
        reset: Tensor | NDArray[np.bool_] | None,
    ) -> Run:
        """Move the distribution on from the last plan, and start anew where asked."""
        if reset is not None:
            reset = np.asarray(reset)
            if reset.shape != (rows,) or reset.dtype != np.bool_:
                raise ValueError(
                    f"reset: expected [B={rows}] bool, got {list(reset.shape)} {reset.dtype}"
                )
        warm = self._last is not None and self._last.shape[1] == rows
        fresh = np.zeros(rows, np.bool_) if warm else np.ones(rows, np.bool_)
        if warm:
            fresh |= False if reset is None else reset
            self.proposal.advance(fresh)
        else:
            self.proposal.begin(rows)
        none = np.empty((rows, 0), np.float32)
        return Run(
            keys=keys,
            fresh=fresh,
            state=state,
            scorer=Scorer(
                self.model, self.scoring, weights, keys, self.horizon, self._step(state), self.pool
            ),
            population=none,
            ranked=none,
            raw=none,
            weights=none,
            best=self.proposal.centre(),
            best_rank=np.full(rows, -np.inf, np.float32),
            best_feasible=np.zeros(rows, np.bool_),
        )

    def _step(self, state: Any) -> Step | None:
        """Return the compiled step for states like this one, or None."""
        if self._compiled is None:
            return None
        try:
            return self._compiled.bind(state)
        except CannotCompileError as error:
            self._do_without(error)
            return None

    def _do_without(self, error: CannotCompileError) -> None:
        """Go on with the model as it is, unless a compiled one was asked for."""
        if self._must_compile:
            raise error
        self._compiled, self.not_compiled = None, str(error)

    def _score(self, run: Run, tally: _Tally, population: Floats) -> None:
        scores = self._scores(run, tally, population)
        run.ranked, run.raw = scores.ranked, scores.raw
        run.keep_best(population, scores)

    def _scores(self, run: Run, tally: _Tally, population: Floats) -> Scores:
        charge = self._rate_charge(run, population) if self.rate_cost else None
        scores = run.scorer.population(run.state, population, charge)
        tally.add(scores)
        return scores

    def _rate_charge(self, run: Run, population: Floats) -> Floats:
        """Return what the changes between steps cost, [B, C]."""
        numbers = self.proposal.numbers(population)
        charge: Floats = np.square(np.diff(numbers, axis=0)).sum((0, 3))
        if self._last is not None and not run.fresh.all():
            first = np.square(numbers[0] - self.proposal.numbers(self._last)[0]).sum(2)
            charge += first * ~run.fresh[:, None]
        return self.rate_cost * charge

    def _chosen(self, run: Run) -> Floats:
        """Return the sequence to act on, [H, B, 1, W]."""
        if self.act == "best":
            return run.best
        if self.act == "mean":
            return self.proposal.centre()
        index = np.empty((1, len(run.weights), 1, 1), np.float32)
        _native.trajectory_fill_choices(
            self.pool,
            index,
            run.keys.seeds,
            run.keys.rows,
            _ACT_ITERATION,
            run.weights[:, None, None],
        )
        return run.take(index[0, :, 0].astype(np.int64))

    def _plan(self, run: Run, sequence: Floats, tally: _Tally, start: float) -> TrajectoryPlan:
        spec, rows = self.model.spec, len(run.fresh)
        actions = to_actions(sequence, spec.action)
        events = None
        if self.paths or self.scoring.rules:
            line = run.scorer.line(run.state, actions.to(spec.device))
            value, path_rewards, chances = line.score, line.rewards.T.cpu(), line.chances.cpu()
            if spec.events and line.events is not None:
                events = line.events.transpose(0, 1).reshape(rows, self.horizon, *spec.event_shape)
                events = events.cpu()
        else:
            finite = np.where(run.weights > 0, run.raw, 0.0)
            value = torch.from_numpy((run.weights * finite).sum(1)).to(spec.device)
            path_rewards, chances = torch.empty(rows, 0), torch.empty(rows, 0)
        return TrajectoryPlan(
            action=self.last_touch(run, actions[0]).to(spec.device),
            value=value,
            path_actions=actions.transpose(0, 1),
            path_rewards=path_rewards,
            path_events=events,
            candidates=tally.candidates,
            nonfinite=torch.from_numpy(tally.nonfinite),
            feasible=torch.from_numpy(run.best_feasible),
            rejections=tally.rejections(chances),
            model_seconds=run.scorer.seconds,
            seconds=perf_counter() - start,
        )

    def last_touch(self, run: Run, action: Tensor) -> Tensor:
        """Return the actions to take, given the first of the plan. action: [B, ...] on the CPU."""
        return action

    def _keys(self, seed: Seed | None, rows: int) -> Keys:
        if seed is None:
            seed = (self._seed + self._plans * _SEED_STEP) & _SEED_MASK
            self._plans += 1
        if isinstance(seed, int):
            seeds = np.full(rows, seed & _SEED_MASK, np.uint64)
            return Keys(seeds, np.arange(rows, dtype=np.uint32))
        given = [int(one) & _SEED_MASK for one in seed]
        if len(given) != rows:
            raise ValueError(f"seed: expected an int or B={rows} of them, got {len(given)}")
        return Keys(np.array(given, np.uint64), np.zeros(rows, np.uint32))

    def _bar(self, invalid: Tensor | None, rows: int) -> None:
        """Rule actions out of the first step."""
        if not isinstance(self.proposal, Categorical) or len(self.proposal.nvec) > 1:
            if invalid is not None:
                raise ValueError(
                    f"invalid_actions: expected None, since they are for Discrete actions and this "
                    f"model has {self.model.spec.action}; use bounds"
                )
            return
        self.proposal.barred = None
        if invalid is None:
            return
        barred = np.asarray(invalid.cpu()).astype(np.bool_)
        want = (rows, int(self.proposal.nvec[0]))
        if barred.shape != want:
            raise ValueError(
                f"invalid_actions: expected [B={want[0]}, A={want[1]}] bool, got "
                f"{list(barred.shape)}"
            )
        if barred.all(1).any():
            row = int(barred.all(1).argmax())
            raise ValueError(f"invalid_actions: row {row} has no action left; unmask one")
        self.proposal.barred = barred


class _Tally:
    """Counts of what lost, over a plan's iterations."""

    def __init__(self, against: tuple[Rule, ...], rows: int) -> None:
        self.rules = against
        self.candidates = 0
        self.nonfinite = np.zeros(rows, np.int64)
        self.rejected = np.zeros((rows, len(against)), np.int64)
        self.forgone = np.full((rows, len(against)), -np.inf, np.float32)

    def add(self, scores: Scores) -> None:
        self.candidates += scores.raw.shape[1]
        self.nonfinite += scores.nonfinite
        if self.rules:
            over = scores.excess > 0
            self.rejected += over.sum(1)
            lost = np.where(over, scores.raw[:, :, None], -np.inf).max(1)
            self.forgone = np.maximum(self.forgone, lost)

    def rejections(self, chances: Tensor) -> tuple[Rejection, ...]:
        """Return a record for each rule. chances: [B, F], of the plan's own line."""
        return tuple(
            Rejection(
                event=rule.event,
                limit=rule.limit,
                probability=chances[:, f],
                rejected=torch.from_numpy(self.rejected[:, f]),
                forgone=torch.from_numpy(self.forgone[:, f]),
            )
            for f, rule in enumerate(self.rules)
        )


def at_least(name: str, value: int, least: int) -> int:
    """Return an integer setting; raise ValueError for another kind or one below the least."""
    if isinstance(value, bool) or not isinstance(value, int) or value < least:
        raise ValueError(f"{name}: expected an integer >= {least}, got {value!r}")
    return value


def share(name: str, value: float) -> float:
    """Return a setting in [0, 1); raise ValueError for another."""
    if not 0.0 <= value < 1.0:
        raise ValueError(f"{name}: expected a share in [0, 1), got {value}")
    return value


def with_defaults(given: Common, **defaults: Unpack[Common]) -> Common:
    """Return the settings given, on top of a method's own defaults."""
    return {**defaults, **given}
