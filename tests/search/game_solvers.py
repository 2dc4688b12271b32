"""Tic-tac-toe and connect four solved by plain negamax.

A position is two sets of cells as integers, (who moves, the other); cell (row, column) is bit
row * (width + 1) + column, row 0 at the top, so that no line runs over the edge. Values are for who
moves: 1, 0 or -1.
"""

from functools import cache

import numpy as np

Position = tuple[int, int]


class Game:
    """A game of lines. drops: whether a stone falls to the lowest empty cell of its column."""

    def __init__(self, height: int, width: int, line: int, drops: bool) -> None:
        self.height, self.width, self.line, self.drops = height, width, line, drops
        self.stride = width + 1
        self.value = cache(self._value)

    def read(self, board: list[str]) -> Position:
        """Read a board as the environments tell them: `x` moves first."""
        stones = [0, 0]
        for r, row in enumerate(board):
            for c, stone in enumerate(row):
                if stone != ".":
                    stones["xo".index(stone)] |= 1 << (r * self.stride + c)
        first = stones[0].bit_count() == stones[1].bit_count()
        return (stones[0], stones[1]) if first else (stones[1], stones[0])

    def moves(self, position: Position) -> dict[int, int]:
        """Action -> the bit of the cell that it takes."""
        taken = position[0] | position[1]
        found = {}
        for column in range(self.width):
            for row in reversed(range(self.height)):
                bit = 1 << (row * self.stride + column)
                if taken & bit:
                    continue
                found[column if self.drops else row * self.width + column] = bit
                if self.drops:
                    break
        return found

    def has_line(self, stones: int) -> bool:
        for step in (1, self.stride - 1, self.stride, self.stride + 1):
            run = stones
            for k in range(1, self.line):
                run &= stones >> (k * step)
            if run:
                return True
        return False

    def _value(self, position: Position) -> int:
        mine, theirs = position
        if self.has_line(theirs):
            return -1
        moves = self.moves(position)
        best = -1 if moves else 0
        for bit in moves.values():
            best = max(best, -self.value((theirs, mine | bit)))
            if best == 1:
                break
        return best

    def best_actions(self, position: Position) -> list[int]:
        """The actions that keep the value of the position."""
        mine, theirs = position
        value = self.value(position)
        return [
            action
            for action, bit in self.moves(position).items()
            if -self.value((theirs, mine | bit)) == value
        ]


TIC_TAC_TOE = Game(3, 3, 3, drops=False)
CONNECT_FOUR = Game(6, 7, 4, drops=True)


def positions(env, game: Game) -> list[Position]:
    return [game.read(state["board"]) for state in env.get_attr("state")]


def connect_four_endgames(env, seed: int, empty: int) -> None:
    """Put the rows of an env with autoreset "disabled" at unfinished games with few empty cells."""
    rng = np.random.default_rng(seed)
    _, infos = env.reset(seed=seed)
    found = []
    while len(found) < env.num_envs:
        mask = infos["action_mask"]
        actions = np.argmax(mask * rng.random(mask.shape), axis=1)
        _, _, terminated, truncated, infos = env.step(actions)
        left = np.array(["".join(state["board"]).count(".") for state in env.get_attr("state")])
        good = ~terminated & (left <= empty)
        found += [env.snapshot([row]) for row in np.flatnonzero(good)]
        again = terminated | truncated | good
        if again.any():
            _, infos = env.reset(options={"reset_mask": again})
    env.restore(type(found[0]).concatenate(found[: env.num_envs]))


def losses_against(env, game: Game, choose, opponent: str, seed: int) -> int:
    """Play every row of an env to the end; rows take turns at who begins. Return our losses.

    choose(snapshot) -> actions [B]. opponent: "perfect" takes any action that keeps the value,
    "random" any legal one.
    """
    rng = np.random.default_rng(seed)
    env.reset(seed=seed)
    rows = np.arange(env.num_envs)
    lost, over = np.zeros(len(rows), bool), np.zeros(len(rows), bool)
    while not over.all():
        worlds, view = env.snapshot(), env.view()
        actions = np.array(choose(worlds))
        for row, position in enumerate(positions(env, game)):
            if not over[row] and view.to_play[row] != row % 2:
                legal = np.flatnonzero(view.action_mask[row])
                best = game.best_actions(position) if opponent == "perfect" else legal
                actions[row] = rng.choice(best)
        step = env.step_from(worlds, actions)  # worlds that have ended stay as they are
        lost |= ~over & (step.signals["rewards"][rows, rows % 2] < 0)
        over |= step.terminated
        env.restore(step.snapshot)
    return int(lost.sum())
