"""Steps into arrays that are kept: ours, the caller's, torch's; and envs that pickle."""

import copy
import pickle
from collections.abc import Iterator

import numpy as np
import pytest
import torch
from random_play import actions_for, chances

from rollout.envs import StepBuffers, VectorEnv, list_envs, make_vec

MODES = ("next_step", "same_step", "disabled")
FLAT = ("reward", "terminated", "truncated")
ZEROS = np.zeros(4, np.int64)


def arrays(value: object) -> Iterator[np.ndarray]:
    parts = value.values() if isinstance(value, dict) else value
    if isinstance(value, dict | tuple):
        for part in parts:
            yield from arrays(part)
    elif value is not None:
        yield value


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("id", ["CartPole-v1", "Kitchen-v0", "Nim-v0"])
def test_step_into_is_step(id: str, mode: str) -> None:
    kwargs = {"autoreset_mode": mode, "max_episode_steps": 6, "events": True, "num_threads": 2}
    env, plain = make_vec(id, 30, **kwargs), make_vec(id, 30, **kwargs)
    for one in (env, plain):
        one.reset(seed=3)
    out = env.buffers()
    before = [array.ctypes.data for array in arrays(out.obs)]
    for chance in chances(env, 40):
        actions = actions_for(env, chance, env.view().action_mask)
        obs, reward, terminated, truncated, infos = plain.step(actions)
        assert env.step_into(actions, out) is None
        for ours, theirs in zip(arrays(out.obs), arrays(obs), strict=True):
            assert np.array_equal(ours, theirs)
        for ours, theirs in zip(
            (out.reward, out.terminated, out.truncated),
            (reward, terminated, truncated),
            strict=True,
        ):
            assert np.array_equal(ours, theirs)
        ended = terminated | truncated
        for row in np.flatnonzero(ended) if mode == "same_step" else ():
            last = infos["final_obs"][row]
            for ours, theirs in zip(arrays(out.final.obs), arrays(last), strict=True):
                assert np.array_equal(ours[row], theirs)
        for name, values in {"events": out.events, **out.signals}.items():
            if values is None:
                continue
            whole = infos[name]
            if mode == "same_step" and ended.any():
                whole = whole + infos["final_info"][name]
            assert np.array_equal(values, whole)
        for name in ("action_mask", "to_play"):
            assert np.array_equal(getattr(out, name), infos.get(name))
        if mode == "disabled" and ended.any():
            for one in (env, plain):
                one.reset(options={"reset_mask": ended})
    assert [array.ctypes.data for array in arrays(out.obs)] == before


def cartpoles(**kwargs: object) -> VectorEnv:
    env = make_vec("CartPole-v1", 4, **kwargs)
    env.reset(seed=0)
    return env


def test_the_callers_arrays_are_written_to() -> None:
    """A slice of a replay buffer, a torch tensor: the step lands there."""
    env, plain = cartpoles(), cartpoles()
    replay = np.zeros((10, 4, 4), np.float32)
    rewards = torch.zeros(10, 4, dtype=torch.float64)
    for t in range(10):
        env.step_into(ZEROS, env.buffers(obs=replay[t], reward=rewards[t]))
        obs, reward, *_ = plain.step(ZEROS)
        assert np.array_equal(replay[t], obs)
        assert np.array_equal(rewards[t].numpy(), reward)


def test_parts_of_a_dict_are_given_by_name() -> None:
    env = make_vec("Nim-v0", 4, autoreset_mode="same_step", heap=1)
    env.reset(seed=0)
    tokens, last = np.zeros((4, 1), np.uint8), {"left": np.ones((4, 1), np.float32)}
    out = env.buffers(obs={"tokens": tokens}, final_obs=last)
    env.step_into(ZEROS, out)
    assert out.obs["tokens"] is tokens
    assert tokens.all()
    assert not last["left"].any()


def test_torch_sees_the_same_memory() -> None:
    for id in ("CartPole-v1", "Nim-v0"):
        env = make_vec(id, 4, autoreset_mode="same_step", events=True)
        env.reset(seed=0)
        out = env.buffers()
        seen = out.torch()
        env.step_into(ZEROS, out)
        for array, tensor in zip(
            arrays(tuple(getattr(out, name) for name in StepBuffers.__slots__[:9])),
            arrays(tuple(getattr(seen, name) for name in StepBuffers.__slots__[:9])),
            strict=True,
        ):
            assert tensor.data_ptr() == array.ctypes.data
            assert np.array_equal(tensor.numpy(), array)
        assert torch.from_dlpack(out.reward).data_ptr() == out.reward.ctypes.data
    with pytest.raises(TypeError, match="got its torch"):
        env.step_into(ZEROS, seen)


