"""What a vector env is given, checked and in the form that the native batch reads."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from operator import index as as_int
from typing import Any

import numpy as np
from gymnasium.vector import AutoresetMode
from numpy.typing import ArrayLike, NDArray

MODES = {
    "next_step": AutoresetMode.NEXT_STEP,
    "same_step": AutoresetMode.SAME_STEP,
    "disabled": AutoresetMode.DISABLED,
}
SEED_LIMIT = 2**64
PARAMS_LIMIT = 2**16
PIXELS = range(8, 1025)


def autoreset_mode(mode: str | AutoresetMode) -> AutoresetMode:
    """Return the mode of that name; gymnasium's own names are taken too."""
    if isinstance(mode, AutoresetMode):
        return mode
    for name, known in MODES.items():
        if mode in (name, known.value):
            return known
    raise ValueError(f"autoreset_mode: expected one of {', '.join(MODES)}, got {mode!r}")


def whole(name: str, value: Any, low: int = 1, high: int | None = None) -> int:
    """Return an integer in low..high."""
    if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < low:
        raise ValueError(f"{name}: expected an integer >= {low}, got {value!r}")
    if high is not None and value > high:
        raise ValueError(f"{name}: expected an integer <= {high}, got {value!r}")
    return int(value)


def pixels(name: str, size: Any) -> int:
    """Return a picture's side."""
    if isinstance(size, bool) or not isinstance(size, int | np.integer) or size not in PIXELS:
        raise ValueError(f"{name}: expected {PIXELS[0]}..{PIXELS[-1]} pixels a side, got {size!r}")
    return int(size)


def finite(name: str, value: Any) -> float:
    """Return a finite number."""
    if isinstance(value, bool) or not isinstance(value, int | float | np.number):
        raise TypeError(f"{name}: expected a number, got {value!r}")
    if not np.isfinite(value):
        raise ValueError(f"{name}: expected a finite number, got {value!r}")
    return float(value)


def params_table(
    params: Sequence[Mapping[str, Any]] | None, num_envs: int
) -> tuple[tuple[dict[str, Any], ...], NDArray[np.uint16]]:
    """Return the distinct ones of `params`, and which of them each row has: row i params[i % m]."""
    if params is None:
        return ({},), np.zeros(num_envs, np.uint16)
    if isinstance(params, Mapping | str) or not isinstance(params, Sequence):
        raise TypeError(
            f"params: expected a list of dicts, one a row, got {type(params).__name__}; "
            "keywords that all rows share are given as keywords"
        )
    if not params:
        raise ValueError("params: expected at least one dict, got none")
    distinct: dict[str, tuple[int, dict[str, Any]]] = {}
    numbers = []
    for row, values in enumerate(params):
        if not isinstance(values, Mapping):
            raise TypeError(f"params[{row}]: expected a dict of keywords, got {values!r}")
        entry = distinct.setdefault(repr(sorted(values.items())), (len(distinct), dict(values)))
        numbers.append(entry[0])
    if len(distinct) > PARAMS_LIMIT:
        raise ValueError(
            f"params: expected at most {PARAMS_LIMIT} different dicts, got {len(distinct)}"
        )
    rows = np.resize(np.array(numbers, np.uint16), num_envs)
    return tuple(values for _, values in distinct.values()), rows


def seeds(
    seed: int | Sequence[int | None] | None, num_envs: int
) -> tuple[NDArray[np.uint64] | None, NDArray[np.bool_] | None]:
    """Return a seed for each row, and which rows take theirs; None for none, and for all."""
    if seed is None:
        return None, None
    if isinstance(seed, int | np.integer):  # a bool too: _seed refuses it
        first = _seed("seed", seed, SEED_LIMIT - num_envs)
        return np.uint64(first) + np.arange(num_envs, dtype=np.uint64), None
    if not isinstance(seed, Sequence | np.ndarray) or isinstance(seed, str):
        raise TypeError(f"seed: expected an integer, a list of them or None, got {seed!r}")
    if len(seed) != num_envs:
        raise ValueError(f"seed: expected {num_envs} of them, got {len(seed)}")
    numbers = [
        0 if one is None else _seed(f"seed[{row}]", one, SEED_LIMIT - 1)
        for row, one in enumerate(seed)
    ]
    return np.array(numbers, np.uint64), np.array([one is not None for one in seed])


def _seed(name: str, value: Any, limit: int) -> int:
    if isinstance(value, bool) or not isinstance(value, int | np.integer):
        raise TypeError(f"{name}: expected an integer, got {value!r}")
    if not 0 <= as_int(value) <= limit:
        raise ValueError(f"{name}: expected 0..{limit}, got {value}")
    return as_int(value)


def reset_options(
    options: Mapping[str, Any] | None, num_envs: int, num_params: int
) -> tuple[NDArray[np.bool_] | None, NDArray[np.uint16] | None]:
    """Return the mask of rows to reset and the params they take; None for all, and for theirs."""
    parsers: dict[str, Callable[[Any], Any]] = {
        "reset_mask": lambda mask: _reset_mask(mask, num_envs),
        "params": lambda params: _reset_params(params, num_envs, num_params),
    }
    if not options:
        return None, None
    if unknown := options.keys() - parsers.keys():
        raise ValueError(
            f"options: only {' and '.join(map(repr, parsers))} are known, got {sorted(unknown)}"
        )
    given = {name: parsers[name](value) for name, value in options.items()}
    return given.get("reset_mask"), given.get("params")


def _reset_mask(mask: Any, num_envs: int) -> NDArray[np.bool_]:
    if not isinstance(mask, np.ndarray) or mask.dtype != np.bool_:
        got = mask.dtype if isinstance(mask, np.ndarray) else type(mask)
        raise TypeError(f"options['reset_mask']: expected a bool NumPy array, got {got}")
    if mask.shape != (num_envs,):
        raise ValueError(
            f"options['reset_mask']: expected shape [n={num_envs}], got {list(mask.shape)}"
        )
    if not mask.any():
        raise ValueError("options['reset_mask']: expected at least one True, got none")
    return np.ascontiguousarray(mask)


def _reset_params(params: Any, num_envs: int, num_params: int) -> NDArray[np.uint16]:
    index = np.asarray(params)
    if index.dtype.kind not in "iu":
        raise TypeError(f"options['params']: expected integers, got {index.dtype}")
    if index.shape != (num_envs,):
        raise ValueError(
            f"options['params']: expected shape [n={num_envs}], got {list(index.shape)}"
        )
    bad = np.flatnonzero((index < 0) | (index >= num_params))
    if len(bad):
        raise ValueError(
            f"options['params']: expected 0..{num_params - 1}, indices into env.params, "
            f"got {index[bad[0]]} for row {bad[0]}"
        )
    return index.astype(np.uint16)


def row_index(rows: ArrayLike | None, num_envs: int) -> NDArray[np.int64]:
    """Return row numbers from a list of them, a bool mask of every row, or None for all."""
    if rows is None:
        return np.arange(num_envs)
    index = np.asarray(rows)
    if index.dtype == np.bool_ and index.shape == (num_envs,):
        return np.flatnonzero(index)
    if index.size == 0:
        return np.empty(0, np.int64)
    if index.ndim != 1 or index.dtype.kind not in "iu":
        raise TypeError(
            "rows: expected a list of row numbers or a bool mask of every row, "
            f"got {index.dtype} of shape {list(index.shape)}"
        )
    bad = np.flatnonzero((index < 0) | (index >= num_envs))
    if len(bad):
        raise ValueError(f"rows: expected 0..{num_envs - 1}, got {index[bad[0]]}")
    return index.astype(np.int64)
