"""Who did what to which thing in a kitchen: the log that measures of collaboration start from."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from rollout import _native
from rollout.envs.kitchen import KitchenVectorEnv

VERBS: tuple[str, ...] = _native.KITCHEN_VERBS
Place = tuple[int, int]
Acts = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Interaction:
    """One interact that did something.

    time:   steps taken in the episode before this one.
    player: who, numbered as in infos (the ego is 0 where there is a partner).
    verb:   "take" (from a box or a counter), "put" (on a counter), "add" (to a pot), "start" (a
            pot), "plate" (a soup) or "serve".
    place:  (x, y) of the box, counter, pot or serving cell.
    item:   number of the thing that was taken, put, added, started, plated or served, counted
            through the episode. A soup is one thing from its first ingredient to its delivery.
    """

    time: int
    player: int
    verb: str
    place: Place
    item: int


class InteractionLog:
    """The interactions of one row, from where it stands now to the end of its episode.

    Give it the infos of every step of an env made with `interactions=True`:

        log = InteractionLog(env, row=0)
        *_, infos = env.step(actions)
        log.add(infos)

    `entries` has them in order; `stations` and `items` have, for each place and each thing, who
    acted on it when.
    """

    def __init__(self, env: KitchenVectorEnv, row: int = 0):
        if env.keywords["interactions"] != "True":
            raise ValueError(
                "env: expected one that tells its interactions; make it with interactions=True"
            )
        state = env.get_attr("state")[row]
        players = state["players"]
        if env.keywords["ego"] == "1":
            players = players[::-1]
        self.row = row
        self.entries: list[Interaction] = []
        self._height = env.layout.height
        self._time: int = state["timestep"]
        self._count = 0
        self._lying: dict[Place, int] = {
            tuple(thing["position"]): self._new() for thing in state["objects"]
        }
        self._held = [None if player["held"] is None else self._new() for player in players]

    def add(self, infos: Mapping[str, Any]) -> None:
        """Take the infos of the step that came next."""
        if not infos["_interaction_verb"][self.row]:
            raise ValueError(
                f"infos: row {self.row} was reset in this step; make a new log for a new episode"
            )
        verbs, cells = (infos[f"interaction_{part}"][self.row] for part in ("verb", "cell"))
        for player, verb in enumerate(verbs.astype(int)):
            if verb:
                place = divmod(int(cells[player]), self._height)
                item = self._follow(player, VERBS[verb], place)
                self.entries.append(Interaction(self._time, player, VERBS[verb], place, item))
        self._time += 1

    @property
    def stations(self) -> dict[Place, Acts]:
        """By place, the (player, time) of every act there."""
        return self._by("place")

    @property
    def items(self) -> dict[int, Acts]:
        """By thing, the (player, time) of every act on it."""
        return self._by("item")

    def _by(self, name: str) -> dict[Any, Acts]:
        acts: dict[Any, Acts] = defaultdict(list)
        for entry in self.entries:
            acts[getattr(entry, name)].append((entry.player, entry.time))
        return dict(acts)

    def _new(self) -> int:
        self._count += 1
        return self._count - 1

    def _follow(self, player: int, verb: str, place: Place) -> int:
        """Move things as the interact did, and return the one that it was about."""
        held = self._held[player]
        if verb == "take":
            item = self._lying.pop(place) if place in self._lying else self._new()
            self._held[player] = item
            return item
        if verb == "start":
            return self._lying[place]
        if verb == "plate":
            self._held[player] = item = self._lying.pop(place)
            return item
        # put, add and serve empty the hand
        self._held[player] = None
        assert held is not None, "nothing in hand to put down"
        if verb == "put" or (verb == "add" and place not in self._lying):
            self._lying[place] = held if verb == "put" else self._new()
        return held
