"""A run's state in one file: safetensors whose header carries JSON. Reading one never runs code.

Writing is atomic: the file appears under its name complete or not at all, and an older one stays
until then. Every array's bytes are covered by a checksum, so a damaged file is an error and not a
subtly different run.
"""

from __future__ import annotations

import json
import os
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

FORMAT = "rollout.checkpoint/1"


def write_checkpoint(
    path: Path, arrays: Mapping[str, NDArray[Any]], facts: Mapping[str, Any]
) -> None:
    """Write arrays and JSON facts to `path`, replacing it in one step.

    arrays: name to array of at least one axis, of any numeric or bool dtype.
    facts:  what JSON can say; floats come back exactly.
    Raises OSError if the folder cannot be written.
    """
    contiguous = {name: np.ascontiguousarray(array) for name, array in arrays.items()}
    text = json.dumps(facts)
    header = {"format": FORMAT, "facts": text, "crc32": _checksum(contiguous, text)}
    part = path.with_name(path.name + ".part")
    save_file(contiguous, part, metadata=header)
    with part.open("rb") as written:
        os.fsync(written.fileno())
    os.replace(part, path)


def read_checkpoint(path: Path) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read what `write_checkpoint` wrote: (arrays, facts).

    Raises FileNotFoundError, or ValueError if the file is no checkpoint, cut short or damaged.
    """
    if not path.is_file():
        raise FileNotFoundError(
            f"checkpoint: expected a file at {path}; train without --resume to begin a run there"
        )
    try:
        with safe_open(path, framework="numpy") as file:
            header = file.metadata() or {}
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except SafetensorError as error:
        raise ValueError(
            f"checkpoint: {path} is not a complete safetensors file ({error}); "
            "use an older copy or begin the run again"
        ) from None
    if header.get("format") != FORMAT:
        raise ValueError(
            f"checkpoint: expected format {FORMAT!r} in {path}, got {header.get('format')!r}; "
            "a model file is loaded with rollout.models.load"
        )
    text = header.get("facts", "")
    if header.get("crc32") != _checksum(arrays, text):
        raise ValueError(
            f"checkpoint: the contents of {path} do not match their checksum; the file is damaged, "
            "use an older copy or begin the run again"
        )
    return arrays, json.loads(text)


def _checksum(arrays: Mapping[str, NDArray[Any]], text: str) -> str:
    """Return a checksum over the text, and names and bytes in the order of the names."""
    crc = zlib.crc32(text.encode())
    for name in sorted(arrays):
        crc = zlib.crc32(arrays[name].data, zlib.crc32(name.encode(), crc))
    return f"{crc:08x}"