@pytest.mark.skipif(torch.cuda.is_available(), reason="here it works")
def test_pinned_memory_needs_cuda() -> None:
    with pytest.raises(RuntimeError, match=r"CUDA|pin"):
        cartpoles().buffers(pin=True)


@pytest.mark.gpu
@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")
def test_pinned_buffers_are_filled_and_copied() -> None:
    env = cartpoles()
    out = env.buffers(pin=True)
    assert out.torch().obs.is_pinned()
    env.step_into(ZEROS, out)
    there = out.torch().obs.to("cuda", non_blocking=True)
    torch.cuda.synchronize()
    assert np.array_equal(there.cpu().numpy(), env.observe())


@pytest.mark.parametrize(
    ("given", "error", "words"),
    [
        ({"obs": np.zeros((4, 4))}, TypeError, r"obs: expected .* float32 .*\[4, 4\], got float64"),
        ({"obs": np.zeros((4, 5), np.float32)}, ValueError, r"obs: .* got \[4, 5\]"),
        ({"obs": np.zeros((4, 8), np.float32)[:, ::2]}, ValueError, "obs: .* got strided data"),
        ({"reward": np.broadcast_to(0.0, 4)}, ValueError, "reward: .* got"),
        ({"reward": [0.0] * 4}, TypeError, "reward: .* got <class 'list'>"),
        ({"rewards": np.zeros(4)}, ValueError, "rewards: a step has no such array; it has obs"),
        ({"final_obs": np.zeros((4, 4), np.float32)}, ValueError, "final_obs: a step has no such"),
        ({"obs": {"x": np.zeros(4)}}, ValueError, r"obs\['x'\]: a step has no such"),
    ],
)
def test_arrays_that_do_not_fit(given: dict, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        cartpoles().buffers(**given)


def test_a_read_only_array_is_refused() -> None:
    reward = np.zeros(4)
    reward.flags.writeable = False
    with pytest.raises(ValueError, match=r"reward: .* got a read-only one"):
        cartpoles().buffers(reward=reward)


def test_step_into_refuses_what_step_does() -> None:
    env = make_vec("CartPole-v1", 4, autoreset_mode="disabled", max_episode_steps=1)
    out = env.buffers()
    with pytest.raises(Exception, match="row 0 has no episode yet"):
        env.step_into(ZEROS, out)
    env.reset(seed=0)
    with pytest.raises(ValueError, match="got 2 in row 0"):
        env.step_into(ZEROS + 2, out)
    env.step_into(ZEROS, out)
    with pytest.raises(Exception, match="row 0 has ended"):
        env.step_into(ZEROS, out)


@pytest.mark.parametrize("id", list_envs())
def test_an_env_pickles_where_it_is(id: str) -> None:
    env = make_vec(id, 5, events=True, autoreset_mode="same_step", frame_stack=2)
    env.reset(seed=1)
    tape = chances(env, 12)
    for chance in tape[:6]:
        env.step(actions_for(env, chance, env.view().action_mask))
    env.action_space.seed(4)
    others = [pickle.loads(pickle.dumps(env)), copy.deepcopy(env)]
    sample = env.action_space.sample()
    for other in others:
        assert type(other) is type(env)
        assert other.snapshot() == env.snapshot()
        assert other.metadata == env.metadata
        assert np.array_equal(other.action_space.sample(), sample)
    for chance in tape[6:]:
        actions = actions_for(env, chance, env.view().action_mask)
        expected = env.step(actions)
        for other in others:
            for a, b in zip(arrays(other.step(actions)[:4]), arrays(expected[:4]), strict=True):
                assert np.array_equal(a, b)


def test_closed_and_fresh_envs_pickle_too() -> None:
    env = make_vec("CartPole-v1", 3)
    env.reset(seed=1, options={"reset_mask": np.array([True, False, True])})
    again = pickle.loads(pickle.dumps(env))
    with pytest.raises(Exception, match="row 1 has no episode yet"):
        again.step(np.zeros(3, int))
    env.close()
    with pytest.raises(Exception, match="is closed"):
        pickle.loads(pickle.dumps(env)).reset()
