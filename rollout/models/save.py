"""Model files: safetensors with the model's config as JSON in the header. Loading runs no code.

A file holds the weights by name and one header entry, "rollout_model": JSON with the version of the
format, the kind of model and its config. The kind is looked up in a fixed table, the config is
checked field by field, and every tensor's name, shape, dtype and finiteness before use.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Final

import torch
from pydantic import ValidationError
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file

from rollout.models.value_equivalent import ValueEquivalent, ValueEquivalentConfig

VERSION: Final = 1
_FAMILIES: Final = {ValueEquivalent.kind: (ValueEquivalent, ValueEquivalentConfig)}


class ModelFileError(ValueError):
    """A model file that cannot be used; the message names the file, the fault and the next move."""


def save(model: ValueEquivalent, path: str | os.PathLike[str]) -> None:
    """Write a model to `path`, replacing it only once the new file is whole.

    The file is a function of the model alone, so equal models give equal files.
    Raises TypeError for a model that has no file form.
    """
    if getattr(model, "kind", None) not in _FAMILIES:
        raise TypeError(
            f"model: expected one of {sorted(_FAMILIES)}, got {type(model).__name__}; "
            "write its tensors with safetensors yourself"
        )
    path = Path(path)
    tensors = {name: x.detach().cpu().contiguous() for name, x in model.state_dict().items()}
    header = {
        "version": VERSION,
        "kind": model.kind,
        "config": model.config.model_dump(mode="json"),
    }
    partial = path.with_name(f"{path.name}.{os.getpid()}.partial")
    try:
        # one entry only: the order of several is not fixed, and equal models give equal files
        save_file(tensors, partial, metadata={"rollout_model": json.dumps(header)})
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)


def load(path: str | os.PathLike[str], *, device: torch.device | str = "cpu") -> ValueEquivalent:
    """Return the model that `save` wrote.

    Raises FileNotFoundError when there is no such file, and ModelFileError for one that is corrupt,
    truncated, of another version or kind, or whose tensors do not fit its config.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path}: no such model file; save one with rollout.models.save")
    try:
        with safe_open(path, framework="pt", device="cpu") as file:
            config = _config(path, (file.metadata() or {}).get("rollout_model"))
            slices = {name: file.get_slice(name) for name in list(file.keys())}
            found = {name: (tuple(s.get_shape()), s.get_dtype()) for name, s in slices.items()}
            _check_names(path, config, found)
            tensors = {name: file.get_tensor(name) for name in slices}
    except SafetensorError as error:
        raise ModelFileError(
            f"{path}: not a whole safetensors file ({error}); it is corrupt or was cut short: "
            "copy or save it again"
        ) from None
    for name, tensor in tensors.items():
        if not bool(torch.isfinite(tensor).all()):
            raise ModelFileError(
                f"{path}: {name} holds a NaN or an infinity; load an earlier checkpoint"
            )
    model = ValueEquivalent(config)
    model.load_state_dict(tensors)
    return model.to(device)


def _config(path: Path, header: str | None) -> ValueEquivalentConfig:
    """Return the config of a header that says what this reader understands."""
    if header is None:
        raise ModelFileError(
            f"{path}: a safetensors file, but not a rollout model (its header has no "
            "'rollout_model'); expected a file written by rollout.models.save"
        )
    try:
        said = json.loads(header)
        version, kind, config = said["version"], said["kind"], said["config"]
    except (json.JSONDecodeError, RecursionError, TypeError, KeyError):
        raise ModelFileError(
            f"{path}: its header is not JSON with a version, a kind and a config; "
            "it was altered or cut: copy or save the file again"
        ) from None
    if version != VERSION:
        raise ModelFileError(
            f"{path}: model format {version!r}, but this rollout reads {VERSION!r}; "
            "use the rollout that wrote it, or save it again with this one"
        )
    if not isinstance(kind, str) or kind not in _FAMILIES:
        raise ModelFileError(
            f"{path}: model kind {kind!r}, but this rollout knows {sorted(_FAMILIES)}; "
            "use a newer rollout"
        )
    try:
        return _FAMILIES[kind][1].model_validate(config)
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["config", *map(str, first["loc"])])
        raise ModelFileError(
            f"{path}: {where}: {first['msg']}, got {first['input']!r}; the header was altered: "
            "copy or save the file again"
        ) from None


def _check_names(
    path: Path, config: ValueEquivalentConfig, found: dict[str, tuple[tuple[int, ...], str]]
) -> None:
    """Compare the tensors of a file with those of its config, before any memory is taken."""
    with torch.device("meta"):
        weights = ValueEquivalent(config).state_dict()
    wanted = {name: (tuple(weight.shape), "F32") for name, weight in weights.items()}
    for name in sorted(wanted.keys() | found.keys()):
        if wanted.get(name) != found.get(name):
            raise ModelFileError(
                f"{path}: {name}: the config asks for {_say(wanted.get(name))}, "
                f"the file has {_say(found.get(name))}; the file and its config do not belong "
                "together: save it again"
            )


def _say(entry: tuple[tuple[int, ...], str] | None) -> str:
    """Return a shape and dtype in words."""
    return "no such tensor" if entry is None else f"{list(entry[0])} {entry[1]}"
