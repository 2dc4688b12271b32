"""Drift: a world whose errors are known in closed form."""

import pytest
import torch

from rollout.imagination import drift
from rollout.models import Box, HashModel, ModelSpec, ObsSpec, Transition, take


class Leak:
    """The truth is s + a; this model says gain * s + a, so its error is known at every depth."""

    def __init__(self, gain, heed=1.0):
        self.gain, self.heed = gain, heed
        self.spec = ModelSpec(
            obs=ObsSpec((1,)), action=Box((-1.0,), (1.0,)), device=torch.device("cpu")
        )

    def begin(self, rows):
        return torch.zeros(rows, 1)

    def observe(self, state, obs, prev_action, first, noise):
        return obs

    def step(self, state, action, noise):
        return self.gain * state + self.heed * action, Transition(state[:, 0], None)

    def take(self, state, rows):
        return take(state, rows)


def real(rows=50, horizon=4):
    g = torch.Generator().manual_seed(0)
    actions = torch.rand(rows, horizon, 1, generator=g) * 2 - 1
    start = torch.randn(rows, 1, 1, generator=g)
    return torch.cat([start, start + actions.cumsum(1)], 1), actions


def rms(x):
    return x.square().mean(0).sqrt().flatten().tolist()


def test_errors_in_closed_form():
    obs, actions = real()
    report = drift(Leak(0.9), obs, actions, rewards=obs[:, :-1, 0])
    assert report.one_step == pytest.approx(rms(0.1 * obs[:, :-1]), rel=1e-4)
    state, open_loop, reward = obs[:, 0], [], []
    for t in range(4):
        reward.append(float((state - obs[:, t]).abs().mean()))
        state = 0.9 * state + actions[:, t]
        open_loop += rms(state - obs[:, t + 1])
    assert report.open_loop == pytest.approx(open_loop, rel=1e-4)
    assert report.reward == pytest.approx(reward, rel=1e-4, abs=1e-6)
    assert report.frozen == pytest.approx(rms(obs[:, 1:] - obs[:, :1]), rel=1e-4)
    assert report.exposure_ratio > 1.5
    assert report.shuffle_ratio > 1.5
    assert "exposure ratio" in str(report)


def test_a_perfect_model_has_no_drift():
    obs, actions = real()
    report = drift(Leak(1.0), obs, actions)
    assert max(report.open_loop) < 1e-5
    assert report.reward is None


def test_a_model_that_ignores_actions_is_found():
    obs, actions = real()
    report = drift(Leak(1.0, heed=0.0), obs, actions)
    assert report.shuffle_ratio == pytest.approx(1.0)
    assert report.frozen_ratio == pytest.approx(1.0)


def test_equal_errors_give_a_ratio_of_one():
    model = HashModel(2)
    obs = torch.zeros(3, 3, dtype=torch.int64)
    actions = torch.zeros(3, 2, dtype=torch.int64)
    assert drift(model, obs, actions).shuffle_ratio == 1.0


def test_bad_shapes_are_named():
    obs, actions = real()
    with pytest.raises(ValueError, match=r"obs: expected \[R >= 2, H\+1=5, ...\]"):
        drift(Leak(1.0), obs[:, 1:], actions)
    with pytest.raises(ValueError, match=r"obs: expected \[R >= 2"):
        drift(Leak(1.0), obs[:1], actions[:1])
