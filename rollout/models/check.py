"""A conformance suite for any world model: `check(model)` says what a planner would trip over.

Wrong alignment, leaking resets and rows that see each other hide from loss curves; each item here
catches one of them and says where. An exception that the model itself raises is passed on as it is.
Needs no training and no data; takes well under a second for a small model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from rollout.conformance import Item, Report
from rollout.models._chance_check import chance
from rollout.models._trial import (
    HORIZON,
    ROWS,
    Trial,
    action_count,
    map_tensors,
    named_leaves,
    poison,
    spoil_action,
    watch_reads,
)
from rollout.models.protocol import Discrete, Follows, Fused, Rolls, WorldModel, row_bytes


def check(
    model: WorldModel[Any],
    *,
    obs: Tensor | None = None,
    seed: int = 0,
    tolerance: float = 1e-4,
    compile: bool = False,
) -> Report:
    """Put every conformance question to a model.

    obs: [12 or more, *spec.obs.shape] observations to try it with; by default random ones, or
        those of `Examples.example_obs`.
    tolerance: relative and absolute, for floats that agree up to the rounding of another batch
        size.
    compile: also trace `step` with torch.compile(fullgraph=True), which takes seconds.
    The model is not changed. Gradients are off.
    """
    with torch.no_grad():
        trial = Trial(model, obs, seed, tolerance)
        items: list[Item] = []
        for question in (*_QUESTIONS, *([_compiles] if compile else [])):
            # what the first questions find wrong would only be found again, less clearly
            broken = any(item.passed is False for item in items[:_STRUCTURE])
            found = "skipped: not asked" if broken else question(trial)
            items.append(Item.of(question.__name__.strip("_").replace("_", " "), found))
    return Report(type(model).__name__, tuple(items))


def measure(model: WorldModel[Any], *, obs: Tensor | None = None, seed: int = 0) -> int:
    """Return the bytes of one row of state, the largest of before, at and after an observation.

    It is what `ModelSpec.row_bytes` should say. obs: as in `check`.
    """
    with torch.no_grad():
        trial = Trial(model, obs, seed, 0.0)
        return max(row_bytes(state) for state in (trial.start, trial.state, trial.stepped[0]))


# --- the questions: each returns None, a fault, or "skipped: why" ---


def _state_leaves(t: Trial) -> str | None:
    """Leaves are [R, ...], on the spec's device, floats in its dtype."""
    for where, state in (("begin", t.start), ("observe", t.state), ("step", t.stepped[0])):
        for name, leaf in named_leaves(state):
            if leaf.dim() == 0 or leaf.shape[0] != ROWS:
                return f"{where}: leaf {name} is {list(leaf.shape)}, expected [R={ROWS}, ...]"
            if leaf.device.type != t.spec.device.type:
                return f"{where}: leaf {name} is on {leaf.device}, expected {t.spec.device}"
            if leaf.is_floating_point() and leaf.dtype != t.spec.dtype:
                return f"{where}: leaf {name} is {leaf.dtype}, expected {t.spec.dtype}"
        if not named_leaves(state):
            return f"{where}: the state has no tensors"
    return None


def _heads(t: Trial) -> str | None:
    """Heads are float32 of the right shape, on the device, finite and within their range."""
    spec = t.spec
    reward = (ROWS,) if spec.agents == 1 else (ROWS, spec.agents)
    shapes: dict[str, tuple[int, ...]] = {
        "reward": reward,
        "cont": (ROWS,),
        "spread": (ROWS,),
        "events": (ROWS, *spec.event_shape),
        "event_value": (ROWS, *spec.event_shape),
    }
    if isinstance(spec.action, Discrete):
        shapes["policy"] = (ROWS, spec.action.n)
    if bool(spec.events) != (t.stepped[1].events is not None):
        return f"events: spec.events is {spec.events}, but step gave {t.stepped[1].events}"
    found = {name: x for name, x in t.stepped[1]._asdict().items() if x is not None}
    for name, head in {**found, **t.heads(t.state)}.items():
        want = shapes.get(name, tuple(head.shape))
        if tuple(head.shape) != want:
            return f"{name} is {list(head.shape)}, expected {list(want)}"
        if name == "value" and head.shape[-1:] != (ROWS,):
            return f"value is {list(head.shape)}, expected [R={ROWS}] or [K, R]"
        if head.dtype != torch.float32 or head.device.type != spec.device.type:
            return f"{name} is {head.dtype} on {head.device}, expected float32 on {spec.device}"
        if not bool(torch.isfinite(head).all()):
            return f"{name} holds a NaN or an infinity"
        if name in ("cont", "events", "event_value", "spread") and bool((head < 0).any()):
            return f"{name} is {head.min().item():.6g} somewhere, expected no negative number"
        if name == "cont" and bool((head > 1).any()):
            return f"cont is {head.max().item():.6g} somewhere, expected a probability"
    return None


