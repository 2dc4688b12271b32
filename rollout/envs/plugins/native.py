"""`@native`: an environment written in Python, compiled by numba, stepped by the native pool."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, TypeVar

import numpy as np
from gymnasium import spaces
from numpy.typing import ArrayLike, NDArray

from rollout import _native
from rollout.envs.buffers import StepBuffers
from rollout.envs.plugins.library import interface, register
from rollout.envs.registry import CLASSES
from rollout.envs.snapshot import Snapshot, StepFrom
from rollout.envs.vector_env import Step, VectorEnv

T = TypeVar("T")

KEY = np.dtype([("seed", np.uint64), ("episode", np.uint32), ("step", np.uint32)])
DTYPES = [np.dtype(name) for name in ("uint8", "int64", "float32", "float64")]
# what each function may take, by name
ARGUMENTS = {
    "reset": ("state", "key", "params"),
    "step": ("state", "action", "key", "params", "events"),
    "observe": ("state", "obs", "params"),
    "legal_actions": ("state", "mask", "params"),
    "to_play": ("state", "params"),
}
NEEDED = ("reset", "step", "observe")


def native(
    *,
    id: str,
    state: np.dtype[Any],
    observation_space: spaces.Space[Any],
    action_space: spaces.Space[Any],
    max_episode_steps: int = 0,
    params: Mapping[str, float] | None = None,
    events: Sequence[str] = (),
    num_players: int = 1,
    summary: str = "",
    boundscheck: bool = False,
) -> Callable[[type[T]], type[T]]:
    """Make an environment of a class of plain functions, compiled by numba.

    The class has, without `self`, and taking by name what it needs of:

        reset(state, key, params)                    begin an episode; `state` holds the last one
        step(state, action, key, params, events)     -> (reward, terminated)
        observe(state, obs, params)                  fill obs
        legal_actions(state, mask, params)           optional: write 1 where an action may be taken
        to_play(state, params)                       -> whose turn, where num_players > 1

    state:  a structured dtype; a row's state is a record of it, and all that lasts.
    key:    where the row stands: seed, episode, step. Random numbers are drawn from it
            (rollout.envs.plugins.random), so that they do not depend on threads or other rows.
    action: an int for Discrete, an int64 array for MultiDiscrete, a float32 array for Box.
    obs:    an array of the observation space's shape ([1] where that is empty).
    params: a record of the numbers that `make_vec(id, n, name=value)` may set; here their defaults.
    events: a uint8 count for each name, zero before the call.

    max_episode_steps: 0 for no limit. boundscheck: let numba check indices, for finding errors.

    The class is returned as it is; its id is registered, replacing one of the same id made before.
    Functions run on several threads without the GIL, so they touch nothing but their arguments. An
    exception in one reaches the caller as an EnvError that names the row, with the exception as its
    cause; all rows are then as they were before the call. Raises TypeError or ValueError for a
    description that does not hold together, ImportError without numba.
    """
    if state.fields is None or state.hasobject:
        raise TypeError(f"state: expected a structured dtype without objects, got {state}")
    box, action = _check_spaces(observation_space, action_space)
    numbers = dict(params or {})

    def decorate(cls: type[T]) -> type[T]:
        game = _compile(cls, state, list(numbers), len(events), box, action, boundscheck)
        words = summary or (cls.__doc__ or "").partition("\n")[0]
        limits = max_episode_steps, numbers, events, num_players
        description, kept = _describe(game, id, words, box, action, *limits)
        register(description, game, kept)
        CLASSES[id] = type(f"{cls.__name__}VectorEnv", (NumbaVectorEnv,), {"game": game})
        return cls

    return decorate


@dataclass(frozen=True, slots=True)
class Game:
    """A compiled environment. `functions` take all of their ARGUMENTS; `callbacks` are C's."""

    state: np.dtype[Any]
    params: tuple[str, ...]
    numbers: np.dtype[Any]  # a record of the params
    events: int
    obs: NDArray[Any]  # one observation, as functions see it
    action: NDArray[Any]
    action_is_scalar: bool
    choices: int  # of a scalar action
    functions: dict[str, Callable[..., Any]]
    callbacks: dict[str, Any]


