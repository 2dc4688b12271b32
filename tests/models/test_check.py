"""The conformance suite: good models pass, and the item made for each planted bug names it."""

import re

import pytest
import torch

from rollout.models import (
    Box,
    HashModel,
    ModelSpec,
    ObsSpec,
    Path,
    Transition,
    ValueEquivalent,
    ValueEquivalentConfig,
    check,
    measure,
    take,
)
from rollout.recurrent import RecurrentOutput


class Filter:
    """A small stochastic filter that is right in every way: the bugs below are planted in it.

    Its state has a float leaf, an integer leaf, and nesting.
    """

    def __init__(self, **changes):
        self.spec = ModelSpec(
            obs=ObsSpec((3,)),
            action=Box((-2.0, -2.0), (2.0, 2.0)),
            device=torch.device("cpu"),
            row_bytes=4 * 4 + 8,
            events=("hit", "miss"),
            event_rows=2,
            **changes,
        )
        g = torch.Generator().manual_seed(0)
        self.w_obs = torch.randn(3, 4, generator=g)
        self.w_act = torch.randn(2, 4, generator=g)
        self.w_events = torch.randn(4, 4, generator=g)

    def begin(self, rows):
        return {"mean": (torch.zeros(rows, 4),), "age": torch.zeros(rows, dtype=torch.int64)}

    def observe(self, state, obs, prev_action, first, noise):
        old = self.push(state["mean"][0], prev_action)
        old = torch.where(first[:, None], 0.0, old)
        age = torch.where(first, 0, state["age"] + 1)
        return {"mean": ((old + obs @ self.w_obs).tanh(),), "age": age}

    def push(self, mean, action):
        return 0.5 * mean + action @ self.w_act

    def step(self, state, action, noise):
        mean = self.push(state["mean"][0], action) + 0.1 * noise.normal("step", (4,))
        return {"mean": (mean.tanh(),), "age": state["age"] + 1}, self.transition(mean)

    def transition(self, mean):
        events = (mean @ self.w_events).sigmoid().view(-1, 2, 2)
        return Transition(mean.sum(1), mean[:, 0].sigmoid(), events=events)

    def take(self, state, rows):
        return take(state, rows)

    def roll(self, state, actions, noise):
        drawn = 0.1 * noise.normal("step", (4,))
        states, transitions = [state], []
        for t in range(actions.shape[1]):
            mean = self.push(state["mean"][0], actions[:, t]) + drawn[:, t]
            state = {"mean": (mean.tanh(),), "age": state["age"] + 1}
            states.append(state)
            transitions.append(self.transition(mean))
        stacked = {
            "mean": (torch.stack([s["mean"][0] for s in states], 1),),
            "age": torch.stack([s["age"] for s in states], 1),
        }
        heads = (
            None if x[0] is None else torch.stack(x, 1) for x in zip(*transitions, strict=True)
        )
        return Path(stacked, Transition(*heads), actions)

    def value(self, state):
        return state["mean"][0].sum(1)

    def event_value(self, state):
        return (state["mean"][0] @ self.w_events).exp().view(-1, 2, 2)


class WrongLeafShape(Filter):
    def begin(self, rows):
        return {**super().begin(rows), "extra": torch.zeros(())}


class WrongDevice(Filter):
    def transition(self, mean):
        trans = super().transition(mean)
        return trans._replace(reward=trans.reward.to("meta"))


class DoubleReward(Filter):
    def transition(self, mean):
        trans = super().transition(mean)
        return trans._replace(reward=trans.reward.double())


class WideReward(Filter):
    def transition(self, mean):
        trans = super().transition(mean)
        return trans._replace(reward=trans.reward[:, None])


class ContWithLogits(Filter):
    def transition(self, mean):
        return super().transition(mean)._replace(cont=5 * mean[:, 0].abs())


class FlatEvents(Filter):
    def transition(self, mean):
        trans = super().transition(mean)
        return trans._replace(events=trans.events.flatten(1))


class LostEvents(Filter):
    def transition(self, mean):
        return super().transition(mean)._replace(events=None)


class NanValue(Filter):
    def value(self, state):
        return super().value(state).log()


class LyingSize(Filter):
    def __init__(self):
        super().__init__()
        object.__setattr__(self.spec, "row_bytes", 16)


class InPlaceStep(Filter):
    def step(self, state, action, noise):
        after, trans = super().step(state, action, noise)
        state["age"] += 1
        return after, trans


