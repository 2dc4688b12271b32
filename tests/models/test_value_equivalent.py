"""The value-equivalent model: verbs, fused calls, loss, and that it learns."""

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from torch.nn import functional as F

from rollout.models import (
    EventValue,
    Fused,
    Prior,
    Rolls,
    Support,
    TrainBatch,
    Trains,
    Value,
    ValueEquivalent,
    ValueEquivalentConfig,
    WorldModel,
)
from rollout.models.scalar import ScalarHead
from rollout.models.value_equivalent import _count_deviance

VECTOR = ValueEquivalentConfig(obs_shape=(4,), num_actions=3, latent=16, simnorm=4, hidden=32)
GRID = ValueEquivalentConfig(
    obs_shape=(3, 2, 5),
    obs_dtype="uint8",
    obs_scale=(1.0, 1.0, 0.5, 0.25, 0.05),
    num_actions=6,
    events=("pot", "serve", "bump"),
    event_rows=2,
    latent=24,
    hidden=40,
    dynamics_layers=3,
    prediction_layers=2,
    activation="mish",
)


def shaken(config, seed=0):
    """Return a model none of whose weights are zero, as after training."""
    model = ValueEquivalent(config, seed=seed)
    generator = torch.Generator().manual_seed(seed + 1)
    with torch.no_grad():
        for weight in model.parameters():
            weight.add_(0.3 * torch.randn(weight.shape, generator=generator))
    return model


def observations(config, rows, seed=0):
    generator = torch.Generator().manual_seed(seed)
    shape = (rows, *config.obs_shape)
    if config.obs_dtype == "uint8":
        return torch.randint(0, 20, shape, generator=generator, dtype=torch.uint8)
    return torch.randn(shape, generator=generator)


def actions(config, *shape, seed=0):
    generator = torch.Generator().manual_seed(seed)
    return torch.randint(0, config.num_actions, shape, generator=generator)


def batch(config, rows=6, steps=3, seed=0):
    g = torch.Generator().manual_seed(seed)
    events = (config.event_rows, len(config.events)) if config.event_rows > 1 else ()
    return TrainBatch(
        obs=observations(config, rows * (steps + 1), seed).view(rows, steps + 1, *config.obs_shape),
        action=actions(config, rows, steps),
        reward=torch.randn(rows, steps, generator=g),
        cont=torch.ones(rows, steps),
        events=(torch.rand(rows, steps, *events, generator=g) < 0.3).byte() if events else None,
        policy=torch.rand(rows, steps + 1, config.num_actions, generator=g).softmax(-1),
        value=10 * torch.randn(rows, steps + 1, generator=g),
        event_value=3 * torch.rand(rows, steps + 1, *events, generator=g) if events else None,
        mask=torch.ones(rows, steps + 1),
    )


@pytest.fixture(params=[VECTOR, GRID], ids=["vector", "grid"])
def config(request):
    return request.param


def test_it_is_a_world_model_with_its_capabilities(config):
    model = ValueEquivalent(config)
    for protocol in (WorldModel, Rolls, Prior, Value, EventValue, Fused, Trains):
        assert isinstance(model, protocol)


def test_shapes_and_dtypes(config):
    model = shaken(config)
    spec = model.spec
    state = model.observe(model.begin(5), observations(config, 5))
    assert state.shape == (5, config.latent)
    assert state.dtype == torch.float32
    assert state.element_size() * state[0].numel() == spec.row_bytes
    after, trans = model.step(state, actions(config, 5))
    assert after.shape == state.shape
    assert trans.reward.shape == trans.cont.shape == (5,)
    assert ((trans.cont > 0) & (trans.cont < 1)).all()
    assert model.policy(state).shape == (5, config.num_actions)
    assert model.value(state).shape == (5,)
    assert model.event_value(state).shape == (5, *spec.event_shape)
    if config.events:
        assert trans.events.shape == (5, *spec.event_shape)
        assert ((trans.events > 0) & (trans.events < 1)).all()
        assert (model.event_value(state) >= 0).all()
    else:
        assert trans.events is None


def test_latents_are_simplices(config):
    model = shaken(config)
    state = model.observe(model.begin(5), observations(config, 5))
    for _ in range(3):
        groups = state.view(5, config.simnorm, -1).sum(1)
        assert torch.allclose(groups, torch.ones_like(groups), atol=1e-6)
        state, _ = model.step(state, actions(config, 5))


