"""MinAtar, the original in Python, one game at a time with its state of planes."""

import numpy as np
from minatar import Environment

from peers.timing import N, one_core, say

STEPS = 2000
# its name: ours
SAME = {
    "breakout": "MinAtar-Breakout-v1",
    "asterix": "MinAtar-Asterix-v1",
    "freeway": "MinAtar-Freeway-v1",
    "seaquest": "MinAtar-Seaquest-v1",
    "space_invaders": "MinAtar-SpaceInvaders-v1",
}


def main() -> None:
    one_core()
    for name, ours in SAME.items():
        env = Environment(name)
        env.seed(0)
        env.reset()
        actions = np.random.default_rng(0).integers(0, env.num_actions(), STEPS).tolist()

        def run(env=env, actions=actions) -> None:
            for action in actions:
                _, ended = env.act(action)
                env.state()
                if ended:
                    env.reset()

        say(f"{ours}, n={N}", "minatar", run, STEPS)


if __name__ == "__main__":
    main()
