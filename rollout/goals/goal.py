"""A goal: how much each named event is worth, in reward units."""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

# who an event must happen to, as a prefix of its name: the planner's own row, or any other row
ROLES = ("self", "partner")


@dataclass(frozen=True, slots=True)
class Goal:
    """Weights of events; immutable, hashable and picklable.

    weights: event name -> reward units each time it happens. "soup_delivery" counts every
      player's, "self.soup_delivery" the planner's own, "partner.soup_delivery" the others'. Where
      several names cover an event their weights add up.

    Raises ValueError for a name that is empty or has an unknown role, or a weight that is not
    finite. Whether an event exists is known only once it meets an environment: see `vector`.
    """

    weights: Mapping[str, float]

    def __post_init__(self) -> None:
        """Check each pair and keep a private read-only copy."""
        checked: dict[str, float] = {}
        for name, weight in self.weights.items():
            role, dot, event = name.rpartition(".")
            if not event or (dot and role not in ROLES):
                raise ValueError(
                    f"goal: expected EVENT, self.EVENT or partner.EVENT, got {name!r}; "
                    "`python -m rollout envs` lists an environment's events"
                )
            if not math.isfinite(weight):
                raise ValueError(f"goal: the weight of {name!r} must be finite, got {weight!r}")
            checked[name] = float(weight)
        object.__setattr__(self, "weights", MappingProxyType(checked))

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle by the plain dict: a read-only view cannot be pickled."""
        return (Goal, (dict(self.weights),))

    def __hash__(self) -> int:
        return hash(frozenset(self.weights.items()))

    def __iter__(self) -> Iterator[tuple[str, float]]:
        return iter(self.weights.items())

    def __str__(self) -> str:
        """Return the text that `parse` reads back."""
        return ", ".join(f"{name}={weight:.12g}" for name, weight in self.weights.items())

    def reweighted(self, name: str, weight: float) -> "Goal":
        """Return this goal with one weight set; 0 removes the event."""
        kept = {k: v for k, v in self.weights.items() if k != name or weight != 0}
        if weight != 0:
            kept[name] = weight
        return Goal(kept)

    def vector(self, events: tuple[str, ...], event_rows: int = 1) -> NDArray[np.float32]:
        """Return the weights as an array [event_rows, E] float32 to dot with predicted events.

        events: the environment's or model's event names, in their order.
        event_rows: how many players' events are told apart; row 0 is the planner itself.
        Raises ValueError for a name that is not among `events` (with the nearest ones), or one of
        a partner where there is none.
        """
        out = np.zeros((event_rows, len(events)), np.float32)
        for name, weight in self.weights.items():
            role, _, event = name.rpartition(".")
            if event not in events:
                raise ValueError(f"goal: no event is called {event!r}; {nearest(event, events)}")
            if role == "partner" and event_rows == 1:
                raise ValueError(
                    f"goal: {name!r} needs a partner, but events have one row; use {event!r}"
                )
            rows = {"": slice(None), "self": slice(0, 1), "partner": slice(1, None)}[role]
            out[rows, events.index(event)] += weight
        return out


def nearest(name: str, known: tuple[str, ...]) -> str:
    """Return the end of an error: the names closest to `name`, or all of them."""
    if not known:
        return "there are no events here: build the environment with events=True"
    close = get_close_matches(name, known, n=3, cutoff=0.5)
    # a part of a name is a common slip that edit distance misses ("delivery", "onion")
    close += [k for k in known if name and name in k and k not in close][: 3 - len(close)]
    if close:
        return f"did you mean {' or '.join(close)}?"
    return f"the events are {', '.join(known)}"


def parse(text: str, events: tuple[str, ...] | None = None) -> Goal:
    """Read a goal such as "soup_delivery=20, self.collision=-1".

    text: pairs NAME=WEIGHT parted by commas; blanks are free.
    events: when given, each name must be among these.
    Raises ValueError that names the pair at fault.
    """
    weights: dict[str, float] = {}
    for pair in text.split(","):
        name, equals, number = (part.strip() for part in pair.partition("="))
        if not (name and equals and number):
            raise ValueError(
                f'goal: expected pairs such as "soup_delivery=20, collision=-1", got {pair!r}'
            )
        if name in weights:
            raise ValueError(f"goal: {name!r} is given twice; keep one of them")
        try:
            weights[name] = float(number)
        except ValueError:
            raise ValueError(
                f"goal: the weight of {name!r} must be a number, got {number!r}"
            ) from None
    goal = Goal(weights)
    if events is not None:
        goal.vector(events, event_rows=2)
    return goal


# the kitchen's own sparse and shaped reward for three-onion orders, said in events
KITCHEN_GOAL = Goal(
    {
        "soup_delivery": 20.0,
        "soup_pickup": 5.0,
        "useful_dish_pickup": 3.0,
        "potting_onion": 3.0,
        "potting_tomato": 3.0,
    }
)
