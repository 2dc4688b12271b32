"""The kitchen's rules again, in plain Python: slow, short, and independent of the native code.

States are the dicts of `env.get_attr("state")`. Recipes are sorted strings such as "oot".
"""

import copy
from dataclasses import dataclass, field
from itertools import combinations, combinations_with_replacement

import numpy as np

MOVES = {0: (0, -1), 1: (0, 1), 2: (1, 0), 3: (-1, 0)}
FACINGS = "NSEW"
BOXES = {"O": "onion", "T": "tomato", "D": "dish"}
INGREDIENTS = ("onion", "tomato")


@dataclass
class Twin:
    """One kitchen: `grid` rows with the starts cleared, `value` and `time` by recipe."""

    grid: list[str]
    value: dict[str, float]
    time: dict[str, int]
    dynamics: str
    horizon: int
    events: tuple[str, ...]
    log: np.ndarray = field(init=False)

    def at(self, cell) -> str:
        return self.grid[cell[1]][cell[0]]

    def ready(self, soup: dict) -> bool:
        return soup["tick"] >= self.time[recipe(soup)]

    def best(self, contents: str) -> float:
        """Return the most that a pot with these ingredients can still be served for."""
        room = range(4 - len(contents))
        ways = [w for n in room for w in combinations_with_replacement("ot", n)]
        return max(self.value.get("".join(sorted([*contents, *way])), 0.0) for way in ways)

    def step(self, state: dict, actions) -> tuple[dict, np.ndarray, np.ndarray, np.ndarray]:
        """Return the next state, sparse [P], shaped [P] and events [P, E]."""
        state = copy.deepcopy(state)
        players = state["players"]
        objects = {tuple(o["position"]): o for o in state["objects"]}
        sparse, shaped = np.zeros(len(players)), np.zeros(len(players))
        self.log = np.zeros((len(players), len(self.events)), np.uint8)
        census = self.census(objects)
        for i, action in enumerate(actions):
            if action == 5:
                self.interact(i, players, objects, census, sparse, shaped)
        self.move(players, actions)
        state["timestep"] += 1
        for cell, soup in objects.items():
            if self.at(cell) != "P":
                continue
            if self.dynamics == "old" and soup["tick"] < 0 and len(soup["ingredients"]) == 3:
                soup["tick"] = 0
            if soup["tick"] >= 0 and not self.ready(soup):
                soup["tick"] += 1
        state["objects"] = [objects[c] for c in sorted(objects)]
        return state, sparse, shaped, self.log

    def census(self, objects) -> dict[str, int]:
        pots = [
            objects.get((x, y))
            for y, row in enumerate(self.grid)
            for x, c in enumerate(row)
            if c == "P"
        ]
        cooks = [p is not None and p["tick"] >= 0 for p in pots]
        size = [0 if p is None else len(p["ingredients"]) for p in pots]
        return {
            "pots": len(pots),
            "full": sum(c or n == 3 for c, n in zip(cooks, size, strict=True)),
            "plate": sum(c or n in (1, 2) for c, n in zip(cooks, size, strict=True)),
        }

    def note(self, player: int, event: str) -> None:
        self.log[player, self.events.index(event)] = 1

    def interact(self, i, players, objects, census, sparse, shaped) -> None:
        me = players[i]
        held = me["held"]
        dx, dy = MOVES[FACINGS.index(me["orientation"])]
        cell = (me["position"][0] + dx, me["position"][1] + dy)
        ground, there = self.at(cell), objects.get(cell)
        two = len(players) == 2
        other = players[1 - i]["held"] if two else None
        other_name = other["name"] if other else None
        no_dish_helps = census["full"] == census["pots"] and other_name != "dish"
        dish_useful = (
            two
            and all(o["name"] != "dish" for o in objects.values())
            and sum(p["held"] is not None and p["held"]["name"] == "dish" for p in players)
            < census["plate"]
        )

        def pickup(name):
            self.note(i, f"{name}_pickup")
            if name == "dish" and dish_useful:
                self.note(i, "useful_dish_pickup")
            if name in INGREDIENTS and two and not no_dish_helps:
                self.note(i, f"useful_{name}_pickup")

        if ground == "X" and held and not there:
            self.note(i, f"{held['name']}_drop")
            if held["name"] in INGREDIENTS and two and no_dish_helps:
                self.note(i, f"useful_{held['name']}_drop")
            if held["name"] == "dish" and two and census["full"] == 0 and other_name != "onion":
                self.note(i, "useful_dish_drop")
            objects[cell] = {**held, "position": cell}
            me["held"] = None
        elif ground == "X" and there and not held:
            pickup(there["name"])
            me["held"] = {k: v for k, v in objects.pop(cell).items() if k != "position"}
        elif ground in BOXES and not held:
            if ground != "T":
                pickup(BOXES[ground])
            if ground == "D" and dish_useful:
                shaped[i] += 3
            me["held"] = {"name": BOXES[ground]}
        elif ground == "P" and not held:
            if self.dynamics == "new" and there and there["tick"] < 0:
                there["tick"] = 0
        elif ground == "P" and held["name"] == "dish" and there and self.ready(there):
            pickup("soup")
            shaped[i] += 5
            me["held"] = {k: v for k, v in objects.pop(cell).items() if k != "position"}
        elif ground == "P" and held["name"] in INGREDIENTS:
            soup = there or {"name": "soup", "position": cell, "ingredients": [], "tick": -1}
            if soup["tick"] >= 0 or len(soup["ingredients"]) == 3:
                return
            shaped[i] += 3
            name = held["name"]
            before = self.best(recipe(soup))
            soup["ingredients"] = [*soup["ingredients"], name]
            after = self.best(recipe(soup))
            objects[cell] = soup
            me["held"] = None
            self.note(i, f"potting_{name}")
            for outcome, holds in (
                ("optimal", before == after),
                ("viable", after > 0),
                ("catastrophic", before > 0 and after == 0),
                ("useless", before == 0),
            ):
                if holds:
                    self.note(i, f"{outcome}_{name}_potting")
        elif ground == "S" and held and held["name"] == "soup":
            sparse[i] += self.value.get(recipe(held), 0.0)
            self.note(i, "soup_delivery")
            me["held"] = None

    def move(self, players, actions) -> None:
        old = [tuple(p["position"]) for p in players]
        want = list(old)
        for i, action in enumerate(actions):
            if action < 4:
                players[i]["orientation"] = FACINGS[action]
                cell = (old[i][0] + MOVES[action][0], old[i][1] + MOVES[action][1])
                want[i] = cell if self.at(cell) == " " else old[i]
        if any(
            want[i] == want[j] or (want[i] == old[j] and want[j] == old[i])
            for i, j in combinations(range(len(players)), 2)
        ):
            for i in range(len(players)):
                if want[i] != old[i]:
                    self.note(i, "collision")
        else:
            for player, cell in zip(players, want, strict=True):
                player["position"] = cell

    def encode(self, state: dict, view: int) -> np.ndarray:
        """Return the lossless encoding [W, H, 26] as player `view` sees it."""
        out = np.zeros((len(self.grid[0]), len(self.grid), 26), np.int64)
        for y, row in enumerate(self.grid):
            for x, symbol in enumerate(row):
                if symbol in "PXOTDS":
                    out[x, y, 10 + "PXOTDS".index(symbol)] = 1
        items = [(tuple(o["position"]), o) for o in state["objects"]]
        for i, player in enumerate(state["players"]):
            cell = tuple(player["position"])
            out[(*cell, int(i != view))] = 1
            out[(*cell, (2 if i == view else 6) + FACINGS.index(player["orientation"]))] = 1
            if player["held"]:
                items.append((cell, player["held"]))
        for cell, item in items:
            if item["name"] != "soup":
                out[(*cell, {"dish": 22, "onion": 23, "tomato": 24}[item["name"]])] += 1
                continue
            counts = [item["ingredients"].count(name) for name in INGREDIENTS]
            in_pot = self.at(cell) == "P"
            first = 16 if in_pot and item["tick"] < 0 else 18
            out[cell][first : first + 2] += counts
            if in_pot and item["tick"] >= 0:
                out[(*cell, 20)] += self.time[recipe(item)] - item["tick"]
            out[(*cell, 21)] += not in_pot or self.ready(item)
        out[..., 25] = self.horizon - state["timestep"] < 40
        return out


def recipe(soup: dict) -> str:
    return "".join(sorted(name[0] for name in soup["ingredients"]))
