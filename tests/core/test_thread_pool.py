"""The thread pool: every row once, errors carried, usable after errors and after fork."""

import os
import threading

import numpy as np
import pytest

from rollout import _native


@pytest.mark.parametrize("threads", [1, 2, 3, 8])
@pytest.mark.parametrize(("n", "grain"), [(0, 1), (1, 1), (7, 3), (1000, 1), (1000, 64), (5, 9)])
def test_every_row_once(threads: int, n: int, grain: int) -> None:
    pool = _native.ThreadPool(threads)
    counts = np.zeros(n, np.int64)
    for i in range(100):
        pool.add_one(counts, grain, started=i % 3 > 0)
    assert (counts == 100).all()


@pytest.mark.parametrize("started", [False, True])
@pytest.mark.parametrize("threads", [1, 2, 8])
def test_an_exception_reaches_the_caller_and_the_pool_stays_usable(
    threads: int, started: bool
) -> None:
    pool = _native.ThreadPool(threads)
    for row in (0, 313, 999):
        with pytest.raises(RuntimeError, match=f"row {row} failed"):
            pool.add_one(np.zeros(1000, np.int64), 10, row, started)
        counts = np.zeros(1000, np.int64)
        pool.add_one(counts, 10, started=started)
        assert (counts == 1).all()


def test_callers_on_many_threads_take_turns() -> None:
    pool = _native.ThreadPool(3)
    counts = [np.zeros(2000, np.int64) for _ in range(4)]

    def work(mine: np.ndarray) -> None:
        for _ in range(100):
            pool.add_one(mine, 50)

    threads = [threading.Thread(target=work, args=(mine,)) for mine in counts]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert all((mine == 100).all() for mine in counts)


@pytest.mark.timeout(60)
def test_a_pool_works_on_both_sides_of_a_fork() -> None:
    pool = _native.ThreadPool(3)
    counts = np.zeros(1000, np.int64)
    pool.add_one(counts, 10)  # the workers run now; the child has none of them
    child = os.fork()
    if child == 0:
        before = len(os.listdir("/proc/self/task"))
        pool.add_one(counts, 10)
        started = len(os.listdir("/proc/self/task")) - before
        del pool  # joins its own workers, not the parent's
        os._exit(0 if (counts == 2).all() and started == 2 else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    pool.add_one(counts, 10)
    assert (counts == 2).all()


def test_a_pool_that_was_never_used_ends_quietly() -> None:
    for threads in (1, 4):
        _native.ThreadPool(threads)
