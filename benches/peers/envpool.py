"""EnvPool, synchronous, one worker thread: classic control, toy text, grids, legal board play."""

import envpool
import numpy as np

from peers.timing import N, one_core, say

STEPS = 32
# its id: ours
SAME = {
    "CartPole-v1": "CartPole-v1",
    "Pendulum-v1": "Pendulum-v1",
    "Acrobot-v1": "Acrobot-v1",
    "MountainCar-v0": "MountainCar-v0",
    "FrozenLake-v1": "FrozenLake-v1",
    "MiniGrid-DoorKey-8x8-v0": "MiniGrid-DoorKey-8x8-v0",
    "TicTacToe-v1": "TicTacToe-v0",
    "ConnectFour-v1": "ConnectFour-v0",
    "Othello-v1": "Othello-v0",
}


def make(id: str):
    return envpool.make(id, env_type="gymnasium", num_envs=N, num_threads=1, seed=0)


def tape(id: str, rng: np.random.Generator) -> list[np.ndarray]:
    """Random actions; in a game, those of legal play from the same seed."""
    env = make(id)
    _, infos = env.reset()
    actions = []
    for _ in range(STEPS):
        if "legal_action_mask" in infos:
            # rows come back in the order of completion: give each its own
            mask, row = infos["legal_action_mask"], infos["env_id"]
            chosen = np.empty(N, np.int32)
            chosen[row] = (rng.random(mask.shape) * mask).argmax(1)
            infos = env.step(chosen)[-1]
        elif hasattr(env.action_space, "n"):
            chosen = rng.integers(0, env.action_space.n, N).astype(np.int32)
        else:
            space = env.action_space
            chosen = rng.uniform(space.low, space.high, (N, *space.shape)).astype(space.dtype)
        actions.append(chosen)
    return actions


def main() -> None:
    one_core()
    rng = np.random.default_rng(0)
    for id, ours in SAME.items():
        actions = tape(id, rng)
        game = "legal_action_mask" in make(id).reset()[1]
        env = make(id)
        env.reset()

        def run(id=id, actions=actions, game=game, env=env) -> None:
            if game:  # the tape is legal from the first position only
                env = make(id)
                env.reset()
            for chosen in actions:
                env.step(chosen)

        say(f"{ours}, n={N}", "envpool", run, STEPS * N)


if __name__ == "__main__":
    main()