def _row_bytes(t: Trial) -> str | None:
    """spec.row_bytes is within 1 % of the truth."""
    actual = row_bytes(t.state)
    if abs(t.spec.row_bytes - actual) <= 0.01 * actual:
        return None
    return (
        f"spec.row_bytes is {t.spec.row_bytes}, but a row takes {actual} (rollout.models.measure)"
    )


def _inputs_untouched(t: Trial) -> str | None:
    """No verb and no head writes to what it was given."""
    given = (t.state, t.obs, t.later_obs, t.actions, t.start)
    before = map_tensors(torch.clone, given)
    t.observe(t.start, t.obs, t.action, t.all_first)
    t.observe(t.state, t.later_obs, t.action, ~t.all_first)
    t.step(t.state, t.action)
    t.model.take(t.state, torch.arange(ROWS, device=t.spec.device))
    t.heads(t.state)
    if isinstance(t.model, Fused):
        t.model.recurrent(t.state, t.action, None)
    names = ("state", "obs", "obs", "action", "state of begin")
    for name, now, then in zip(names, given, before, strict=True):
        for (leaf, a), (_, b) in zip(named_leaves(now), named_leaves(then), strict=True):
            if not torch.equal(a, b):
                return f"a call changed its {name} in place (leaf {leaf})"
    return None


def _repeatable(t: Trial) -> str | None:
    """The same input and the same noise give the same bits."""
    again = t.step(t.state, t.action)
    for (name, a), (_, b) in zip(named_leaves(again), named_leaves(t.stepped), strict=True):
        if not torch.equal(a, b):
            return f"two equal calls of step differ in {name}: draw from `noise` alone"
    observed = t.observe(t.start, t.obs, t.action, t.all_first)
    for (name, a), (_, b) in zip(named_leaves(observed), named_leaves(t.state), strict=True):
        if not torch.equal(a, b):
            return f"two equal calls of observe differ in {name}: draw from `noise` alone"
    return None


def _row_order(t: Trial) -> str | None:
    """Permuting the rows of the input permutes the output."""
    order = torch.tensor([3, 5, 0, 2, 1, 4], device=t.spec.device)
    noise = t.noise.take(order)
    state = t.model.take(t.state, order)
    got = t.model.step(state, t.action[order], noise)
    if found := t.differs(got, map_tensors(lambda x: x[order], t.stepped)):
        return f"step of permuted rows: {found}"
    observed = t.model.observe(
        t.model.take(t.start, order), t.obs[order], t.action[order], t.all_first, noise
    )
    if found := t.differs(observed, map_tensors(lambda x: x[order], t.state)):
        return f"observe of permuted rows: {found}"
    heads = {name: head[order] for name, head in t.heads(t.state).items() if _by_row(head)}
    permuted = {name: head for name, head in t.heads(state).items() if name in heads}
    found = t.differs(permuted, heads)
    return f"a head of permuted rows: {found}" if found else None