class InPlaceObserve(Filter):
    def observe(self, state, obs, prev_action, first, noise):
        after = super().observe(state, obs, prev_action, first, noise)
        obs.clamp_(-1, 1)
        return after


class GlobalNoise(Filter):
    def step(self, state, action, noise):
        mean = self.push(state["mean"][0], action) + torch.randn(len(action), 4)
        return {"mean": (mean.tanh(),), "age": state["age"] + 1}, self.transition(mean)


class ByPosition(Filter):
    """Adds the row's place in the batch, as a positional embedding over the wrong axis would."""

    def step(self, state, action, noise):
        after, trans = super().step(state, action, noise)
        return after, trans._replace(reward=trans.reward + torch.arange(len(action)))


class BatchNorm(Filter):
    def push(self, mean, action):
        mean = super().push(mean, action)
        return mean - mean.mean(0)


class SharedNan(Filter):
    """Reads a statistic of the batch that is 0 until a row goes bad."""

    def value(self, state):
        return super().value(state) + 0 * state["mean"][0].sum()


class MaskedByProduct(Filter):
    """(1 - first) * NaN is NaN: how a reset leaks."""

    def observe(self, state, obs, prev_action, first, noise):
        keep = 1.0 - first.float()[:, None]
        old = self.push(state["mean"][0], prev_action) * keep
        age = torch.where(first, 0, state["age"] + 1)
        return {"mean": ((old + obs @ self.w_obs).tanh(),), "age": age}


class ActionPastFirst(Filter):
    """Resets the state but lets the last episode's action in."""

    def observe(self, state, obs, prev_action, first, noise):
        old = torch.where(first[:, None], 0.0, state["mean"][0])
        age = torch.where(first, 0, state["age"] + 1)
        mean = 0.5 * old + prev_action @ self.w_act + obs @ self.w_obs
        return {"mean": (mean.tanh(),), "age": age}


class StickyAge(Filter):
    """Forgets to reset one leaf."""

    def observe(self, state, obs, prev_action, first, noise):
        after = super().observe(state, obs, prev_action, first, noise)
        return {**after, "age": state["age"] + 1}


class AnyFirst(Filter):
    """One row's reset resets the whole batch."""

    def observe(self, state, obs, prev_action, first, noise):
        return super().observe(state, obs, prev_action, first.any().expand(len(first)), noise)


class Blind(Filter):
    def observe(self, state, obs, prev_action, first, noise):
        return super().observe(state, torch.zeros_like(obs), prev_action, first, noise)


class Deaf(Filter):
    def push(self, mean, action):
        return 0.5 * mean


class Steady(Filter):
    def __init__(self):
        super().__init__(stochastic=False)


class Silent(Filter):
    roll = None

    def step(self, state, action, noise):
        mean = self.push(state["mean"][0], action)
        return {"mean": (mean.tanh(),), "age": state["age"] + 1}, self.transition(mean)


class TakeSorted(Filter):
    def take(self, state, rows):
        return take(state, rows.sort().values)


class TakeView(Filter):
    def take(self, state, rows):
        if len(rows) == len(state["age"]):
            return state
        return take(state, rows)


class SharedCache(Filter):
    """Keeps what it saw outside the state, as a key-value cache with one length would."""

    def __init__(self):
        super().__init__()
        self.cache = torch.zeros(4)

    def step(self, state, action, noise):
        mean = self.push(state["mean"][0], action) + 0.1 * noise.normal("step", (4,)) + self.cache
        self.cache = mean.mean(0).detach()
        return {"mean": (mean.tanh(),), "age": state["age"] + 1}, self.transition(mean)


class LateRoll(Filter):
    """Gives states 1..H+1 where 0..H were asked for: credit off by one."""

    def roll(self, state, actions, noise):
        path = super().roll(state, actions, noise)
        later = path.states["mean"][0].roll(-1, 1)
        return path._replace(states={**path.states, "mean": (later,)})


class EarlyReward(Filter):
    def roll(self, state, actions, noise):
        path = super().roll(state, actions, noise)
        return path._replace(trans=path.trans._replace(reward=path.trans.reward.roll(1, 1)))


class OneNoise(Filter):
    """Uses the first step's noise at every step of a roll."""

    def roll(self, state, actions, noise):
        return super().roll(state, actions, noise.at(noise.time * 0))


