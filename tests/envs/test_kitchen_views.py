"""What a kitchen tells beside its planes: features, and who did what to which thing."""

from collections import Counter
from typing import Any

import numpy as np
import pytest

import rollout
from rollout.envs.interactions import InteractionLog
from rollout.envs.kitchen import load_layout

THREE = "XXPXPXX\nO 1 2 T\nX  3  X\nX     S\nXXDXXXX\n"


def make(n: int = 1, **kwargs: Any) -> Any:
    env = rollout.make_vec("Kitchen-v0", n, **kwargs)
    env.reset(seed=0)
    return env


@pytest.mark.parametrize(
    ("layout", "players"),
    [("cramped_room_single", 1), ("cramped_room", 2), (THREE, 3), ("multiplayer_schelling", 4)],
)
def test_features_of_one_to_four_players(layout: str, players: int) -> None:
    env = make(2, layout=layout, observation="features", dynamics="new")
    assert env.single_observation_space.shape == (players, 48 * players)
    obs, _ = env.reset(seed=0)
    assert obs in env.observation_space
    starts = load_layout(layout).starts
    for view, (x, y) in enumerate(starts):
        own = obs[0, view]
        assert own[:4].tolist() == [1, 0, 0, 0]  # facing north
        assert own[-2:].tolist() == [x, y]
        others = [(a - x, b - y) for i, (a, b) in enumerate(starts) if i != view]
        deltas = own[46 * players : -2].reshape(-1, 2)
        assert [tuple(delta) for delta in deltas.tolist()] == others
        # the others' blocks are their own first blocks
        rest = [obs[0, i, :46] for i in range(players) if i != view]
        assert np.array_equal(own[46 : 46 * players], np.concatenate([*rest, []]))


@pytest.mark.parametrize("ego", [0, 1])
def test_features_with_a_partner_are_the_egos(ego: int) -> None:
    both = make(3, observation="features")
    mine = make(3, observation="features", partner="stay", ego=ego)
    assert mine.single_observation_space.shape == (96,)
    actions = np.full((3, 2), 4)
    for action in (3, 0, 5, 2, 0, 5):
        actions[:, ego] = action
        views = both.step(actions)[0]
        assert np.array_equal(mine.step(actions[:, ego])[0], views[:, ego])


def test_the_log_names_who_did_what_to_which_thing() -> None:
    env = make(layout="cramped_room", dynamics="new", interactions=True)
    state = env.get_attr("state")[0]
    # player 0 beside the onions, player 1 under the pot, a counter between them at (1, 0)
    state["players"][0].update(position=(1, 1), orientation="W")
    state["players"][1].update(position=(2, 1), orientation="N")
    env.set_attr("state", [state])
    log = InteractionLog(env)
    script = [
        (5, 4),  # 0 takes an onion
        (0, 5),  # 0 turns to the counter; 1 finds nothing to do at an empty pot
        (5, 4),  # 0 puts the onion down
        (1, 3),  # 0 goes away, 1 comes beside the counter
        (4, 3),
        (4, 0),
        (4, 5),  # 1 takes the same onion
        (4, 2),
        (4, 0),
        (4, 5),  # 1 adds it to the pot
        (4, 5),  # and starts it
    ]
    for actions in script:
        log.add(env.step([actions])[-1])
    told = [(e.time, e.player, e.verb, e.place, e.item) for e in log.entries]
    assert told == [
        (0, 0, "take", (0, 1), 0),
        (2, 0, "put", (1, 0), 0),
        (6, 1, "take", (1, 0), 0),
        (9, 1, "add", (2, 0), 0),
        (10, 1, "start", (2, 0), 1),
    ]
    assert log.items == {0: [(0, 0), (0, 2), (1, 6), (1, 9)], 1: [(1, 10)]}
    assert log.stations[1, 0] == [(0, 2), (1, 6)]


@pytest.mark.parametrize("dynamics", ["old", "new"])
def test_the_log_agrees_with_the_events(dynamics: str) -> None:
    env = make(4, layout="cramped_room", dynamics=dynamics, interactions=True, events=True)
    logs = [InteractionLog(env, row) for row in range(4)]
    events = np.zeros((4, len(env.event_names)), int)
    for _ in range(300):
        actions = np.stack([env.bot_actions("cook", i, 0.3, seed=9 * i) for i in (0, 1)], axis=1)
        infos = env.step(actions)[-1]
        events += infos["events"].sum(1).astype(int)
        for log in logs:
            log.add(infos)
    for log, counts in zip(logs, events, strict=True):
        verbs = Counter(entry.verb for entry in log.entries)
        seen = dict(zip(env.event_names, counts.tolist(), strict=True))
        assert verbs["serve"] == seen["soup_delivery"] > 0
        assert verbs["add"] == seen["potting_onion"]
        assert verbs["put"] == sum(seen[f"{name}_drop"] for name in ("onion", "dish", "soup"))
        taken = sum(seen[f"{name}_pickup"] for name in ("onion", "dish", "soup"))
        assert verbs["take"] + verbs["plate"] == taken
        assert (verbs["start"] > 0) == (dynamics == "new")
        # a served soup has been plated or taken from a counter by the player who serves it
        for entry in log.entries:
            if entry.verb == "serve":
                before = [t for t in log.items[entry.item] if t[1] < entry.time]
                assert before[-1][0] == entry.player


def test_the_log_follows_an_ego_that_is_the_second_cook() -> None:
    env = make(interactions=True, partner="cook", ego=1)
    state = env.get_attr("state")[0]
    state["players"][1].update(held={"name": "dish"}, position=(1, 1), orientation="N")
    state["players"][0].update(position=(3, 2))
    env.set_attr("state", [state])
    log = InteractionLog(env)
    log.add(env.step([5])[-1])
    assert [(e.player, e.verb, e.item) for e in log.entries][:1] == [(0, "put", 0)]


def test_a_log_is_for_one_episode_of_an_env_that_tells() -> None:
    with pytest.raises(ValueError, match="interactions=True"):
        InteractionLog(make())
    env = make(interactions=True, horizon=1)
    log = InteractionLog(env)
    log.add(env.step([[4, 4]])[-1])
    with pytest.raises(ValueError, match="make a new log"):
        log.add(env.step([[4, 4]])[-1])
    assert "interaction_verb" not in make().step([[4, 4]])[-1]


def test_an_unknown_observation_is_refused() -> None:
    with pytest.raises(ValueError, match="observation: expected 'lossless' or 'features', got 'r"):
        make(observation="raw")
