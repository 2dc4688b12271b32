"""What a drawing of a kitchen shows: the scene, and what each cook means to do in it.

Plain values, independent of how they are drawn and of the engine that made them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from rollout.goals.explain import Expectation, act, family

Cell = tuple[int, int]  # (x, y), y grows down

# actions of the kitchen: N, S, E, W, STAY, INTERACT; the first four are also the facings
STEPS: tuple[Cell, ...] = ((0, -1), (0, 1), (1, 0), (-1, 0))
STAY, INTERACT = 4, 5

_ROUGHLY = 2  # steps by which an event and the act that brings it about may differ
# kinds of cells at which a cook can bring an event about
_PLACES = {
    "onion_pickup": "OX",
    "tomato_pickup": "TX",
    "dish_pickup": "DX",
    "soup_pickup": "PX",
    "onion_drop": "X",
    "tomato_drop": "X",
    "dish_drop": "X",
    "soup_drop": "X",
    "potting_onion": "P",
    "potting_tomato": "P",
    "soup_delivery": "S",
}


@dataclass(frozen=True, slots=True)
class Thing:
    """Something that can be held or lie around.

    kind: "onion", "tomato", "dish" or "soup".
    ingredients: of a soup, in the order they went in.
    tick: of a soup: -1 while it waits to cook, else the time it has cooked.
    cook_time: ticks until it is ready.
    """

    kind: str
    ingredients: tuple[str, ...] = ()
    tick: int = -1
    cook_time: int = 20

    @property
    def ready(self) -> bool:
        """Whether a soup can be dished up."""
        return self.tick >= self.cook_time


@dataclass(frozen=True, slots=True)
class Cook:
    """One player: where, facing where (an index into STEPS), and holding what."""

    cell: Cell
    facing: int
    held: Thing | None = None
    name: str = ""


@dataclass(frozen=True, slots=True)
class Scene:
    """One instant of a kitchen.

    rows: the grid, one text a row: ' ' floor, X counter, O onions, T tomatoes, D dishes, P pot,
      S serving.
    things: what lies on counters and in pots.
    """

    rows: tuple[str, ...]
    cooks: tuple[Cook, ...]
    things: Mapping[Cell, Thing] = field(default_factory=dict)
    step: int = 0
    horizon: int = 0
    score: float = 0.0

    def floor(self, cell: Cell) -> bool:
        """Whether one can stand on a cell."""
        x, y = cell
        return 0 <= y < len(self.rows) and 0 <= x < len(self.rows[y]) and self.rows[y][x] == " "


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that a cook means to do: what, in how many steps, and where if that is known."""

    text: str
    step: int
    cell: Cell | None = None


@dataclass(frozen=True, slots=True)
class Intent:
    """What one cook means to do next.

    cook: index into `Scene.cooks`.
    cells: where it expects to stand after 0, 1, 2, ... steps.
    marks: what it expects to do, soonest first.
    others: what it expects the others to do.
    """

    cook: int
    cells: tuple[Cell, ...]
    marks: tuple[Mark, ...] = ()
    others: tuple[Mark, ...] = ()


def kitchen_scene(
    rows: Sequence[str],
    state: Mapping[str, Any],
    *,
    horizon: int = 0,
    score: float = 0.0,
    names: Sequence[str] = (),
) -> Scene:
    """Return the scene of a kitchen's readable state.

    rows: the layout's grid. state: of one row, as `env.get_attr("state")` gives it.
    names: of the cooks, in seat order.
    """
    return Scene(
        rows=tuple(rows),
        cooks=tuple(
            Cook(
                cell=tuple(player["position"]),
                facing="NSEW".index(player["orientation"]),
                held=None if player["held"] is None else _thing(player["held"]),
                name=names[i] if i < len(names) else "",
            )
            for i, player in enumerate(state["players"])
        ),
        things={tuple(thing["position"]): _thing(thing) for thing in state["objects"]},
        step=state["timestep"],
        horizon=horizon,
        score=score,
    )


def _thing(item: Mapping[str, Any]) -> Thing:
    if item["name"] != "soup":
        return Thing(item["name"])
    return Thing("soup", tuple(item["ingredients"]), item["tick"], item["cook_time"])


def intent(
    scene: Scene,
    cook: int,
    actions: Sequence[int],
    expected: Sequence[Expectation] = (),
) -> Intent:
    """Lay a plan into the kitchen.

    actions: the planned actions of this cook, soonest first; a negative one ends them.
    expected: the events that the plan predicts, row 0 being this cook.

    The way is walked on the empty grid: walls stop a cook, other cooks do not, as where they will
    be is not known.
    """
    cell, facing = scene.cooks[cook].cell, scene.cooks[cook].facing
    cells = [cell]
    targets: dict[int, Cell] = {}  # by step: what a cook then reaches for
    for step, action in enumerate(actions, 1):
        if action < 0:
            break
        if action < len(STEPS):
            facing = action
            ahead = (cell[0] + STEPS[facing][0], cell[1] + STEPS[facing][1])
            cell = ahead if scene.floor(ahead) else cell
        ahead = (cell[0] + STEPS[facing][0], cell[1] + STEPS[facing][1])
        if action == INTERACT and not scene.floor(ahead):
            targets[step] = ahead
        cells.append(cell)
    return Intent(
        cook=cook,
        cells=tuple(cells),
        marks=tuple(
            Mark(act(x.event), x.step, _place(scene, x, targets)) for x in expected if x.row == 0
        ),
        others=tuple(Mark(act(x.event), x.step) for x in expected if x.row != 0),
    )


def _place(scene: Scene, expected: Expectation, targets: Mapping[int, Cell]) -> Cell | None:
    """Return where an event is going to happen: at what its cook reaches for around that step.

    A learned model says only roughly when, so the nearest act on a fitting cell counts; None where
    there is none.
    """
    kinds = _PLACES.get(family(expected.event), "")
    near = [
        (abs(step - expected.step), cell)
        for step, cell in targets.items()
        if abs(step - expected.step) <= _ROUGHLY and scene.rows[cell[1]][cell[0]] in kinds
    ]
    return min(near)[1] if near else None
