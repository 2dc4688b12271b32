"""Say in words what a plan expects to happen, from the events that the model predicted for it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from rollout.goals.goal import Goal, nearest

# an event is expected where its cumulated predicted count passes the middle of the next integer
_HALF = 0.5


class HasEvents(Protocol):
    """The part of a plan that is read here."""

    @property
    def path_events(self) -> Any:
        """Expected counts of each event along the plan: [B, D, event_rows, E] or [B, D, E]."""


@dataclass(frozen=True, slots=True)
class Expectation:
    """One event that a plan expects.

    step: 1 for what the next action does, 2 for the one after, ...
    row: whose event: 0 the planner's, 1.. the others'.
    event: its name.
    worth: its weight under the goal that was given; 0 without one.
    """

    step: int
    row: int
    event: str
    worth: float = 0.0


def family(event: str) -> str:
    """Return the plain event that `event` is a judgement of.

    The kitchen logs one act under several names: "useful_onion_pickup" is an "onion_pickup", and
    "optimal_onion_potting" a "potting_onion". Other names are their own family.
    """
    event = event.removeprefix("useful_")
    for judgement in ("optimal_", "viable_", "catastrophic_", "useless_"):
        if event.startswith(judgement) and event.endswith("_potting"):
            return "potting_" + event.removeprefix(judgement).removesuffix("_potting")
    return event


def expectations(
    path_events: NDArray[np.floating[Any]],
    events: Sequence[str],
    goal: Goal | None = None,
) -> tuple[Expectation, ...]:
    """Return the events that a predicted path makes likely, in the order of their steps.

    path_events: [D, event_rows, E] or [D, E], expected counts a step.
    events: the E names.
    goal: gives each its worth; of the names of one act (see `family`) the one that weighs most
      is kept.
    Raises ValueError if the last axis does not match `events`, or the goal names an unknown one.
    """
    counts = np.asarray(path_events, np.float64)
    if counts.ndim == 2:
        counts = counts[:, None, :]
    if counts.ndim != 3 or counts.shape[-1] != len(events):
        raise ValueError(
            f"path_events: expected [D, event_rows, E={len(events)}], got "
            f"{list(np.shape(path_events))}; pass the events of the model that made the plan"
        )
    rows = counts.shape[1]
    worth = np.zeros((rows, len(events)))
    if goal is not None:
        worth += goal.vector(tuple(events), rows)
    # a model smears an event over neighbouring steps, so the sum over them decides
    whole = np.floor(np.cumsum(counts, axis=0) + _HALF)
    happens = np.diff(whole, axis=0, prepend=0.0) > 0
    best: dict[tuple[int, int, str], Expectation] = {}
    for step, row, e in zip(*np.nonzero(happens), strict=True):
        found = Expectation(int(step) + 1, int(row), events[e], float(worth[row, e]))
        act = (found.step, found.row, family(found.event))
        held = best.get(act)
        if held is None or _weight(found) > _weight(held):
            best[act] = found
    return tuple(sorted(best.values(), key=lambda x: (x.step, x.row, -abs(x.worth))))


def _weight(expected: Expectation) -> tuple[float, bool]:
    """Order the names of one act: by worth, then the plain name."""
    return abs(expected.worth), family(expected.event) == expected.event


# what someone does when an event happens, after "I will" or "my partner will"
_ACTS = {
    "onion_pickup": "take an onion",
    "onion_drop": "put down an onion",
    "tomato_pickup": "take a tomato",
    "tomato_drop": "put down a tomato",
    "dish_pickup": "take a dish",
    "dish_drop": "put down a dish",
    "soup_pickup": "dish up a soup",
    "soup_drop": "put down a soup",
    "soup_delivery": "serve a soup",
    "potting_onion": "put an onion in a pot",
    "potting_tomato": "put a tomato in a pot",
    "catastrophic_onion_potting": "spoil a soup with an onion",
    "catastrophic_tomato_potting": "spoil a soup with a tomato",
    "collision": "run into someone",
}


def act(event: str) -> str:
    """Return what one does when `event` happens: "take an onion"; unknown ones by their name."""
    return _ACTS.get(event) or _ACTS.get(family(event)) or "cause " + event.replace("_", " ")


def explain(
    plan: HasEvents,
    events: Sequence[str],
    *,
    goal: Goal | None = None,
    row: int = 0,
    about: str | None = None,
    names: Sequence[str] = ("I", "my partner"),
) -> str:
    """Say what a plan expects, why it is worth it, and what rules kept it from.

    plan: anything with `path_events` (a `rollout.planning.Plan`); its `rejections`, where it has
        any, are told after what it expects.
    events: the model's event names.
    goal: with one, the sentence ends in what the expected events are worth.
    row: which row of the batch of plans.
    about: speak of this event only: when it is expected, or that it is not.
    names: what to call event row 0, 1, ...; the last name serves for all further rows.

    Raises ValueError for an event that is unknown (with the nearest names), or a plan whose model
    predicts none.
    """
    if about is not None and about not in events:
        raise ValueError(f"about: no event is called {about!r}; {nearest(about, tuple(events))}")
    if plan.path_events is None:
        raise ValueError(
            "plan: it has no predicted events; plan with a model whose spec names events"
        )
    found = expectations(np.asarray(plan.path_events)[row], events, goal)
    ruled = _ruled(plan, row, about)
    if about is not None:
        found = tuple(x for x in found if about in (x.event, family(x.event)))
        if not found:
            return f"The plan does not expect {about.replace('_', ' ')}.{ruled}"
    if not found:
        return f"The plan expects no event.{ruled}"
    parts: list[str] = []
    speaker = None
    for x in found:
        when = "now" if x.step == 1 else f"in {x.step} steps"
        who = names[min(x.row, len(names) - 1)]
        parts.append(f"{'' if who == speaker else who + ' will '}{act(x.event)} {when}")
        speaker = who
    sentence = parts[0] if len(parts) == 1 else ", ".join(parts[:-1]) + " and " + parts[-1]
    sentence = sentence[0].upper() + sentence[1:] + "."
    total = sum(x.worth for x in found)
    reasons = sorted((x for x in found if x.worth), key=lambda x: -abs(x.worth))
    if reasons:
        why = " and ".join(f"{x.worth:g} for {x.event}" for x in reasons[:2])
        sentence += f" That is worth {total:g}: {why}" + (", ..." if len(reasons) > 2 else "") + "."
    return sentence + ruled


def _ruled(plan: HasEvents, row: int, about: str | None) -> str:
    """Say what rules ruled out, after a space; "" where they did nothing."""
    text = ""
    for rule in getattr(plan, "rejections", ()):
        count = int(rule.rejected[row])
        if count == 0 or (about is not None and rule.event.rpartition(".")[2] != about):
            continue
        what = rule.event.rpartition(".")[2].replace("_", " ")
        forgone = float(rule.forgone[row])
        text += (
            f" {count} {'way' if count == 1 else 'ways'} with a chance of {what} above "
            f"{rule.limit:.0%} {'was' if count == 1 else 'were'} ruled out"
            + (f"; the best promised {forgone:.3g}." if np.isfinite(forgone) else ".")
        )
    if text and not bool(plan.feasible[row]):  # type: ignore[attr-defined]
        chances = " and ".join(
            f"{float(rule.probability[row]):.0%} for {rule.event.rpartition('.')[2]}"
            for rule in plan.rejections  # type: ignore[attr-defined]
        )
        text += f" Nothing keeps to the rules, so the least was taken: {chances}."
    return text
