"""Grid worlds: events, states as dicts, options and names."""

from typing import Any

import numpy as np
import pytest
from explorer import DROP, FORWARD, LEFT, PICK_UP, TOGGLE, Explorer
from gymnasium import spaces

import rollout
from rollout.envs.grid import ACTIONS, COLORS, DOOR_STATES, KINDS, LEVELS, missions


def make(id: str, n: int = 1, **kwargs: Any) -> Any:
    env = rollout.make_vec(id, n, events=True, **kwargs)
    env.reset(seed=0)
    return env


def corridor(*cells: tuple[int, int, int]) -> Any:
    """Return an environment of a 5 x 5 world whose agent looks along these cells."""
    env = make("MiniGrid-DoorKey-5x5-v0")
    state = env.get_attr("state")[0]
    grid = [[[2, 5, 0] for _ in range(5)] for _ in range(5)]
    for x, cell in enumerate([(1, 0, 0), *cells], start=1):
        grid[x][2] = list(cell)
    env.set_attr("state", [{**state, "grid": grid, "agent_pos": (1, 2), "agent_dir": 0}])
    return env


def names_of(env: Any, infos: dict[str, Any]) -> set[str]:
    return {env.event_names[e] for e in np.flatnonzero(infos["events"][0])}


def test_spaces() -> None:
    env = make("MiniGrid-KeyCorridorS3R1-v0", 3)
    assert env.single_action_space == spaces.Discrete(len(ACTIONS))
    assert env.single_observation_space == spaces.Dict(
        {
            "image": spaces.Box(0, 255, (7, 7, 3), np.uint8),
            "direction": spaces.Discrete(4),
            "mission": spaces.Discrete(6),
        }
    )
    assert env.reset(seed=0)[0] in env.observation_space
    assert missions(env.env_id)[0] == "pick up the blue ball"
    with pytest.raises(ValueError, match=r"LEVELS, got 'MiniGrid-DoorKey'"):
        missions("MiniGrid-DoorKey")


def test_names_are_the_packages_numbers() -> None:
    env = make("MiniGrid-DoorKey-8x8-v0")
    seen = {tuple(cell) for column in env.get_attr("state")[0]["grid"] for cell in column}
    locked = KINDS.index("door"), COLORS.index("yellow"), DOOR_STATES.index("locked")
    key = KINDS.index("key"), COLORS.index("yellow"), 0
    wall = KINDS.index("wall"), COLORS.index("grey"), 0
    assert seen >= {locked, key, wall, (KINDS.index("goal"), COLORS.index("green"), 0)}


def test_events_name_what_was_done() -> None:
    env = corridor((5, 4, 0), (4, 4, 2))
    expected = [
        (FORWARD, {"blocked"}),
        (TOGGLE, set()),
        (PICK_UP, {"key_pickup"}),
        (PICK_UP, set()),
        (DROP, {"key_drop"}),
        (PICK_UP, {"key_pickup"}),
        (FORWARD, set()),
        (FORWARD, {"blocked"}),
        (TOGGLE, {"door_unlock"}),
        (TOGGLE, {"door_close"}),
        (DROP, set()),
        (TOGGLE, {"door_open"}),
        (FORWARD, set()),
        (LEFT, set()),
        (FORWARD, {"blocked"}),
    ]
    for t, (action, events) in enumerate(expected):
        assert names_of(env, env.step([action])[-1]) == events, t
    for cell, events in (((8, 1, 0), {"goal"}), ((9, 0, 0), {"lava"})):
        env = corridor(cell)
        _, reward, terminated, _, infos = env.step([FORWARD])
        assert terminated[0]
        assert names_of(env, infos) == events
        assert reward[0] == (1 - 0.9 / 250 if cell[0] == 8 else 0)


def test_a_wrong_key_opens_nothing() -> None:
    env = corridor((5, 1, 0), (4, 4, 2))
    for action in (PICK_UP, FORWARD, TOGGLE):
        infos = env.step([action])[-1]
    assert names_of(env, infos) == set()
    assert env.get_attr("state")[0]["grid"][3][2] == (4, 4, 2)


@pytest.mark.parametrize("id", LEVELS)
def test_every_level_can_be_solved(id: str) -> None:
    rows = 10
    env = make(id, rows, autoreset_mode="disabled", max_steps=2000)
    solved = np.zeros(rows, bool)
    for _ in range(400):
        states = env.get_attr("state")
        actions = [Explorer(state).act() for state in states]
        live = [6 if done else action for done, action in zip(solved, actions, strict=True)]
        branch = env.step_from(env.snapshot(), live)
        env.restore(branch.snapshot)
        solved |= branch.terminated
        if solved.all():
            return
    pytest.fail(f"not solved: rows {np.flatnonzero(~solved)}")


def test_the_clock_is_part_of_the_reward() -> None:
    env = make("MiniGrid-Empty-5x5-v0", max_steps=10)
    state = env.get_attr("state")[0]
    assert state["step_count"] == 0
    env.set_attr("state", [{**state, "agent_pos": (2, 3), "agent_dir": 0, "step_count": 9}])
    _, reward, terminated, truncated, _ = env.step([FORWARD])
    assert (reward[0], terminated[0], truncated[0]) == (1 - 0.9 * (10 / 10), True, True)


def test_states_go_out_and_come_back() -> None:
    id = "MiniGrid-KeyCorridorS4R3-v0"
    source, target = make(id, 5), make(id, 5)
    rng = np.random.default_rng(0)
    for _ in range(150):
        source.step(rng.integers(0, 7, 5))
    target.set_attr("state", source.get_attr("state"))
    assert target.get_attr("state") == source.get_attr("state")
    for _ in range(100):
        actions = rng.integers(0, 7, 5)
        first, second = source.step(actions), target.step(actions)
        assert np.array_equal(first[0]["image"], second[0]["image"])
        assert np.array_equal(first[0]["mission"], second[0]["mission"])


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"grid": [[1]]}, r"grid: expected integers \[5, 5, 3\]"),
        ({"grid": "walls"}, r"grid: expected integers \[5, 5, 3\]"),
        ({"grid": [[[0, 0, 0]] * 5] * 5}, r"grid\[0\]\[0\]: expected the kind"),
        ({"grid": [[[2, 5, 1]] * 5] * 5}, r"grid\[0\]\[0\]: expected the kind"),
        ({"agent_pos": (0, 0)}, "agent_pos: expected a cell of the grid that one can stand on"),
        ({"agent_pos": (9, 1)}, "agent_pos: expected a cell"),
        ({"agent_pos": 3}, r"agent_pos: expected \(x, y\)"),
        ({"agent_dir": 4}, r"agent_dir: expected an integer in 0\.\.3, got 4"),
        ({"agent_dir": "up"}, "agent_dir: expected an integer"),
        ({"carrying": (2, 5, 0)}, "carrying: expected a key, a ball or a box"),
        ({"mission": "sleep"}, "mission: expected one of the level's texts such as 'use the key"),
        ({"step_count": 250}, r"step_count: expected an integer in 0\.\.249"),
    ],
)
def test_impossible_states_are_refused(change: dict[str, Any], match: str) -> None:
    env = make("MiniGrid-DoorKey-5x5-v0")
    before = env.get_attr("state")
    with pytest.raises(ValueError, match=f"state: {match}"):
        env.set_attr("state", [{**before[0], **change}])
    assert env.get_attr("state") == before
