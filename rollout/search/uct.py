"""Plain UCT over native worlds: UCB1 and random games, all rows in native threads, no network.

Source: Kocsis and Szepesvari 2006; the formula, and what counts as a visit, as in OpenSpiel.
"""

from __future__ import annotations

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from torch import Tensor

from rollout import _native
from rollout.envs.snapshot import Snapshot
from rollout.envs.vector_env import VectorEnv
from rollout.search.policies import check_seed
from rollout.search.types import Seed

_MOST_ACTIONS = 65_535
_MOST_SIMULATIONS = 2**31 - 2


@dataclass(frozen=True, slots=True)
class UctOutput:
    """What UCT found from B worlds with A actions."""

    action: Tensor  # [B] int64, the most visited; of these the best, of these the lowest
    visit_counts: Tensor  # [B, A] int32
    values: Tensor  # [B, A] float32, mean returns of who moves; 0 where never visited
    value: Tensor  # [B] float32, the mean return of all simulations, of who moves
    num_simulations: Tensor  # [B] int32, how many there were
    seconds: float


def uct(
    env: VectorEnv,
    worlds: Snapshot | ArrayLike | None,
    num_simulations: int,
    *,
    c: float = 2.0,
    playouts: int = 1,
    max_playout_steps: int = 10_000,
    evaluate: Any = None,
    sample_chance: bool = False,
    invalid_actions: Tensor | None = None,
    seed: Seed = 0,
    deadline_ms: float | None = None,
) -> UctOutput:
    """Search from worlds of a native environment by UCB1 and random games.

    env:      a `make_vec` environment with Discrete actions; its rows stay as they are, and its
              threads do the work, a row each, without the GIL.
    worlds:   the B worlds to search from: a snapshot, rows of the env, or None for all rows.
    num_simulations: a row; a node takes each of its legal actions once, in random order, then the
              one with the highest mean return + c * sqrt(ln(visits of the node) / visits of it).
    c:        weight of exploration; 2 is OpenSpiel's, for returns between -1 and 1.
    playouts: random games that score a leaf, each for at most max_playout_steps; without discount.
    evaluate: scores a leaf in their place: a C function
                  void (const obs *, int32_t to_play, double *returns)
              that reads one observation of the env and writes the return from there on of each of
              the P players; a numba cfunc, a ctypes or cffi function, or an address. It is called
              from many threads.
    sample_chance: whether chance falls anew in every simulation, for environments that draw by the
              row's seed, such as 2048: an action's value is then the mean over what may come of
              it. Without it the search foresees what the env would draw; where nothing is drawn it
              costs time and changes no rule. (Chance from a NumPy stream that a state holds is
              always foreseen.)
    invalid_actions: [B, A] bool, true where an action must not be taken now, besides what is
              against the rules.
    seed:     an int, row r then drawing from (seed, r); or B ints, one a row, and then a row is the
              same wherever in a batch it stands.
    deadline_ms: milliseconds from now to answer within; rows get equal shares of it.

    Each node's choice goes by the returns of who moves there, so there may be any number of
    players and any order of turns. A row whose world has ended gets action 0 and no visits. Results
    depend on neither the threads nor, without a deadline, the time. A row is one thread's: more
    than one (`make_vec(..., num_threads=)`) speed up several rows, not one. Ctrl-C ends it.
    Raises ValueError or TypeError naming the argument.
    """
    start = perf_counter()
    _check(env, num_simulations, c, playouts, max_playout_steps, evaluate, deadline_ms)
    snapshot = worlds if isinstance(worlds, Snapshot) else env.snapshot(worlds)
    env._require(snapshot)
    batch, actions = len(snapshot), int(env.single_action_space.n)  # type: ignore[attr-defined]
    forbidden = None
    if invalid_actions is not None:
        forbidden = _forbidden(invalid_actions, env.view(snapshot).action_mask, batch, actions)
    seconds = None
    if deadline_ms is not None:
        seconds = max(deadline_ms / 1000 - (perf_counter() - start), 0.0)
    found = _native.uct(
        env._open(),
        snapshot.data,
        check_seed(seed, batch),
        num_simulations,
        c,
        playouts,
        max_playout_steps,
        sample_chance,
        0 if evaluate is None else _address(evaluate),
        forbidden,
        seconds,
    )
    action, visits, values, value, done = map(torch.from_numpy, found)
    return UctOutput(action, visits, values, value, done, perf_counter() - start)


def _check(
    env: VectorEnv,
    num_simulations: int,
    c: float,
    playouts: int,
    max_playout_steps: int,
    evaluate: Any,
    deadline_ms: float | None,
) -> None:
    if not env.has_playouts:
        raise ValueError(
            f"env: {env.env_id} has no single discrete action, or does not tell everyone's "
            "rewards; a tree needs both"
        )
    if env.single_action_space.n > _MOST_ACTIONS:  # type: ignore[attr-defined]
        raise ValueError(f"env: expected at most {_MOST_ACTIONS} actions of {env.env_id}")
    if not 1 <= num_simulations <= _MOST_SIMULATIONS:
        raise ValueError(
            f"num_simulations: expected 1 to {_MOST_SIMULATIONS}, got {num_simulations}"
        )
    if not 0.0 <= c < float("inf"):
        raise ValueError(f"c: expected a finite number, at least 0, got {c}")
    for name, number in (("playouts", playouts), ("max_playout_steps", max_playout_steps)):
        if not 1 <= number < 2**31:
            raise ValueError(f"{name}: expected at least 1, got {number}")
    if deadline_ms is not None and not 0.0 <= deadline_ms < float("inf"):
        raise ValueError(f"deadline_ms: expected a finite number, at least 0, got {deadline_ms}")
    if evaluate is not None and not hasattr(env.single_observation_space, "shape"):
        raise ValueError(
            f"evaluate: expected an environment with one array for an observation, got "
            f"{env.single_observation_space}"
        )


def _forbidden(
    invalid: Tensor, legal: NDArray[np.int8] | None, batch: int, actions: int
) -> NDArray[np.int8]:
    if not isinstance(invalid, Tensor) or invalid.shape != (batch, actions):
        what = list(invalid.shape) if isinstance(invalid, Tensor) else type(invalid).__name__
        raise ValueError(f"invalid_actions: expected bool [B={batch}, A={actions}], got {what}")
    forbidden = invalid.detach().cpu().numpy() != 0
    allowed = np.ones((batch, actions), np.bool_) if legal is None else legal != 0
    closed = allowed.any(1) & ~(allowed & ~forbidden).any(1)
    if closed.any():
        row = int(np.flatnonzero(closed)[0])
        raise ValueError(
            f"invalid_actions: row {row} forbids every legal action; allow it one of "
            f"{np.flatnonzero(allowed[row]).tolist()}"
        )
    mask: NDArray[np.int8] = forbidden.astype(np.int8)
    return mask


def _address(function: Any) -> int:
    """Return where a C function is, from whatever holds one."""
    if isinstance(function, int):
        return function
    address = getattr(function, "address", None)  # numba's
    if isinstance(address, int):
        return address
    try:
        if type(function).__module__.startswith("_cffi"):
            from cffi import FFI

            return int(FFI().cast("uintptr_t", function))
        import ctypes

        pointer = ctypes.cast(function, ctypes.c_void_p).value
    except (TypeError, ctypes.ArgumentError):
        pointer = None
    if not pointer:
        raise TypeError(
            "evaluate: expected a C function (a numba cfunc, a ctypes or cffi function, or its "
            f"address), got {type(function).__name__}"
        )
    return pointer
