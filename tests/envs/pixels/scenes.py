"""Worlds to draw, the same ones every time: from a seed and fixed actions, or from a state."""

from collections.abc import Callable
from typing import Any

import numpy as np

import rollout
from rollout.envs import VectorEnv


def played(id: str, steps: int, seed: int = 1, **keywords: Any) -> VectorEnv:
    """One row after `steps` actions that follow from the step's number alone."""
    env = rollout.make_vec(id, 1, autoreset_mode="same_step", **keywords)
    env.reset(seed=seed)
    for step in range(steps):
        env.step(np.array([(step * step // 3 + step) % env.single_action_space.n]))
    return env


def dealt(id: str, turns: int, **keywords: Any) -> VectorEnv:
    """One row after `turns` legal actions that follow from the turn's number alone."""
    env = rollout.make_vec(id, 1, autoreset_mode="disabled", **keywords)
    _, infos = env.reset(seed=1)
    for turn in range(turns):
        legal = np.flatnonzero(infos["action_mask"][0])
        *_, infos = env.step(legal[[(turn * turn * 7 + turn * 11) % len(legal)]])
    return env


def placed(id: str, state: dict[str, Any], **keywords: Any) -> VectorEnv:
    """One row with parts of its state set."""
    env = rollout.make_vec(id, 1, **keywords)
    env.reset(seed=1)
    env.set_attr("state", [{**env.get_attr("state")[0], **state}])
    return env


def kitchen() -> VectorEnv:
    """A soup on the fire, a soup in hand, an onion on its way."""
    env = rollout.make_vec("Kitchen-v0", 1, layout="cramped_room")
    env.reset(seed=1)
    state = env.get_attr("state")[0]
    onions = {"name": "soup", "ingredients": ("onion",) * 3, "cook_time": 20}
    cooks = [
        {"position": (1, 2), "orientation": "W", "held": {"name": "onion"}},
        {"position": (3, 1), "orientation": "S", "held": {**onions, "tick": 20}},
    ]
    objects = [
        {**onions, "position": (2, 0), "tick": 9},
        {"name": "dish", "position": (0, 3)},
        {"name": "tomato", "position": (4, 2)},
    ]
    env.set_attr("state", [{**state, "players": cooks, "objects": objects}])
    return env


def corridor() -> VectorEnv:
    """A key in hand before its door."""
    env = rollout.make_vec("MiniGrid-KeyCorridorS3R2-v0", 1)
    env.reset(seed=2)
    state = env.get_attr("state")[0]
    env.set_attr("state", [{**state, "carrying": (5, 2, 0), "agent_dir": 0}])
    return env


DROPS = [".......", ".......", "...o...", "..oxx..", ".xxooxo", ".oxoxxo"]
TILES = [[2, 4, 8, 16], [256, 128, 64, 32], [512, 1024, 2048, 0], [4, 2, 0, 0]]


# name -> (family, the world)
SCENES: dict[str, tuple[str, Callable[[], VectorEnv]]] = {
    "breakout": ("minatar", lambda: played("MinAtar-Breakout-v1", 25)),
    "freeway": ("minatar", lambda: played("MinAtar-Freeway-v1", 120)),
    "asterix": ("minatar", lambda: played("MinAtar-Asterix-v1", 105, seed=10)),
    "space_invaders": ("minatar", lambda: played("MinAtar-SpaceInvaders-v1", 54, seed=6)),
    "seaquest": ("minatar", lambda: played("MinAtar-Seaquest-v1", 110, seed=5)),
    "cartpole": ("classic", lambda: placed("CartPole-v1", {"x": 0.9, "theta": -0.15})),
    "pendulum": ("classic", lambda: placed("Pendulum-v1", {"theta": 0.7})),
    "acrobot": ("classic", lambda: placed("Acrobot-v1", {"theta1": 1.1, "theta2": 0.8})),
    "mountain_car": ("classic", lambda: placed("MountainCar-v0", {"position": -0.1})),
    "reacher": (
        "control",
        lambda: placed(
            "Reacher-v0", {"angle1": 0.7, "angle2": 1.2, "target_x": -0.3, "target_y": 0.55}
        ),
    ),
    "swing_up": ("control", lambda: placed("CartPoleSwingUp-v0", {"x": 0.6, "theta": 2.5})),
    "tic_tac_toe": ("boards", lambda: dealt("TicTacToe-v0", 5)),
    "connect_four": ("boards", lambda: placed("ConnectFour-v0", {"board": DROPS})),
    "othello": ("boards", lambda: dealt("Othello-v0", 27)),
    "go": ("boards", lambda: dealt("Go-v0", 52)),
    "hex": ("boards", lambda: dealt("Hex-v0", 60)),
    "frozen_lake": ("toy", lambda: placed("FrozenLake-v1", {"s": 6})),
    "cliff_walking": ("toy", lambda: placed("CliffWalking-v1", {"s": 26})),
    "taxi": ("toy", lambda: placed("Taxi-v4", {"s": 252})),
    "blackjack": (
        "toy",
        lambda: placed("Blackjack-v1", {"player": {"hard": 8, "cards": 3, "ace": True}}),
    ),
    "2048": ("chance", lambda: placed("2048-v0", {"board": TILES})),
    "cramped_room": ("kitchen", kitchen),
    "coordination_ring": ("kitchen", lambda: placed("Kitchen-v0", {}, layout="coordination_ring")),
    "door_key": ("grid", lambda: played("MiniGrid-DoorKey-8x8-v0", 0)),
    "lava_gap": ("grid", lambda: played("MiniGrid-LavaGapS7-v0", 2)),
    "key_corridor": ("grid", corridor),
    "multi_room": ("grid", lambda: played("MiniGrid-MultiRoom-N6-v0", 0)),
}


def picture(name: str, size: int) -> np.ndarray:
    return SCENES[name][1]().pictures(size=size)[0]
