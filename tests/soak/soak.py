"""Step every environment for long, and see that memory stays where it was.

    python tests/soak/soak.py [STEPS]       200 million over all environments by default

Each environment gets its share, in a batch that is made, reset, stepped with legal random actions,
branched, put back and closed again and again. Prints progress and resident memory; exits 1 when it
has grown by more than GROWTH from what it was after the first round.
"""

import argparse
import sys
import time
from pathlib import Path

import numpy as np
from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

import rollout

ROWS = 256
ROUND = 200 * ROWS  # steps before a batch is closed and made again
GROWTH = 16 * 2**20  # bytes: allocators keep some


def resident() -> int:
    """Bytes of this process that are in memory."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def legal(env: rollout.envs.VectorEnv, infos: dict, rng: np.random.Generator) -> np.ndarray:
    """Random actions, legal ones where the environment tells which are."""
    if "action_mask" not in infos:
        return env.action_space.sample()
    return (rng.random(infos["action_mask"].shape) * (infos["action_mask"] + 1e-9)).argmax(1)


def play(id: str, steps: int, rng: np.random.Generator) -> int:
    """One batch's life, of about so many steps; return how many were made."""
    modes = ["next_step", "same_step"]
    env = rollout.make_vec(id, ROWS, num_threads=2, autoreset_mode=modes[int(rng.integers(2))])
    env.action_space.seed(int(rng.integers(2**31)))
    _, infos = env.reset(seed=int(rng.integers(2**31)))
    kept = env.snapshot()
    done = 0
    while done < steps:
        for _ in range(16):
            *_, infos = env.step(legal(env, infos, rng))
            done += ROWS
        if rng.random() < 0.2:
            env.restore(kept)
            view = env.view()
            infos = {} if view.action_mask is None else {"action_mask": view.action_mask}
            branch = env.step_from(kept, legal(env, infos, rng))
            kept = branch.snapshot if rng.random() < 0.5 else env.snapshot()
            done += ROWS
        if rng.random() < 0.1:
            _, infos = env.reset(options={"reset_mask": rng.random(ROWS) < 0.5})
    env.close()
    return done


def soak(steps: int, bar: Progress | None = None) -> tuple[int, int, int]:
    """Spread steps over all environments; return steps made, and memory early and at the end."""
    rng = np.random.default_rng(0)
    ids = rollout.list_envs()
    task = bar.add_task("", total=steps) if bar else None
    done, first, rounds = 0, 0, 0
    while done < steps or rounds < 3:
        for id in ids:
            made = play(id, min(ROUND, max(steps // len(ids), 16 * ROWS)), rng)
            done += made
            if bar and task is not None:
                words = f"{id}, {resident() / 2**20:.0f} MiB"
                bar.update(task, advance=made, description=words)
        rounds += 1
        if rounds == 2:  # one to warm up
            first = resident()
    return done, first, resident()


def main() -> None:
    """Soak, and judge."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("steps", type=int, nargs="?", default=200_000_000)
    asked = parser.parse_args()
    start = time.monotonic()
    columns = (
        BarColumn(),
        "{task.percentage:>3.0f}%",
        TimeRemainingColumn(),
        TextColumn("{task.description}"),
    )
    with Progress(*columns) as bar:
        done, first, last = soak(asked.steps, bar)
    rate = done / (time.monotonic() - start)
    print(
        f"{done / 1e6:.0f} million steps of {len(rollout.list_envs())} environments, "
        f"{rate / 1e6:.1f} million a second; memory {first / 2**20:.0f} MiB, "
        f"then {last / 2**20:.0f} MiB"
    )
    if last - first > GROWTH:
        sys.exit(f"soak: memory grew by {(last - first) / 2**20:.0f} MiB")


if __name__ == "__main__":
    main()
