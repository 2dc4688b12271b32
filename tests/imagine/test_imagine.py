"""Imagination: against a plain loop, for every kind of policy, and row by row."""

import pytest
import torch

import rollout
from rollout.imagination import returns, weights
from rollout.models import (
    Box,
    CounterNoise,
    HashModel,
    ModelSpec,
    ObsSpec,
    Path,
    Transition,
    ValueEquivalent,
    ValueEquivalentConfig,
    take,
)


class Walk:
    """A stochastic model with a pytree state and continuous actions: a noisy walk, two leaves."""

    def __init__(self):
        self.spec = ModelSpec(
            obs=ObsSpec((2,)), action=Box((-1.0, -1.0), (1.0, 1.0)), device=torch.device("cpu")
        )

    def begin(self, rows):
        return {"place": torch.zeros(rows, 2), "age": torch.zeros(rows, dtype=torch.int64)}

    def observe(self, state, obs, prev_action, first, noise):
        return {"place": obs, "age": state["age"] + 1}

    def step(self, state, action, noise):
        place = state["place"] + action + noise.normal("walk", (2,))
        return {"place": place, "age": state["age"] + 1}, Transition(place.sum(1), None)

    def take(self, state, rows):
        return take(state, rows)


def opened(model, rows):
    zeros = torch.zeros(rows, dtype=torch.int64)
    return model.observe(
        model.begin(rows), torch.arange(rows), zeros, torch.ones(rows) > 0, CounterNoise(0, rows)
    )


def drawn(rows, horizon, n, seed=0):
    return torch.randint(0, n, (rows, horizon), generator=torch.Generator().manual_seed(seed))


def test_actions_against_a_plain_loop():
    model = HashModel(4, events=("a",), terminal=0.2)
    state, played = opened(model, 6), drawn(6, 5, 4)
    path = rollout.imagine(model, state, played, 5, seed=0)
    assert path.states.shape == (6, 6)
    assert torch.equal(path.actions, played)
    assert torch.equal(path.states[:, 0], state)
    for t in range(5):
        state, trans = model.step(state, played[:, t], CounterNoise(0, 6, t))
        assert torch.equal(path.states[:, t + 1], state)
        for got, want in zip(path.trans, trans, strict=True):
            assert got is want is None or torch.equal(got[:, t], want)


def test_the_prior_is_sampled():
    model = HashModel(3)
    state = opened(model, 4000)
    path = rollout.imagine(model, state, "prior", 2, seed=1)
    for t in range(2):
        at_t = path.states[:, t]
        expected = model.policy(at_t).softmax(1).mean(0)
        share = torch.bincount(path.actions[:, t], minlength=3) / 4000
        assert torch.allclose(share, expected, atol=0.03)
        # each action comes from the state before it
        assert torch.equal(path.states[:, t + 1], model.step(at_t, path.actions[:, t], None)[0])
    # unlikely actions are rare where the logits are extreme
    certain = rollout.imagine(model, state, lambda s: 1e9 * model.policy(s), 1, seed=1)
    assert torch.equal(certain.actions[:, 0], model.policy(state).argmax(1))


def test_each_step_samples_anew():
    model = HashModel(4)
    path = rollout.imagine(model, opened(model, 500), lambda s: torch.zeros(500, 4), 3, seed=1)
    for t in range(2):
        same = (path.actions[:, t] == path.actions[:, t + 1]).float().mean()
        assert abs(float(same) - 0.25) < 0.08


def test_a_function_may_give_actions():
    model = HashModel(3)
    path = rollout.imagine(model, opened(model, 5), lambda s: s % 3, 4, seed=0)
    assert torch.equal(path.actions, path.states[:, :-1] % 3)


def test_the_seed_fixes_everything():
    model = Walk()
    for chosen in ("actions", "policy"):
        policy = torch.zeros(7, 3, 2) if chosen == "actions" else lambda s: s["place"].tanh()
        a = rollout.imagine(model, model.begin(7), policy, 3, seed=5)
        b = rollout.imagine(model, model.begin(7), policy, 3, seed=5)
        c = rollout.imagine(model, model.begin(7), policy, 3, seed=6)
        assert torch.equal(a.states["place"], b.states["place"])
        assert not torch.equal(a.states["place"], c.states["place"])
        steps = a.states["place"].diff(dim=1)
        assert steps.flatten().unique().numel() == steps.numel()  # no draw is used twice


def test_a_row_does_not_depend_on_its_batch():
    hashed, walk = HashModel(4), Walk()
    some = torch.tensor([6, 1, 3])
    whole = rollout.imagine(hashed, opened(hashed, 8), "prior", 4, seed=3)
    part = rollout.imagine(
        hashed, hashed.take(opened(hashed, 8), some), "prior", 4, seed=3, rows=some
    )
    assert torch.equal(part.states, whole.states[some])
    assert torch.equal(part.actions, whole.actions[some])
    whole = rollout.imagine(walk, walk.begin(8), torch.zeros(8, 4, 2), 4, seed=3)
    part = rollout.imagine(walk, walk.begin(3), torch.zeros(3, 4, 2), 4, seed=3, rows=some)
    assert torch.equal(part.states["place"], whole.states["place"][some])
    assert torch.equal(part.states["age"], whole.states["age"][some])


