"""The hash model against plain Python integers."""

import pytest
import torch

from rollout.models import CounterNoise, Fused, HashModel, WorldModel

MASK = 2**64 - 1


def fold(key, data):
    """splitmix64's finaliser on a key and a number, in Python integers."""
    z = (key + (data + 1) * 0x9E3779B97F4A7C15) & MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
    return z ^ (z >> 31)


def signed(key, head):
    top = fold(key, -head - 1) >> 40
    return (top - 2**24 if top >= 2**23 else top) * 2.0**-23


def share(key, head):
    return signed(key, head) / 2 + 0.5


def history(seed, obs, actions):
    key = fold(fold(0, seed), obs)
    for action in actions:
        key = fold(key, action)
    return key


def unsigned(key):
    return int(key) & MASK


def opened(model, obs):
    rows = len(obs)
    zeros = torch.zeros(rows, dtype=torch.int64)
    return model.observe(
        model.begin(rows), torch.tensor(obs), zeros, torch.ones(rows) > 0, CounterNoise(0, rows)
    )


def test_a_history_against_the_twin():
    model = HashModel(3, events=("a", "b"), event_rows=2, terminal=0.3, seed=11)
    assert isinstance(model, WorldModel)
    assert isinstance(model, Fused)
    state = opened(model, [5, -7])
    noise = CounterNoise(0, 2)
    played = [[2, 0], [1, 1], [0, 2]]
    for t, action in enumerate(played):
        state, trans = model.step(state, torch.tensor(action), noise)
        for row, obs in enumerate([5, -7]):
            key = history(11, obs, [a[row] for a in played[: t + 1]])
            assert unsigned(state[row]) == key
            assert float(trans.reward[row]) == signed(key, 1)
            assert float(trans.cont[row]) == (share(key, 2) >= 0.3)
            assert float(model.value(state)[row]) == signed(key, 3)
            for a in range(3):
                assert float(model.policy(state)[row, a]) == signed(fold(key, a), 4)
            for e in range(4):
                place = (row, e // 2, e % 2)
                assert float(trans.events[place]) == share(fold(key, e), 5)
                assert float(model.event_value(state)[place]) == share(fold(key, e), 6)


def test_observations_are_folded_in_unless_first():
    model = HashModel(3, seed=2)
    state = opened(model, [4, 4])
    action = torch.tensor([1, 2])
    state, _ = model.step(state, action, CounterNoise(0, 2))
    got = model.observe(
        state, torch.tensor([9, 9]), action, torch.tensor([False, True]), CounterNoise(0, 2)
    )
    assert unsigned(got[0]) == fold(fold(history(2, 4, [1]), 1), 9)
    assert unsigned(got[1]) == history(2, 9, [])


def test_a_goal_weighs_the_events():
    model = HashModel(3, events=("a", "b"), event_rows=2)
    state = opened(model, [1, 2, 3])
    action = torch.tensor([0, 1, 2])
    after, trans = model.step(state, action, CounterNoise(0, 3))
    plain = model.recurrent(state, action)[1]
    assert torch.equal(plain.reward, trans.reward)
    assert torch.equal(plain.value, model.value(after))
    assert torch.equal(plain.prior_logits, model.policy(after))
    for goal in (torch.randn(2, 2), torch.randn(3, 2, 2)):
        out = model.recurrent(state, action, goal)[1]
        assert torch.allclose(out.reward, (trans.events * goal).sum((1, 2)))
        assert torch.allclose(out.value, (model.event_value(after) * goal).sum((1, 2)))


def test_the_numbers_are_spread():
    model = HashModel(2, terminal=0.25)
    state = opened(model, list(range(4000)))
    state, trans = model.step(state, torch.zeros(4000, dtype=torch.int64), CounterNoise(0, 4000))
    assert abs(float(trans.reward.mean())) < 0.04
    assert abs(float(trans.reward.square().mean()) - 1 / 3) < 0.03
    assert abs(float(trans.cont.mean()) - 0.75) < 0.03
    assert abs(float((trans.reward * model.value(state)).mean())) < 0.03
    assert state.unique().numel() == 4000


def test_bad_arguments_are_named():
    with pytest.raises(ValueError, match="num_actions: expected at least 1, got 0"):
        HashModel(0)
    with pytest.raises(ValueError, match="terminal: expected a share"):
        HashModel(2, terminal=1.5)
    model = HashModel(2)
    with pytest.raises(ValueError, match=r"action: expected \[3\] int64, got \[2\]"):
        model.step(model.begin(3), torch.zeros(2, dtype=torch.int64), CounterNoise(0, 3))
