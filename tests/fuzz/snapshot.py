"""Fuzz the snapshot decoder: damaged bytes are refused in words, whether their digest fits or not.

    python tests/fuzz/snapshot.py SECONDS

The decoder is Python, so its fuzzer is too: a good snapshot is cut, spliced and rewritten, and half
of the time given a fitting digest, so that what is behind the digest is reached.
"""

import random
import sys
import time

import numpy as np

from rollout.envs import Snapshot
from rollout.envs.snapshot import DIGEST_BYTES, MAGIC, _digest

NUMBERS = (b"0", b"-1", b"1", b"2", b"99999999999999999999", b"1e3", b"", b" ", b"\xff", b"0x10")


def damaged(blob: bytes, rng: random.Random) -> bytes:
    """Change a few bytes, a field of the header, or the length."""
    out = bytearray(blob)
    for _ in range(rng.randint(1, 4)):
        at = rng.randrange(len(out) + 1)
        match rng.randrange(5):
            case 0 if at < len(out):
                out[at] = rng.randrange(256)
            case 1:
                del out[at : at + rng.randrange(1, 40)]
            case 2:
                out[at:at] = rng.randbytes(rng.randrange(1, 40))
            case 3:
                out[at:at] = out[: rng.randrange(60)]
            case _:
                head, newline, rest = bytes(out).partition(b"\n")
                words = head.split(b" ")
                words[rng.randrange(len(words))] = rng.choice(NUMBERS)
                out = bytearray(b" ".join(words) + newline + rest)
    return bytes(out)


def signed(blob: bytes) -> bytes:
    """Give what stands there a digest that fits."""
    head, newline, rest = blob.partition(b"\n")
    body = rest[DIGEST_BYTES:]
    return head + newline + _digest(head[len(MAGIC) + 1 :] + newline, body) + body


def main() -> None:
    """Run for so many seconds; an answer that is neither a snapshot nor a refusal ends it."""
    seconds, seed = float(sys.argv[1]), time.time_ns()
    rng, end, runs, taken = random.Random(seed), time.monotonic() + seconds, 0, 0
    rows = np.arange(96, dtype=np.uint8).reshape(4, 24)
    good = Snapshot("CartPole-v1", "0123456789abcdef", rows).to_bytes()
    while time.monotonic() < end:
        runs += 1
        blob = damaged(good, rng)
        blob = signed(blob) if rng.random() < 0.5 else blob
        try:
            read = Snapshot.from_bytes(blob)
        except ValueError as error:
            if not str(error).startswith("snapshot: "):
                sys.exit(f"refused, but not in words: {error!r}\nseed {seed}, bytes {blob!r}")
            continue
        taken += 1
        if read.data.ndim != 2 or Snapshot.from_bytes(read.to_bytes()) != read:
            sys.exit(f"taken, but no snapshot: {read}\nseed {seed}, bytes {blob!r}")
    print(f"snapshot: {runs} inputs, {taken} of them sound")


if __name__ == "__main__":
    main()
