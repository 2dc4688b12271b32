"""Layout files: what they say is what the kitchen has, and what is wrong with them is said."""

import numpy as np
import pytest

import rollout
from rollout.envs.kitchen import list_layouts, load_layout

TINY = "XPXX\nO1 S\nX 2X\nXDXX\n"
GRID = "\n\n" + TINY


def test_every_layout_that_comes_along_loads() -> None:
    names = list_layouts()
    assert len(names) == 49
    for name in names:
        layout = load_layout(name)
        assert layout.name == name
        assert load_layout(layout.text).grid == layout.grid
        env = rollout.make_vec("Kitchen-v0", 1, layout=name, dynamics="new")
        players = layout.num_players
        assert env.reset()[0].shape == (1, players, layout.width, layout.height, 26)


def test_values_and_times_follow_the_header() -> None:
    header = "orders: ooo oot t\nbonus_orders: oto\norder_bonus: 3\n"
    layout = load_layout(header + "onion_value: 5\ntomato_value: 7\ncook_time: 4" + GRID)
    assert layout.grid == ("XPXX", "O  S", "X  X", "XDXX")
    assert layout.starts == ((1, 1), (2, 2))
    assert layout.orders == ("ooo", "oot", "t")
    assert layout.bonus_orders == ("oot",)
    assert dict(layout.values) | {"ooo": 15, "oot": 51, "t": 7} == dict(layout.values)
    assert [layout.values[r] for r in ("o", "ot", "oo", "tt", "ott", "ttt")] == [0] * 6
    assert set(layout.cook_times.values()) == {4}


def test_the_ladders_of_value_and_time() -> None:
    plain = load_layout(TINY)
    assert len(plain.orders) == 9
    assert set(plain.values.values()) == set(plain.cook_times.values()) == {20}
    assert set(load_layout("delivery_reward: 7" + GRID).values.values()) == {7}
    listed = load_layout("bonus_order_test")
    assert [listed.values[r] for r in ("ooo", "ttt", "ot", "oo")] == [10, 40, 30, 0]
    assert [listed.cook_times[r] for r in ("ooo", "ttt", "ot", "oo")] == [20, 15, 10, 20]
    infinite = load_layout("tutorial_3")
    assert infinite.values["ott"] == np.inf
    assert infinite.cook_times["ott"] == 15 + 7 + 7


