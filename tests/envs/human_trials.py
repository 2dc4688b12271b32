"""Games that people played in the kitchen, as overcooked-ai 1.1.0 has them in its sources.

`pip download --no-deps --no-binary :all: overcooked-ai==1.1.0` and unpacking gives
src/overcooked_ai_py/data/human_data/clean_{train,test}_trials.pickle: five layouts in the old
dynamics, a row a step, with the state before it, both actions, and the state after it. They are
pickled pandas frames; neither pandas nor what a pickle may do otherwise is needed to read them.
"""

import ast
import functools
import pickle
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

# what the rules call them today
LAYOUTS = {"random0": "forced_coordination", "random3": "counter_circuit_o_1order"}
ORIENTATIONS = {(0, -1): "N", (0, 1): "S", (1, 0): "E", (-1, 0): "W"}
STAY, INTERACT = 4, 5


@dataclass(frozen=True)
class Trial:
    """One step. States are as `env.get_attr("state")` has them, without the time."""

    layout: str
    before: dict[str, Any]
    actions: tuple[int, ...]
    after: dict[str, Any]
    delivered: bool


class _Kept:
    """What a class of pandas was, without pandas."""

    def __setstate__(self, state: Any) -> None:
        self.state = state


class _Frame(pickle.Unpickler):
    """Reads arrays and lists; refuses whatever else a pickle asks to be imported or called."""

    def find_class(self, module: str, name: str) -> Any:
        if module.startswith("pandas."):
            return (lambda _, given: given) if name == "_new_Index" else _Kept
        arrays = np.empty(0).__reduce__()[0]
        allowed = {"_reconstruct": arrays, "ndarray": np.ndarray, "dtype": np.dtype}
        if module.startswith("numpy") and name in allowed:
            return allowed[name]
        if (module, name) == ("builtins", "slice"):
            return slice
        raise pickle.UnpicklingError(f"{module}.{name} has no place in a table of trials")


def columns(path: Path) -> dict[str, np.ndarray]:
    """The frame's columns by name."""
    with path.open("rb") as file:
        frame = _Frame(file).load()
    _, blocks, names, _ = frame.state["_data"].state
    return {
        name: values
        for block, those in zip(blocks, names, strict=True)
        for name, values in zip(those["data"], block, strict=True)
    }


def item(described: dict[str, Any] | None) -> dict[str, Any] | None:
    """An item; a soup's clock runs from its third ingredient on, and further once it is ready."""
    if described is None or described["name"] != "soup":
        return described and {"name": described["name"]}
    kind, number, clock = described["state"]
    tick = min(clock, 20) if number == 3 else -1
    return {"name": "soup", "ingredients": (kind,) * number, "tick": tick}


@functools.cache  # what follows one step precedes the next
def state(text: str) -> dict[str, Any]:
    """A state that was written as a Python literal."""
    given = ast.literal_eval(text)
    objects = given["objects"]
    return {
        "players": [
            {
                "position": tuple(player["position"]),
                "orientation": ORIENTATIONS[tuple(player["orientation"])],
                "held": item(player.get("held_object")),
            }
            for player in given["players"]
        ],
        "objects": [
            {**(item(one) or {}), "position": tuple(one["position"])}
            for one in (objects.values() if isinstance(objects, dict) else objects)
        ],
    }


def action(given: Any) -> int:
    """An action's number."""
    if isinstance(given, str):
        assert given.lower() == "interact", given
        return INTERACT
    return STAY if tuple(given) == (0, 0) else "NSEW".index(ORIENTATIONS[tuple(given)])


def trials(path: Path) -> Iterator[Trial]:
    """Every step of a file."""
    table = columns(path)
    names = ("layout_name", "state", "joint_action", "next_state", "reward")
    for layout, before, joint, after, reward in zip(*(table[n] for n in names), strict=True):
        actions = tuple(action(one) for one in ast.literal_eval(joint))
        yield Trial(LAYOUTS.get(layout, layout), state(before), actions, state(after), reward > 0)
