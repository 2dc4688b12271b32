"""The soak, shortened: memory stays where it is, and growth would be noticed."""

import subprocess
import sys
from pathlib import Path

import soak

# what main() does, with a batch's life that keeps four megabytes of fresh pages each time
LEAKING = """
import mmap, sys
import rollout, soak

kept, play = [], soak.play

def leaking(*given):
    kept.append(mmap.mmap(-1, 4 * 2**20))
    kept[-1].write(bytes(4 * 2**20))
    return play(*given)

soak.play = leaking
rollout.list_envs = lambda: ["CartPole-v1"] * 10
sys.argv[1:] = ["100000"]
soak.main()
"""


# each in a process of its own: here other tests left environments registered, and memory to reuse
def test_memory_is_constant() -> None:
    command = [sys.executable, soak.__file__, "600000"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "million steps of" in done.stdout


def test_growth_is_noticed() -> None:
    command = [sys.executable, "-c", LEAKING]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=Path(soak.__file__).parent
    )
    assert done.returncode == 1, done.stdout + done.stderr
    assert "memory grew by 40 MiB" in done.stderr
