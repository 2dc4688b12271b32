"""EnvPool, synchronous, one worker thread: classic control, toy text, grids, legal board play."""

import itertools

import envpool
import numpy as np

from peers.timing import ROWS, one_core, say

STEPS = 128
# its id: ours
SAME = {
    "CartPole-v1": "CartPole-v1",
    "Pendulum-v1": "Pendulum-v1",
    "Acrobot-v1": "Acrobot-v1",
    "MountainCar-v0": "MountainCar-v0",
    "MountainCarContinuous-v0": "MountainCarContinuous-v0",
    "FrozenLake-v1": "FrozenLake-v1",
    "CliffWalking-v1": "CliffWalking-v1",
    "Taxi-v3": "Taxi-v4",
    "Blackjack-v1": "Blackjack-v1",
    "MiniGrid-DoorKey-8x8-v0": "MiniGrid-DoorKey-8x8-v0",
    "TicTacToe-v1": "TicTacToe-v0",
    "ConnectFour-v1": "ConnectFour-v0",
    "Othello-v1": "Othello-v0",
    "Go9x9-v1": "Go-v0",
}


def make(id: str, rows: int):
    return envpool.make(id, env_type="gymnasium", num_envs=rows, num_threads=1, seed=0)


def tape(id: str, rows: int) -> list[np.ndarray]:
    """Random actions; in a game, those of legal play from the first position."""
    env, rng = make(id, rows), np.random.default_rng(0)
    _, infos = env.reset()
    actions = []
    for _ in range(STEPS):
        if "legal_action_mask" in infos:
            # rows come back in the order of completion: give each its own
            mask, row = infos["legal_action_mask"], infos["env_id"]
            chosen = np.empty(rows, np.int32)
            chosen[row] = (rng.random(mask.shape) * mask).argmax(1)
            infos = env.step(chosen)[-1]
        elif hasattr(env.action_space, "n"):
            chosen = rng.integers(0, env.action_space.n, rows).astype(np.int32)
        else:
            space = env.action_space
            chosen = rng.uniform(space.low, space.high, (rows, *space.shape)).astype(space.dtype)
        actions.append(chosen)
    return actions


def main() -> None:
    one_core()
    for (id, ours), rows in itertools.product(SAME.items(), ROWS):
        env, actions = make(id, rows), tape(id, rows)
        env.reset()

        def run(env=env, actions=actions) -> None:
            for chosen in actions:
                env.step(chosen)

        # a tape of legal play is legal from the first position only
        game = "legal_action_mask" in env.reset()[1]
        before = env.reset if game else lambda: None
        say(f"{ours}, n={rows}", "envpool", run, STEPS * rows, before=before)


if __name__ == "__main__":
    main()
