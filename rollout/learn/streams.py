"""Random streams of a run, each a pure function of (seed, site, count).

A run keeps no generator: whoever needs randomness makes one from the run's seed, the name of the
place and how often that place has drawn. So a checkpoint saves counters, and a resumed run draws
what the uninterrupted one would have drawn. Cost: about 15 microseconds a stream.
"""

import zlib

import numpy as np


def stream(seed: int, site: str, count: int = 0) -> np.random.Generator:
    """Return the generator of a site's `count`-th draw; seed and count in [0, 2**64)."""
    key = np.array([seed, zlib.crc32(site.encode())], np.uint64)
    return np.random.Generator(np.random.Philox(key=key, counter=[0, 0, 0, count]))


def stream_seed(seed: int, site: str, count: int = 0) -> int:
    """Return an integer in [0, 2**31) for an interface that takes a seed."""
    return int(stream(seed, site, count).integers(2**31))
