"""Play the PyPI `minatar` package and write down what it did, for the tests beside this file.

A script: JSON runs on standard input, a pickle of what `play` returns for each on standard output.
The games are seen from outside only: `seed`, `reset`, `act` and `state`. A player that picks
actions at random dies before it meets the later rules, so here are some that play with a purpose.
"""

import json
import pickle
import sys
from typing import Any

import numpy as np

sys.modules["matplotlib"] = None  # the package draws with it if it can; here nothing is drawn
from minatar import Environment  # noqa: E402

NOOP, LEFT, UP, RIGHT, DOWN, FIRE = range(6)
MOVES = {NOOP: (0, 0), LEFT: (0, -1), UP: (-1, 0), RIGHT: (0, 1), DOWN: (1, 0)}


def cell(plane: np.ndarray) -> tuple[int, int]:
    return divmod(int(plane.argmax()), 10)


def cells(planes: np.ndarray) -> list[list[int]]:
    return np.argwhere(planes)[:, :2].tolist()


class Breakout:
    """Stand where the ball will come down, or one column beside it."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng
        self.beside = 0

    def pick(self, state: np.ndarray) -> int:
        _, paddle = cell(state[..., 0])
        row, col = cell(state[..., 1])
        old_row, old_col = cell(state[..., 2])
        if row <= 3:
            self.beside = int(self.rng.integers(0, 2))
        step = 1 if col > old_col or (col == old_col == 0) else -1
        for _ in range(9 - row if row >= old_row else 0):
            if not 0 <= col + step <= 9:
                step = -step
            else:
                col += step
        target = min(max(col - self.beside * step, 0), 9)
        return LEFT if target < paddle else RIGHT if target > paddle else NOOP


class Freeway:
    """Go up, more often than not."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def pick(self, state: np.ndarray) -> int:
        return UP if self.rng.random() < 0.9 else DOWN


class Dodger:
    """Go where no danger is near, and of those places to the one nearest to what is wanted."""

    top, bottom = 1, 8

    def __init__(self, rng: np.random.Generator, danger: slice, wanted: slice) -> None:
        self.rng = rng
        self.planes = danger, wanted

    def score(self, row: int, col: int) -> float:
        near = [abs(at - col) for line, at in self.danger if line == row]
        risk = sum(10 * (away < 3) + 50 * (away < 2) for away in near)
        away = [abs(line - row) + abs(at - col) for line, at in self.wanted]
        return -risk - min(away, default=abs(row - 4) + abs(col - 5))

    def pick(self, state: np.ndarray) -> int:
        row, col = cell(state[..., 0])
        self.danger, self.wanted = (cells(state[..., planes]) for planes in self.planes)
        noise = self.rng.random(len(MOVES)) / 2
        scores = {}
        for action, (down, right) in MOVES.items():
            at = min(max(row + down, self.top), self.bottom), min(max(col + right, 0), 9)
            scores[action] = self.score(*at) + noise[action]
        return max(scores, key=scores.get)


class Asterix(Dodger):
    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__(rng, danger=slice(1, 2), wanted=slice(3, 4))


class Seaquest(Dodger):
    """Shoot along the row, fetch divers, and surface in time.

    Some dives end with the last breath, whatever is near, and some loads are followed by a dive
    that brings nothing up: rules that sensible play would never meet.
    """

    top = 0

    def __init__(self, rng: np.random.Generator) -> None:
        super().__init__(rng, danger=slice(4, 7), wanted=slice(9, 10))
        self.oxygen, self.dive, self.load = 200, 9, 0

    def score(self, row: int, col: int) -> float:
        clear = super().score(row, col)
        if self.dive < 3:
            late = self.oxygen <= row + self.dive - 1
            return clear - 1000 * (row if late else row == 0)
        if self.dive == 3 and self.load == 6:
            return -row
        if row == 0 and self.load == 0:
            return -1000
        home = (self.oxygen < 80 and self.load) or self.load == 6 or self.oxygen < 40
        return clear - (20 * row if home else 0)

    def pick(self, state: np.ndarray) -> int:
        row, _ = cell(state[..., 0])
        self.oxygen -= 1
        if row == 0:
            self.oxygen, self.dive = 200, int(self.rng.integers(0, 8))
            if self.dive == 3 and self.load == 6:
                return DOWN
        elif self.dive != 3 or self.load < 6:
            self.load = int(state[9, :, 8].sum())
        if state[row, :, 5:7].any() and self.rng.random() < 0.4 and self.oxygen > 10:
            return FIRE
        return super().pick(state)


class SpaceInvaders:
    """Stay out from under bullets, stand under aliens, and fire."""

    def __init__(self, rng: np.random.Generator) -> None:
        self.rng = rng

    def pick(self, state: np.ndarray) -> int:
        _, col = cell(state[..., 0])
        falling = state[6:, :, 5].any(0)
        if not falling[col] and self.rng.random() < 0.4:
            return FIRE
        ways = {a: min(max(col + MOVES[a][1], 0), 9) for a in (NOOP, LEFT, RIGHT)}
        safe = [action for action, at in ways.items() if not falling[at]]
        if not safe:
            return int(self.rng.choice([LEFT, RIGHT]))
        aliens = np.flatnonzero(state[..., 1].any(0))
        return min(safe, key=lambda action: np.abs(aliens - ways[action]).min())


PLAYERS = {
    "breakout": Breakout,
    "freeway": Freeway,
    "asterix": Asterix,
    "space_invaders": SpaceInvaders,
    "seaquest": Seaquest,
}


def play(
    *,
    game: str,
    seed: int,
    steps: int,
    sticky: float = 0.1,
    ramping: bool = True,
    minimal: bool = True,
    skill: float,
) -> dict[str, Any]:
    """Play on from game to game; with probability `skill` the player picks, else chance does.

    obs: the picture after each step, as packed bits; starts: that after each reset, in order.
    """
    env = Environment(game, sticky_action_prob=sticky, difficulty_ramping=ramping)
    env.seed(seed)
    env.reset()
    rng = np.random.default_rng([seed, 1])
    player = PLAYERS[game](rng)
    allowed = env.minimal_action_set() if minimal else list(range(env.num_actions()))
    actions, rewards, ends, obs = [], [], [], []
    starts = [state := env.state()]
    for _ in range(steps):
        choice = player.pick(state) if rng.random() < skill else int(rng.choice(allowed))
        if choice not in allowed:
            choice = NOOP
        reward, ended = env.act(choice)
        actions.append(allowed.index(choice))
        rewards.append(float(reward))
        ends.append(bool(ended))
        obs.append(state := env.state())
        if ended:
            env.reset()
            starts.append(state := env.state())
    return {
        "shape": state.shape,
        "actions": np.array(actions),
        "rewards": np.array(rewards),
        "ends": np.array(ends),
        "obs": np.packbits(np.array(obs).reshape(steps, -1), axis=1),
        "starts": np.packbits(np.array(starts).reshape(len(starts), -1), axis=1),
    }


if __name__ == "__main__":
    played = [play(**run) for run in json.load(sys.stdin)]
    sys.stdout.buffer.write(pickle.dumps(played))