class NumbaVectorEnv(VectorEnv):
    """A VectorEnv that tells which exception a compiled function raised."""

    game: ClassVar[Game]

    def reset(self, **how: Any) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes, as VectorEnv.reset does."""
        try:
            return super().reset(**how)
        except _native.EnvError as error:
            raise error from self._cause(error)

    def step(self, actions: ArrayLike) -> Step:
        """Step every row once, as VectorEnv.step does."""
        try:
            return super().step(actions)
        except _native.EnvError as error:
            raise error from self._cause(error, actions)

    def step_into(self, actions: ArrayLike, buffers: StepBuffers) -> None:
        """Step every row once, as VectorEnv.step_into does."""
        try:
            super().step_into(actions, buffers)
        except _native.EnvError as error:
            raise error from self._cause(error, actions)

    def step_from(
        self, snapshot: Snapshot, actions: ArrayLike, rows: ArrayLike | None = None
    ) -> StepFrom:
        """Step the worlds of a snapshot once, as VectorEnv.step_from does."""
        try:
            return super().step_from(snapshot, actions, rows)
        except _native.EnvError as error:
            raise error from self._cause(error, actions)

    def _cause(self, error: _native.EnvError, actions: ArrayLike = ()) -> Exception | None:
        """Run what failed again, from Python, where its exception can be seen."""
        game = self.game
        numbers = np.zeros(1, game.numbers)
        for name in game.params:
            numbers[name] = float(self.keywords[name])
        given: dict[str, Any] = {
            "state": _record(np.frombuffer(bytearray(error.state), game.state, 1)),
            "key": _record(np.array([error.key], KEY)),
            "params": _record(numbers),
            "events": np.zeros(game.events, np.uint8),
            "obs": np.zeros_like(game.obs),
            "mask": np.zeros(game.choices, np.int8),
        }
        if error.function == "step":
            action = np.asarray(actions, game.action.dtype)[error.row]
            given["action"] = int(action) if game.action_is_scalar else action
        try:
            game.functions[error.function](*(given[name] for name in ARGUMENTS[error.function]))
        # whatever the function raises is the answer
        except Exception as cause:
            said = f"raised {type(cause).__name__}: {cause}"
            error.args = (str(error).replace(f"failed with code {error.code}", said),)
            return cause
        return None


def _record(array: NDArray[Any]) -> Any:
    """The one record of an array, with its fields as attributes."""
    return array.view(np.recarray)[0]


def _compile(
    cls: type[Any],
    state: np.dtype[Any],
    params: Sequence[str],
    events: int,
    observation_space: spaces.Box,
    action_space: spaces.Space[Any],
    boundscheck: bool,
) -> Game:
    """Compile a class's functions, and C functions around them that turn an exception into 1."""
    try:
        from numba import carray, cfunc, from_dtype, njit, types
    except ImportError as error:
        raise ImportError("native: needs numba; pip install numba") from error

    names = [name for name in ARGUMENTS if name in NEEDED or hasattr(cls, name)]
    functions = {}
    for name in names:
        plain = _function(cls, name)
        takes = ", ".join(inspect.signature(plain).parameters)
        compiled = njit(plain, boundscheck=boundscheck)
        all_of_them = f"lambda {', '.join(ARGUMENTS[name])}: function({takes})"
        functions[name] = njit(eval(all_of_them, {"function": compiled}))

    scalar = isinstance(action_space, spaces.Discrete)
    action = np.zeros(action_space.shape or (1,), action_space.dtype)
    obs = np.zeros(observation_space.shape or (1,), observation_space.dtype)
    size, shape = action.size, obs.shape
    counts, choices = max(events, 1), int(getattr(action_space, "n", 1))
    # numba has no records without fields
    numbers = np.dtype([(name, np.float64) for name in params or ("unused",)])

    def pointer(dtype: Any) -> Any:
        return types.CPointer(from_dtype(np.dtype(dtype)))

    if scalar:

        @njit
        def taken(action: Any) -> Any:
            return carray(action, 1)[0]

    else:

        @njit
        def taken(action: Any) -> Any:
            return carray(action, size)

    callbacks: dict[str, Any] = {}

    def callback(*arguments: Any) -> Callable[[Callable[..., int]], None]:
        def add(function: Callable[..., int]) -> None:
            signature = types.int32(pointer(numbers), pointer(state), *map(pointer, arguments))
            callbacks[function.__name__] = cfunc(signature)(function)

        return add

    # names of closures must differ from those of the functions that they call
    reset_, step_, observe_ = (functions[name] for name in NEEDED)

    @callback(KEY)
    def reset(params: Any, state: Any, key: Any) -> int:
        try:
            reset_(carray(state, 1)[0], carray(key, 1)[0], carray(params, 1)[0])
        except Exception:
            return 1
        return 0

    @callback(action.dtype, KEY, np.float64, np.uint8, np.uint8)
    def step(
        params: Any, state: Any, action: Any, key: Any, reward: Any, terminated: Any, events: Any
    ) -> int:
        try:
            world, at, numbers = carray(state, 1)[0], carray(key, 1)[0], carray(params, 1)[0]
            out = step_(world, taken(action), at, numbers, carray(events, counts))
            carray(reward, 1)[0] = out[0]
            carray(terminated, 1)[0] = out[1]
        except Exception:
            return 1
        return 0

    @callback(obs.dtype)
    def observe(params: Any, state: Any, obs: Any) -> int:
        try:
            observe_(carray(state, 1)[0], carray(obs, shape), carray(params, 1)[0])
        except Exception:
            return 1
        return 0

    if "legal_actions" in functions:
        legal_actions_ = functions["legal_actions"]

        @callback(np.int8)
        def legal_actions(params: Any, state: Any, mask: Any) -> int:
            try:
                allowed = carray(mask, choices)
                allowed[:] = 0
                legal_actions_(carray(state, 1)[0], allowed, carray(params, 1)[0])
            except Exception:
                return 1
            return 0

    if "to_play" in functions:
        to_play_ = functions["to_play"]

        @callback(np.int32)
        def to_play(params: Any, state: Any, player: Any) -> int:
            try:
                carray(player, 1)[0] = to_play_(carray(state, 1)[0], carray(params, 1)[0])
            except Exception:
                return 1
            return 0

    return Game(
        state, tuple(params), numbers, counts, obs, action, scalar, choices, functions, callbacks
    )


