"""A training run: play, learn, judge, save; resumable at any iteration, bit for bit.

A run's folder holds
  config.json             the config, for people
  checkpoint.safetensors  everything needed to go on
  model.safetensors       the model that an evaluation liked best (the last one without evaluations)
  run.png                 returns, losses and speed

What happens in iteration i is a function of the config and of the state after iteration i - 1, so
a run may stop and resume anywhere. On another machine, or another number of torch threads, sums
may round otherwise.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch

from rollout.data import Replay
from rollout.evaluation import PlannerPlayer, Scores, score
from rollout.goals import parse
from rollout.learn.actor import Actor
from rollout.learn.build import build_env, build_model, build_search
from rollout.learn.checkpoint import read_checkpoint, write_checkpoint
from rollout.learn.config import TrainConfig
from rollout.learn.learner import Learner
from rollout.learn.plot import plot_run
from rollout.learn.streams import stream_seed
from rollout.models import save

# episodes whose mean is reported as the return in play
_RECENT = 100


@dataclass(frozen=True, slots=True)
class Progress:
    """Where a run stands; one is reported every `report_every` iterations."""

    iteration: int  # iterations done
    iterations: int  # planned
    steps: int  # environment steps, all rows together
    updates: int
    seconds: float  # of training, all sessions of the run together
    returned: float | None  # mean return of the last episodes that ended in play
    losses: Mapping[str, float]  # means since the report before
    steps_per_second: float  # since the report before
    evaluation: float | None  # mean return of an evaluation made now


Watch = Callable[[Progress], None]


class Trainer:
    """One run. Not thread-safe; sets torch's thread count for the process."""

    def __init__(self, config: TrainConfig, out: Path | None = None) -> None:
        """Set up a run at iteration 0.

        out: the run's folder, made if missing; None: nothing is written.
        """
        torch.set_num_threads(config.threads)
        self.config, self.out = config, out
        self.iteration = 0
        self.seconds = 0.0
        self.history: list[dict[str, Any]] = []
        self.best: float | None = None
        self.passed = False  # an evaluation reached config.stop_at
        self._stopping = False
        self._recent: list[float] = []
        self._sums: dict[str, float] = {}
        self._since = (0.0, 0, 0)  # seconds, iterations and updates at the last report

        env = build_env(config)
        self.model, target = build_model(config, env), build_model(config, env)
        spec = self.model.spec
        weights = None
        if config.goal:
            weights = parse(config.goal).vector(spec.events, spec.event_rows).astype(np.float32)
        self.replay = Replay(
            config.num_envs,
            config.capacity,
            obs_shape=spec.obs.shape,
            obs_dtype=self.model.config.obs_dtype,
            num_actions=self.model.config.num_actions,
            event_shape=spec.event_shape,
        )
        play, again = build_search(config, self.model), build_search(config, target)
        self.actor = Actor(env, self.model, play, self.replay, config, weights)
        self.learner = Learner(self.model, target, again, self.replay, config)
        if out is not None:
            out.mkdir(parents=True, exist_ok=True)
            (out / "config.json").write_text(config.model_dump_json(indent=2) + "\n")

    @classmethod
    def resume(cls, out: Path) -> Self:
        """Go on with the run in a folder, from its checkpoint.

        Raises FileNotFoundError without one, and ValueError if it is damaged.
        """
        arrays, facts = read_checkpoint(out / "checkpoint.safetensors")
        trainer = cls(TrainConfig.model_validate(facts["config"]), out)
        trainer._load(arrays, facts)
        return trainer

    @property
    def done(self) -> bool:
        """Whether the run has reached its end."""
        minutes = self.config.minutes
        late = minutes is not None and self.seconds >= 60 * minutes
        return self.passed or late or self.iteration >= self.config.iterations

    def run(self, watch: Watch | None = None, *, until: int | None = None) -> None:
        """Train to the end of the run, or to iteration `until`, or until `stop`; then save.

        watch: called with each `Progress`.
        """
        last = self.config.iterations if until is None else until
        self._stopping = False
        while not (self.done or self._stopping or self.iteration >= last):
            began = time.perf_counter()
            self._iterate()
            every = self.config.eval_every
            judged = None
            if every and self.iteration % every == 0:
                judged = self._judge()
            self.seconds += time.perf_counter() - began
            if judged is not None or self.iteration % self.config.report_every == 0:
                progress = self._report(judged)
                if watch is not None:
                    watch(progress)
            every = self.config.checkpoint_every
            if every and self.iteration % every == 0:
                self.checkpoint()
        if self.best is None and self.out is not None:
            save(self.model, self.out / "model.safetensors")
        self.checkpoint()

    def stop(self) -> None:
        """Let `run` end after the iteration it is in; for a signal handler or another thread."""
        self._stopping = True

    def evaluate(self, *, episodes: int, seed: int) -> Scores:
        """Play whole episodes with the model as it is, greedily, in a fresh environment."""
        config = self.config
        env = build_env(config, episodes)
        search = build_search(
            config, self.model, gumbel_scale=0.0, simulations=config.eval_simulations
        )
        try:
            return score(env, PlannerPlayer(search, seed=seed), seed=seed)
        finally:
            env.close()

    def checkpoint(self) -> None:
        """Write the run's state and picture to its folder; does nothing without one."""
        if self.out is None:
            return
        parts = {
            "learner": self.learner.state(),
            "replay": self.replay.state(),
            "actor": self.actor.state(),
        }
        arrays = {f"{part}.{name}": x for part, state in parts.items() for name, x in state.items()}
        facts = {
            "config": self.config.model_dump(mode="json"),
            "iteration": self.iteration,
            "updates": self.learner.updates,
            "seconds": self.seconds,
            "history": self.history,
            "best": self.best,
            "passed": self.passed,
            "recent": self._recent,
            "sums": self._sums,
            "since": self._since,
        }
        write_checkpoint(self.out / "checkpoint.safetensors", arrays, facts)
        if self.history:
            plot_run(self.history, self.out / "run.png", title=self.config.env)

    def _load(self, arrays: Mapping[str, Any], facts: Mapping[str, Any]) -> None:
        parts: dict[str, dict[str, Any]] = {"learner": {}, "replay": {}, "actor": {}}
        for name, array in arrays.items():
            part, _, rest = name.partition(".")
            parts[part][rest] = array
        self.replay.load_state(parts["replay"])
        self.actor.load_state(parts["actor"])
        self.learner.load_state(parts["learner"], facts["updates"])
        self.iteration, self.seconds = facts["iteration"], facts["seconds"]
        self.history, self.best, self.passed = facts["history"], facts["best"], facts["passed"]
        self._recent, self._sums = facts["recent"], facts["sums"]
        seconds, iterations, updates = facts["since"]
        self._since = (seconds, iterations, updates)

    def _iterate(self) -> None:
        """Play one step of every row, then make the updates that are due."""
        config = self.config
        self._recent = (self._recent + self.actor.step(self.iteration))[-_RECENT:]
        begun = self.iteration >= config.warmup_iterations
        if begun and self.replay.ready(config.unroll):
            for _ in range(config.updates_due(self.iteration)):
                losses = self.learner.update(self._progress())
                for name, loss in losses.items():
                    self._sums[name] = self._sums.get(name, 0.0) + loss
        self.iteration += 1

    def _progress(self) -> float:
        """Return how much of the learning is done, in [0, 1); the warm-up is no part of it."""
        warmup = self.config.warmup_iterations
        return (self.iteration - warmup) / max(1, self.config.iterations - warmup)

    def _judge(self) -> float:
        """Evaluate on seeds of their own, keep the model if none was better, note a pass."""
        config = self.config
        mean = self.evaluate(
            episodes=config.eval_episodes,
            seed=stream_seed(config.seed, "evaluation", self.iteration),
        ).mean
        if self.best is None or mean >= self.best:
            self.best = mean
            if self.out is not None:
                save(self.model, self.out / "model.safetensors")
        self.passed = config.stop_at is not None and mean >= config.stop_at
        return mean

    def _report(self, judged: float | None) -> Progress:
        rows = self.config.num_envs
        seconds, iterations, updates = self._since
        spent, made = self.seconds - seconds, self.learner.updates - updates
        progress = Progress(
            iteration=self.iteration,
            iterations=self.config.iterations,
            steps=self.iteration * rows,
            updates=self.learner.updates,
            seconds=self.seconds,
            returned=float(np.mean(self._recent)) if self._recent else None,
            losses={name: total / max(1, made) for name, total in self._sums.items()},
            steps_per_second=(self.iteration - iterations) * rows / max(spent, 1e-9),
            evaluation=judged,
        )
        self._since = (self.seconds, self.iteration, self.learner.updates)
        self._sums = {}
        self.history.append(asdict(progress))
        return progress