def test_the_network_against_a_plain_twin():
    """The fused layers equal the textbook form, with a one-hot action joined to the latent."""
    model = shaken(VECTOR)
    state = model.observe(model.begin(5), observations(VECTOR, 5))
    action = actions(VECTOR, 5)
    one_hot = F.one_hot(action, 3).float()
    weight = torch.cat([model.dynamics_in.weight, model.action_in.t()], 1)
    x = torch.cat([state, one_hot], 1) @ weight.t()
    layer = model.dynamics_in
    x = F.silu(F.layer_norm(x, (32,), layer.gain, layer.shift))
    layer = model.dynamics[0]
    x = x @ layer.weight.t() + layer.bias
    x = F.silu(F.layer_norm(x, (32,), layer.gain, layer.shift))
    columns = x @ model.dynamics_out.weight.t() + model.dynamics_out.bias
    logits, cont, reward = columns[:, :16], columns[:, 16], columns[:, 17:]
    groups = [logits[:, g::4].softmax(1) for g in range(4)]
    after = torch.zeros(5, 16)
    for g, group in enumerate(groups):
        after[:, g::4] = group
    got, trans = model.step(state, action)
    assert torch.allclose(got, after, atol=1e-6)
    assert torch.allclose(trans.cont, cont.sigmoid(), atol=1e-6)
    assert torch.allclose(trans.reward, reward.softmax(1) @ Support().values(), atol=1e-3)


def test_roll_equals_steps(config):
    model = shaken(config)
    state = model.observe(model.begin(5), observations(config, 5))
    played = actions(config, 5, 4)
    path = model.roll(state, played)
    assert torch.equal(path.states[:, 0], state)
    for t in range(4):
        state, trans = model.step(state, played[:, t])
        assert torch.allclose(path.states[:, t + 1], state, atol=1e-5)
        assert torch.allclose(path.trans.reward[:, t], trans.reward, atol=1e-3)
        assert torch.allclose(path.trans.cont[:, t], trans.cont, atol=1e-5)
        if config.events:
            assert torch.allclose(path.trans.events[:, t], trans.events, atol=1e-5)


def test_recurrent_equals_step_policy_and_value(config):
    model = shaken(config)
    state = model.observe(model.begin(5), observations(config, 5))
    action = actions(config, 5)
    want, trans = model.step(state, action)
    after, out = model.recurrent(state, action)
    assert torch.allclose(after, want, atol=1e-6)
    assert torch.allclose(out.reward, trans.reward, atol=1e-4)
    assert torch.allclose(out.discount, trans.cont, atol=1e-6)
    assert torch.allclose(out.prior_logits, model.policy(want), atol=1e-5)
    assert torch.allclose(out.value, model.value(want), atol=1e-3)


def test_a_goal_is_a_weighting_of_the_events():
    model = shaken(GRID)
    state = model.observe(model.begin(5), observations(GRID, 5))
    action = actions(GRID, 5)
    after, trans = model.step(state, action)
    goals = torch.randn(5, 2, 3)
    reward = (trans.events * goals).sum((1, 2))
    value = (model.event_value(after) * goals).sum((1, 2))
    _, out = model.recurrent(state, action, goals)
    assert torch.allclose(out.reward, reward, atol=1e-5)
    assert torch.allclose(out.value, value, atol=1e-4)
    _, shared = model.recurrent(state, action, goals[2])
    assert torch.allclose(shared.reward[2], reward[2], atol=1e-5)
    assert torch.allclose(shared.value[2], value[2], atol=1e-4)
    assert not torch.allclose(shared.reward[0], reward[0], atol=1e-3)


def test_support_decodes_what_it_encodes():
    support = Support(limit=300.0, bins=101)
    values = support.values()
    assert values[50] == 0
    assert torch.equal(values, -values.flip(0))
    assert np.isclose(float(values[-1]), 300.0, atol=1e-3)
    # evenly spaced under h
    h = values.double().abs().add(1).sqrt().sub(1) + 0.001 * values.double().abs()
    assert torch.allclose(h[50:].diff(), h[51] - h[50], atol=1e-5)
    # the loss is least, and equals the target's own entropy, at the two-hot that decodes to it
    head = ScalarHead(support)
    for target in (-1000.0, -7.3, 0.0, 0.01, 42.0, 299.9):
        columns = torch.zeros(1, 101, requires_grad=True)
        optimizer = torch.optim.Adam([columns], lr=0.5)
        for _ in range(300):
            optimizer.zero_grad()
            head.loss(columns, torch.tensor([target])).sum().backward()
            optimizer.step()
        want = max(-300.0, target)
        assert float(head.decode(columns.detach())) == pytest.approx(want, rel=0.01, abs=0.05)


