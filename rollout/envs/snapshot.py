"""The worlds of some rows at one instant, as a value: keep it, copy it, branch it, put it back."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray

MAGIC = b"rollout snapshot"
VERSION = 1
DIGEST_BYTES = 16
FIELDS = re.compile(rb"([!-~]+) ([0-9a-f]+) ([0-9]{1,18}) ([0-9]{1,18})")


@dataclass(frozen=True, slots=True, eq=False)
class Snapshot:
    """Rows of one environment, everything that their future depends on included.

    env_id:      the environment's id.
    fingerprint: a hash of the id, its keywords and the size of a row; only an environment with
                 the same one takes the snapshot back.
    data:        [R, row_bytes] uint8, one blob a row.

    Pickles and deep-copies; `to_bytes` and `from_bytes` are the same without pickle.
    """

    env_id: str
    fingerprint: str
    data: NDArray[np.uint8]

    def __len__(self) -> int:
        """Return the number of rows."""
        return len(self.data)

    def __eq__(self, other: object) -> bool:
        """Return whether both hold the same worlds, byte for byte."""
        if not isinstance(other, Snapshot):
            return NotImplemented
        return self.fingerprint == other.fingerprint and np.array_equal(self.data, other.data)

    __hash__ = None  # type: ignore[assignment]

    def __getitem__(self, rows: int | slice | ArrayLike) -> Self:
        """Return a snapshot of some rows, in the order given; a row may be taken many times."""
        if not isinstance(rows, slice):
            rows = np.atleast_1d(np.asarray(rows))
            rows = rows if rows.size else rows.astype(np.int64)
        picked = self.data[rows].copy()
        return type(self)(self.env_id, self.fingerprint, picked)

    @classmethod
    def concatenate(cls, parts: Sequence[Self]) -> Self:
        """Join snapshots of one environment, row after row. Raises ValueError if they differ."""
        if not parts:
            raise ValueError("parts: expected at least one snapshot, got none")
        for part in parts:
            part.require(parts[0].env_id, parts[0].fingerprint, parts[0].data.shape[1])
        return cls(
            parts[0].env_id, parts[0].fingerprint, np.concatenate([part.data for part in parts])
        )

    def require(self, env_id: str, fingerprint: str, row_bytes: int) -> None:
        """Raise ValueError unless this snapshot is of the environment named."""
        if self.env_id != env_id:
            raise ValueError(
                f"snapshot: expected one of {env_id}, got one of {self.env_id}; "
                "restore it in an environment like the one that made it"
            )
        if self.fingerprint != fingerprint:
            raise ValueError(
                f"snapshot: it was made by {env_id} with other keywords or by another version "
                f"(fingerprint {self.fingerprint}, expected {fingerprint}); "
                "make the environment with the keywords that made the snapshot"
            )
        if self.data.ndim != 2 or self.data.shape[1] != row_bytes or self.data.dtype != np.uint8:
            raise ValueError(
                f"snapshot.data: expected [R, {row_bytes}] uint8, "
                f"got {list(self.data.shape)} {self.data.dtype}; take rows with snapshot[...]"
            )

    def to_bytes(self) -> bytes:
        """Return a self-describing copy: magic, version, header line, digest, rows."""
        rows, width = self.data.shape
        head = f"{VERSION} {self.env_id} {self.fingerprint} {rows} {width}\n".encode()
        body = np.ascontiguousarray(self.data).tobytes()
        return MAGIC + b" " + head + _digest(head, body) + body

    @classmethod
    def from_bytes(cls, blob: bytes) -> Self:
        """Read what `to_bytes` wrote. Raises ValueError if it is anything else, or damaged."""
        start = MAGIC + b" "
        if not blob.startswith(start):
            raise ValueError("snapshot: these bytes are no snapshot; expected those of to_bytes()")
        head, newline, rest = blob[len(start) :].partition(b"\n")
        version, _, fields = head.partition(b" ")
        if version != str(VERSION).encode():
            raise ValueError(
                f"snapshot: expected version {VERSION}, got {version[:20]!r}; "
                "read it with the release of rollout that wrote it"
            )
        digest, body = rest[:DIGEST_BYTES], rest[DIGEST_BYTES:]
        found = FIELDS.fullmatch(fields)
        sound = found is not None and digest == _digest(head + newline, body)
        if found is None or not sound or int(found[3]) * int(found[4]) != len(body):
            raise ValueError("snapshot: the bytes are damaged or cut short; take it again")
        data = np.frombuffer(bytearray(body), np.uint8).reshape(int(found[3]), int(found[4]))
        return cls(found[1].decode(), found[2].decode(), data)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle as bytes with a version, so that an old or damaged one is refused in words."""
        return type(self).from_bytes, (self.to_bytes(),)


def _digest(head: bytes, body: bytes) -> bytes:
    return blake2b(head + body, digest_size=DIGEST_BYTES).digest()


@dataclass(frozen=True, slots=True)
class View:
    """What is to be seen of R worlds.

    obs:         [R, *observation shape], or a dict or a tuple of such arrays.
    action_mask: [R, A] int8, 1 where an action is legal now; None where all are, always.
    to_play:     [R] int64, whose turn it is; None where nobody takes turns.
    """

    obs: Any
    action_mask: NDArray[np.int8] | None
    to_play: NDArray[np.int64] | None


@dataclass(frozen=True, slots=True)
class StepFrom:
    """What one step from a snapshot gave. R rows, E events, as `VectorEnv.step` has them.

    snapshot:   the worlds after the step.
    obs:        [R, *observation shape], or a dict or a tuple of such arrays.
    reward:     [R] float64.
    terminated: [R] bool.
    truncated:  [R] bool.
    events:     [R, event_rows, E] uint8 (no event_rows axis when there is one), or None.
    signals:    name -> [R, width] float32.
    action_mask, to_play: of the worlds after the step, as in View.
    """

    snapshot: Snapshot
    obs: Any
    reward: NDArray[np.float64]
    terminated: NDArray[np.bool_]
    truncated: NDArray[np.bool_]
    events: NDArray[np.uint8] | None
    signals: dict[str, NDArray[np.float32]]
    action_mask: NDArray[np.int8] | None = None
    to_play: NDArray[np.int64] | None = None


@dataclass(frozen=True, slots=True)
class RolloutFrom:
    """What sequences of actions from a snapshot gave. R sequences of H steps, time first.

    snapshot: the R worlds at the end.
    reward:   [H, R] float32.
    alive:    [H, R] float32: 0 where the world has ended by its rules in or before a step, else 1.
    events:   [H, R, event_rows, E] uint8 (no event_rows axis when there is one), or None.
    """

    snapshot: Snapshot
    reward: NDArray[np.float32]
    alive: NDArray[np.float32]
    events: NDArray[np.uint8] | None


@dataclass(frozen=True, slots=True)
class Playouts:
    """How n random games from each of R worlds went, P players (one where nobody takes turns).

    returns: [R, n, P] float64, the sum of each player's rewards, without discount.
    steps:   [R, n] int32, how many there were; 0 where the world had ended before.
    """

    returns: NDArray[np.float64]
    steps: NDArray[np.int32]
