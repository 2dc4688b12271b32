"""Fuzz the snapshot decoder: damaged bytes are refused in words, whether their digest fits or not.

    python tests/fuzz/snapshot.py SECONDS

The decoder is Python, so its fuzzer is too. A good snapshot is cut, spliced and rewritten, and half
of the time given a fitting digest, so that what is behind the digest is reached. With atheris (pip
install atheris) libFuzzer does that, guided by what the decoder has run; without it, chance does.
"""

import contextlib
import random
import sys
import time
from pathlib import Path
from types import ModuleType

import numpy as np

atheris: ModuleType | None
try:
    import atheris
except ImportError:
    atheris = None

# atheris sees what a module runs only if it was there when it was imported
with atheris.instrument_imports(["rollout.envs.snapshot"]) if atheris else contextlib.nullcontext():
    from rollout.envs import snapshot
    from rollout.envs.snapshot import DIGEST_BYTES, MAGIC, Snapshot

NUMBERS = (b"0", b"-1", b"1", b"2", b"99999999999999999999", b"1e3", b"", b" ", b"\xff", b"0x10")
OUT = Path(__file__).resolve().parents[2] / "build" / "fuzz"


def good() -> bytes:
    """A snapshot as it should be."""
    rows = np.arange(96, dtype=np.uint8).reshape(4, 24)
    return Snapshot("CartPole-v1", "0123456789abcdef", rows).to_bytes()


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
    return head + newline + snapshot._digest(head[len(MAGIC) + 1 :] + newline, body) + body


def is_taken(blob: bytes) -> bool:
    """Read it. False: refused in words. Raises AssertionError for any other answer."""
    try:
        read = Snapshot.from_bytes(blob)
    except ValueError as error:
        if not str(error).startswith("snapshot: "):
            raise AssertionError(f"refused, but not in words: {error!r}, bytes {blob!r}") from error
        return False
    if read.data.ndim != 2 or Snapshot.from_bytes(read.to_bytes()) != read:
        raise AssertionError(f"taken, but no snapshot: {read}, bytes {blob!r}")
    return True


def by_chance(seconds: float) -> None:
    """Try what random damage gives."""
    seed = time.time_ns()
    rng, end, runs, taken = random.Random(seed), time.monotonic() + seconds, 0, 0
    print(f"snapshot: by chance, seed {seed}")
    while time.monotonic() < end:
        blob = damaged(good(), rng)
        taken += is_taken(signed(blob) if rng.random() < 0.5 else blob)
        runs += 1
    print(f"snapshot: {runs} inputs, {taken} of them sound")


def guided(engine: ModuleType, seconds: float) -> None:
    """Let libFuzzer look for inputs that run something new."""

    def test_one_input(data: bytes) -> None:
        if data:  # the first byte says whether to sign the rest
            is_taken(signed(data[1:]) if data[0] % 2 else data[1:])

    def mutate(data: bytes, most: int, seed: int) -> bytes:
        rng = random.Random(seed)
        if data[1:] and rng.random() < 0.5:
            return (data[:1] + damaged(data[1:], rng))[:most]
        changed: bytes = engine.Mutate(data, most)
        return changed

    corpus = OUT / "snapshot-corpus"
    corpus.mkdir(parents=True, exist_ok=True)
    for first in (b"\0", b"\1"):
        (corpus / f"good-{first[0]}").write_bytes(first + good())
    limits = [f"-max_total_time={seconds:.0f}", "-max_len=4096", "-timeout=10"]
    options = [*limits, "-print_final_stats=1", f"-artifact_prefix={OUT}/snapshot-"]
    engine.Setup([sys.argv[0], str(corpus), *options], test_one_input, custom_mutator=mutate)
    engine.Fuzz()


if __name__ == "__main__":
    seconds = float(sys.argv[1])
    guided(atheris, seconds) if atheris else by_chance(seconds)
