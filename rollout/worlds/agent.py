"""A planner as a participant, and what it has in mind beyond its next action.

The planner thinks in a thread of its own (torch and the native search release the GIL), so a slow
plan makes the planner late and never the world.
"""

import time
from collections import deque
from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from rollout.goals import Expectation, Goal, expectations
from rollout.models import CounterNoise, Discrete
from rollout.planning import Plan, TreeSearch
from rollout.worlds.participants import Proposal, Seated

if TYPE_CHECKING:
    from rollout.worlds.world import SharedWorld, View

_FORESIGHT_SIMULATIONS = 8  # of a search that only tells where a plan leads


Foresight = tuple[tuple[int, ...], tuple[Expectation, ...]]


@torch.inference_mode()
def foresee(
    planner: TreeSearch,
    state: Any,
    plan: Plan,
    *,
    row: int = 0,
    goal: Goal | None = None,
    steps: int = 12,
    seed: int = 0,
) -> Iterator[Foresight]:
    """Yield the actions that a plan is going to lead to and the events expected on the way.

    The first item looks one step ahead, each further one a step more. The principal variation of
    one search is short, and its end rests on one or two visits. So this plans anew in each imagined
    state, with few simulations and under the same goal: what is shown is what the planner would do
    there, as things look now.

    state: the model's state that the plan was made from. row: which of its rows.
    steps: how far to look. Cost: a search of 8 simulations each step, one row.
    """
    model = planner.model
    spec = model.spec
    noise = CounterNoise(seed, 1, device=spec.device)
    state = model.take(state, torch.tensor([row], device=spec.device))
    action = plan.action[row : row + 1]
    path: tuple[int, ...] = ()
    events: list[NDArray[np.float32]] = []
    while True:
        state, after = model.step(state, action, noise.at(len(path)))
        path += (int(action[0]),)
        if after.events is not None:
            events.append(after.events[0].cpu().numpy())
        yield path, expectations(np.stack(events), spec.events, goal) if events else ()
        if len(path) >= steps:
            return
        action = planner.plan(
            state, num_simulations=_FORESIGHT_SIMULATIONS, goal=goal, seed=seed + len(path)
        ).action


class Agent(Seated):
    """A planner in a seat of a world.

    planner: plans in its own model, which sees the observation of this seat.
    steps: how far its intent is laid out, see `foresee`.
    identity: what the record should say of its model, such as its hash.

    One thread, from `join` to `leave`. What it raises reaches whoever steps the world.
    """

    kind = "agent"

    def __init__(
        self,
        planner: TreeSearch,
        *,
        name: str = "agent",
        steps: int = 12,
        seed: int = 0,
        identity: str = "",
    ) -> None:
        super().__init__(name)
        self.planner = planner
        self._steps, self._seed, self._identity = steps, seed, identity
        self._thread: ThreadPoolExecutor | None = None
        self._thoughts: deque[Future[None]] = deque()
        self._newest = 0
        # the model's own view of the world; touched by the thread only
        self._state: Any = planner.model.begin(1)
        if not isinstance(planner.model.spec.action, Discrete):
            raise ValueError(f"planner: expected discrete actions, got {planner.model.spec.action}")
        self._num_actions = planner.model.spec.action.n

    def describe(self) -> Mapping[str, Any]:
        """Return the name, the kind, and what it plans with."""
        return {
            "name": self.name,
            "kind": self.kind,
            "model": self._identity,
            "simulations": self.planner.num_simulations,
        }

    def join(self, world: "SharedWorld", seat: int) -> None:
        """Take the seat and start the thread."""
        super().join(world, seat)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix=f"rollout-{self.name}")

    def notice(self, view: "View") -> None:
        """Hand the view to the thread."""
        if self._thread is not None and not view.over:
            self._newest = view.tick
            with self._lock:
                self._thoughts.append(self._thread.submit(self._think, view))

    def proposal(self, tick: int) -> Proposal | None:
        """Return the plan for this tick if it is ready; raise what planning raised."""
        with self._lock:
            while self._thoughts and self._thoughts[0].done():
                # one that failed stays, so that everyone who asks hears of it
                self._thoughts[0].result()
                self._thoughts.popleft()
        return super().proposal(tick)

    def leave(self) -> None:
        """Stop the thread, when the plan that it works on is done."""
        if self._thread is not None:
            self._thread.shutdown(cancel_futures=True)
            self._thread = None
        self._thoughts.clear()

    def _think(self, view: "View") -> None:
        began = time.perf_counter()
        state = self._observe(view)
        if view.tick != self._newest:
            return  # behind already: see the newer view first
        spec = self.planner.model.spec
        masked = torch.zeros(1, self._num_actions, dtype=torch.bool, device=spec.device)
        masked[0, list(view.masked[self.seat])] = True
        goal = view.goal if view.goal.weights else None
        seed = self._seed + 1000 * view.tick
        with torch.inference_mode():
            plan = self.planner.plan(
                state,
                goal=goal,
                invalid_actions=masked,
                seed=seed,
            )
        first = Proposal(
            tick=view.tick,
            action=int(plan.action[0]),
            value=float(plan.value[0]),
            goal=view.goal,
            seconds=time.perf_counter() - began,
        )
        # the action at once, as only that can be late; then further and further ahead
        ahead = foresee(self.planner, state, plan, goal=goal, steps=self._steps, seed=seed + 1)
        for path, expected in ahead:
            self._propose(replace(first, path=path, expected=expected))
            if view.tick != self._newest:
                return

    def _observe(self, view: "View") -> Any:
        """Take the view into the model's state; every view, also those too late to plan in."""
        spec = self.planner.model.spec
        before = 0 if view.last is None else view.last.executed[self.seat]
        with torch.inference_mode():
            self._state = self.planner.model.observe(
                self._state,
                torch.tensor(view.obs[self.seat][None], device=spec.device),
                torch.tensor([before], device=spec.device),
                torch.tensor([view.last is None], device=spec.device),
                CounterNoise(self._seed, 1, view.tick, device=spec.device),
            )
        return self._state
