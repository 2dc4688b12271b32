"""Rules of your own for choosing actions in the tree, as native functions.

A rule is a Python function that numba compiles, or a C function of the signature in
`rollout/selection.h` (`rollout.envs.include_dir()` says where it lies). The search calls it at
every node of a descent, without Python and without its lock.
"""

from __future__ import annotations

import ctypes
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any, overload

import numpy as np

from rollout import _native

# what functions of ctypes have in common, those of libraries included
_C_FUNCTION: Any = ctypes.CFUNCTYPE(None).__base__
ARGUMENTS = ("node", "prior", "logits", "q", "visits", "params", "scores")
# the fields of `rollout_node` in selection.h
NODE = np.dtype(
    [
        ("num_actions", np.int32),
        ("depth", np.int32),
        ("simulation", np.int32),
        ("visits", np.int32),
        ("value", np.float32),
        ("raw_value", np.float32),
    ]
)


@dataclass(frozen=True)
class Selection:
    """A compiled rule, to be given to a policy; `selection_rule` makes it."""

    name: str
    address: int
    owner: object  # keeps the code alive, as does every search that uses it
    params: tuple[tuple[str, float], ...] = ()

    def with_params(self, **params: float) -> Selection:
        """Return the same rule with other numbers, not compiled again."""
        known = dict(self.params)
        if unknown := params.keys() - known.keys():
            raise ValueError(
                f"params: {self.name} has {', '.join(known) or 'none'}, got {', '.join(unknown)}"
            )
        return replace(self, params=_numbers({**known, **params}))

    def native(self) -> _native.SearchSelection:
        """Return what the native search takes."""
        return _native.SearchSelection(
            self.address, [value for _, value in self.params], self.owner
        )


@overload
def selection_rule(
    function: None = None, *, params: Mapping[str, float] | None = None
) -> Callable[[Any], Selection]: ...
@overload
def selection_rule(function: Any, *, params: Mapping[str, float] | None = None) -> Selection: ...
def selection_rule(
    function: Any = None, *, params: Mapping[str, float] | None = None
) -> Selection | Callable[[Any], Selection]:
    """Make a rule for `muzero_policy(root_selection=..., interior_selection=...)`; a decorator too.

    function: writes scores; of the allowed actions the one with the highest is taken, and among
        equals (within 1e-7) one is drawn. It takes what it needs of these by name:
            node    num_actions (A), depth in edges from the root, simulation, visits (1 for the
                    node's evaluation and 1 for each below it), value (mean return), raw_value
            prior   [A] float32, negative where an action is not allowed
            logits  [A] float32
            q       [A] float32, reward + discount * value; 0 where never visited
            visits  [A] int32
            params  the numbers below, as attributes
            scores  [A] float32; holds q as the policy's qtransform scales it
        It is compiled by numba, in a second or two. Or a C function: of ctypes or of cffi, with the
        signature `rollout_selection`; its params are then in the order given.
    params: names and numbers.

    It must be a pure function of what it is given. A NaN for an allowed action, or an exception,
    ends the search with a ValueError that names the row. numba does not check indices.
    Raises TypeError for what is no such function, ImportError where numba is missing.
    """
    if function is None:
        return lambda given: selection_rule(given, params=params)
    numbers = _numbers(params or {})
    name = getattr(function, "__name__", type(function).__name__)
    if isinstance(function, _C_FUNCTION):
        _check_ctypes(name, function)
        return Selection(name, _address_of(function), function, numbers)
    if type(function).__module__ == "_cffi_backend":
        return Selection(str(function), _address_of_cffi(function), function, numbers)
    if not inspect.isfunction(function):
        raise TypeError(
            "selection_rule: expected a Python function, or a C function of ctypes or cffi, got "
            f"{type(function).__name__}"
        )
    compiled = _compile(function, tuple(name for name, _ in numbers))
    return Selection(name, compiled.address, compiled, numbers)


def resolve_selection(name: str, selection: Selection | None) -> _native.SearchSelection | None:
    """Return what the native search takes; raise TypeError for what is no Selection."""
    if selection is not None and not isinstance(selection, Selection):
        raise TypeError(
            f"{name}: expected what rollout.search.selection_rule returns, got "
            f"{type(selection).__name__}"
            + ("; decorate it with selection_rule" if callable(selection) else "")
        )
    return None if selection is None else selection.native()