def _function(cls: type[Any], name: str) -> Any:
    """One of a class's functions, plain, with a say in what it takes."""
    function = getattr(cls, name, None)
    function = getattr(function, "py_func", function)  # where it is compiled already
    if not callable(function):
        raise TypeError(f"{cls.__name__}: it has no function {name}; it needs {', '.join(NEEDED)}")
    takes = list(inspect.signature(function).parameters)
    if unknown := [word for word in takes if word not in ARGUMENTS[name]]:
        raise TypeError(
            f"{cls.__name__}.{name}: it may take {', '.join(ARGUMENTS[name])}, by these names, "
            f"got {', '.join(unknown)}"
        )
    return function


def _check_spaces(
    observation: spaces.Space[Any], action: spaces.Space[Any]
) -> tuple[spaces.Box, spaces.Space[Any]]:
    if not isinstance(observation, spaces.Box) or observation.dtype not in DTYPES:
        names = ", ".join(map(str, DTYPES))
        raise TypeError(f"observation_space: expected a Box of {names}, got {observation}")
    box = isinstance(action, spaces.Box) and action.dtype == np.float32
    choice = isinstance(action, spaces.Discrete | spaces.MultiDiscrete)
    if not (box or choice) or len(action.shape or ()) > 1:
        raise TypeError(
            "action_space: expected a Discrete, a MultiDiscrete or a Box of float32, all flat, "
            f"got {action}"
        )
    if choice and np.any(action.start):  # type: ignore[attr-defined]
        raise ValueError(f"action_space: choices count from 0, got {action}")
    return observation, action


def _describe(
    game: Game,
    id: str,
    summary: str,
    observation: spaces.Box,
    action: spaces.Space[Any],
    max_episode_steps: int,
    params: Mapping[str, float],
    events: Sequence[str],
    num_players: int,
) -> tuple[Any, list[Any]]:
    """Fill in a rollout_env; return it and what it points to."""
    ffi, version = interface()
    kept: list[Any] = []

    def keep(kind: str, values: Any) -> Any:
        kept.append(ffi.new(kind, values))
        return kept[-1]

    def numbers(kind: str, array: Any) -> Any:
        return keep(f"{kind}[]", np.ravel(array).tolist())

    raw = ffi.new("rollout_env*")
    raw.abi_version, raw.struct_bytes = version, ffi.sizeof("rollout_env")
    raw.id, raw.summary = keep("char[]", id.encode()), keep("char[]", summary.encode())
    raw.state_bytes, raw.state_alignment = game.state.itemsize, game.state.alignment
    raw.obs_dtype = DTYPES.index(observation.dtype)
    raw.obs_ndim, raw.obs_shape = len(observation.shape), numbers("int64_t", observation.shape)
    raw.obs_low, raw.obs_high = (numbers("double", x) for x in (observation.low, observation.high))
    raw.obs_bounds = observation.low.size
    raw.action_size, raw.num_players = game.action.size, num_players
    if isinstance(action, spaces.Box):
        raw.action_low, raw.action_high = (numbers("double", x) for x in (action.low, action.high))
    else:
        raw.action_choices = numbers("int64_t", getattr(action, "n", None) or action.nvec)  # type: ignore[attr-defined]
    raw.max_episode_steps = max_episode_steps
    raw.num_events, raw.num_params = len(events), len(params)
    raw.event_names = keep("char*[]", [keep("char[]", name.encode()) for name in events])
    limit = float("inf")
    raw.params = keep(
        "rollout_param[]",
        [(keep("char[]", name.encode()), value, -limit, limit) for name, value in params.items()],
    )
    for name, function in game.callbacks.items():
        setattr(raw, name, ffi.cast(ffi.typeof(getattr(raw, name)), function.address))
    return raw, kept