def _batch_mates(t: Trial) -> str | None:
    """A row's result does not depend on the other rows, on their number, or on a NaN in them."""
    for rows in ([2], [2, 2, 2, 2, 2, 0, 1], [4, 2]):
        index = torch.tensor(rows, device=t.spec.device)
        got = t.model.step(t.model.take(t.state, index), t.action[index], t.noise.take(index))
        want = map_tensors(lambda x, index=index: x[index], t.stepped)
        if found := t.differs(got, want):
            return f"step of rows {rows}: {found}"
    me = torch.tensor([2], device=t.spec.device)
    got = t.step(poison(t.state, keep=2), t.action)
    if found := t.differs(got, t.stepped, me):
        return f"step of row 2 among rows of NaN: {found}"
    heads = {name: head for name, head in t.heads(t.state).items() if _by_row(head)}
    among = t.heads(poison(t.state, keep=2))
    found = t.differs({name: among[name] for name in heads}, heads, me)
    return f"a head of row 2 among rows of NaN: {found}" if found else None


def _by_row(head: Tensor) -> bool:
    """Whether a head's first axis is rows; that of an ensemble's value is its members."""
    return head.shape[0] == ROWS


def _first(t: Trial) -> str | None:
    """Where first is true the old state and action leave no trace, and only there."""
    spoiled = poison(t.stepped[0])
    action = spoil_action(t.spec, t.action)
    got = t.observe(spoiled, t.obs, action, t.all_first)
    if found := t.differs(got, t.state):
        return f"an old state and action of NaN leak past first: {found}"
    mixed = torch.arange(ROWS, device=t.spec.device) % 2 == 0
    fresh = t.observe(t.stepped[0], t.later_obs, t.other_action, t.all_first)
    going = t.observe(t.stepped[0], t.later_obs, t.other_action, ~t.all_first)
    both = t.observe(t.stepped[0], t.later_obs, t.other_action, mixed)
    if found := t.differs(both, fresh, mixed):
        return f"a row that is first, beside rows that are not: {found}"
    if found := t.differs(both, going, ~mixed):
        return f"a row that is not first, beside rows that are: {found}"
    return None


def _observation_matters(t: Trial) -> str | None:
    """Different observations lead to different states."""
    other = t.observe(t.start, t.later_obs, t.action, t.all_first)
    return None if t.differs(other, t.state) else "observe ignores the observation"


def _action_matters(t: Trial) -> str | None:
    """Different actions lead to different outcomes."""
    if action_count(t.spec) == 1:
        return "skipped: there is one action"
    other = t.step(t.state, t.other_action)
    return None if t.differs(other, t.stepped) else "step ignores the action"


def _noise_matters(t: Trial) -> str | None:
    """spec.stochastic is honest."""
    other = t.model.step(t.state, t.action, t.other_noise)
    found = t.differs(other, t.stepped)
    if t.spec.stochastic and not found:
        return "spec.stochastic is true, but step does not depend on the noise"
    if not t.spec.stochastic and found:
        return f"spec.stochastic is false, but under other noise {found}"
    return None


def _take_forks(t: Trial) -> str | None:
    """`take` copies the rows asked for, and what happens to a copy stays there."""
    index = torch.tensor([4, 0, 0], device=t.spec.device)
    fork = t.model.take(t.state, index)
    if found := t.differs(fork, map_tensors(lambda x: x[index], t.state)):
        return f"take of rows [4, 0, 0]: {found}"
    before = map_tensors(torch.clone, t.state)
    t.model.step(fork, t.other_action[index], t.noise.take(index))
    if found := t.differs(t.step(t.state, t.action), t.stepped):
        return f"stepping a copy changed the original: {found}"
    for rows in (index, torch.arange(ROWS, device=t.spec.device)):
        for _, leaf in named_leaves(t.model.take(t.state, rows)):
            leaf.zero_()
    if found := t.differs(t.state, before):
        return f"take gave a view, not a copy: {found}"
    return None


def _roll(t: Trial) -> str | None:
    """A fused roll equals single steps, the root first."""
    if not isinstance(t.model, Rolls):
        return "skipped: the model has no roll"
    times = torch.arange(HORIZON, device=t.spec.device)
    path = t.model.roll(t.state, t.actions, t.noise.at(times))
    state, states, transitions = t.state, [t.state], []
    for time in range(HORIZON):
        state, trans = t.model.step(state, t.actions[:, time], t.noise.at(time))
        states.append(state)
        transitions.append(trans)
    want = map_tensors(lambda *x: torch.stack(x, 1), *states)
    if found := t.differs(path.states, want):
        return f"states of roll (axis 1 is time, the root at 0): {found}"
    heads = map_tensors(lambda *x: torch.stack(x, 1), *transitions)
    if found := t.differs(path.trans, heads):
        return f"heads of roll: {found}"
    return t.differs(path.actions, t.actions)