def test_targets_past_the_support_are_clipped():
    head = ScalarHead(Support(limit=10.0, bins=11))
    columns = torch.randn(2, 11, generator=torch.Generator().manual_seed(0))
    past = head.loss(columns, torch.tensor([-1000.0, 1000.0]))
    assert torch.allclose(past, head.loss(columns, torch.tensor([-10.0, 10.0])), rtol=1e-4)


def test_observations_are_scaled_along_the_last_axis():
    plain = shaken(GRID.model_copy(update={"obs_scale": 1.0, "obs_dtype": "float32"}))
    obs = observations(GRID, 5)
    scaled = obs.float() * torch.tensor(GRID.obs_scale)
    want = plain.observe(plain.begin(5), scaled)
    model = shaken(GRID)
    assert torch.allclose(model.observe(model.begin(5), obs), want, atol=1e-6)


def test_the_count_deviance_is_least_at_the_mean():
    counts = torch.tensor([0.0, 0.0, 1.0, 5.0])
    rates = torch.linspace(0.1, 4.0, 40)
    losses = _count_deviance(rates[:, None], counts).mean(1)
    assert rates[losses.argmin()] == pytest.approx(1.5, abs=0.051)
    assert float(_count_deviance(counts, counts).abs().max()) < 1e-5
    # a count of 0 has a gradient like any other
    rate = torch.tensor([0.5, 0.2], requires_grad=True)
    _count_deviance(rate, torch.tensor([0.0, 1.0])).sum().backward()
    assert rate.grad.tolist() == pytest.approx([1.0, -4.0], rel=1e-4)


def test_loss_terms_and_masks(config):
    model = shaken(config)
    full = batch(config)
    total, terms = model.loss(full)
    assert set(terms) == set(type(config.loss).model_fields) - (
        set() if config.events else {"events", "event_value"}
    )
    weights = config.loss.model_dump()
    expected = sum(weights[name] * term for name, term in terms.items())
    assert torch.allclose(total.detach(), expected, rtol=1e-5)
    # what lies past the mask does not count, whatever it is
    mask = full.mask.clone()
    mask[:3, 2:] = 0
    cut = _replace(full, mask=mask)
    changed = {name: getattr(full, name) for name in full.__dataclass_fields__}
    for name in ("reward", "cont", "events", "policy", "value", "event_value", "obs"):
        if changed[name] is not None:
            tensor = changed[name].clone()
            tensor[:3, 2:] = 1
            changed[name] = tensor
    changed["mask"] = mask
    assert torch.allclose(model.loss(cut)[0], model.loss(TrainBatch(**changed))[0], rtol=1e-5)
    assert not torch.allclose(model.loss(cut)[0], total, rtol=1e-3)
    # weights scale rows
    one_row = torch.zeros(6)
    one_row[4] = 6.0
    weighted = model.loss(_replace(full, weight=one_row))[0]
    alone = {
        name: None if (x := getattr(full, name)) is None else x[4:5]
        for name in full.__dataclass_fields__
    }
    assert torch.allclose(weighted, model.loss(TrainBatch(**alone))[0], rtol=1e-4)


def _replace(old, **changes):
    values = {name: getattr(old, name) for name in old.__dataclass_fields__}
    return TrainBatch(**{**values, **changes})


def test_an_empty_policy_target_trains_no_policy():
    model = shaken(VECTOR)
    silent = _replace(batch(VECTOR), policy=torch.zeros(6, 4, 3))
    assert model.loss(silent)[1]["policy"] == 0


def test_the_consistency_target_is_not_trained():
    """Only the root's encoding and the dynamics see the consistency loss."""
    config = VECTOR.model_copy(
        update={
            "loss": VECTOR.loss.model_copy(
                update=dict.fromkeys(type(VECTOR.loss).model_fields, 0.0) | {"consistency": 1.0}
            )
        }
    )
    model = shaken(config)
    data = batch(config)
    data.obs.requires_grad_(True)
    model.loss(data)[0].backward()
    assert (data.obs.grad[:, 1:] == 0).all()
    assert (data.obs.grad[:, 0] != 0).any()


def test_gradients_are_halved_at_each_step():
    """With the reward of step k alone, the root's gradient shrinks by a half a step."""
    model = shaken(VECTOR.model_copy(update={"reward": None}))
    root = model.observe(model.begin(4), observations(VECTOR, 4)).detach()
    embedded = model._embed(actions(VECTOR, 4, 3)).detach()
    for step in range(3):
        sizes = []
        for scale in (1.0, 0.5):
            state = root.clone().requires_grad_(True)
            _, trunks = model._unroll(state, embedded, scale)
            model._step_heads(trunks)[1][:, step].sum().backward()
            sizes.append(state.grad)
        assert torch.allclose(sizes[1], sizes[0] * 0.5 ** (step + 1), rtol=1e-4, atol=1e-7)


