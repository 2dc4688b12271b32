import pickle
from types import SimpleNamespace

import numpy as np
import pytest

from rollout.goals import KITCHEN_GOAL, Expectation, Goal, expectations, explain, parse
from rollout.goals.explain import act, family

EVENTS = (
    "onion_pickup",
    "useful_onion_pickup",
    "potting_onion",
    "optimal_onion_potting",
    "soup_delivery",
    "collision",
)


def test_parse_reads_weights_and_blanks() -> None:
    goal = parse(" soup_delivery = 20,collision=-1.5, self.onion_pickup=1e-1 ")
    assert dict(goal) == {"soup_delivery": 20.0, "collision": -1.5, "self.onion_pickup": 0.1}


@pytest.mark.parametrize("weight", [20.0, -1.0, 0.1, 1e-9, 123456.789])
def test_text_of_a_goal_reads_back(weight: float) -> None:
    goal = Goal({"soup_delivery": weight, "partner.collision": 2.0})
    assert parse(str(goal)) == goal


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "expected pairs"),
        ("soup_delivery", "expected pairs"),
        ("soup_delivery=20,", "expected pairs"),
        ("=3", "expected pairs"),
        ("soup_delivery=much", "must be a number, got 'much'"),
        ("soup_delivery=nan", "must be finite"),
        ("soup_delivery=inf", "must be finite"),
        ("soup_delivery=1, soup_delivery=2", "given twice"),
        ("boss.soup_delivery=1", "expected EVENT, self.EVENT or partner.EVENT"),
        ("self.=1", "expected EVENT"),
    ],
)
def test_parse_refuses(text: str, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        parse(text)


def test_vector_sorts_weights_to_rows() -> None:
    goal = parse("soup_delivery=20, self.soup_delivery=1, partner.collision=-3")
    expected = np.zeros((2, 6), np.float32)
    expected[:, 4] = 20
    expected[0, 4] += 1
    expected[1, 5] = -3
    out = goal.vector(EVENTS, 2)
    assert out.dtype == np.float32
    np.testing.assert_array_equal(out, expected)
    # three players: both others are partners
    assert goal.vector(EVENTS, 3)[:, 5].tolist() == [0, -3, -3]
    assert parse("soup_delivery=20").vector(EVENTS).shape == (1, 6)


def test_unknown_event_offers_the_nearest_names() -> None:
    with pytest.raises(ValueError, match="no event is called 'soup_deliver'; did you mean soup_d"):
        Goal({"soup_deliver": 1}).vector(EVENTS, 2)
    with pytest.raises(ValueError, match=r"did you mean .*onion_pickup"):
        Goal({"pickup": 1}).vector(EVENTS, 2)
    with pytest.raises(ValueError, match="the events are onion_pickup, "):
        Goal({"zzzzzz": 1}).vector(EVENTS, 2)
    with pytest.raises(ValueError, match="there are no events here"):
        Goal({"soup_delivery": 1}).vector((), 1)
    with pytest.raises(ValueError, match="no event is called 'soup_deliver'"):
        parse("soup_deliver=1", EVENTS)


def test_a_partner_needs_a_second_row() -> None:
    with pytest.raises(ValueError, match="needs a partner"):
        Goal({"partner.collision": 1}).vector(EVENTS, 1)


def test_goals_are_values() -> None:
    source = {"soup_delivery": 20.0}
    goal = Goal(source)
    source["soup_delivery"] = 0.0
    assert goal.weights["soup_delivery"] == 20.0
    with pytest.raises(TypeError):
        goal.weights["soup_delivery"] = 1.0  # type: ignore[index]
    assert pickle.loads(pickle.dumps(goal)) == goal
    assert hash(goal) == hash(Goal({"soup_delivery": 20}))
    changed = goal.reweighted("collision", -1)
    assert dict(changed) == {"soup_delivery": 20.0, "collision": -1.0}
    assert changed.reweighted("collision", 0) == goal


def test_kitchen_goal_is_the_reward_of_the_game() -> None:
    assert KITCHEN_GOAL.weights["soup_delivery"] == 20
    assert str(KITCHEN_GOAL).startswith("soup_delivery=20, soup_pickup=5")


def test_family_joins_the_names_of_one_act() -> None:
    assert family("useful_onion_pickup") == "onion_pickup"
    assert family("catastrophic_tomato_potting") == "potting_tomato"
    assert family("useful_soup") == "soup"
    assert family("viable_move") == "viable_move"
    assert act("optimal_onion_potting") == "put an onion in a pot"
    assert act("brick_hit") == "cause brick hit"


def path(depth: int, *marks: tuple[int, int, str, float]) -> np.ndarray:
    out = np.zeros((depth, 2, len(EVENTS)), np.float32)
    for step, row, event, count in marks:
        out[step - 1, row, EVENTS.index(event)] = count
    return out


def test_expectations_in_order_with_worth() -> None:
    events = path(
        6,
        (2, 0, "onion_pickup", 0.9),
        (2, 0, "useful_onion_pickup", 0.8),
        (5, 1, "soup_delivery", 0.7),
        (6, 0, "potting_onion", 0.95),
        (6, 0, "optimal_onion_potting", 0.95),
        (3, 0, "collision", 0.3),
    )
    goal = parse("potting_onion=3, soup_delivery=20")
    assert expectations(events, EVENTS, goal) == (
        Expectation(2, 0, "onion_pickup"),
        Expectation(5, 1, "soup_delivery", 20.0),
        Expectation(6, 0, "potting_onion", 3.0),
    )
    # the name that the goal weighs is the one that is told
    weighed = expectations(events, EVENTS, parse("useful_onion_pickup=1"))
    assert weighed[0] == Expectation(2, 0, "useful_onion_pickup", 1.0)


def test_a_smeared_event_is_told_once_and_a_repeated_one_twice() -> None:
    smeared = path(4, (1, 0, "potting_onion", 0.3), (2, 0, "potting_onion", 0.4))
    assert [x.step for x in expectations(smeared, EVENTS)] == [2]
    twice = path(6, (1, 0, "potting_onion", 0.9), (5, 0, "potting_onion", 0.9))
    assert [x.step for x in expectations(twice, EVENTS)] == [1, 5]
    assert [x.row for x in expectations(twice[:, 0], EVENTS)] == [0, 0]


def test_explain_says_who_what_when_and_why() -> None:
    events = path(
        6,
        (1, 0, "onion_pickup", 0.9),
        (4, 0, "potting_onion", 1.0),
        (6, 1, "soup_delivery", 0.8),
    )
    plan = SimpleNamespace(path_events=np.stack([np.zeros_like(events), events]))
    assert explain(plan, EVENTS) == "The plan expects no event."
    assert explain(plan, EVENTS, row=1, goal=parse("potting_onion=3, soup_delivery=20")) == (
        "I will take an onion now, put an onion in a pot in 4 steps and my partner will serve a "
        "soup in 6 steps. That is worth 23: 20 for soup_delivery and 3 for potting_onion."
    )
    assert explain(plan, EVENTS, row=1, about="soup_delivery", names=("the cook", "Ann")) == (
        "Ann will serve a soup in 6 steps."
    )
    assert explain(plan, EVENTS, row=1, about="collision") == "The plan does not expect collision."


def test_explain_refuses() -> None:
    plan = SimpleNamespace(path_events=np.zeros((1, 3, 2, len(EVENTS))))
    with pytest.raises(ValueError, match="about: no event is called 'colision'; did you mean coll"):
        explain(plan, EVENTS, about="colision")
    with pytest.raises(ValueError, match="it has no predicted events"):
        explain(SimpleNamespace(path_events=None), EVENTS)
    with pytest.raises(ValueError, match=r"expected \[D, event_rows, E=2\], got \[3, 2, 6\]"):
        explain(plan, ("a", "b"))
