"""A plain player of grid worlds, who knows the map: it solves every level, door by door.

It reads states as dicts. Directions are 0 right, 1 down, 2 left, 3 up.
"""

from collections import deque
from typing import Any

LEFT, RIGHT, FORWARD, PICK_UP, DROP, TOGGLE = range(6)
EMPTY, DOOR, KEY, BALL, GOAL, LAVA = 1, 4, 5, 6, 8, 9
LOCKED = 2
STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))
Point = tuple[int, int]


class Explorer:
    """One state, and what to do in it."""

    def __init__(self, state: dict[str, Any]):
        self.grid = state["grid"]
        self.place: Point = tuple(state["agent_pos"])
        self.direction: int = state["agent_dir"]
        self.carrying = state["carrying"]
        self.mission: str = state["mission"]

    def act(self) -> int | None:
        """Return the next action towards the mission, or None where there is no way."""
        goal = self._nearest(lambda cell: cell[0] in (GOAL, BALL))
        if goal is not None:
            if self._is(goal, BALL) and self.carrying is not None and len(goal) == 1:
                return self._put_down()
            return self._go(goal, PICK_UP if self._is(goal, BALL) else FORWARD)
        if self.carrying is None:
            key = self._nearest(lambda cell: cell[0] == KEY)
            return None if key is None else self._go(key, PICK_UP)
        lock = self._nearest(lambda cell: cell[0] == DOOR and cell[2] == LOCKED)
        return None if lock is None else self._go(lock, TOGGLE)

    def _at(self, at: Point) -> Any:
        return self.grid[at[0]][at[1]]

    def _is(self, path: list[Point], kind: int) -> bool:
        return bool(self._at(path[-1])[0] == kind)

    def _nearest(self, wanted: Any) -> list[Point] | None:
        """Return the cells on the way to the nearest cell that is wanted, through closed doors."""
        before: dict[Point, Point] = {self.place: self.place}
        queue = deque([self.place])
        while queue:
            at = queue.popleft()
            if at != self.place and wanted(self._at(at)):
                path = [at]
                while before[path[-1]] != self.place:
                    path.append(before[path[-1]])
                return path[::-1]
            if at != self.place and not self._passable(self._at(at)):
                continue
            for dx, dy in STEPS:
                after = at[0] + dx, at[1] + dy
                inside = 0 <= after[0] < len(self.grid) and 0 <= after[1] < len(self.grid[0])
                if inside and after not in before:
                    before[after] = at
                    queue.append(after)
        return None

    @staticmethod
    def _passable(cell: Any) -> bool:
        return cell[0] == EMPTY or (cell[0] == DOOR and cell[2] != LOCKED)

    def _go(self, path: list[Point], last: int) -> int:
        x, y = path[0]
        turn = (STEPS.index((x - self.place[0], y - self.place[1])) - self.direction) % 4
        if turn:
            return LEFT if turn == 3 else RIGHT
        if len(path) == 1:
            return last
        kind, _, state = self._at(path[0])
        return TOGGLE if kind == DOOR and state else FORWARD

    def _put_down(self) -> int:
        dx, dy = STEPS[self.direction]
        free = self._at((self.place[0] + dx, self.place[1] + dy))[0] == EMPTY
        return DROP if free else RIGHT
