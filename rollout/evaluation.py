"""Play whole episodes and count what they return: who plays, for how much, at what cost."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from rollout.envs import VectorEnv
from rollout.goals import Goal
from rollout.models import CounterNoise, Prior, WorldModel
from rollout.planning import Plan, TreeSearch

# (observations [N, ...], step, 0 at the episodes' start) -> an action a row, [N] int64
Player = Callable[[NDArray[Any], int], NDArray[np.int64]]


@dataclass(slots=True)
class Work:
    """What a player's thinking took, summed over its calls.

    plans: searches, one a row and step.
    simulations: model steps that they imagined.
    seconds: time spent planning; model_seconds: the part of it inside the network.
    """

    plans: int = 0
    simulations: int = 0
    seconds: float = 0.0
    model_seconds: float = 0.0


@dataclass(frozen=True, slots=True)
class Scores:
    """The result of one episode in each row.

    returns: [N] float64, undiscounted environment reward.
    lengths: [N] int64, steps.
    seconds: wall time of all of it.
    """

    returns: NDArray[np.float64]
    lengths: NDArray[np.int64]
    seconds: float

    @property
    def mean(self) -> float:
        """Mean return."""
        return float(self.returns.mean())

    @property
    def error(self) -> float:
        """Standard error of the mean return: episodes are independent. 0 for a single one."""
        if self.returns.size < 2:
            return 0.0
        return float(self.returns.std(ddof=1) / np.sqrt(self.returns.size))


def score(
    env: VectorEnv,
    player: Player,
    *,
    seed: int,
    steps: int | None = None,
    watch: Callable[[int, NDArray[np.float64]], None] | None = None,
) -> Scores:
    """Play one episode in every row of `env`, from its reset to its end.

    env: left wherever its rows are when the longest episode ends.
    player: chooses the actions of all rows; what it does in rows that have ended does not count.
    seed: row i is seeded seed + i.
    steps: stop after this many; None plays to the end.
    watch: called with the step and the returns so far [N], when the player has chosen its actions
      and before the environment takes them.
    """
    obs, _ = env.reset(seed=seed)
    running = np.ones(env.num_envs, np.bool_)
    returns = np.zeros(env.num_envs)
    lengths = np.zeros(env.num_envs, np.int64)
    began = time.perf_counter()
    step = 0
    while running.any() and step != steps:
        actions = player(obs, step)
        if watch is not None:
            watch(step, returns)
        obs, rewards, terminated, truncated, _ = env.step(actions)
        returns += np.where(running, rewards, 0.0)
        lengths += running
        running &= ~(terminated | truncated)
        step += 1
    return Scores(returns, lengths, time.perf_counter() - began)


class RandomPlayer:
    """Acts uniformly at random; the same each time for the same seed and step."""

    def __init__(self, num_actions: int, *, seed: int = 0) -> None:
        self._num_actions, self._seed = num_actions, seed

    def __call__(self, obs: NDArray[Any], step: int) -> NDArray[np.int64]:
        """Return an action a row."""
        return np.random.default_rng([self._seed, step]).integers(0, self._num_actions, len(obs))


class BotPlayer:
    """Acts as one of the environment's own scripted players.

    env: the very environment that is played in: a script reads its state.
    seed: row i draws from seed + i, where its script draws at all.
    """

    def __init__(self, env: Any, kind: str, *, seat: int = 0, seed: int = 0) -> None:
        self._env, self._kind, self._seat, self._seed = env, kind, seat, seed

    def __call__(self, obs: NDArray[Any], step: int) -> NDArray[np.int64]:
        """Return an action a row."""
        actions: NDArray[np.int64] = self._env.bot_actions(self._kind, self._seat, 0.0, self._seed)
        return actions


class _ModelPlayer:
    """Follows the episodes in a model's state."""

    def __init__(self, model: WorldModel[Any], *, seed: int = 0) -> None:
        self.model = model
        self._seed = seed
        self._state: Any = None
        self._last: torch.Tensor | None = None

    def _observe(self, obs: NDArray[Any], step: int) -> Any:
        """Return the model's state after `obs`."""
        rows, spec = len(obs), self.model.spec
        if step == 0 or self._last is None:
            self._state = self.model.begin(rows)
            self._last = torch.zeros(
                rows, *spec.action.shape, dtype=spec.action.dtype, device=spec.device
            )
        self._state = self.model.observe(
            self._state,
            torch.tensor(obs, device=spec.device),
            self._last,
            torch.full((rows,), step == 0, device=spec.device),
            CounterNoise(self._seed, rows, step, device=spec.device),
        )
        return self._state

    def _acted(self, actions: Any) -> NDArray[np.int64]:
        self._last = torch.as_tensor(actions, device=self.model.spec.device)
        chosen: NDArray[np.int64] = np.asarray(self._last.cpu())
        return chosen


class PolicyPlayer(_ModelPlayer):
    """Acts by a model's policy head alone: no planning.

    greedy: take the likeliest action; else draw from the head's distribution, the same each time
      for the same seed and step.
    Raises ValueError for a model without a policy head.
    """

    def __init__(self, model: WorldModel[Any], *, greedy: bool = True, seed: int = 0) -> None:
        if not isinstance(model, Prior):
            raise ValueError(f"model: expected one with a policy head, got {type(model).__name__}")
        super().__init__(model, seed=seed)
        self._policy, self._greedy = model.policy, greedy

    def __call__(self, obs: NDArray[Any], step: int) -> NDArray[np.int64]:
        """Return an action a row."""
        with torch.inference_mode():
            logits = self._policy(self._observe(obs, step))
            if not self._greedy:
                draws = np.random.default_rng([self._seed, step]).gumbel(size=logits.shape)
                logits = logits + torch.as_tensor(draws, dtype=logits.dtype, device=logits.device)
            return self._acted(logits.argmax(-1))


class PlannerPlayer(_ModelPlayer):
    """Acts by planning in a model.

    planner: plans in its own model.
    goal: what to plan for; None for the planner's own goal.

    `plan` and `state` are those of the last call, `work` sums what all of them took.
    """

    def __init__(self, planner: TreeSearch, *, goal: Goal | None = None, seed: int = 0) -> None:
        super().__init__(planner.model, seed=seed)
        self.planner, self.goal = planner, goal
        self.work = Work()
        self.plan: Plan | None = None

    @property
    def state(self) -> Any:
        """The model's state that the last plan began from."""
        return self._state

    def __call__(self, obs: NDArray[Any], step: int) -> NDArray[np.int64]:
        """Return an action a row."""
        with torch.inference_mode():
            state = self._observe(obs, step)
            began = time.perf_counter()
            plan = self.planner.plan(state, goal=self.goal, seed=self._seed + step)
        self.work.seconds += time.perf_counter() - began
        self.work.model_seconds += plan.model_seconds
        self.work.plans += len(obs)
        self.work.simulations += len(obs) * self.planner.num_simulations
        self.plan = plan
        return self._acted(plan.action)