def _follow(t: Trial) -> str | None:
    """An open-loop roll from chosen rows equals single steps."""
    if not isinstance(t.model, Follows):
        return "skipped: the model has no follow"
    rows = torch.tensor([3, 0, 3], device=t.spec.device)
    noise, actions = t.noise.take(rows), t.actions[rows]
    times = torch.arange(HORIZON, device=t.spec.device)
    last, trans = t.model.follow(
        t.state, rows, actions.transpose(0, 1).contiguous(), noise.at(times)
    )
    state, transitions = t.model.take(t.state, rows), []
    for time in range(HORIZON):
        state, step = t.model.step(state, actions[:, time], noise.at(time))
        transitions.append(step)
    if found := t.differs(last, state):
        return f"last states of follow: {found}"
    heads = map_tensors(lambda *x: torch.stack(x), *transitions)
    found = t.differs(trans, heads)
    return f"heads of follow (axis 0 is time): {found}" if found else None


def _recurrent(t: Trial) -> str | None:
    """The fused call equals step, policy and value; with a goal, weighted events."""
    if not isinstance(t.model, Fused):
        return "skipped: the model has no recurrent"
    after, trans = t.stepped
    heads = t.heads(after)
    goals: list[Tensor | None] = [None] if trans.reward is not None else []
    if trans.events is not None and "event_value" in heads:
        weights = t.noise.normal("check.goal", t.spec.event_shape)
        goals += [weights[0], weights]
    for goal in goals:
        state, out = t.model.recurrent(t.state, t.action, goal)
        want = {"reward": trans.reward, "discount": trans.cont}
        want |= {"prior_logits": heads.get("policy"), "value": heads.get("value")}
        if goal is not None and trans.events is not None:
            want["reward"] = (trans.events * goal).flatten(1).sum(1)
            want["value"] = (heads["event_value"] * goal).flatten(1).sum(1)
        known = {name: x for name, x in want.items() if x is not None}
        got = {name: getattr(out, name) for name in known}
        if found := t.differs((state, got), (after, known)):
            kind = "no goal" if goal is None else f"a goal of shape {list(goal.shape)}"
            return f"recurrent with {kind}: {found}"
    return None


def _no_host_sync(t: Trial) -> str | None:
    """A step reads nothing back to Python, so a device can run ahead."""
    with watch_reads() as seen:
        t.step(t.state, t.action)
        t.heads(t.state)
        if isinstance(t.model, Fused):
            t.model.recurrent(t.state, t.action, None)
    return f"step or a head waits for the device: {seen[0]}" if seen else None


def _compiles(t: Trial) -> str | None:
    """`step` compiles without a graph break and gives the same."""
    noise = t.noise.at(1)
    # tracing is what breaks a graph; a backend that compiles the result would only take longer
    compiled = torch.compile(
        lambda s, a: t.model.step(s, a, noise), fullgraph=True, backend="eager"
    )
    try:
        got = compiled(t.state, t.action)
    except torch._dynamo.exc.TorchDynamoException as broke:
        return f"step breaks the graph: {str(broke).splitlines()[0]}"
    return t.differs(got, t.stepped)


# the first two are about shapes and types, which all others rely on
_STRUCTURE = 2
_QUESTIONS: tuple[Callable[[Trial], str | None], ...] = (
    _state_leaves,
    _heads,
    _row_bytes,
    _inputs_untouched,
    _repeatable,
    _row_order,
    _batch_mates,
    _first,
    _observation_matters,
    _action_matters,
    _noise_matters,
    _take_forks,
    _roll,
    _follow,
    _recurrent,
    chance,
    _no_host_sync,
)
