from collections.abc import Sequence
from typing import Any

import pytest
from rich.console import Console

from rollout.cli.screen import KEYS, Seat, Shown, draw
from rollout.envs.kitchen import load_layout
from rollout.goals import Expectation, Goal
from rollout.worlds import Person, Proposal, SharedWorld, View, WorldSpec

NORTH, SOUTH, EAST, WEST, STAY, INTERACT = range(6)
LAYOUT = load_layout("cramped_room")
PLAN = Proposal(
    tick=2,
    action=WEST,
    path=(WEST, SOUTH, INTERACT),
    expected=(Expectation(2, 1, "soup_delivery"), Expectation(3, 0, "dish_pickup", 3.0)),
    goal=Goal({}),
    seconds=0.0214,
)


def lines(view: View, columns: int, **change: Any) -> Sequence[str]:
    fields: dict[str, Any] = {
        "view": view,
        "seats": (Seat("you", "person", late=3), Seat("agent", "agent", late=1, vetoed=2)),
        "proposals": (None, PLAN),
        "goal_title": "as given",
        "goal_rows": (("soup_delivery", 20.0), ("collision", -1.5)),
        "picked": 1,
        "keys": KEYS,
        "columns": columns,
    }
    console = Console(width=columns, color_system=None, legacy_windows=False)
    with console.capture() as seen:
        console.print(draw(Shown(**{**fields, **change}), LAYOUT, 400, 250))
    return seen.get().rstrip("\n").split("\n")


@pytest.fixture(scope="module")
def view() -> View:
    """A kitchen where the first cook holds an onion and the second was just stopped."""
    spec = WorldSpec("Kitchen-v0", {"layout": LAYOUT.text}, default_action=STAY)
    you, other = Person(), Person("agent")
    with SharedWorld(spec, [you, other]) as world:
        for action in (NORTH, WEST, INTERACT):
            you.press(action)
            world.step()
        other.press(NORTH)
        world.veto(1)
        world.step()
        return world.view


@pytest.mark.parametrize("columns", [80, 100, 140])
def test_the_screen_fits_and_says_everything(view: View, columns: int) -> None:
    seen = lines(view, columns)
    assert len(seen) <= 24
    assert max(map(len, seen)) <= columns
    text = "\n".join(seen)
    for part in (
        "score 0   step 4/400   tick 250 ms",
        "you  ...      late 3",
        "agent  west     late 1  vetoed 2",
        "planned in 21 ms, not north",
        "    you will serve a soup in 2",
        "(1) take a dish in 3",
        "goal as given",
        "1 soup_delivery             20",
        "2 collision               -1.5",
        "agent: was stopped from north",
        "q quit",
    ):
        assert part in text
    # beside each other: the kitchen's first line and the score share a line
    assert "pot" in seen[0]
    assert "score" in seen[0]


def test_a_narrow_screen_puts_the_panel_below(view: View) -> None:
    seen = lines(view, 60)
    assert "score" not in seen[0]
    assert any(line.startswith("score") for line in seen[12:])


def test_nothing_planned_and_nothing_done(view: View) -> None:
    seen = "\n".join(lines(view, 100, proposals=(Proposal(4, EAST), None), picked=None))
    assert "thinking" in seen
    assert "you  east" in seen
