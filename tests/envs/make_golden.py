"""Write the golden hashes of environments: `python tests/envs/make_golden.py [id ...]`.

One file an id, with the hash of 16 rows over 60 random steps: observations, rewards, ends, infos,
resets. A change of an environment's behaviour shows there, and is then either a mistake or written
down by running this. Floating point may differ with the C library, so the file names its own.
"""

import platform
import sys
from pathlib import Path

from random_play import RowHashes, actions_for, chances

from rollout.envs import list_envs, make_vec

FOLDER = Path(__file__).parent / "golden"
ROWS, STEPS, SEED = 16, 60, 7


def machine() -> str:
    """What exact floating point may depend on."""
    return f"{platform.machine()} {' '.join(platform.libc_ver())}"


def golden_hash(id: str) -> str:
    """The hash of a fixed run of the environment `id`."""
    env, hashes = make_vec(id, ROWS, autoreset_mode="same_step", events=True), RowHashes(ROWS)
    env.reset(seed=SEED)
    mask = env.view().action_mask
    for chance in chances(env, STEPS, seed=SEED):
        step = env.step(actions_for(env, chance, mask))
        mask = step[4].get("action_mask")
        hashes.add(step)
    return "".join(f"{value:016x}\n" for value in hashes.values)


def path_of(id: str) -> Path:
    return FOLDER / f"{id.replace('/', '-')}.txt"


def text_of(id: str) -> str:
    return f"{machine()}\n{golden_hash(id)}"


if __name__ == "__main__":
    FOLDER.mkdir(exist_ok=True)
    for name in sys.argv[1:] or list_envs():
        path_of(name).write_text(text_of(name))
