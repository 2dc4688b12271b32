"""What an update compares the model with, beside a twin that walks the steps one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from rollout.data import Replay
from rollout.learn import PRESETS, TrainConfig
from rollout.learn.build import build_search
from rollout.learn.learner import Learner
from rollout.learn.players import first_state
from rollout.models import ValueEquivalent, ValueEquivalentConfig

EVENTS = ("soup", "bump", "drop")
ROWS, ACTIONS = 3, 4


def small_model(seed: int) -> ValueEquivalent:
    model = ValueEquivalent(
        ValueEquivalentConfig(
            obs_shape=(5,),
            num_actions=ACTIONS,
            events=EVENTS,
            event_rows=2,
            latent=16,
            hidden=16,
        ),
        seed=seed,
    )
    # fresh heads are constant: give the states values that differ
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        model.prediction_out.weight.normal_(0, 0.5, generator=generator)
    return model


def settings(**changes: Any) -> TrainConfig:
    values = {
        "num_envs": ROWS,
        "batch": 64,
        "unroll": 4,
        "horizon": 3,
        "discount": 0.9,
        "simulations": 4,
        "capacity": 60,
    }
    return PRESETS["cartpole"](**(values | changes))


def filled_replay(seed: int) -> tuple[Replay, list[dict[str, Any]]]:
    """A replay and its steps as plain records, with ends of both kinds."""
    rng = np.random.default_rng(seed)
    replay = Replay(
        ROWS,
        60,
        obs_shape=(5,),
        obs_dtype=np.float32,
        num_actions=ACTIONS,
        event_shape=(2, len(EVENTS)),
    )
    records = []
    ended = np.zeros(ROWS, bool)
    for _ in range(50):
        terminated = (rng.random(ROWS) < 0.12) & ~ended
        truncated = (rng.random(ROWS) < 0.12) & ~ended
        record = {
            "obs": rng.normal(size=(ROWS, 5)).astype(np.float32),
            "action": rng.integers(0, ACTIONS, ROWS),
            "reward": rng.normal(size=ROWS).astype(np.float32),
            "terminated": terminated,
            "truncated": truncated,
            "policy": rng.dirichlet(np.ones(ACTIONS), ROWS).astype(np.float32),
            "value": rng.normal(size=ROWS).astype(np.float32),
            "events": rng.integers(0, 2, (ROWS, 2, len(EVENTS))).astype(np.uint8),
        }
        replay.append(**record)
        records.append({**record, "closed": ended})
        ended = terminated | truncated
    return replay, records


def learner_of(replay: Replay, config: TrainConfig) -> Learner:
    model, target = small_model(1), small_model(1)
    learner = Learner(model, target, build_search(config, target), replay, config)
    # a target network unlike the model shows which of them a bootstrap reads
    target.load_state_dict(small_model(2).state_dict())
    return learner


def twin_targets(
    records: list[dict[str, Any]], row: int, step: int, config: TrainConfig, value_of: Any
) -> tuple[float, np.ndarray]:
    """n-step value and event value of one stored state, by walking."""
    value, events, discount = 0.0, np.zeros((2, len(EVENTS))), 1.0
    for t in range(step, step + config.horizon):
        record = records[t]
        if record["closed"][row] or t == len(records) - 1:
            break
        value += discount * record["reward"][row]
        events = events + discount * record["events"][row]
        discount *= config.discount
        if record["terminated"][row]:
            return value, events
    else:
        t += 1
    tail_value, tail_events = value_of(t, row)
    return value + discount * tail_value, events + discount * tail_events


@pytest.mark.parametrize("bootstrap", ["target", "search"])
def test_targets_equal_the_walk(bootstrap: str) -> None:
    config = settings(bootstrap=bootstrap)
    replay, records = filled_replay(0)
    learner = learner_of(replay, config)
    segments = replay.sample(config.batch, config.unroll, config.horizon, np.random.default_rng(3))
    batch = learner.targets(segments)
    target = learner.target

    def value_of(t: int, row: int) -> tuple[float, np.ndarray]:
        with torch.no_grad():
            state = first_state(target, records[t]["obs"][[row]])
            value = float(target.value(state)[0])
            events = target.event_value(state)[0].numpy()
        return (value if bootstrap == "target" else float(records[t]["value"][row])), events

    assert batch.event_value is not None
    assert batch.events is not None
    met = {"terminal": 0, "cut": 0}
    for b in range(config.batch):
        row, start = int(segments.rows[b]), int(segments.start[b])
        alive = True
        for k in range(config.unroll + 1):
            record = records[start + k]
            alive = alive and not record["closed"][row]
            if k == config.unroll and start + k < len(records):
                # the last state has no step of its own: a cut episode's end may stand there
                before = records[start + k - 1]
                cut = record["closed"][row] and not before["terminated"][row]
                alive = alive or bool(cut and batch.mask[b, k - 1])
            assert bool(batch.mask[b, k]) == alive
            if not alive:
                met["terminal" if batch.cont[b].min() == 0 else "cut"] += 1
                continue
            value, events = twin_targets(records, row, start + k, config, value_of)
            np.testing.assert_allclose(batch.value[b, k], value, atol=1e-4)
            np.testing.assert_allclose(batch.event_value[b, k], events, atol=1e-4)
            np.testing.assert_array_equal(batch.policy[b, k], record["policy"][row])
            np.testing.assert_array_equal(batch.obs[b, k], record["obs"][row])
            if k < config.unroll:
                assert batch.action[b, k] == record["action"][row]
                assert batch.reward[b, k] == record["reward"][row]
                assert batch.cont[b, k] == 1.0 - record["terminated"][row]
                np.testing.assert_array_equal(batch.events[b, k], record["events"][row])
    assert min(met.values()) > 10


def test_reanalysis_replaces_its_share_and_remembers() -> None:
    config = settings(reanalyse=0.25, reanalyse_after=1)
    replay, _ = filled_replay(1)
    learner = learner_of(replay, config)
    segments = replay.sample(config.batch, config.unroll, config.horizon, np.random.default_rng(0))
    stored = segments.policy.copy()

    # not before its time
    np.testing.assert_array_equal(learner.targets(segments).policy, stored)
    learner.updates = 1
    policy = learner.targets(segments).policy.numpy()
    fresh, counts = 16, segments.state_mask
    np.testing.assert_array_equal(policy[fresh:], stored[fresh:])
    np.testing.assert_array_equal(policy[:fresh][~counts[:fresh]], stored[:fresh][~counts[:fresh]])
    changed = (policy[:fresh] != stored[:fresh]).any(-1)
    assert changed[counts[:fresh]].all()
    np.testing.assert_allclose(policy[:fresh].sum(-1), 1.0, atol=1e-4)

    # the replay holds the new policies: a state met twice keeps the last of its searches
    again = replay.sample(config.batch, config.unroll, config.horizon, np.random.default_rng(0))
    renewed = (again.policy != stored).any(-1)
    assert renewed[:fresh][counts[:fresh]].all()


def test_an_update_moves_the_model_and_the_target_follows() -> None:
    config = settings(target_rate=0.25)
    replay, _ = filled_replay(2)
    learner = learner_of(replay, config)
    learner.target.load_state_dict(learner.model.state_dict())
    before = {name: x.clone() for name, x in learner.model.named_parameters()}
    learner.update(0.0)
    after = dict(learner.model.named_parameters())
    followed = dict(learner.target.named_parameters())
    assert any(not torch.equal(before[name], after[name]) for name in before)
    for name, old in before.items():
        torch.testing.assert_close(followed[name], old.lerp(after[name].detach(), 0.25))


def test_learning_on_one_replay_lowers_the_loss() -> None:
    config = settings(learning_rate=3e-3, learning_warmup=1)
    replay, _ = filled_replay(3)
    learner = learner_of(replay, config)
    losses = [learner.update(0.0)["loss"] for _ in range(150)]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:10])
