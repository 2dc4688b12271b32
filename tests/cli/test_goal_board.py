import pytest

from rollout.cli.goal_board import GoalBoard
from rollout.goals import KITCHEN_GOAL, Goal, parse

EVENTS = (
    "soup_delivery",
    "soup_pickup",
    "useful_dish_pickup",
    "potting_onion",
    "potting_tomato",
    "onion_drop",
    "dish_drop",
    "collision",
)


def test_rows_begin_with_the_goal_and_offer_more() -> None:
    board = GoalBoard(parse("collision=-1"), EVENTS)
    assert board.rows[0] == ("collision", -1.0)
    names = [name for name, _ in board.rows]
    assert sorted(names) == sorted(EVENTS)
    assert all(weight == 0 for _, weight in board.rows[1:])
    assert board.title == "as given"


def test_the_picked_event_is_weighed_up_and_down() -> None:
    board = GoalBoard(KITCHEN_GOAL, EVENTS)
    assert board.change(up=True).weights["soup_delivery"] == 25
    assert board.title == "as given, changed"
    assert board.change(up=False) == KITCHEN_GOAL
    assert board.title == "as given"
    board.pick(4)
    assert board.rows[board.picked][0] == "potting_onion"
    assert board.change(up=False).weights["potting_onion"] == 2
    for _ in range(2):
        goal = board.change(up=False)
    # a weight of nothing is no part of the goal, but keeps its row
    assert "potting_onion" not in goal.weights
    assert board.rows[3] == ("potting_onion", 0.0)
    assert board.change(up=False).weights["potting_onion"] == -1
    board.pick(0)
    board.pick(99)
    assert board.picked == 3


def test_presets_go_round() -> None:
    board = GoalBoard(KITCHEN_GOAL, EVENTS)
    titles = [board.title]
    goals: list[Goal] = [board.goal]
    while board.next_preset() != KITCHEN_GOAL:
        titles.append(board.title)
        goals.append(board.goal)
    assert titles == ["as given", "serve only", "fill the pots", "keep out of the way"]
    assert len(set(goals)) == 4
    for goal in goals:
        goal.vector(EVENTS, 2)


@pytest.mark.parametrize("events", [("brick_hit", "life_lost"), EVENTS[:4]])
def test_presets_of_other_worlds_are_left_out(events: tuple[str, ...]) -> None:
    board = GoalBoard(Goal({events[0]: 1}), events)
    for _ in range(4):
        board.next_preset().vector(events, 2)
