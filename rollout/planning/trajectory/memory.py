"""Memory that a step of a model frees, and that the next one takes again."""

from functools import cache

import numpy as np

_BLOCK = 16 << 20  # bytes


@cache
def keep_freed_memory() -> None:
    """Have glibc keep up to 32 MiB of what is freed, from now on in this process.

    Beyond a threshold it gives what lies free at the heap's end back to the system, and the next
    step takes a page fault for every 4 KiB of its activations: in MPPI over an MLP 64 of one
    problem that was 1.5 to 3 of 9 to 11 ms, as the heap happened to lie. The threshold is twice the
    largest block that was ever mapped for itself and freed, so such a block is made here, and freed
    untouched. With another allocator this does nothing.
    """
    np.empty(_BLOCK, np.uint8)
