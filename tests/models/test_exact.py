"""The exact model: the environment's own future, without touching the environment."""

import numpy as np
import pytest
import torch

import rollout
from rollout.models import CounterNoise, ExactModel, check, measure


def cartpole(rows=4, seed=0, **options):
    env = rollout.make_vec("CartPole-v1", rows, num_threads=1, **options)
    env.reset(seed=seed)
    return env


def kitchen(rows=3, **options):
    env = rollout.make_vec("Kitchen-v0", rows, num_threads=1, events=True, horizon=40, **options)
    env.reset(seed=0)
    return env


@pytest.mark.parametrize(
    "make",
    [cartpole, kitchen, lambda: kitchen(partner="random")],
    ids=["cartpole", "kitchen", "kitchen with a partner"],
)
def test_it_conforms(make):
    model = ExactModel(make())
    report = check(model)
    assert report.passed, str(report)
    assert measure(model) == model.spec.row_bytes


def test_it_has_the_future_that_the_environment_has():
    env = kitchen(partner="cook", partner_noise=0.3)
    model = ExactModel(env)
    assert model.spec.events == tuple(env.event_names)
    assert model.spec.event_rows == 2
    rng = np.random.default_rng(0)
    state = model.state(env.snapshot())
    for _ in range(39):
        action = rng.integers(0, 6, 3)
        state, trans = model.step(state, torch.from_numpy(action), CounterNoise(0, 3))
        obs, reward, terminated, _, infos = env.step(action)
        assert np.array_equal(model.picture(state), obs)
        assert torch.equal(trans.reward, torch.from_numpy(reward).float())
        assert torch.equal(trans.cont, torch.from_numpy(~terminated).float())
        assert torch.equal(trans.events, torch.from_numpy(infos["events"]).float())


def test_imagining_leaves_the_environment_alone():
    env = cartpole()
    model = ExactModel(env)
    before = env.snapshot()
    path = rollout.imagine(
        model,
        model.state(before),
        torch.randint(0, 2, (4, 30), generator=torch.Generator().manual_seed(0)),
        30,
        seed=0,
    )
    assert env.snapshot() == before
    assert path.trans.events is None
    # a fallen pole stays down: continuation 0 and no reward from then on
    fell = path.trans.cont == 0
    assert fell.any()
    assert (fell[:, 1:] | ~fell[:, :-1]).all()
    assert (path.trans.reward[:, 1:][fell[:, :-1]] == 0).all()


def test_a_state_can_be_restored():
    env = cartpole()
    model = ExactModel(env)
    state, _ = model.step(model.state(env.snapshot()), torch.ones(4, dtype=torch.int64))
    env.restore(model.snapshot(state))
    assert np.array_equal(env.observe(env.snapshot()), model.picture(state))


def test_states_and_snapshots_share_no_memory():
    env = cartpole()
    model = ExactModel(env)
    taken = env.snapshot()
    state = model.state(taken)
    kept = model.snapshot(state)
    state.zero_()
    assert taken == env.snapshot()
    assert kept == taken


def test_a_time_limit_is_not_an_end():
    env = kitchen()
    model = ExactModel(env)
    state = model.state(env.snapshot())
    for _ in range(41):
        state, trans = model.step(state, torch.full((3, 2), 4))
        assert (trans.cont == 1).all()


def test_bad_inputs_are_named():
    env = cartpole()
    model = ExactModel(env)
    state = model.begin(2)
    with pytest.raises(ValueError, match=r"actions: expected \[2\] int64, got \[3\]"):
        model.step(state, torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"actions.*2"):
        model.step(state, torch.tensor([0, 2]))
    with pytest.raises(ValueError, match=r"obs: expected \[R=2, \d+\] uint8"):
        model.observe(state, torch.zeros(2, 4), state, state, None)
    with pytest.raises(ValueError, match="snapshot: expected one of CartPole-v1, got one of Kit"):
        model.state(kitchen().snapshot())
