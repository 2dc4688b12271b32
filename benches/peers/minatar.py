"""MinAtar, the original in Python, one game at a time with its state of planes."""

import numpy as np
from minatar import Environment

from peers.timing import one_core, say

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
        # ours has those alone that do something
        minimal = np.array(env.minimal_action_set())
        actions = np.random.default_rng(0).choice(minimal, STEPS).tolist()

        def run(env=env, actions=actions) -> None:
            for action in actions:
                _, ended = env.act(action)
                env.state()
                if ended:
                    env.reset()

        say(f"{ours}, n=1024", "minatar", run, STEPS)


if __name__ == "__main__":
    main()
