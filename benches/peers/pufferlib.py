"""PufferLib's Ocean CartPole (float32, not bit-equal with Gymnasium's), through its own step().

It fills the same arrays at each step, so it is set beside ours both with new arrays and without.
"""

import itertools

import numpy as np
from pufferlib.ocean.cartpole.cartpole import Cartpole

from peers.timing import ROWS, one_core, say

STEPS = 128
PAIRS = ("CartPole-v1", "CartPole-v1 into kept arrays")


def main() -> None:
    one_core()
    for pair, rows in itertools.product(PAIRS, (1, *ROWS)):
        env = Cartpole(num_envs=rows, continuous=False, report_interval=128)
        env.reset(seed=0)
        # of the dtype that it keeps them in
        actions = list(np.random.default_rng(0).integers(0, 2, (STEPS, rows)).astype(np.float32))

        def run(env=env, actions=actions) -> None:
            for chosen in actions:
                env.step(chosen)

        say(f"{pair}, n={rows}", "pufferlib", run, STEPS * rows)


if __name__ == "__main__":
    main()
