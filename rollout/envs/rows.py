"""Rows of a native environment as worlds: take them, put them back, branch, look, draw."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from hashlib import blake2b
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.error import ClosedEnvironmentError
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from rollout import _native
from rollout.envs import arguments
from rollout.envs.snapshot import Playouts, RolloutFrom, Snapshot, StepFrom, View
from rollout.envs.spaces import action_space, observation_space

NATIVE_MODES = {mode: number for number, mode in enumerate(arguments.MODES.values())}


class Rows(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """The rows of a `VectorEnv` (which has the constructor's arguments), as worlds and as facts.

    env_id, num_envs, num_threads, keywords: what they were made with; keywords as Python writes
        them, defaults included. params: the distinct dicts of the rows' own.
    event_names, event_rows, num_players, max_episode_steps, has_pictures: facts of the environment.
    row_bytes: the size of a row's world. fingerprint: what snapshots of it carry.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012  (gymnasium's)
    # what get_attr and call may ask of a row
    row_attributes: ClassVar[tuple[str, ...]] = ("state", "np_random_seed", "params")

    def __init__(
        self,
        id: str,
        num_envs: int,
        *,
        num_threads: int | None = None,
        autoreset_mode: str | AutoresetMode = "next_step",
        params: Sequence[Mapping[str, Any]] | None = None,
        redraw_params: bool = False,
        observe: bool = True,
        events: bool = False,
        copy: bool = True,
        batch_size: int | None = None,
        frame_stack: int = 1,
        reward_scale: float = 1.0,
        render_obs: bool = False,
        render_size: int = 64,
        render_mode: str | None = None,
        **kwargs: Any,
    ) -> None:
        self.env_id = id
        self.num_envs = arguments.whole("num_envs", num_envs)
        self.num_threads = (
            _native.hardware_threads()
            if num_threads is None
            else arguments.whole("num_threads", num_threads)
        )
        self._mode = arguments.autoreset_mode(autoreset_mode)
        self.metadata = {**self.metadata, "autoreset_mode": self._mode}
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode: expected 'rgb_array' or None, got {render_mode!r}")
        self.render_mode = render_mode
        self.render_size = arguments.pixels("render_size", render_size)
        self.batch_size = (
            self.num_envs
            if batch_size is None
            else arguments.whole("batch_size", batch_size, high=self.num_envs)
        )
        self.params, rows = arguments.params_table(params, self.num_envs)
        self._redraw_params = redraw_params
        self._making: dict[str, Any] = {
            "id": id,
            "num_envs": self.num_envs,
            "num_threads": self.num_threads,
            "mode": NATIVE_MODES[self._mode],
            "table": [self.native_kwargs({**kwargs, **values}) for values in self.params],
            "rows": rows,
            "redraw_params": redraw_params,
            "observe": observe,
            "events": events,
            "copy": copy,
            "picture_size": self.render_size if render_obs else 0,
            "frame_stack": arguments.whole("frame_stack", frame_stack, high=256),
            "reward_scale": arguments.finite("reward_scale", reward_scale),
        }
        self._batch: _native.EnvBatch | None = _native.EnvBatch(**self._making)

        facts = self._batch.describe()
        self.has_pictures = facts["has_pictures"]
        self.has_playouts = facts["has_playouts"]
        self._require_pictures("render_mode", render_mode is not None)
        self.keywords = facts["keywords"][0]
        self.row_bytes = facts["row_bytes"]
        identity = (id, [sorted(each.items()) for each in facts["keywords"]], self.row_bytes)
        self.fingerprint = blake2b(repr(identity).encode(), digest_size=8).hexdigest()
        self.event_names = facts["event_names"]
        self.event_rows = facts["event_rows"]
        self.num_players = facts["num_players"]
        self.max_episode_steps = facts["max_episode_steps"]
        self._signals: dict[str, slice] = {}
        for name, width in zip(facts["signal_names"], facts["signal_widths"], strict=True):
            start = max((part.stop for part in self._signals.values()), default=0)
            self._signals[name] = slice(start, start + width)
        self.single_observation_space = observation_space(facts)
        self.single_action_space = action_space(facts)
        self.observation_space = batch_space(self.single_observation_space, self.num_envs)
        self.action_space = batch_space(self.single_action_space, self.num_envs)

    @classmethod
    def native_kwargs(cls, kwargs: dict[str, Any]) -> dict[str, Any]:
        """Turn the keywords that users give into those of the native environment."""
        return kwargs

    def snapshot(self, rows: ArrayLike | None = None) -> Snapshot:
        """Return the worlds of `rows` (all by default; indices or a bool mask), as a value."""
        batch = self._ready()
        return Snapshot(
            self.env_id, self.fingerprint, batch.read(arguments.row_index(rows, self.num_envs))
        )

    def restore(self, snapshot: Snapshot, rows: ArrayLike | None = None) -> None:
        """Put the worlds of a snapshot back into `rows` (all by default), one each.

        Raises ValueError if it is of another environment or if the numbers of rows differ.
        """
        batch = self._open()
        self._require(snapshot)
        index = arguments.row_index(rows, self.num_envs)
        if len(index) != len(snapshot):
            raise ValueError(
                f"rows: expected {len(snapshot)}, one for each row of the snapshot, "
                f"got {len(index)}; pick with snapshot[...] or rows="
            )
        if len(np.unique(index)) != len(index):
            raise ValueError("rows: expected each row once, got one of them twice")
        batch.write(snapshot.data, index)

    def step_from(
        self, snapshot: Snapshot, actions: ArrayLike, rows: ArrayLike | None = None
    ) -> StepFrom:
        """Step the worlds of a snapshot once, and leave the snapshot and the env as they are.

        rows:    rows of the snapshot to step, in any order and number; all by default.
        actions: one for each of them.

        There is no autoreset: a world that has ended stays as it is, with reward 0 and its flags.
        Raises as `step` and `restore` do.
        """
        batch = self._open()
        self._require(snapshot)
        data = snapshot.data if rows is None else snapshot[rows].data
        data, out = batch.step_rows(data, actions)
        obs, reward, terminated, truncated, events, signals, _, mask, to_play, _ = out
        named = {} if signals is None else self._fields(None, signals)
        after = Snapshot(self.env_id, self.fingerprint, data)
        return StepFrom(after, obs, reward, terminated, truncated, events, named, mask, to_play)

    def rollout_from(
        self,
        snapshot: Snapshot,
        actions: ArrayLike,
        rows: ArrayLike | None = None,
        *,
        events: bool = False,
    ) -> RolloutFrom:
        """Take whole sequences of actions from the worlds of a snapshot, all in native code.

        actions: [H, R] (or [H, R, parts]) as `step` takes them, time first: H steps of R sequences.
        rows:    [R], the row of the snapshot that each sequence starts from; all in order by
                 default.
        events:  whether to count events.

        The snapshot and the env stay as they are; there is no observation and no autoreset, and a
        world that has ended stays as it is, with reward 0. Raises as `step_from` does.
        """
        batch = self._open()
        self._require(snapshot)
        start = np.arange(len(snapshot)) if rows is None else np.asarray(rows)
        taken = np.asarray(actions)
        if start.ndim != 1 or start.dtype.kind not in "iu":
            raise TypeError(
                f"rows: expected [R] row numbers, got {start.dtype} of shape {list(start.shape)}"
            )
        if taken.ndim < 2 or taken.shape[0] < 1 or taken.shape[1] != len(start):
            raise ValueError(
                f"actions: expected [H >= 1, R={len(start)}, ...], time first, got "
                f"{list(taken.shape)}"
            )
        last, reward, alive, counts = batch.follow(
            snapshot.data,
            start.astype(np.int64, copy=False),
            taken.reshape(-1, *taken.shape[2:]),
            len(taken),
            events,
        )
        return RolloutFrom(Snapshot(self.env_id, self.fingerprint, last), reward, alive, counts)

    def observe(self, snapshot: Snapshot | None = None) -> Any:
        """Return the observations of a snapshot's worlds (of the env by default), R rows."""
        return self.view(snapshot).obs

    def view(self, snapshot: Snapshot | None = None) -> View:
        """Return what is to be seen of a snapshot's worlds, or of the env's own by default."""
        if snapshot is None:
            return View(*self._ready().look(None))
        batch = self._open()
        self._require(snapshot)
        return View(*batch.look(snapshot.data))

    def playouts(
        self,
        snapshot: Snapshot | None = None,
        *,
        n: int = 1,
        seed: int = 0,
        max_steps: int = 10_000,
    ) -> Playouts:
        """Play worlds to the end by uniformly random actions, legal ones where there are rules.

        snapshot:  where each playout begins; the env's own worlds by default. Stays as it is.
        n:         playouts a world.
        seed:      what playout k of world i draws depends on (seed, i, k) alone, the environment's
                   own chances included (but not those of a NumPy stream that its state holds).
        max_steps: a playout stops there, with what it has.

        Runs on the env's threads without the GIL; `reward_scale` does not count. Raises ValueError
        for an environment whose action is not one discrete one.
        """
        if not self.has_playouts:
            raise ValueError(
                f"playouts: {self.env_id} has no single discrete action to draw; "
                "take steps with step_from and actions of your own"
            )
        snapshot = self.snapshot() if snapshot is None else snapshot
        self._require(snapshot)
        n = arguments.whole("n", n)
        seed = arguments.whole("seed", seed, low=0, high=arguments.SEED_LIMIT - 1)
        max_steps = arguments.whole("max_steps", max_steps, high=2**31 - 1)
        return Playouts(*self._open().playouts(snapshot.data, n, seed, max_steps))

    def pictures(
        self,
        rows: ArrayLike | None = None,
        *,
        size: int | None = None,
        snapshot: Snapshot | None = None,
    ) -> NDArray[np.uint8]:
        """Draw worlds, RGB [R, size, size, 3].

        rows:     which, of the env or of the snapshot; all by default.
        size:     pixels a side; `render_size` by default.
        snapshot: draw these worlds instead of the env's.

        Raises ValueError for an environment that cannot draw itself.
        """
        self._require_pictures("pictures", True)
        size = self.render_size if size is None else arguments.pixels("size", size)
        if snapshot is None:
            snapshot = self.snapshot(rows)
        else:
            self._require(snapshot)
            snapshot = snapshot if rows is None else snapshot[rows]
        return self._open().pictures(snapshot.data, size)

    def render(self) -> tuple[NDArray[np.uint8], ...] | None:
        """Return a picture of every row, RGB [render_size, render_size, 3]; gymnasium's way.

        None without a render_mode.
        """
        return None if self.render_mode is None else tuple(self.pictures())

    def get_attr(self, name: str) -> tuple[Any, ...]:
        """Return an attribute of every row.

        "state": readable dicts. "np_random_seed": integers. "params": its dict of `self.params`.
        """
        batch = self._ready()
        if name == "state":
            return tuple(batch.get_state(row) for row in range(self.num_envs))
        if name == "np_random_seed":
            return tuple(batch.seeds().tolist())
        if name == "params":
            return tuple(self.params[number] for number in batch.params())
        raise AttributeError(f"name: expected one of {self.row_attributes}, got {name!r}")

    def set_attr(self, name: str, values: Any) -> None:
        """Set "state" in every row from dicts like those of `get_attr`; a single one goes to all.

        A row whose episode had ended lives on from its new state. Raises ValueError for a dict with
        missing, unknown or impossible entries, leaving that row as it was.
        """
        batch = self._ready()
        if name != "state":
            raise AttributeError(f"name: only 'state' can be set, got {name!r}")
        states = [values] * self.num_envs if isinstance(values, Mapping) else list(values)
        if len(states) != self.num_envs:
            raise ValueError(f"values: expected {self.num_envs} states, got {len(states)}")
        for row, state in enumerate(states):
            batch.set_state(row, dict(state))

    def call(self, name: str, *args: Any, **kwargs: Any) -> tuple[Any, ...]:
        """Return `get_attr(name)`; rows have no methods of their own."""
        if args or kwargs:
            raise TypeError(f"{name}: rows have no methods; call without arguments")
        return self.get_attr(name)

    @property
    def np_random_seed(self) -> Any:
        """The seed of every row, a tuple of ints, as SyncVectorEnv gives it."""
        return self.get_attr("np_random_seed")

    def close_extras(self, **kwargs: Any) -> None:
        """Give the rows and the threads back."""
        self._batch = None

    def __getstate__(self) -> dict[str, Any]:
        """Pickle with the worlds of all rows, those that were never reset included."""
        rows = None if self._batch is None else self._batch.read(np.arange(self.num_envs))
        return {**self.__dict__, "_batch": rows}

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Make the same env again, where it was."""
        self.__dict__.update(state)
        if state["_batch"] is not None:
            self._batch = _native.EnvBatch(**self._making)
            self._batch.write(state["_batch"], np.arange(self.num_envs))

    def __repr__(self) -> str:
        """Return the id and the number of rows."""
        return f"{type(self).__name__}({self.env_id}, num_envs={self.num_envs})"

    def _open(self) -> _native.EnvBatch:
        if self._batch is None:
            raise ClosedEnvironmentError(f"{self!r} is closed; make another with make_vec")
        return self._batch

    def _ready(self) -> _native.EnvBatch:
        batch = self._open()
        batch.require_begun()
        return batch

    def _require(self, snapshot: Snapshot) -> None:
        snapshot.require(self.env_id, self.fingerprint, self.row_bytes)

    def _require_pictures(self, name: str, wanted: bool) -> None:
        if wanted and not self.has_pictures:
            raise ValueError(
                f"{name}: {self.env_id} cannot draw itself; "
                "rollout.envs.spec(id).has_pictures tells which environments can"
            )

    def _fields(
        self, events: NDArray[np.uint8] | None, signals: NDArray[np.float32] | None
    ) -> dict[str, NDArray[Any]]:
        fields: dict[str, NDArray[Any]] = {} if events is None else {"events": events}
        if signals is not None:
            for name, part in self._signals.items():
                fields[name] = signals[:, part]
        return fields
