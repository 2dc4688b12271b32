"""The kitchen against what happened when people played: every step of their games, from its state.

The games belong to those who recorded them and are not kept here. `human_trials.py` says where they
are; ROLLOUT_HUMAN_TRIALS names the folder of its two files.
"""

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from human_trials import Trial, columns, item, trials

from rollout.envs import make_vec

FOLDER = os.environ.get("ROLLOUT_HUMAN_TRIALS")


def essence(state: dict[str, Any]) -> tuple[Any, ...]:
    """What the record tells of a state: a soup's clock only where it lies."""

    def kind(thing: dict[str, Any] | None) -> Any:
        return thing and (thing["name"], thing.get("ingredients"))

    players = [
        (tuple(one["position"]), one["orientation"], kind(one["held"])) for one in state["players"]
    ]
    objects = [
        (tuple(one["position"]), kind(one), one.get("tick") if one["name"] == "soup" else None)
        for one in state["objects"]
    ]
    return players, sorted(objects)


def replay(layout: str, steps: list[Trial]) -> int:
    """Take every step from its own state; return how many soups were delivered."""
    env = make_vec("Kitchen-v0", len(steps), layout=layout, dynamics="old", observe=False)
    env.reset(seed=0)
    env.set_attr("state", [{"timestep": 0, **step.before} for step in steps])
    _, reward, *_ = env.step(np.array([step.actions for step in steps]))
    for row, (got, step) in enumerate(zip(env.get_attr("state"), steps, strict=True)):
        assert essence(got) == essence(step.after), (layout, row, step)
    assert ((reward > 0) == [step.delivered for step in steps]).all()
    return int((reward > 0).sum())


@pytest.mark.timeout(1200)
@pytest.mark.skipif(FOLDER is None, reason="ROLLOUT_HUMAN_TRIALS names no folder")
@pytest.mark.parametrize("part", ["test", "train"])
def test_every_step_of_the_recorded_games(part: str) -> None:
    by_layout: dict[str, list[Trial]] = {}
    for step in trials(Path(str(FOLDER)) / f"clean_{part}_trials.pickle"):
        by_layout.setdefault(step.layout, []).append(step)
    assert sum(map(len, by_layout.values())) > 40_000
    assert len(by_layout) == 5
    for layout, steps in by_layout.items():
        assert replay(layout, steps) > 80


def test_a_step_by_hand() -> None:
    """The same comparison, on a game of one step: a third onion starts the pot."""
    onions = {"name": "soup", "state": ("onion", 2, 0), "position": (2, 0)}
    cook = {"position": (2, 1), "orientation": "N", "held": {"name": "onion"}}
    other = {"position": (3, 2), "orientation": "S", "held": None}
    before = {"players": [cook, other], "objects": [{**item(onions), "position": (2, 0)}]}
    boiling = item({**onions, "state": ("onion", 3, 1)})
    after = {
        "players": [{**cook, "held": None}, {**other, "orientation": "W", "position": (2, 2)}],
        "objects": [{**boiling, "position": (2, 0)}],
    }
    steps = [Trial("cramped_room", before, (5, 3), after, False)]
    assert replay("cramped_room", steps) == 0
    late = {**after, "objects": [{**boiling, "tick": 2, "position": (2, 0)}]}
    with pytest.raises(AssertionError):
        replay("cramped_room", [Trial("cramped_room", before, (5, 3), late, False)])


def test_a_file_that_wants_more_than_arrays_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "trials.pickle"
    path.write_bytes(pickle.dumps(os.getcwd))
    with pytest.raises(pickle.UnpicklingError, match="has no place in a table"):
        columns(path)