def test_it_learns_a_small_world():
    """A ring of 5 places: the model must know where it is to say when the bell rings."""
    config = ValueEquivalentConfig(
        obs_shape=(5,),
        num_actions=2,
        events=("bell",),
        latent=32,
        hidden=64,
        reward=Support(limit=10, bins=21),
        value=Support(limit=10, bins=21),
    )
    model = ValueEquivalent(config, seed=1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    g = torch.Generator().manual_seed(0)

    def play(rows, steps):
        action = torch.randint(0, 2, (rows, steps), generator=g)
        start = torch.randint(0, 5, (rows, 1), generator=g)
        place = torch.cat([start, start + (2 * action - 1).cumsum(1)], 1) % 5
        bell = (place[:, 1:] == 0) & (action == 1)
        return F.one_hot(place, 5).float(), action, bell.float()

    for _ in range(250):
        obs, action, bell = play(64, 3)
        data = TrainBatch(
            obs=obs,
            action=action,
            reward=5 * bell,
            cont=torch.ones_like(bell),
            events=bell[..., None],
            policy=torch.zeros(64, 4, 2),
            value=torch.full((64, 4), 2.0),
            event_value=torch.full((64, 4, 1), 1.5),
            mask=torch.ones(64, 4),
        )
        optimizer.zero_grad()
        model.loss(data)[0].backward()
        optimizer.step()
    with torch.no_grad():
        obs, action, bell = play(200, 8)
        path = model.roll(model.observe(model.begin(200), obs[:, 0]), action)
        assert float((path.trans.reward - 5 * bell).abs().mean()) < 0.1
        assert float((path.trans.events[..., 0] - bell).abs().mean()) < 0.05
        assert float((path.trans.cont - 1).abs().max()) < 0.05
        last = path.states[:, -1]
        assert float((model.value(last) - 2).abs().mean()) < 0.1
        assert float((model.event_value(last) - 1.5).abs().mean()) < 0.1


def test_weights_come_from_the_seed_alone():
    before = torch.random.get_rng_state()
    a, b = ValueEquivalent(GRID, seed=3), ValueEquivalent(GRID, seed=3)
    other = ValueEquivalent(GRID, seed=4)
    assert torch.equal(before, torch.random.get_rng_state())
    for name, weight in a.state_dict().items():
        assert torch.equal(weight, b.state_dict()[name])
    assert not torch.equal(a.action_in, other.action_in)


def test_bad_inputs_are_named():
    model = ValueEquivalent(GRID)
    state = model.begin(2)
    with pytest.raises(ValueError, match=r"obs: expected \[R=2, 3, 2, 5\] uint8, got \[3, 2, 5\]"):
        model.observe(state, torch.zeros(3, 2, 5, dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"got \[2, 3, 2, 5\] float32; pass obs.to\(torch.uint8\)"):
        model.observe(state, torch.zeros(2, 3, 2, 5))
    with pytest.raises(ValueError, match=r"action: expected \[2\] int64, got \[3\]"):
        model.step(state, torch.zeros(3, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"action: expected \[2\] int64, got \[2\] torch.int32"):
        model.step(state, torch.zeros(2, dtype=torch.int32))
    for wrong in (6, -1):
        with pytest.raises(ValueError, match=rf"action: .*Discrete\(n=6\), got {wrong} at \[1\]"):
            model.step(state, torch.tensor([0, wrong]))
    with pytest.raises(ValueError, match=r"actions: expected \[R, H >= 1\]"):
        model.roll(state, torch.zeros(2, dtype=torch.int64))
    with pytest.raises(ValueError, match=r"batch.value: expected \[6, 4\] .* got \[6, 3\]"):
        model.loss(_replace(batch(GRID), value=torch.zeros(6, 3)))
    with pytest.raises(ValueError, match=r"batch.obs: expected \[R=6, 4, 3, 2, 5\] uint8"):
        model.loss(_replace(batch(GRID), obs=torch.zeros(6, 4, 3, 2, 5)))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"latent": 30}, "latent: expected a multiple of simnorm=8, got 30"),
        ({"obs_scale": (1.0, 2.0)}, "obs_scale: expected a number or 5 of them"),
        ({"obs_shape": ()}, "obs_shape: expected positive axes"),
        ({"events": ("a", "a")}, "events: expected distinct names"),
        ({"value": {"bins": 10}}, "bins: expected an odd number"),
        ({"colour": 3}, "colour"),
    ],
)
def test_bad_configs_are_named(change, message):
    with pytest.raises(ValidationError, match=message):
        ValueEquivalentConfig(**{**GRID.model_dump(), **change})
