"""The events that a player can reweight while a world runs, and which of them is picked."""

from collections.abc import Sequence

from rollout.goals import Goal, parse

_ROWS = 9  # as many as there are number keys

# events that are worth a row even when the goal does not weigh them
_OFFERED = (
    "soup_delivery",
    "soup_pickup",
    "useful_dish_pickup",
    "potting_onion",
    "potting_tomato",
    "onion_drop",
    "dish_drop",
    "collision",
)

# what `g` goes through, after the goal that the game began with
PRESETS = (
    ("serve only", "soup_delivery=20, soup_pickup=5, useful_dish_pickup=3"),
    ("fill the pots", "potting_onion=5, potting_tomato=5"),
    ("keep out of the way", "collision=-10, soup_delivery=20, potting_onion=3"),
)


class GoalBoard:
    """A goal with one row picked; every change gives a new goal.

    goal: what the game begins with.
    events: the world's event names; presets that name others are left out.

    Rows are the goal's events first, then those of the presets, then others worth a weight.
    """

    def __init__(self, goal: Goal, events: Sequence[str]) -> None:
        presets = [("as given", goal)] + [(name, parse(text)) for name, text in PRESETS]
        self._presets = [p for p in presets if all(_event(name) in events for name, _ in p[1])]
        self._preset = 0
        names = [name for _, preset in self._presets for name, _ in preset]
        names += [name for name in _OFFERED if name in events]
        self._names = list(dict.fromkeys(names))[:_ROWS]
        self.goal = goal
        self.picked = 0

    @property
    def title(self) -> str:
        """What the goal is called."""
        name, goal = self._presets[self._preset]
        return name if goal == self.goal else f"{name}, changed"

    @property
    def rows(self) -> list[tuple[str, float]]:
        """The events on the board with their weights now."""
        return [(name, self.goal.weights.get(name, 0.0)) for name in self._names]

    def next_preset(self) -> Goal:
        """Take the next preset, after the last one the first."""
        self._preset = (self._preset + 1) % len(self._presets)
        self.goal = self._presets[self._preset][1]
        return self.goal

    def pick(self, number: int) -> None:
        """Pick the row with a number from 1; one that is not there changes nothing."""
        if 1 <= number <= len(self._names):
            self.picked = number - 1

    def change(self, up: bool) -> Goal:
        """Make the picked event worth more or less: by 1, or by 5 from 10 on."""
        name, weight = self.rows[self.picked]
        step = 5.0 if abs(weight) >= 10 else 1.0
        self.goal = self.goal.reweighted(name, weight + (step if up else -step))
        return self.goal


def _event(name: str) -> str:
    """Return the event of a goal's name, without its role."""
    return name.rpartition(".")[2]