def _numbers(params: Mapping[str, float]) -> tuple[tuple[str, float], ...]:
    for name, value in params.items():
        if not isinstance(value, int | float) or not math.isfinite(value):
            raise ValueError(f"params: {name}: expected a finite number, got {value!r}")
        if not name.isidentifier():
            raise ValueError(f"params: expected names, got {name!r}")
    return tuple((name, float(value)) for name, value in params.items())


def _compile(function: Callable[..., None], params: tuple[str, ...]) -> Any:
    """Compile a function, and a C function around it that turns an exception into NaN."""
    takes = list(inspect.signature(function).parameters)
    if unknown := [name for name in takes if name not in ARGUMENTS]:
        raise TypeError(
            f"{function.__name__}: a selection rule may take {', '.join(ARGUMENTS)}; it takes "
            f"{', '.join(unknown)}"
        )
    if "scores" not in takes:
        raise TypeError(f"{function.__name__}: a selection rule must take scores, to write them")
    try:
        from numba import carray, cfunc, from_dtype, njit, types
    except ImportError as error:
        raise ImportError("selection_rule: needs numba; pip install numba") from error

    rule = njit(eval(f"lambda {', '.join(ARGUMENTS)}: function({', '.join(takes)})",
                     {"function": njit(function)}))  # fmt: skip
    # numba has no records without fields
    numbers = np.dtype([(name, np.float64) for name in params or ("unused",)])
    pointers = (NODE, np.float32, np.float32, np.float32, np.int32, numbers, np.float32)

    def call(
        node: Any, prior: Any, logits: Any, q: Any, visits: Any, params: Any, scores: Any
    ) -> None:
        view = carray(node, 1)[0]
        count = view.num_actions
        out = carray(scores, count)
        try:
            rule(
                view,
                carray(prior, count),
                carray(logits, count),
                carray(q, count),
                carray(visits, count),
                carray(params, 1)[0],
                out,
            )
        except Exception:
            out[:] = np.nan

    signature = types.void(*(types.CPointer(from_dtype(np.dtype(kind))) for kind in pointers))
    return cfunc(signature)(call)


def _check_ctypes(name: str, function: Any) -> None:
    """Refuse a function whose declared types are others; one from a library may declare none."""
    argtypes = function.argtypes
    if argtypes is not None and len(argtypes) != len(ARGUMENTS):
        raise TypeError(
            f"{name}: expected {len(ARGUMENTS)} arguments ({', '.join(ARGUMENTS)}), got "
            f"{len(argtypes)}"
        )
    for argument, kind in zip(ARGUMENTS, argtypes or (), strict=False):
        pointer = kind is ctypes.c_void_p or issubclass(kind, ctypes._Pointer)
        wants = _POINTED.get(argument)
        pointed = getattr(kind, "_type_", None)
        if not pointer or (wants and pointed not in (wants, "P")):
            raise TypeError(
                f"{name}: {argument}: expected "
                f"{'POINTER(' + wants.__name__ + ')' if wants else 'a pointer'}, got "
                f"{kind.__name__}"
            )


_POINTED: dict[str, Any] = {
    "prior": ctypes.c_float,
    "logits": ctypes.c_float,
    "q": ctypes.c_float,
    "visits": ctypes.c_int32,
    "params": ctypes.c_double,
    "scores": ctypes.c_float,
}


def _address_of(function: Any) -> int:
    address = ctypes.cast(function, ctypes.c_void_p).value
    if not address:
        raise ValueError("selection_rule: the C function is NULL")
    return address


def _address_of_cffi(function: Any) -> int:
    import cffi

    ffi = cffi.FFI()
    kind = ffi.typeof(function)
    given = [part.cname for part in kind.args] if kind.kind == "function" else [kind.cname]
    plain = [name.replace("const ", "").replace("int32_t", "int") for name in given]
    wants = ["float *", "float *", "float *", "int *", "double *", "float *"]
    # void * stands for any of them, as in ctypes
    fits = len(plain) == len(ARGUMENTS) and plain[0].endswith("*")
    if not fits or any(a not in (b, "void *") for a, b in zip(plain[1:], wants, strict=True)):
        raise TypeError(
            "selection_rule: expected a cffi function (rollout_node *, float *, float *, float *, "
            f"int32_t *, double *, float *), got ({', '.join(given)})"
        )
    return int(ffi.cast("uintptr_t", function))
