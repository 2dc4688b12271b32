"""The question that `check` puts to models with chance, and the bug that each answer names."""

import pytest
import torch

from rollout.models import Discrete, ModelSpec, ObsSpec, Transition, check


class Walk:
    """A walk by the action and then by chance: right in every way, the bugs below planted in it."""

    def __init__(self):
        self.spec = ModelSpec(
            obs=ObsSpec((2,)), action=Discrete(3), device=torch.device("cpu"), row_bytes=8
        )

    def begin(self, rows):
        return torch.zeros(rows, 2)

    def observe(self, state, obs, prev_action, first, noise):
        return obs.clone()

    def step(self, state, action, noise):
        after, logits = self.afterstate(state, action)
        outcome = (logits + noise.gumbel("walk", (4,))).argmax(1)
        return self.resolve(after, outcome)

    def take(self, state, rows):
        return state[rows]

    def afterstate(self, state, action):
        place = state + action[:, None]
        return {"place": place}, torch.cat([place, -place], 1)

    def resolve(self, after, outcome):
        state = after["place"] * 0.5 + outcome[:, None]
        return state, Transition(state[:, 0], torch.ones(len(state)))

    def afterstate_value(self, after):
        return after["place"].sum(1)


def test_a_good_model_passes():
    report = check(Walk())
    assert {item.name: item.passed for item in report.items}["chance"] is True
    assert all(item.passed is not False for item in report.items)


class Impossible(Walk):
    def afterstate(self, state, action):
        after, logits = super().afterstate(state, action)
        return after, logits.masked_fill(logits < 0, -torch.inf)


class Flat(Walk):
    def afterstate(self, state, action):
        after, logits = super().afterstate(state, action)
        return after, logits[:, 0]


class OtherState(Walk):
    def resolve(self, after, outcome):
        state, transition = super().resolve(after, outcome)
        return state.double(), transition


class Neighbours(Walk):
    def afterstate(self, state, action):
        after, logits = super().afterstate(state, action)
        return {"place": after["place"] - after["place"].mean(0)}, logits


class NeighboursLater(Walk):
    def resolve(self, after, outcome):
        state, transition = super().resolve(after, outcome)
        return state + state.std(0), transition


class InPlace(Walk):
    def afterstate(self, state, action):
        state += 1
        return super().afterstate(state, action)


class TableOfValues(Walk):
    def afterstate_value(self, after):
        return after["place"]


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (Impossible, "not finite: give what cannot be"),
        (Flat, "chance logits are"),
        (OtherState, "resolve gives a state of leaves"),
        (Neighbours, "afterstate depends on the rows beside"),
        (NeighboursLater, "resolve depends on the rows beside"),
        (InPlace, "changed its state in place"),
        (TableOfValues, "afterstate_value is"),
    ],
)
def test_a_bug_is_named(model, words):
    class Broken(model):
        def step(self, state, action, noise):
            # the halves are asked of; a whole step is as it should be
            after, logits = Walk.afterstate(self, state, action)
            outcome = (logits + noise.gumbel("walk", (4,))).argmax(1)
            return Walk.resolve(self, after, outcome)

    report = check(Broken())
    failures = [item for item in report.items if item.passed is False]
    assert [item.name for item in failures] == ["chance"]
    assert words in failures[0].detail
