"""Rules: events that a plan must keep improbable, and the record of what they ruled out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from difflib import get_close_matches

import torch
from torch import Tensor

from rollout.models.protocol import ModelSpec


@dataclass(frozen=True, slots=True)
class Rule:
    """An event and the highest probability that a plan may give it.

    columns: [event_rows * E] float32, 1 where the model's events are this one.
    """

    event: str
    limit: float
    columns: Tensor


@dataclass(frozen=True, slots=True)
class Rejection:
    """What a rule did to a plan of B rows."""

    event: str
    limit: float
    probability: Tensor  # [B] float32, of the event somewhere along the plan's own line
    rejected: Tensor  # [B] int64, candidates over the limit
    forgone: Tensor  # [B] float32, the best score among those; -inf where there were none


def rules(forbid: Mapping[str, float] | None, spec: ModelSpec) -> tuple[Rule, ...]:
    """Return the rules that a mapping states.

    forbid: event name -> probability in [0, 1] that a plan may not exceed. "collision" is anyone's,
        "self.collision" the first event row's, "partner.collision" that of the others.
    Raises ValueError for a model without events, an event it does not have, or a limit out of
    range.
    """
    found = []
    for name, limit in (forbid or {}).items():
        if not spec.events:
            raise ValueError(
                f"forbid: the model predicts no events, so {name!r} cannot be forbidden; train it "
                "with events"
            )
        role, _, event = name.rpartition(".")
        owners = {"": slice(None), "self": slice(0, 1), "partner": slice(1, None)}.get(role)
        if owners is None or (role == "partner" and spec.event_rows == 1):
            raise ValueError(
                f"forbid: expected EVENT, self.EVENT or, with several event rows, partner.EVENT, "
                f"got {name!r}"
            )
        if event not in spec.events:
            near = get_close_matches(event, spec.events, n=3, cutoff=0.5) or spec.events
            raise ValueError(f"forbid: no event is called {event!r}; there is {', '.join(near)}")
        if not 0.0 <= limit <= 1.0:
            raise ValueError(f"forbid: expected {name!r}: a probability in [0, 1], got {limit}")
        columns = torch.zeros(spec.event_rows, len(spec.events))
        columns[owners, spec.events.index(event)] = 1.0
        found.append(Rule(name, float(limit), columns.flatten().to(spec.device)))
    return tuple(found)
