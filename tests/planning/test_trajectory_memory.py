"""What a planner's steps free is kept for the next, and not given back to the system."""

import subprocess
import sys

# 24 MiB in blocks of 1 MiB, as the activations of a step may be: more than glibc keeps by itself
SCRIPT = """
import resource

import numpy as np
from trajectory_models import Quadratic

from rollout.planning import MPPI

planner = MPPI(Quadratic(), horizon=2, num_threads=1)


def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    blocks = [np.ones(2**17) for _ in range(24)]
    del blocks
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


faults()
print(min(faults() for _ in range(3)))
"""


def test_what_a_plan_frees_is_kept() -> None:
    command = [sys.executable, "-c", SCRIPT]
    folder = __file__.rpartition("/")[0]
    done = subprocess.run(command, capture_output=True, text=True, check=True, cwd=folder)
    assert int(done.stdout) < 100
