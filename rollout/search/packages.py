"""Compiled packages of tensor functions: made once by torch's AOTInductor and a C++ compiler, kept
on disk, called without torch's dispatcher in between.

A package holds code and no numbers: parameters and buffers stay where the module has them and are
read there at every call, so training goes on under a compiled function. One package serves any
number of rows.

A package is native code, so where it is kept matters: a file is loaded only if it and its folder
belong to this user and nobody else may write to them; any other is compiled anew, and an unsafe
folder is an error. The folder is $ROLLOUT_CACHE, or `rollout` in the platform's cache folder.
Files appear whole (written aside, then renamed). The name of a file is a hash of the function's
graph, torch's version, and the processor's instruction set.
"""

from __future__ import annotations

import hashlib
import os
import platform
import shutil
import stat
import sys
import tempfile
import warnings
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

_FORMAT = "1"  # of the packages; a new one leaves the old files unused
_OLDEST_TORCH = (2, 10)
_SHARED_WRITE = stat.S_IWGRP | stat.S_IWOTH
_OPTIONS: dict[str, Any] = {
    "aot_inductor.package_constants_in_so": False,
    "always_keep_tensor_constants": True,  # else small ones become part of the code
    "cpp.dynamic_threads": True,  # follow torch.set_num_threads
}


class CannotCompileError(RuntimeError):
    """A function could not be compiled here; the message says why and what to do."""


class Package:
    """A loaded package: `run` takes a list of tensors and returns one.

    module: whose parameters and buffers it reads. Not for two threads at once.
    """

    def __init__(self, path: Path, module: nn.Module, constants: Mapping[str, Tensor]) -> None:
        self._module, self._constants = module, constants
        self._loaded = torch._inductor.aoti_load_package(str(path), run_single_threaded=True)
        self._names: list[str] = self._loaded.get_constant_fqns()
        self._paths = [name.split(".") for name in self._names]
        self._live: list[Tensor] = []
        self._at: list[int] = []
        self.run: Callable[[list[Tensor]], list[Tensor]] = self._loaded.loader.boxed_run
        self.refresh()

    def refresh(self) -> None:
        """Find the module's tensors again, should they have moved; call it now and then."""
        tensors = [self._find(*of) for of in zip(self._names, self._paths, strict=True)]
        at = [tensor.data_ptr() for tensor in tensors]
        if at != self._at and tensors:
            tensors = [tensor.detach() for tensor in tensors]
            named = dict(zip(self._names, tensors, strict=True))
            self._loaded.load_constants(named, check_full_update=True, user_managed=True)
            self._live, self._at = tensors, at

    def _find(self, name: str, path: list[str]) -> Tensor:
        module: nn.Module | None = self._module
        for part in path[:-1]:
            module = None if module is None else module._modules.get(part)
        if module is not None:
            for owned in (module._parameters, module._buffers):
                if (tensor := owned.get(path[-1])) is not None:
                    return tensor
        return self._constants[name]


def compiler() -> str | None:
    """Return the path of the C++ compiler that packages are made with, or None."""
    return shutil.which(os.environ.get("CXX", "g++"))


def folder() -> Path:
    """Return the folder that packages are kept in; it may not exist yet."""
    if named := os.environ.get("ROLLOUT_CACHE"):
        return Path(named)
    if sys.platform == "darwin":
        return Path.home() / "Library" / "Caches" / "rollout"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "rollout"


def load(module: nn.Module, arguments: tuple[Tensor, ...], batched: tuple[bool, ...]) -> Package:
    """Return a package of module.forward, from disk or compiled now (some 10 seconds).

    arguments: examples, all in host memory. batched: which of them have rows as their first axis;
    the package serves any number of rows. forward takes tensors and returns a tuple of them.
    Raises CannotCompileError, naming what is missing or what the function does that cannot be
    compiled.
    """
    if os.name != "posix" or _torch_version() < _OLDEST_TORCH:
        raise CannotCompileError(
            "compile: expected Linux or macOS with torch 2.10 or later, got "
            f"{sys.platform} with torch {torch.__version__}; search without it"
        )
    # an example of 2 rows: a size of 1 would be taken for a constant
    examples = tuple(
        torch.zeros((2, *x.shape[1:]), dtype=x.dtype) if rows else torch.zeros_like(x)
        for x, rows in zip(arguments, batched, strict=True)
    )
    rows = torch.export.Dim("rows", min=1, max=1 << 20)
    shapes = tuple({0: rows} if is_batched else None for is_batched in batched)
    with warnings.catch_warnings(), torch.inference_mode(False), torch.no_grad():
        warnings.simplefilter("ignore")  # torch's own, of its own deprecations
        program = _export(module, examples, shapes)
        path = _safe(folder()) / f"{_key(program)}.pt2"
        if not _ours(path):
            _compile(program, path)
        return Package(path, module, program.constants)


def _export(module: nn.Module, examples: Any, shapes: Any) -> torch.export.ExportedProgram:
    try:
        return torch.export.export(
            module, examples, dynamic_shapes={"tensors": shapes}, strict=False
        )
    except (RuntimeError, ValueError, TypeError) as error:
        raise CannotCompileError(
            "compile: the model's step cannot be traced for any number of rows; keep its sizes "
            f"those of its inputs, and Python branches off its tensors. torch says: {error}"
        ) from error


def _compile(program: torch.export.ExportedProgram, path: Path) -> None:
    if compiler() is None:
        raise CannotCompileError(
            "compile: no C++ compiler found; install g++ (apt-get install g++) or set CXX, or "
            "search without it"
        )
    with tempfile.TemporaryDirectory(dir=path.parent) as scratch:
        try:
            made = torch._inductor.aoti_compile_and_package(
                program, package_path=f"{scratch}/package.pt2", inductor_configs=dict(_OPTIONS)
            )
        except RuntimeError as error:
            raise CannotCompileError(
                f"compile: torch's inductor or {compiler()} failed: {error}"
            ) from error
        os.chmod(made, 0o600)
        os.replace(made, path)


def _key(program: torch.export.ExportedProgram) -> str:
    """Return a hash of all that a package's code follows from."""
    inputs = [
        str(node.meta["val"]) + str(node.meta["val"].stride())
        for node in program.graph.nodes
        if node.op == "placeholder" and isinstance(node.meta.get("val"), Tensor)
    ]
    parts = (
        _FORMAT,
        torch.__version__,
        platform.machine(),
        torch.backends.cpu.get_cpu_capability(),
        str(sorted(_OPTIONS.items())),
        program.graph_module.code,
        str(program.graph_signature),
        *inputs,
    )
    return hashlib.sha256("\0".join(parts).encode()).hexdigest()[:32]


def _safe(place: Path) -> Path:
    """Return the folder, made if need be; raise CannotCompileError if others can write to it."""
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise CannotCompileError(f"compile: {error}; set ROLLOUT_CACHE to a folder") from error
    if not _private(place):
        raise CannotCompileError(
            f"compile: {place} belongs to another user, or others may write to it, so what is in "
            "it is not to be run; chmod go-w it, or set ROLLOUT_CACHE to a folder of your own"
        )
    return place


def _ours(path: Path) -> bool:
    return path.is_file() and not path.is_symlink() and _private(path)


def _private(path: Path) -> bool:
    found = path.lstat()
    return found.st_uid == os.getuid() and not found.st_mode & _SHARED_WRITE


def _torch_version() -> tuple[int, int]:
    major, minor = torch.__version__.split(".")[:2]
    return int(major), int(minor)
