"""The checkpoint file: exact, atomic, and loud about damage."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import save_file

from rollout.learn.checkpoint import read_checkpoint, write_checkpoint

ARRAYS = {
    "weights": np.array([[0.1, -2.5e-30], [np.pi, 7.0]], np.float32),
    "flags": np.array([True, False, True]),
    "counts": np.array([2**62, -3]),
    "bytes": np.arange(7, dtype=np.uint8),
    "none": np.zeros((4, 0), np.float32),
}
FACTS = {"seconds": 0.1 + 0.2, "history": [{"loss": 1e-17}], "best": None, "name": "søup"}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "checkpoint.safetensors"
    write_checkpoint(file, ARRAYS, FACTS)
    return file


def test_what_is_written_comes_back_exactly(path: Path) -> None:
    arrays, facts = read_checkpoint(path)
    assert facts == FACTS
    assert arrays.keys() == ARRAYS.keys()
    for name, array in ARRAYS.items():
        np.testing.assert_array_equal(arrays[name], array, strict=True)


def test_writing_replaces_and_leaves_no_part_behind(path: Path) -> None:
    write_checkpoint(path, {"x": np.ones(1)}, {"new": True})
    assert read_checkpoint(path)[1] == {"new": True}
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_a_failed_write_keeps_the_old_file(path: Path) -> None:
    with pytest.raises(TypeError, match="not JSON serializable"):
        write_checkpoint(path, ARRAYS, {"bad": object()})
    assert read_checkpoint(path)[1] == FACTS


@pytest.mark.parametrize("keep", [0, 4, 100, -1])
def test_a_file_cut_short_is_an_error(path: Path, keep: int) -> None:
    path.write_bytes(path.read_bytes()[:keep])
    with pytest.raises(ValueError, match="not a complete safetensors file"):
        read_checkpoint(path)


@pytest.mark.parametrize("what", [b"\x07", b"0.3"])
def test_one_changed_byte_is_an_error(path: Path, what: bytes) -> None:
    data = bytearray(path.read_bytes())
    # in the last array's bytes, or in a number among the facts
    at = len(data) - 2 if what == b"\x07" else data.index(what)
    data[at] ^= 1
    path.write_bytes(data)
    with pytest.raises(ValueError, match="do not match their checksum"):
        read_checkpoint(path)


def test_other_files_are_told_apart(path: Path) -> None:
    with pytest.raises(FileNotFoundError, match="without --resume"):
        read_checkpoint(path.with_name("nowhere"))
    save_file({"x": np.ones(1)}, path)
    with pytest.raises(ValueError, match=r"expected format 'rollout\.checkpoint/1'"):
        read_checkpoint(path)
