"""Replay joint actions in the PyPI package `overcooked` and save all that it says happened.

Run as `python oracle_overcooked.py JOBS.npz OUT.npz` by an interpreter that has numpy and
`overcooked==0.2.1` (its other dependencies draw pictures, and are not needed here). JOBS holds a
JSON list under "jobs", each job `{"layout", "dynamics", "horizon", "encode_every"}`, and job k's
joint actions under "k" as int [T, P]. For each job OUT holds, under "k/NAME":

    position    [T + 1, P, 2]  x, y           held    [T + 1, P]     item codes
    orientation [T + 1, P]     0..3           object  [T + 1, W, H]  item codes
    sparse      [T, P]                        tick    [T + 1, W, H]  of soups, else -1
    shaped      [T, P]                        events  [T, P, 25]     in the order of "events"
    encoding    [ceil((T + 1) / encode_every), P, W, H, 26]          two players only
    features    [ceil((T + 1) / encode_every), P, 48 P]              two players or more

An item's code is 0 nothing, 1 onion, 2 tomato, 3 dish, and 16 + m for a soup, where m writes its
ingredients in binary after a leading 1 (onion 0, tomato 1).
"""

import importlib.util
import json
import sys
import types
from collections import deque

import numpy as np


def load_rules():
    """Import the rules alone: the packages' own __init__ would import OpenCV and pygame."""
    spec = importlib.util.find_spec("overcooked")
    if spec is None:
        sys.exit("no package 'overcooked'; run: pip install --no-deps overcooked==0.2.1")
    root = spec.submodule_search_locations[0]
    for name, folder in (("overcooked", root), ("overcooked.mdp", f"{root}/mdp")):
        shell = types.ModuleType(name)
        shell.__path__ = [folder]
        sys.modules[name] = shell
    return importlib.import_module("overcooked.mdp.overcooked_mdp")


def item_code(item) -> int:
    if item is None:
        return 0
    if item.name != "soup":
        return {"onion": 1, "tomato": 2, "dish": 3}[item.name]
    mix = 1
    for ingredient in item.ingredients:
        mix = 2 * mix + (ingredient == "tomato")
    return 16 + mix


class Walks:
    """The shortest walks that featurize_state asks a planner for.

    The package's own planner has lost the argument `with_argmin` and so cannot answer; this one
    searches over the package's moves. As there by default, a counter is no place to walk to.
    """

    def __init__(self, rules, kitchen):
        self.rules, self.kitchen = rules, kitchen
        self.motion_planner = self
        self.known = {}

    def costs(self, start) -> dict:
        """Return the fewest actions from a pose to every other."""
        if start not in self.known:
            costs, queue = {start: 0}, deque([start])
            while queue:
                pose = queue.popleft()
                for action in self.rules.Direction.ALL_DIRECTIONS:
                    after = self.kitchen._move_if_direction(*pose, action)
                    if after not in costs:
                        costs[after] = costs[pose] + 1
                        queue.append(after)
            self.known[start] = costs
        return self.known[start]

    def min_cost_to_feature(self, start, places, with_argmin):
        assert with_argmin
        best, nearest = np.inf, None
        costs = self.costs(start)
        for place in places:
            if self.kitchen.get_terrain_type_at_pos(place) == "X":
                continue
            for direction in self.rules.Direction.ALL_DIRECTIONS:
                beside = self.rules.Action.move_in_direction(place, direction)
                pose = beside, self.rules.Direction.OPPOSITE_DIRECTIONS[direction]
                if costs.get(pose, np.inf) < best:
                    best, nearest = costs[pose], place
        return best + 1, nearest


def replay(rules, job: dict, actions: np.ndarray) -> dict[str, np.ndarray]:
    # cook times live in a class of the package: a kitchen must be made anew before it is used
    kitchen = rules.OvercookedGridworld.from_layout_name(
        job["layout"], old_dynamics=job["dynamics"] == "old"
    )
    steps, players = actions.shape
    out = {
        "position": np.zeros((steps + 1, players, 2), np.int64),
        "orientation": np.zeros((steps + 1, players), np.int64),
        "held": np.zeros((steps + 1, players), np.int64),
        "object": np.zeros((steps + 1, *kitchen.shape), np.int64),
        "tick": np.full((steps + 1, *kitchen.shape), -1, np.int64),
        "sparse": np.zeros((steps, players)),
        "shaped": np.zeros((steps, players)),
        "events": np.zeros((steps, players, len(rules.EVENT_TYPES)), np.uint8),
    }
    encodings, features = [], []
    walks = Walks(rules, kitchen)
    state = kitchen.get_standard_start_state()
    for t in range(steps + 1):
        for i, player in enumerate(state.players):
            out["position"][t, i] = player.position
            out["orientation"][t, i] = rules.Direction.DIRECTION_TO_INDEX[player.orientation]
            out["held"][t, i] = item_code(player.held_object)
        for cell, item in state.objects.items():
            out["object"][(t, *cell)] = item_code(item)
            if item.name == "soup":
                out["tick"][(t, *cell)] = item._cooking_tick
        if t % job["encode_every"] == 0:
            if players == 2:
                encodings.append(kitchen.lossless_state_encoding(state, horizon=job["horizon"]))
            if players > 1:
                features.append(kitchen.featurize_state(state, walks))
        if t < steps:
            joint = [rules.Action.INDEX_TO_ACTION[a] for a in actions[t]]
            state, info = kitchen.get_state_transition(state, joint)
            out["sparse"][t] = info["sparse_reward_by_agent"]
            out["shaped"][t] = info["shaped_reward_by_agent"]
            for e, name in enumerate(rules.EVENT_TYPES):
                out["events"][t, :, e] = info["event_infos"][name]
    out["encoding"] = np.array(encodings, np.int64)
    out["features"] = np.array(features, np.float64)
    return out


def main(jobs_path: str, out_path: str) -> None:
    rules = load_rules()
    out = {"events": np.array(rules.EVENT_TYPES)}
    with np.load(jobs_path) as jobs:
        for k, job in enumerate(json.loads(str(jobs["jobs"]))):
            for name, array in replay(rules, job, jobs[str(k)]).items():
                out[f"{k}/{name}"] = array
    np.savez(out_path, **out)


if __name__ == "__main__":
    main(*sys.argv[1:])