class FollowsTheFirst(Filter):
    """Starts every sequence from the first row."""

    def follow(self, state, rows, actions, noise):
        path = self.roll(self.take(state, self.rows(rows)), actions.transpose(0, 1), noise)
        last = {"mean": (path.states["mean"][0][:, -1],), "age": path.states["age"][:, -1]}
        heads = (None if x is None else x.transpose(0, 1) for x in path.trans)
        return last, Transition(*heads)

    def rows(self, rows):
        return rows * 0


class FollowsRowsFirst(FollowsTheFirst):
    """Gives heads with the rows first."""

    def follow(self, state, rows, actions, noise):
        last, trans = super().follow(state, rows, actions, noise)
        return last, trans._replace(reward=trans.reward.transpose(0, 1))

    def rows(self, rows):
        return rows


class Peeks(Filter):
    def step(self, state, action, noise):
        after, trans = super().step(state, action, noise)
        if trans.reward.max().item() > 1e9:
            raise OverflowError
        return after, trans


class PeeksByTruth(Filter):
    def value(self, state):
        value = super().value(state)
        return value if bool((value > 0).any()) else value + 0.0


class PeeksByMask(Filter):
    def step(self, state, action, noise):
        after, trans = super().step(state, action, noise)
        return after, trans._replace(reward=trans.reward[trans.reward < 1e9])


class Lists(Filter):
    def step(self, state, action, noise):
        after, trans = super().step(state, action, noise)
        return after, trans._replace(reward=torch.tensor(trans.reward.tolist()))


BUGS = [
    (WrongLeafShape, "state leaves", r"begin: leaf .*extra.* is \[\], expected \[R=6"),
    (DoubleReward, "heads", "reward is torch.float64 on cpu, expected float32"),
    (WrongDevice, "heads", "reward is torch.float32 on meta"),
    (WideReward, "heads", r"reward is \[6, 1\], expected \[6\]"),
    (ContWithLogits, "heads", "expected a probability"),
    (FlatEvents, "heads", r"events is \[6, 4\], expected \[6, 2, 2\]"),
    (LostEvents, "heads", r"spec.events is \('hit', 'miss'\), but step gave None"),
    (NanValue, "heads", "value holds a NaN"),
    (LyingSize, "row bytes", "spec.row_bytes is 16, but a row takes 24"),
    (InPlaceStep, "inputs untouched", "changed its state in place"),
    (InPlaceObserve, "inputs untouched", "changed its obs in place"),
    (GlobalNoise, "repeatable", "two equal calls of step differ"),
    (ByPosition, "row order", "step of permuted rows: .*reward"),
    (BatchNorm, "batch mates", "step of rows"),
    (SharedNan, "batch mates", "a head of row 2 among rows of NaN: .*value"),
    (MaskedByProduct, "first", "an old state and action of NaN leak past first: .*mean"),
    (ActionPastFirst, "first", "leak past first"),
    (StickyAge, "first", "leak past first: .*age"),
    (AnyFirst, "first", "a row that is not first, beside rows that are"),
    (Blind, "observation matters", "observe ignores the observation"),
    (Deaf, "action matters", "step ignores the action"),
    (Steady, "noise matters", "spec.stochastic is false, but"),
    (Silent, "noise matters", "spec.stochastic is true, but step does not"),
    (TakeSorted, "take forks", r"take of rows \[4, 0, 0\]"),
    (TakeView, "take forks", "take gave a view, not a copy"),
    (SharedCache, "take forks", "stepping a copy changed the original"),
    (LateRoll, "roll", "states of roll"),
    (EarlyReward, "roll", "heads of roll: .*reward"),
    (OneNoise, "roll", "states of roll"),
    (FollowsTheFirst, "follow", "last states of follow"),
    (FollowsRowsFirst, "follow", "heads of follow"),
    (Peeks, "no host sync", "Tensor.item"),
    (PeeksByTruth, "no host sync", "Tensor.__bool__"),
    (PeeksByMask, "no host sync", "indexing by a mask"),
    (Lists, "no host sync", "Tensor.tolist"),
]


@pytest.mark.parametrize(("bug", "item", "message"), BUGS, ids=[b[0].__name__ for b in BUGS])
def test_each_planted_bug_is_named(bug, item, message):
    report = check(bug())
    named = {failure.name: failure.detail for failure in report.failures}
    assert item in named, str(report)
    assert not report.passed
    assert re.search(message, named[item]), named[item]
    assert re.search(rf"FAILED  {item} .*", str(report))
    if item in ("state leaves", "heads"):
        assert len(report.failures) == 1
        assert "not asked" in str(report)