def test_a_fused_roll_is_used_and_agrees():
    config = ValueEquivalentConfig(obs_shape=(4,), num_actions=3, latent=16, hidden=32)
    model = ValueEquivalent(config)
    with torch.no_grad():
        model.dynamics_out.weight.normal_(generator=torch.Generator().manual_seed(0))
    state = model.observe(model.begin(5), torch.randn(5, 4))
    played = drawn(5, 4, 3)
    fused = rollout.imagine(model, state, played, 4, seed=0)
    times = iter(range(4))
    stepped = rollout.imagine(model, state, lambda _: played[:, next(times)], 4, seed=0)
    assert torch.allclose(fused.states, stepped.states, atol=1e-5)
    assert torch.allclose(fused.trans.reward, stepped.trans.reward, rtol=1e-3, atol=1e-3)
    assert torch.allclose(fused.trans.cont, stepped.trans.cont, atol=1e-5)


def test_gradients_flow_through_a_roll():
    config = ValueEquivalentConfig(obs_shape=(4,), num_actions=3, latent=16, hidden=32)
    model = ValueEquivalent(config)
    state = model.observe(model.begin(5), torch.randn(5, 4))
    rollout.imagine(model, state, "prior", 3, seed=0).states[:, -1].square().sum().backward()
    assert float(model.encoder[0].weight.grad.abs().sum()) > 0
    with torch.no_grad():
        assert not rollout.imagine(model, state, "prior", 3, seed=0).states.requires_grad


def test_weights_and_returns():
    cont = torch.tensor([[1.0, 0.5, 0.0], [1.0, 1.0, 1.0]])
    reward = torch.tensor([[1.0, 2.0, 4.0], [1.0, 1.0, 1.0]])
    actions = torch.zeros(2, 3, dtype=torch.int64)
    path = Path(torch.zeros(2, 4), Transition(reward, cont), actions)
    expected = torch.tensor([[1.0, 0.9, 0.405, 0.0], [1.0, 0.9, 0.81, 0.729]])
    assert torch.allclose(weights(path, 0.9), expected)
    total = torch.tensor([1 + 1.8 + 1.62, 1 + 0.9 + 0.81])
    assert torch.allclose(returns(path, 0.9), total)
    tail = torch.tensor([100.0, 10.0])
    assert torch.allclose(returns(path, 0.9, tail), total + torch.tensor([0.0, 7.29]))
    endless = Path(torch.zeros(2, 4), Transition(reward, None), actions)
    assert torch.allclose(weights(endless, 0.9)[0], expected[1])
    with pytest.raises(ValueError, match="path: expected rewards, but this model has none"):
        returns(Path(torch.zeros(2, 4), Transition(None, cont), actions), 0.9)


def test_a_nan_names_its_head_row_and_step():
    class Broken(Walk):
        def step(self, state, action, noise):
            after, trans = super().step(state, action, noise)
            reward = torch.where((state["age"] == 2) & (action[:, 0] > 0.5), torch.nan, 1.0)
            return after, trans._replace(reward=reward)

    played = torch.zeros(4, 5, 2)
    played[3] = 1.0
    with pytest.raises(ValueError, match=r"reward: expected finite .* got nan in row 3 at \[2\]"):
        rollout.imagine(Broken(), Broken().begin(4), played, 5, seed=0)


def test_bad_arguments_are_named():
    model = HashModel(3)
    state = opened(model, 4)

    def run(policy, horizon=2, **options):
        return rollout.imagine(model, state, policy, horizon, seed=0, **options)

    with pytest.raises(ValueError, match=r"actions: expected \[4, 2\] int64, got \[4, 3\] int64"):
        run(drawn(4, 3, 3))
    with pytest.raises(ValueError, match=r"actions: expected \[4, 2\] int64, got \[4, 2\] float"):
        run(torch.zeros(4, 2))
    with pytest.raises(ValueError, match=r"actions: .*Discrete\(n=3\), got 3 at \[2, 1\]"):
        run(torch.tensor([[0, 0], [0, 0], [0, 3], [0, 0]]))
    with pytest.raises(ValueError, match=r"the policy's actions: .*got -1 at \[0, 0\]"):
        run(lambda s: torch.full((4,), -1))
    with pytest.raises(ValueError, match=r"policy: expected logits \[R=4, A=3\] .*got \[4, 2\]"):
        run(lambda s: torch.zeros(4, 2))
    with pytest.raises(
        ValueError, match=r"policy: expected actions \[R=4, .*got \[4\] torch.int32"
    ):
        run(lambda s: torch.zeros(4, dtype=torch.int32))
    with pytest.raises(ValueError, match="horizon: expected at least 1 step, got 0"):
        run("prior", 0)
    with pytest.raises(ValueError, match="policy_or_actions: expected a tensor, a function or"):
        run("posterior")
    with pytest.raises(ValueError, match=r"rows: expected \[R=4\] int64 ids, got \[3\]"):
        run("prior", rows=torch.arange(3))
    with pytest.raises(ValueError, match="state: expected a pytree of tensors"):
        rollout.imagine(model, [], "prior", 2, seed=0)
    with pytest.raises(ValueError, match=r"state: expected R rows in every leaf, got \[4, 3\]"):
        rollout.imagine(model, (state, state[:3]), "prior", 2, seed=0)
    walk = Walk()
    with pytest.raises(ValueError, match="'prior' needs a model with a policy head, and Walk"):
        rollout.imagine(walk, walk.begin(2), "prior", 2, seed=0)
    bad = torch.zeros(2, 1, 2)
    bad[1, 0, 1] = torch.nan
    with pytest.raises(ValueError, match=r"actions: .*got nan at \[1, 0, 1\]"):
        rollout.imagine(walk, walk.begin(2), bad, 1, seed=0)
