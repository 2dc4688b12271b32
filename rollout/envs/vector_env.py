"""Batches of native environments as a `gymnasium.vector.VectorEnv`."""

from __future__ import annotations

import secrets
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
from rollout.envs import infos as info_fields
from rollout.envs.buffers import StepBuffers, make_buffers
from rollout.envs.snapshot import Snapshot, StepFrom, View
from rollout.envs.spaces import action_space, observation_space

NATIVE_MODES = {mode: number for number, mode in enumerate(arguments.MODES.values())}

Step = tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


class VectorEnv(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """`num_envs` rows of one native environment, stepped together.

    Spaces, autoreset modes, infos and seeding are gymnasium's. Row i of `reset(seed=s)` is seeded
    s + i, and what a row does depends on its seed and its actions alone: never on the number of
    rows, of threads, or on its company.

    num_threads:    threads that step the rows, at most; None: every processor that this process
                    may use. Results never depend on it.
    autoreset_mode: "next_step", "same_step" or "disabled", as gymnasium means them.
    params:         dicts of the environment's keywords, for rows that differ: row i has
                    `params[i % len(params)]`, and the keywords that all share. `self.params` has
                    the distinct ones. Spaces, events and signals must be the same for all.
    redraw_params:  each episode of a row takes any of `self.params` instead, by its own seed.
    observe:        False: `reset` and `step` return None for observations and do not make them.
    events:         whether `step` puts `infos["events"]`, uint8 [n, event_rows, E], the counts of
                    `event_names` in that step (no event_rows axis when there is one row).
    copy:           whether `step` returns new arrays. With False it returns the same arrays each
                    time and overwrites them, which saves their allocation.
    frame_stack:    k > 1: observations are the last k, [n, k, ...], the oldest first; an episode
                    starts with k of its first.
    reward_scale:   what rewards are multiplied by (signals are not).
    render_obs:     observations are pictures, uint8 [n, render_size, render_size, 3], for the
                    environments that can draw themselves.
    render_size:    pixels a side, of those and of `render`'s.
    render_mode:    "rgb_array" for `render`, or None.
    kwargs:         the environment's own, and max_episode_steps (0: no limit), which all take.

    Signals of an environment (such as a shaped reward) are always in infos, float32 [n, width].
    So are, from `reset` on, in games "action_mask", int8 [n, A] (1 where an action is legal now)
    and "to_play", int64 [n] (whose turn it is).
    Rewards are float64 [n], flags bool [n]. One caller at a time; different envs are independent.
    An env pickles and deep-copies with all its worlds.
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

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Begin a new episode in every row, or in some.

        seed:    s seeds row i with s + i; a list seeds each row, None in it going on with the row's
                 own stream; None goes on in all rows (one never seeded takes a random seed).
        options: "reset_mask", bool [n], resets just the rows that are True; "params", integers [n]
                 into `self.params`, gives the rows that are reset other parameters.

        Returns the observations of all rows, and infos with their action masks and turns in games.
        Raises ValueError or TypeError for a seed or a mask that does not fit.
        """
        batch = self._open()
        seeds, seeded = arguments.seeds(seed, self.num_envs)
        mask, params = arguments.reset_options(options, self.num_envs, len(self.params))
        if params is not None and self._redraw_params:
            raise ValueError("options['params']: with redraw_params episodes draw their own")
        obs, action_mask, to_play = batch.reset(seeds, seeded, mask, params, secrets.randbits(64))
        infos: dict[str, Any] = {}
        self._add_view(infos, action_mask, to_play)
        return obs, infos

    def step(self, actions: ArrayLike) -> Step:
        """Step every row once.

        actions: [n] (or [n, parts]) integers as `action_space` has them, or [n, width] float32.

        Returns observations, rewards, terminations, truncations and infos as gymnasium's
        SyncVectorEnv does. Raises TypeError or ValueError naming the first bad action, ResetNeeded
        before the first reset or (autoreset "disabled") for a row whose episode has ended.
        """
        out = self._open().step(actions)
        obs, reward, terminated, truncated, events, signals, stepped, mask, to_play, final = out
        infos: dict[str, Any] = {}
        if stepped is not None:
            info_fields.add(infos, self._fields(events, signals), stepped)
        if final is not None:
            ended = terminated | truncated
            if ended.any():
                last, last_mask, last_to_play = final
                fields = {"action_mask": last_mask, "to_play": last_to_play}
                info_fields.move_to_final(infos, last, fields, ended)
        self._add_view(infos, mask, to_play)
        return obs, reward, terminated, truncated, infos

    def buffers(self, *, pin: bool = False, **arrays: Any) -> StepBuffers:
        """Make arrays for `step_into` to fill again and again.

        arrays: the caller's own for some of them (NumPy's, or torch tensors in host memory), by the
                names of StepBuffers, "signals" being one array [n, width of all], and final_obs,
                final_action_mask and final_to_play. They are written to where they are.
        pin:    the others lie in page-locked memory, from which a GPU copies fast.

        Raises TypeError or ValueError for an array of another shape or dtype, or that is strided or
        read-only; RuntimeError for pin without CUDA.
        """
        return make_buffers(self._open(), self._signals, arrays, pin)

    def step_into(self, actions: ArrayLike, buffers: StepBuffers) -> None:
        """Step every row once, into `buffers` of this env: the fastest step, which makes no arrays.

        Raises as `step` does.
        """
        if buffers._native is None:
            raise TypeError("buffers: expected what env.buffers() returned, got its torch() view")
        self._open().step_into(actions, buffers._native)

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

    def _add_view(
        self,
        infos: dict[str, Any],
        action_mask: NDArray[np.int8] | None,
        to_play: NDArray[np.int64] | None,
    ) -> None:
        if action_mask is not None or to_play is not None:
            every = np.ones(self.num_envs, np.bool_)
            info_fields.add(infos, {"action_mask": action_mask, "to_play": to_play}, every)

    def _fields(
        self, events: NDArray[np.uint8] | None, signals: NDArray[np.float32] | None
    ) -> dict[str, NDArray[Any]]:
        fields: dict[str, NDArray[Any]] = {} if events is None else {"events": events}
        if signals is not None:
            fields.update((name, signals[:, part]) for name, part in self._signals.items())
        return fields