class FusedBug(ValueEquivalent):
    """A fused call whose value is of the state before the step."""

    def recurrent(self, state, action, goal_weights=None):
        after, out = super().recurrent(state, action, goal_weights)
        return after, out._replace(value=self.value(state))


class FusedGoalBug(ValueEquivalent):
    """A fused call that forgets the goal in the value."""

    def recurrent(self, state, action, goal_weights=None):
        after, out = super().recurrent(state, action, goal_weights)
        plain: RecurrentOutput = super().recurrent(state, action, None)[1]
        return after, out._replace(value=plain.value)


CONFIG = ValueEquivalentConfig(
    obs_shape=(4, 3), num_actions=3, events=("a", "b"), event_rows=2, latent=16, hidden=32
)


def shaken(kind):
    """Return a model whose heads are not all zero."""
    model = kind(CONFIG)
    generator = torch.Generator().manual_seed(1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=generator))
    return model


@pytest.mark.parametrize(
    ("kind", "message"),
    [(FusedBug, "recurrent with no goal: .*value"), (FusedGoalBug, r"a goal of shape \[2, 2\]")],
)
def test_a_wrong_fused_call_is_named(kind, message):
    (failure,) = check(shaken(kind)).failures
    assert failure.name == "recurrent"
    with pytest.raises(AssertionError, match=message):
        raise AssertionError(failure.detail)


@pytest.mark.parametrize(
    "model",
    [
        Filter(),
        shaken(ValueEquivalent),
        ValueEquivalent(CONFIG.model_copy(update={"obs_dtype": "uint8", "events": ()})),
        HashModel(3),
        HashModel(3, events=("a", "b"), event_rows=2, terminal=0.2),
        HashModel(1),
    ],
    ids=["filter", "value-equivalent", "grid", "hash", "hash with events", "one action"],
)
def test_good_models_pass(model):
    report = check(model)
    assert report.passed, str(report)
    assert measure(model) == model.spec.row_bytes


def test_the_report_is_a_table():
    lines = str(check(HashModel(3))).splitlines()
    assert lines[0] == "HashModel: 0 of 17 failed"
    assert "    ok  row order" in lines
    assert "     -  roll                the model has no roll" in lines


def test_compiling_is_asked_for():
    assert check(shaken(ValueEquivalent), compile=True).items[-1].passed
    (*_, last) = check(Peeks(), compile=True).failures
    assert last.name == "compiles"
    assert last.detail.startswith("step breaks the graph: ")


def test_measure_takes_the_largest_state():
    class Grows(Filter):
        def step(self, state, action, noise):
            after, trans = super().step(state, action, noise)
            return {**after, "seen": torch.zeros(len(action), 10)}, trans

    assert measure(Grows()) == 24 + 40


def test_an_exception_of_the_model_is_passed_on():
    class Raises(Filter):
        def value(self, state):
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="mine"):
        check(Raises())


def test_observations_may_be_given():
    seen = []

    class Notes(Filter):
        def observe(self, state, obs, prev_action, first, noise):
            seen.append(obs)
            return super().observe(state, obs, prev_action, first, noise)

    given = torch.rand(12, 3) + 7
    assert check(Notes(), obs=given).passed
    assert torch.equal(seen[0], given[:6])
    with pytest.raises(ValueError, match="obs: expected at least 12 rows, got 3"):
        check(Filter(), obs=given[:3])


def test_a_state_of_another_form_is_named():
    class Reorders(Filter):
        """Planners lay leaves out in the first state's order, so another order is wrong."""

        def take(self, state, rows):
            return {"age": state["age"][rows], "mean": (state["mean"][0][rows],)}

    class Grows(Filter):
        def roll(self, state, actions, noise):
            path = super().roll(state, actions, noise)
            return path._replace(states={**path.states, "seen": path.states["age"]})

    named = {failure.name: failure.detail for failure in check(Reorders()).failures}
    assert named["take forks"].startswith("take of rows [4, 0, 0]: the leaves are [\"['age']\"")
    (failure,) = check(Grows()).failures
    assert failure.detail.startswith("states of roll (axis 1 is time, the root at 0): the leaves")
