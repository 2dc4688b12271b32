"""The C interface from Python: where its header is, and loading a library that uses it."""

from __future__ import annotations

import functools
import os
import re
from pathlib import Path
from typing import Any

from rollout import _native
from rollout.envs.registry import register_with_gymnasium

# a library's functions must stay where they are for as long as rows of it may exist: for ever
_KEPT: list[Any] = []


def include_dir() -> Path:
    """Return the folder to give a C compiler: `cc -I <it>`, then `#include <rollout/env.h>`."""
    package = Path(__file__).resolve().parents[2]
    installed = package / "include"
    return installed if installed.is_dir() else package.parent / "csrc" / "include"


@functools.cache
def interface() -> tuple[Any, int]:
    """cffi's view of the header: an FFI that knows its structs, and the interface's version."""
    from cffi import FFI

    text = (include_dir() / "rollout" / "env.h").read_text()
    found = re.search(r"#define ROLLOUT_ABI_VERSION (\d+)", text)
    assert found is not None
    ffi = FFI()
    # the declarations stand between the preprocessor's lines
    ffi.cdef(text[text.index("enum rollout_dtype") : text.index("#if defined(_WIN32)")])
    ffi.cdef("const rollout_env* rollout_plugin(uint32_t index);")
    return ffi, int(found[1])


def register(description: Any, *keep: Any) -> str:
    """Register the environment of a `rollout_env*`; keep what it points to for ever."""
    ffi, _ = interface()
    id = _native.register_plugin(int(ffi.cast("uintptr_t", description)))
    _KEPT.append((description, *keep))
    register_with_gymnasium()
    return id


def load_plugin(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Load a shared library that exports `rollout_plugin`; return the ids of its environments.

    They are made by `make_vec` and listed by `list_envs` like any other. A library stays loaded; to
    try a changed one under the same ids, compile it to another file name and load that.

    path: the library. The header that it is compiled with is in `include_dir()`.

    Raises FileNotFoundError if there is no such file, OSError if it cannot be loaded, ValueError if
    it does not export `rollout_plugin`, describes an environment wrongly, or was compiled for
    another version of the interface. A library is native code: load only what you trust.
    """
    ffi, _ = interface()
    file = Path(path).resolve()
    if not file.is_file():
        raise FileNotFoundError(f"path: there is no file {file}; compile the plug-in first")
    try:
        library = ffi.dlopen(str(file))
    except OSError as error:
        raise OSError(f"path: {file} does not load as a shared library: {error}") from error
    try:
        describe = library.rollout_plugin
    except AttributeError as error:
        raise ValueError(
            f"path: {file} has no function rollout_plugin; define it as rollout/env.h declares it"
        ) from error
    ids: list[str] = []
    while (description := describe(len(ids))) != ffi.NULL:
        ids.append(register(description, library))
    if not ids:
        raise ValueError(f"path: {file} describes no environment: rollout_plugin(0) is NULL")
    return tuple(ids)
