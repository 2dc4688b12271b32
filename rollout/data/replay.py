"""Replay: the last steps of every environment row, in preallocated rings.

Each row's ring holds its stream of observations in order, together with what followed each. The
stream is that of a vector environment in NEXT_STEP autoreset: after an episode ends its last
observation is seen once more with an action that nobody carries out. Such an entry is *closed*:
it keeps the final observation, from which a truncated episode bootstraps, and no step leaves it.

    step number      7      8      9      10     11
    observation      o3     o4     o5     o0     o1        o5 is the final observation
    step leaving it  ->     ->     closed ->     ->
    flags                   TERM   CLOSED                  the step from o4 terminated

Memory: all of it is allocated at once (the system hands out pages as they are first written).
Not thread-safe. Cost: `sample` is a few gathers, linear in the window's bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from rollout.data.segments import Segments

TERMINATED, TRUNCATED, CLOSED = 1, 2, 4

# draws of a sample before the replay says that it holds no open step
_MAX_DRAWS = 32


class Replay:
    """Rings of `capacity` steps for `rows` environment rows that step together."""

    def __init__(
        self,
        rows: int,
        capacity: int,
        *,
        obs_shape: tuple[int, ...],
        obs_dtype: DTypeLike,
        num_actions: int,
        event_shape: tuple[int, ...] = (0,),
    ) -> None:
        """Allocate an empty replay.

        rows:        N, environment rows.
        capacity:    T, steps kept a row; the oldest are overwritten.
        obs_shape:   shape of one observation, stored as `obs_dtype`.
        num_actions: A, width of the stored policy; actions are integers in [0, A).
        event_shape: shape of one step's event counts; (0,) where there are none.
        """
        if rows < 1 or capacity < 2:
            raise ValueError(
                f"rows, capacity: expected at least 1 row and 2 steps, got {rows} and {capacity}"
            )
        self.rows, self.capacity, self.num_actions = rows, capacity, num_actions
        self.count = 0  # steps appended to each row since the replay was made
        self._fields: dict[str, NDArray[Any]] = {
            "obs": np.zeros((rows, capacity, *obs_shape), obs_dtype),
            "action": np.zeros((rows, capacity), np.int32),
            "reward": np.zeros((rows, capacity), np.float32),
            "flags": np.zeros((rows, capacity), np.uint8),
            "events": np.zeros((rows, capacity, *event_shape), np.uint8),
            "policy": np.zeros((rows, capacity, num_actions), np.float32),
            "value": np.zeros((rows, capacity), np.float32),
        }
        # the same memory with the row and step axes joined: one index instead of two
        self._flat = {
            name: field.reshape(rows * capacity, *field.shape[2:])
            for name, field in self._fields.items()
        }
        self._ended = np.zeros(rows, np.bool_)

    @property
    def size(self) -> int:
        """Steps held a row."""
        return min(self.count, self.capacity)

    @property
    def oldest(self) -> int:
        """Step number of the oldest step held."""
        return self.count - self.size

    def append(
        self,
        obs: ArrayLike,
        action: ArrayLike,
        reward: ArrayLike,
        terminated: ArrayLike,
        truncated: ArrayLike,
        *,
        policy: ArrayLike,
        value: ArrayLike,
        events: ArrayLike | None = None,
    ) -> None:
        """Append one step of every row: what was seen, what was done, and what that led to.

        obs:        [N, ...] observation that the action answered.
        action:     [N] integer.
        reward, terminated, truncated: [N] result of the step.
        policy:     [N, A] policy target at obs, such as a search's action weights.
        value:      [N] value of obs, such as a search's root value.
        events:     [N, ...event shape] counts of the step; None stores zeros.
        A row whose last episode ended in the step before is closed here: its observation is kept
        as that episode's last, and what else is given for it enters no window.
        Raises ValueError naming the argument whose shape is wrong.
        """
        slot = self.count % self.capacity
        given = {"obs": obs, "action": action, "reward": reward, "policy": policy, "value": value}
        given["events"] = np.zeros((), np.uint8) if events is None else events
        for name, value_given in given.items():
            field = self._fields[name][:, slot]
            array = np.asarray(value_given)
            if array.shape != field.shape and not (name == "events" and events is None):
                raise ValueError(
                    f"{name}: expected shape {list(field.shape)}, got {list(array.shape)}; "
                    "append takes one step of all rows"
                )
            field[...] = array
        closed = self._ended
        terminated_now = np.asarray(terminated, np.bool_) & ~closed
        truncated_now = np.asarray(truncated, np.bool_) & ~closed
        self._fields["flags"][:, slot] = (
            TERMINATED * terminated_now + TRUNCATED * truncated_now + CLOSED * closed
        )
        self._ended = terminated_now | truncated_now
        self.count += 1

    def ready(self, unroll: int) -> bool:
        """Return whether windows of `unroll` steps can be sampled."""
        return self.size > unroll

    def sample(self, batch: int, unroll: int, horizon: int, rng: np.random.Generator) -> Segments:
        """Draw `batch` windows, uniformly over the open steps that `unroll` stored steps follow.

        unroll:  K, steps to unroll a model over.
        horizon: n, further steps that returns look at; cut where the replay ends.
        rng:     the only source of randomness.
        Raises ValueError if nothing can be drawn yet.
        """
        if not self.ready(unroll):
            raise ValueError(
                f"replay: expected more than unroll={unroll} steps a row before sampling, "
                f"got {self.size}; append more first"
            )
        rows, start = self._draw(batch, unroll, rng)
        base = rows * self.capacity

        steps = start[:, None] + np.arange(unroll + horizon)
        # the newest step's next observation is not stored yet: a window ends before it
        last = self.count - 1
        at = base[:, None] + np.minimum(steps, last) % self.capacity
        flags = self._flat["flags"][at]
        real = np.logical_and.accumulate(((flags & CLOSED) == 0) & (steps < last), axis=1)
        length = real.sum(axis=1)
        final = np.take_along_axis(flags, (length - 1)[:, None], axis=1)[:, 0]

        seen = np.minimum(np.arange(unroll + 1), length[:, None]) + start[:, None]
        seen_at = base[:, None] + seen % self.capacity
        events = self._flat["events"][at]
        events[~real] = 0
        return Segments(
            rows=rows,
            start=start,
            obs=self._flat["obs"][seen_at],
            action=self._flat["action"][seen_at[:, :-1]].astype(np.int64),
            policy=self._flat["policy"][seen_at],
            reward=np.where(real, self._flat["reward"][at], np.float32(0)),
            events=events,
            length=length,
            terminated=(final & TERMINATED) != 0,
        )

    def _draw(
        self, batch: int, unroll: int, rng: np.random.Generator
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Draw (rows [batch], step numbers [batch]) of open steps, by rejection."""
        span = self.size - unroll
        rows, start = np.empty(0, np.int64), np.empty(0, np.int64)
        for _ in range(_MAX_DRAWS):
            drawn = rng.integers(0, self.rows * span, size=batch)
            row, step = drawn // span, self.oldest + drawn % span
            flags = self._flat["flags"][row * self.capacity + step % self.capacity]
            keep = (flags & CLOSED) == 0
            rows, start = np.append(rows, row[keep]), np.append(start, step[keep])
            if rows.size >= batch:
                return rows[:batch], start[:batch]
        raise ValueError(
            f"replay: found only {rows.size} open steps of {batch} in {_MAX_DRAWS} draws; "
            "append more first"
        )

    def observations(
        self, rows: NDArray[np.int64], steps: NDArray[np.int64]
    ) -> NDArray[np.generic]:
        """Return the stored observations [..., obs] at rows [...] and step numbers [...]."""
        return self._flat["obs"][self._index(rows, steps)]

    def values(self, rows: NDArray[np.int64], steps: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the stored values [...] at rows [...] and step numbers [...]."""
        stored: NDArray[np.float32] = self._flat["value"][self._index(rows, steps)]
        return stored

    def refresh(
        self,
        rows: NDArray[np.int64],
        steps: NDArray[np.int64],
        policy: NDArray[np.float32],
        value: NDArray[np.float32],
    ) -> None:
        """Overwrite the policy [M, A] and value [M] stored at rows [M] and step numbers [M]."""
        index = self._index(rows, steps)
        self._flat["policy"][index] = policy
        self._flat["value"][index] = value

    def _index(self, rows: NDArray[np.int64], steps: NDArray[np.int64]) -> NDArray[np.int64]:
        if steps.size and (int(steps.min()) < self.oldest or int(steps.max()) >= self.count):
            raise ValueError(
                f"steps: expected step numbers in [{self.oldest}, {self.count}), got "
                f"[{steps.min()}, {steps.max()}]; older steps have been overwritten"
            )
        return rows * self.capacity + steps % self.capacity

    def state(self) -> dict[str, NDArray[np.generic]]:
        """Return everything that `load_state` needs to go on bit for bit, as fresh arrays."""
        held = {name: field[:, : self.size].copy() for name, field in self._fields.items()}
        return {**held, "ended": self._ended.copy(), "count": np.array([self.count])}

    def load_state(self, state: Mapping[str, NDArray[np.generic]]) -> None:
        """Take back what `state` returned, of a replay with the same sizes.

        Raises ValueError naming the field that is missing or does not fit.
        """
        missing = {*self._fields, "ended", "count"} - set(state)
        if missing:
            raise ValueError(
                f"state: expected the fields of Replay.state, {sorted(missing)} missing"
            )
        count = int(state["count"][0])
        size = min(count, self.capacity)
        for name, field in self._fields.items():
            saved = state[name]
            expected = (self.rows, size, *field.shape[2:])
            if saved.shape != expected or saved.dtype != field.dtype:
                raise ValueError(
                    f"state[{name!r}]: expected {list(expected)} {field.dtype}, got "
                    f"{list(saved.shape)} {saved.dtype}; was it saved with another configuration?"
                )
        for name, field in self._fields.items():
            field[:, :size] = state[name]
        self._ended = np.array(state["ended"], np.bool_)
        self.count = count