@pytest.mark.parametrize(
    ("text", "match"),
    [
        (TINY.replace("P", "X"), "no pot: the grid has no P; put"),
        (TINY.replace("S", "X"), "no serving cell"),
        (TINY.replace("D", "X"), "no dish box"),
        (TINY.replace("O", "X"), "neither O nor T"),
        (TINY.replace("1", " ").replace("2", " "), "no player"),
        (TINY.replace("1", " "), "start 2 is drawn but start 1 is not"),
        (TINY.replace("2", "1"), "line 3: start 1 at column 3 is drawn twice"),
        (TINY.replace("2", "5"), "line 3: too many players"),
        (TINY.replace("O1 S", "O1  S"), "line 2: ragged grid: this row has 5 cells .* has 4"),
        (TINY.replace("D", " "), "line 4: floor on the border at column 2"),
        (TINY.replace("D", "Q"), "line 4: unknown symbol 'Q' at column 2; use"),
        ("P" * 9 + "\n" + "X1 SDO  X\n" + "X" * 9 + "\n", "line 1: too many pots"),
        ("\n".join(["X" * 33] * 4) + "\n", "line 1: the grid is too large: 33 x 4"),
        ("XXXXXXX\nX1XP2OX\nXXXDSXX\n", r"start 1 at \(x=1, y=1\) is walled in"),
        ("XXXXXXX\nX1OXPXX\nXXDSXXX\n", r"no player can reach a pot \(P\)"),
        (TINY + "\nmore: 1\n", "line 6: text after the grid"),
        ("orders: ooo\n", "no grid"),
        ("orders: ooo\n" + TINY, "line 2: expected `key: value`, got 'XPXX'; put a blank line"),
        ("order: ooo" + GRID, "line 1: unknown key 'order'; use one of orders"),
        ("orders: ooo\norders: ttt" + GRID, "line 2: orders: given twice, first in line 1"),
        ("# soups\norders: oox" + GRID, "line 2: orders: 'oox' is no recipe"),
        ("orders: oooo" + GRID, "'oooo' is no recipe; write 1 to 3"),
        ("orders: oot oto" + GRID, "'oto' is listed twice"),
        ("orders: ooo\nbonus_orders: t" + GRID, "line 2: bonus_orders: 't' is not among the"),
        ("cook_time: 256" + GRID, "cook_time: expected a whole number of steps in 1..255, got"),
        ("cook_time: 0" + GRID, "cook_time: .* got '0'"),
        ("onion_time: 90\ntomato_time: 9" + GRID, "ooo would cook 270 steps"),
        ("onion_time: 9" + GRID, "onion_time and tomato_time belong together"),
        ("cook_time: 9\nonion_time: 9\ntomato_time: 9" + GRID, "line 2: only one of cook_time"),
        ("delivery_reward: inf" + GRID, "delivery_reward: expected a number above 0, got 'inf'"),
        ("orders: ooo\nrecipe_values: 1 2" + GRID, "one number for each of the 1 listed orders"),
        ("orders: ooo\nrecipe_values: -1" + GRID, "numbers of at least 0, got '-1'"),
        ("recipe_times: 5" + GRID, "one number for each of the 0 listed orders"),
        ("order_bonus: two" + GRID, "order_bonus: expected a number above 0"),
        ("start_player: 1 9,1 N" + GRID, "expected a cell x,y in the 4 x 4 grid, got '9,1'"),
        ("start_player: 3 1,1 N" + GRID, "player 3 is not in the grid or given twice"),
        ("start_player: 1 1,1 Q" + GRID, "expected `player x,y facing"),
        ("start_player: 1 0,0 N" + GRID, "'0,0' is not floor"),
        ("start_player: 1 2,2 N" + GRID, "players 1 and 2 start on one cell"),
        ("start_player: 1 1,1 N soup:o@3" + GRID, "a held soup is ready"),
        ("start_object: 0,0 pan" + GRID, "unknown item 'pan'"),
        ("start_object: 0,0 soup:x" + GRID, "unknown item 'soup:x'"),
        ("start_object: 1,0 dish" + GRID, "a pot holds only a soup"),
        ("start_object: 0,0 soup:o@3" + GRID, "a counter any finished item"),
        ("start_object: 1,0 soup:o@21" + GRID, "this soup is ready after 20 steps"),
        ("start_object: 0,0 dish\nstart_object: 0,0 dish" + GRID, "already holds an object"),
    ],
)
def test_bad_layouts(text: str, match: str) -> None:
    with pytest.raises(ValueError, match=f"^layout: .*{match}"):
        load_layout(text)


def test_a_start_state_is_where_an_episode_begins() -> None:
    header = "start_player: 2 2,1 W dish\nstart_object: 1,0 soup:oo@7\nstart_object: 0,0 soup:oto"
    env = rollout.make_vec("Kitchen-v0", 1, layout=header + GRID, dynamics="new")
    env.reset()
    state = env.get_attr("state")[0]
    assert state["players"] == [
        {"position": (1, 1), "orientation": "N", "held": None},
        {"position": (2, 1), "orientation": "W", "held": {"name": "dish"}},
    ]
    assert [(o["position"], o["ingredients"], o["tick"]) for o in state["objects"]] == [
        ((0, 0), ("onion", "tomato", "onion"), 20),
        ((1, 0), ("onion", "onion"), 7),
    ]


def test_names_and_texts_only() -> None:
    with pytest.raises(TypeError, match="layout: expected a name or a layout's text, got int"):
        load_layout(3)  # type: ignore[arg-type]
