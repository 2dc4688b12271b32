"""The board games again, in plain Python that follows the rules' words: boards are dicts."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

import numpy as np

Cell = tuple[int, int]
AROUND = [(-1, -1), (-1, 0), (-1, 1), (0, -1), (0, 1), (1, -1), (1, 0), (1, 1)]


class Twin:
    """A game of two players. `board` maps cells to 0 or 1; no entry, no stone."""

    height: int
    width: int
    planes = 2

    def __init__(self) -> None:
        self.board: dict[Cell, int] = {}
        self.to_play = 0
        self.result: int | None = None  # what player 0 got, once the game is over

    def cells(self) -> Iterator[Cell]:
        return itertools.product(range(self.height), range(self.width))

    def legal(self) -> list[int]:
        return [] if self.result is not None else self.moves()

    def moves(self) -> list[int]:
        raise NotImplementedError

    def place(self, action: int) -> None:
        raise NotImplementedError

    def outcome(self, mover: int) -> int | None:
        """What player 0 gets if the game is over after a move of `mover`, else None."""
        raise NotImplementedError

    def play(self, action: int) -> None:
        assert action in self.legal()
        self.place(action)
        mover, self.to_play = self.to_play, 1 - self.to_play
        self.result = self.outcome(mover)

    def cell(self, action: int) -> Cell:
        return divmod(action, self.width)

    def action(self, cell: Cell) -> int:
        return cell[0] * self.width + cell[1]

    def observe(self) -> np.ndarray:
        out = np.zeros((self.planes, self.height, self.width), np.uint8)
        for cell, owner in self.board.items():
            out[(int(owner != self.to_play), *cell)] = 1
        return out

    def text(self) -> list[str]:
        symbols = [".xo"[self.board.get(cell, -1) + 1] for cell in self.cells()]
        return [
            "".join(symbols[row * self.width : (row + 1) * self.width])
            for row in range(self.height)
        ]


class Lines(Twin):
    """Tic-tac-toe, and the end of connect four: `need` in a row."""

    height = width = need = 3

    def moves(self) -> list[int]:
        return [self.action(cell) for cell in self.cells() if cell not in self.board]

    def place(self, action: int) -> None:
        self.board[self.cell(action)] = self.to_play

    def outcome(self, mover: int) -> int | None:
        for (row, column), (down, right) in itertools.product(self.cells(), AROUND):
            line = [(row + k * down, column + k * right) for k in range(self.need)]
            if all(self.board.get(cell) == mover for cell in line):
                return 1 - 2 * mover
        return 0 if len(self.board) == self.height * self.width else None


class Drop(Lines):
    """Connect four."""

    height, width, need = 6, 7, 4

    def moves(self) -> list[int]:
        return [column for column in range(self.width) if (0, column) not in self.board]

    def place(self, action: int) -> None:
        row = max(row for row in range(self.height) if (row, action) not in self.board)
        self.board[row, action] = self.to_play


class Reversi(Twin):
    """Othello."""

    height = width = 8

    def __init__(self) -> None:
        super().__init__()
        self.board = {(3, 4): 0, (4, 3): 0, (3, 3): 1, (4, 4): 1}

    def turned(self, cell: Cell, player: int) -> list[Cell]:
        out: list[Cell] = []
        if cell in self.board:
            return out
        for down, right in AROUND:
            run = []
            for k in range(1, 8):
                at = (cell[0] + k * down, cell[1] + k * right)
                if self.board.get(at) == player:
                    out += run
                if self.board.get(at) != 1 - player:
                    break
                run.append(at)
        return out

    def cells_of(self, player: int) -> list[int]:
        return [self.action(cell) for cell in self.cells() if self.turned(cell, player)]

    def moves(self) -> list[int]:
        return self.cells_of(self.to_play) or [64]

    def place(self, action: int) -> None:
        if action == 64:
            return
        for cell in [*self.turned(self.cell(action), self.to_play), self.cell(action)]:
            self.board[cell] = self.to_play

    def outcome(self, mover: int) -> int | None:
        if self.cells_of(0) or self.cells_of(1):
            return None
        stones = list(self.board.values())
        return int(np.sign(stones.count(0) - stones.count(1)))


def region(start: Cell, inside: Any, neighbours: Any) -> set[Cell]:
    """The cells that hang together with `start` through cells for which `inside` is true."""
    seen, todo = {start}, [start]
    while todo:
        for cell in neighbours(todo.pop()):
            if cell not in seen and inside(cell):
                seen.add(cell)
                todo.append(cell)
    return seen


class Hexagons(Twin):
    """Hex."""

    planes = 3

    def __init__(self, size: int = 11) -> None:
        super().__init__()
        self.height = self.width = size

    def neighbours(self, cell: Cell) -> list[Cell]:
        steps = [(-1, 0), (-1, 1), (0, 1), (1, 0), (1, -1), (0, -1)]
        return [(cell[0] + down, cell[1] + right) for down, right in steps]

    def moves(self) -> list[int]:
        return [self.action(cell) for cell in self.cells() if cell not in self.board]

    def place(self, action: int) -> None:
        self.board[self.cell(action)] = self.to_play

    def outcome(self, mover: int) -> int | None:
        for k in range(self.width):
            start = (k, 0) if mover else (0, k)
            if self.board.get(start) != mover:
                continue
            group = region(start, lambda c: self.board.get(c) == mover, self.neighbours)
            if any(cell[mover] == self.width - 1 for cell in group):
                return 1 - 2 * mover
        return None

    def observe(self) -> np.ndarray:
        out = super().observe()
        out[2] = self.to_play
        return out


class Stones(Twin):
    """Go. superko: "off", "draw" or "positional"."""

    planes = 4

    def __init__(
        self,
        size: int = 9,
        komi: float = 7.5,
        superko: str = "off",
        max_moves: int | None = None,
    ) -> None:
        super().__init__()
        self.height = self.width = size
        self.komi, self.superko = komi, superko
        self.max_moves = max_moves or 2 * size * size
        self.count = self.passes = 0
        self.ko: Cell | None = None
        self.been = [self.board]

    def neighbours(self, cell: Cell) -> list[Cell]:
        steps = [(-1, 0), (0, -1), (0, 1), (1, 0)]
        around = [(cell[0] + down, cell[1] + right) for down, right in steps]
        return [(r, c) for r, c in around if 0 <= r < self.height and 0 <= c < self.width]

    def chain(self, board: dict[Cell, int], cell: Cell) -> tuple[set[Cell], set[Cell]]:
        """The chain of a stone, and its liberties."""
        stones = region(cell, lambda c: board.get(c) == board[cell], self.neighbours)
        around = {n for stone in stones for n in self.neighbours(stone)}
        return stones, {cell for cell in around if cell not in board}

    def after(self, cell: Cell) -> tuple[dict[Cell, int], set[Cell]]:
        """The board after a stone on `cell`, and what it captured."""
        board = {**self.board, cell: self.to_play}
        captured: set[Cell] = set()
        for neighbour in self.neighbours(cell):
            if board.get(neighbour) == 1 - self.to_play:
                stones, liberties = self.chain(board, neighbour)
                captured |= set() if liberties else stones
        return {c: owner for c, owner in board.items() if c not in captured}, captured

    def may_play(self, cell: Cell) -> bool:
        if cell in self.board or cell == self.ko:
            return False
        board, _ = self.after(cell)
        if not self.chain(board, cell)[1]:
            return False
        return self.superko != "positional" or board not in self.been

    def moves(self) -> list[int]:
        points = [self.action(cell) for cell in self.cells() if self.may_play(cell)]
        return [*points, self.height * self.width]

    def place(self, action: int) -> None:
        self.count += 1
        self.ko = None
        self.repeated = False
        if action == self.height * self.width:
            self.passes += 1
            return
        self.passes = 0
        cell = self.cell(action)
        self.board, captured = self.after(cell)
        stones, liberties = self.chain(self.board, cell)
        if len(captured) == len(stones) == len(liberties) == 1:
            (self.ko,) = captured
        self.repeated = self.superko == "draw" and self.board in self.been
        self.been.append(self.board)

    def outcome(self, mover: int) -> int | None:
        if self.repeated:
            return 0
        if self.passes < 2 and self.count < self.max_moves:
            return None
        return int(np.sign(self.area(0) - self.area(1) - self.komi))

    def area(self, player: int) -> int:
        empty = [cell for cell in self.cells() if cell not in self.board]
        total = list(self.board.values()).count(player)
        while empty:
            part = region(empty[0], lambda c: c not in self.board, self.neighbours)
            around = {n for cell in part for n in self.neighbours(cell)} - part
            total += len(part) if {self.board[cell] for cell in around} == {player} else 0
            empty = [cell for cell in empty if cell not in part]
        return total

    def observe(self) -> np.ndarray:
        out = super().observe()
        if self.ko is not None:
            out[(2, *self.ko)] = 1
        out[3] = self.to_play
        return out
