"""The true rules as a world model: one of our environments, stepped from snapshots.

It is the reference that every planner is tested against, and what to plan with when the rules are
known. A state is the environment's own blob, random streams included, so the future that a model
state has is the future that the environment would have.

State: uint8 [R, row_bytes] on the CPU. One caller at a time, as for the environment; its own rows
are never touched. Cost: a step is one native call over the rows, and so is `follow`, a whole
horizon.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from gymnasium import spaces
from torch import Tensor

from rollout.envs.snapshot import Snapshot
from rollout.envs.vector_env import VectorEnv
from rollout.models import protocol
from rollout.models.noise import CounterNoise
from rollout.models.protocol import (
    ActionSpec,
    Box,
    Discrete,
    ModelSpec,
    MultiDiscrete,
    Noise,
    ObsSpec,
    Transition,
)

_EXAMPLE_STEPS = 5


class ExactModel:
    """An environment as a model.

    env: a `rollout.make_vec` environment that has been reset; make it with events=True to have
        events in each `Transition`. It must stay open.
    What the model observes is a world, not a picture of one: `observe` takes the blobs that
    `ExactModel.state(env.snapshot())` gives, and `picture` the environment's view of a state.
    A world that has ended stays as it is, with reward 0 and continuation 0; one that was cut by a
    time limit stays too, with continuation 1.
    """

    def __init__(self, env: VectorEnv) -> None:
        self._env = env
        self._begin = self.state(env.snapshot([0]))
        action = _action_spec(env.single_action_space)
        low = torch.as_tensor(action.bounds()[0]).to(action.dtype)
        trial = env.step_from(env.snapshot([0]), low.reshape(1, *action.shape).numpy())
        with_events = trial.events is not None
        self.spec = ModelSpec(
            obs=ObsSpec((self._begin.shape[1],), torch.uint8),
            action=action,
            device=torch.device("cpu"),
            dtype=torch.uint8,
            row_bytes=self._begin.shape[1],
            stochastic=False,
            events=tuple(env.event_names) if with_events else (),
            event_rows=env.event_rows if with_events else 1,
        )

    def state(self, snapshot: Snapshot) -> Tensor:
        """Return the worlds of a snapshot as a state.

        Raises ValueError for a snapshot of another environment.
        """
        snapshot.require(self._env.env_id, self._env.fingerprint, self._env.row_bytes)
        return torch.from_numpy(snapshot.data.copy())

    def snapshot(self, state: Tensor) -> Snapshot:
        """Return a state's worlds as a snapshot, to restore or to keep."""
        return Snapshot(self._env.env_id, self._env.fingerprint, state.numpy().copy())

    def picture(self, state: Tensor) -> Any:
        """Return the environment's observations of a state, [R, *observation shape]."""
        return self._env.observe(self._wrap(state))

    def begin(self, rows: int) -> Tensor:
        """Return `rows` copies of the world that the environment's first row was in."""
        return self._begin.repeat(rows, 1)

    def observe(
        self, state: Tensor, obs: Tensor, prev_action: Tensor, first: Tensor, noise: Noise
    ) -> Tensor:
        """Return the observed worlds. obs: [R, row_bytes] uint8, only from this environment."""
        self.spec.obs.check(obs, state.shape[0])
        return obs.clone()

    def step(
        self, state: Tensor, action: Tensor, noise: Noise | None = None
    ) -> tuple[Tensor, Transition]:
        """Step every world once. Raises TypeError or ValueError naming the first bad action."""
        out = self._env.step_from(self._wrap(state), action.detach().numpy())
        events = None if out.events is None else torch.from_numpy(out.events).float()
        return torch.from_numpy(out.snapshot.data), Transition(
            reward=torch.from_numpy(out.reward).float(),
            cont=torch.from_numpy(~out.terminated).float(),
            events=events,
        )

    def follow(
        self, state: Tensor, rows: Tensor, actions: Tensor, noise: Noise | None = None
    ) -> tuple[Tensor, Transition]:
        """Take sequences of actions, natively from end to end; see `protocol.Follows`."""
        out = self._env.rollout_from(
            self._wrap(state), actions.detach().numpy(), rows.numpy(), events=bool(self.spec.events)
        )
        events = None if out.events is None else torch.from_numpy(out.events).float()
        return torch.from_numpy(out.snapshot.data), Transition(
            reward=torch.from_numpy(out.reward), cont=torch.from_numpy(out.alive), events=events
        )

    def take(self, state: Tensor, rows: Tensor) -> Tensor:
        """Return copies of some worlds. rows: [M] int64."""
        return protocol.take(state, rows)

    def example_obs(self, rows: int, seed: int) -> Tensor:
        """Return worlds a few random steps after `begin`; see `protocol.Examples`."""
        state = self.begin(rows)
        low, high = (torch.as_tensor(bound) for bound in self.spec.action.bounds())
        unit = CounterNoise(seed, rows).uniform(
            "exact.example", (_EXAMPLE_STEPS, *self.spec.action.shape)
        )
        for step in range(_EXAMPLE_STEPS):
            spread = high - low + (0 if isinstance(self.spec.action, Box) else 1)
            action = (low + unit[:, step] * spread).to(self.spec.action.dtype)
            state, _ = self.step(state, action)
        return state

    def _wrap(self, state: Tensor) -> Snapshot:
        """Return a snapshot over the state's own memory, which nobody writes to."""
        return Snapshot(
            self._env.env_id, self._env.fingerprint, np.ascontiguousarray(state.numpy())
        )


def _action_spec(space: spaces.Space[Any]) -> ActionSpec:
    """Return a gymnasium action space as ours."""
    if isinstance(space, spaces.Discrete):
        return Discrete(int(space.n))
    if isinstance(space, spaces.MultiDiscrete):
        return MultiDiscrete(tuple(int(n) for n in space.nvec))
    if isinstance(space, spaces.Box):
        return Box(tuple(space.low.tolist()), tuple(space.high.tolist()))
    raise ValueError(f"env: expected Discrete, MultiDiscrete or Box actions, got {space}")
