"""Batches of native environments as a `gymnasium.vector.VectorEnv`."""

from __future__ import annotations

import secrets
from collections.abc import Mapping, Sequence
from hashlib import blake2b
from operator import index as as_int
from typing import Any, ClassVar

import gymnasium
import numpy as np
from gymnasium.error import ClosedEnvironmentError, ResetNeeded
from gymnasium.vector import AutoresetMode
from gymnasium.vector.utils import batch_space
from numpy.typing import ArrayLike, NDArray

from rollout import _native
from rollout.envs import infos as info_fields
from rollout.envs.snapshot import Snapshot, StepFrom, View
from rollout.envs.spaces import action_space, observation_space

MODES = {
    "next_step": AutoresetMode.NEXT_STEP,
    "same_step": AutoresetMode.SAME_STEP,
    "disabled": AutoresetMode.DISABLED,
}
NATIVE_MODES = {mode: number for number, mode in enumerate(MODES.values())}
SEED_LIMIT = 2**64

Step = tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


class VectorEnv(gymnasium.vector.VectorEnv[Any, Any, Any]):
    """`num_envs` rows of one native environment, stepped together.

    Spaces, autoreset modes, infos and seeding are gymnasium's. Row i of `reset(seed=s)` is seeded
    s + i, and what a row does depends on its seed and its actions alone: never on the number of
    rows, of threads, or on its company.

    events: whether `step` puts `infos["events"]`, uint8 [n, event_rows, E], the counts of
            `event_names` in that step (no event_rows axis when there is one row).
    copy:   whether `step` returns new arrays. With False it returns the same arrays each time and
            overwrites them, which saves their allocation.
    render_obs:  observations are pictures, uint8 [n, render_size, render_size, 3], for the
                 environments that can draw themselves.
    render_size: pixels a side, of those and of `render`'s.
    render_mode: "rgb_array" for `render`, or None.

    Signals of an environment (such as a shaped reward) are always in infos, float32 [n, width].
    So are, from `reset` on, in games "action_mask", int8 [n, A] (1 where an action is legal now)
    and "to_play", int64 [n] (whose turn it is).
    Rewards are float64 [n], flags bool [n]. One caller at a time; different envs are independent.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"]}  # noqa: RUF012  (gymnasium's)
    # what get_attr and call may ask of a row
    row_attributes: ClassVar[tuple[str, ...]] = ("state", "np_random_seed")

    def __init__(
        self,
        id: str,
        num_envs: int,
        *,
        num_threads: int | None = None,
        autoreset_mode: str | AutoresetMode = "next_step",
        events: bool = False,
        copy: bool = True,
        render_obs: bool = False,
        render_size: int = 64,
        render_mode: str | None = None,
        **kwargs: Any,
    ) -> None:
        mode = _parse_mode(autoreset_mode)
        self.num_envs = _positive("num_envs", num_envs)
        threads = (
            _native.hardware_threads()
            if num_threads is None
            else _positive("num_threads", num_threads)
        )
        self._batch: _native.EnvBatch | None = _native.EnvBatch(
            id,
            self.num_envs,
            threads,
            NATIVE_MODES[mode],
            events,
            copy,
            _picture_size("render_size", render_size) if render_obs else 0,
            self.native_kwargs(kwargs),
        )
        self._begun = False
        self._mode = mode
        self.env_id = id
        self.num_threads = threads
        self.metadata = {**self.metadata, "autoreset_mode": mode}

        facts = self._batch.describe()
        self.has_pictures = facts["has_pictures"]
        self._require_pictures("render_obs", render_obs)
        self._require_pictures("render_mode", render_mode is not None)
        if render_mode not in (None, "rgb_array"):
            raise ValueError(f"render_mode: expected 'rgb_array' or None, got {render_mode!r}")
        self.render_mode = render_mode
        self.render_size = _picture_size("render_size", render_size)
        self.num_players = facts["num_players"]
        self.keywords = facts["keywords"]
        identity = (id, sorted(self.keywords.items()), facts["row_bytes"])
        self.row_bytes = facts["row_bytes"]
        self.fingerprint = blake2b(repr(identity).encode(), digest_size=8).hexdigest()
        self.event_names = facts["event_names"]
        self.event_rows = facts["event_rows"]
        self.max_episode_steps = facts["max_episode_steps"]
        self._signals: dict[str, slice] = {}
        for name, width in zip(facts["signal_names"], facts["signal_widths"], strict=True):
            start = max((part.stop for part in self._signals.values()), default=0)
            self._signals[name] = slice(start, start + width)
        self.single_observation_space = observation_space(
            facts, self.render_size if render_obs else 0
        )
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
        options: {"reset_mask": bool [n]} resets just the rows that are True.

        Returns the observations of all rows, and infos with their action masks and turns in games.
        Raises ValueError or TypeError for a seed or a mask that does not fit.
        """
        batch = self._open()
        seeds, seeded = self._parse_seeds(seed)
        mask = self._parse_options(options)
        obs, action_mask, to_play = batch.reset(seeds, seeded, mask, secrets.randbits(64))
        self._begun = self._begun or mask is None
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
        batch = self._ready()
        if self._mode is AutoresetMode.DISABLED and (row := batch.first_ended()) >= 0:
            raise ResetNeeded(
                f"row {row} has ended and autoreset is disabled; "
                'reset it with reset(options={"reset_mask": terminations | truncations})'
            )
        out = batch.step(actions)
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

    def snapshot(self, rows: ArrayLike | None = None) -> Snapshot:
        """Return the worlds of `rows` (all by default; indices or a bool mask), as a value."""
        batch = self._ready()
        return Snapshot(self.env_id, self.fingerprint, batch.read(self._index(rows)))

    def restore(self, snapshot: Snapshot, rows: ArrayLike | None = None) -> None:
        """Put the worlds of a snapshot back into `rows` (all by default), one each.

        Raises ValueError if it is of another environment or if the numbers of rows differ.
        """
        batch = self._open()
        self._require(snapshot)
        index = self._index(rows)
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
        size = self.render_size if size is None else _picture_size("size", size)
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
        """Return an attribute of every row: "state" (readable dicts) or "np_random_seed"."""
        batch = self._ready()
        if name == "state":
            return tuple(batch.get_state(row) for row in range(self.num_envs))
        if name == "np_random_seed":
            return tuple(batch.seeds().tolist())
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

    def __repr__(self) -> str:
        """Return the id and the number of rows."""
        return f"{type(self).__name__}({self.env_id}, num_envs={self.num_envs})"

    def _open(self) -> _native.EnvBatch:
        if self._batch is None:
            raise ClosedEnvironmentError(f"{self!r} is closed; make another with make_vec")
        return self._batch

    def _ready(self) -> _native.EnvBatch:
        batch = self._open()
        if not self._begun:
            row = batch.first_not_begun()
            if row >= 0:
                raise ResetNeeded(f"row {row} has no episode yet; call reset() first")
            self._begun = True
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

    def _index(self, rows: ArrayLike | None) -> NDArray[np.int64]:
        if rows is None:
            return np.arange(self.num_envs)
        index = np.asarray(rows)
        if index.dtype == np.bool_ and index.shape == (self.num_envs,):
            return np.flatnonzero(index)
        if index.size == 0:
            return np.empty(0, np.int64)
        if index.ndim != 1 or index.dtype.kind not in "iu":
            raise TypeError(
                "rows: expected a list of row numbers or a bool mask of every row, "
                f"got {index.dtype} of shape {list(index.shape)}"
            )
        bad = np.flatnonzero((index < 0) | (index >= self.num_envs))
        if len(bad):
            raise ValueError(f"rows: expected 0..{self.num_envs - 1}, got {index[bad[0]]}")
        return index.astype(np.int64)

    def _parse_seeds(
        self, seed: int | Sequence[int | None] | None
    ) -> tuple[NDArray[np.uint64] | None, NDArray[np.bool_] | None]:
        if seed is None:
            return None, None
        if isinstance(seed, int | np.integer):  # a bool too: _seed refuses it
            first = _seed("seed", seed, SEED_LIMIT - self.num_envs)
            return np.uint64(first) + np.arange(self.num_envs, dtype=np.uint64), None
        if not isinstance(seed, Sequence | np.ndarray) or isinstance(seed, str):
            raise TypeError(f"seed: expected an integer, a list of them or None, got {seed!r}")
        if len(seed) != self.num_envs:
            raise ValueError(f"seed: expected {self.num_envs} of them, got {len(seed)}")
        numbers = [
            0 if one is None else _seed(f"seed[{row}]", one, SEED_LIMIT - 1)
            for row, one in enumerate(seed)
        ]
        return np.array(numbers, np.uint64), np.array([one is not None for one in seed])

    def _parse_options(self, options: dict[str, Any] | None) -> NDArray[np.bool_] | None:
        if not options:
            return None
        if unknown := options.keys() - {"reset_mask"}:
            raise ValueError(f"options: only 'reset_mask' is known, got {sorted(unknown)}")
        mask = options["reset_mask"]
        if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
            got = mask.dtype if isinstance(mask, np.ndarray) else type(mask)
            raise TypeError(f"options['reset_mask']: expected a bool NumPy array, got {got}")
        if mask.shape != (self.num_envs,):
            raise ValueError(
                f"options['reset_mask']: expected shape [n={self.num_envs}], got {list(mask.shape)}"
            )
        if not mask.any():
            raise ValueError("options['reset_mask']: expected at least one True, got none")
        return np.ascontiguousarray(mask)


def _parse_mode(mode: str | AutoresetMode) -> AutoresetMode:
    if isinstance(mode, AutoresetMode):
        return mode
    for name, known in MODES.items():
        if mode in (name, known.value):
            return known
    raise ValueError(f"autoreset_mode: expected one of {', '.join(MODES)}, got {mode!r}")


def _positive(name: str, value: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
        raise ValueError(f"{name}: expected an integer >= 1, got {value!r}")
    return int(value)


def _picture_size(name: str, size: int) -> int:
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or not 8 <= size <= 1024:
        raise ValueError(f"{name}: expected 8..1024 pixels a side, got {size!r}")
    return int(size)


def _seed(name: str, value: Any, limit: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name}: expected an integer, got {value!r}")
    if not 0 <= as_int(value) <= limit:
        raise ValueError(f"{name}: expected 0..{limit}, got {value}")
    return as_int(value)
