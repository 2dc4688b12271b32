"""What the engine adds to any environment: stacked frames, step limits, scales, stepping blind."""

import numpy as np
import pytest
from gymnasium import spaces
from gymnasium.vector.utils import batch_space
from random_play import actions_for, chances

from rollout.envs import VectorEnv, list_envs, make_vec
from rollout.envs.infos import take

MODES = ("next_step", "same_step", "disabled")


def parts(obs: object) -> list[np.ndarray]:
    return [obs[name] for name in sorted(obs)] if isinstance(obs, dict) else [obs]


def steps(env: VectorEnv, count: int, seed: int = 1) -> object:
    """Step by the same chances; rows that ended are reset where the env does not do it."""
    for chance in chances(env, count, seed):
        out = env.step(actions_for(env, chance, env.view().action_mask))
        yield out
        ended = out[2] | out[3]
        if env.metadata["autoreset_mode"].value == "Disabled" and ended.any():
            yield env.reset(options={"reset_mask": ended})


def stacked(history: list, k: int) -> list[np.ndarray]:
    """The last k of an episode's observations, field by field; its first comes before them all."""
    frames = ([history[0]] * k + history)[-k:]
    return [np.array([parts(frame)[f] for frame in frames]) for f in range(len(parts(frames[0])))]


def same(obs: object, expected: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(parts(obs), expected, strict=True))


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("k", [2, 4])
@pytest.mark.parametrize("id", ["CartPole-v1", "Kitchen-v0", "Nim-v0"])
def test_stacked_frames_are_the_last_observations(id: str, k: int, mode: str) -> None:
    kwargs = {"autoreset_mode": mode, "max_episode_steps": 7, "num_threads": 2}
    env, plain = make_vec(id, 20, frame_stack=k, **kwargs), make_vec(id, 20, **kwargs)
    assert env.single_observation_space == batch_space(plain.single_observation_space, k)
    obs, first = env.reset(seed=5)[0], plain.reset(seed=5)[0]
    assert env.observation_space.contains(obs)
    histories = [[take(first, row)] for row in range(20)]
    ended = np.zeros(20, bool)
    for out, single in zip(steps(env, 40), steps(plain, 40), strict=True):
        before, ended = ended, np.zeros(20, bool)
        if len(single) == 5:
            ended = single[2] | single[3]
        for row, history in enumerate(histories):
            if mode == "same_step" and ended[row]:
                last = single[4]["final_obs"][row]
                assert same(out[4]["final_obs"][row], stacked([*history, last], k))
            if ended[row] if mode == "same_step" else before[row]:
                history.clear()
            if history == [] or len(single) == 5:
                history.append(take(single[0], row))
            assert same(take(out[0], row), stacked(history, k))


def test_frames_are_a_part_of_the_world() -> None:
    env = make_vec("CartPole-v1", 8, frame_stack=3)
    env.reset(seed=0)
    list(steps(env, 5))
    snapshot = env.snapshot()
    after = env.step_from(snapshot, np.ones(8, int))
    assert np.array_equal(env.observe(snapshot)[:, 1:], after.obs[:, :-1])
    other = make_vec("CartPole-v1", 8, frame_stack=3)
    other.restore(snapshot)
    assert np.array_equal(other.step(np.ones(8, int))[0], after.obs)
    with pytest.raises(ValueError, match="other keywords"):
        make_vec("CartPole-v1", 8, frame_stack=2).restore(snapshot)
    # a state that was set from outside has no past
    env.set_attr("state", env.get_attr("state"))
    assert np.array_equal(env.observe(), np.repeat(env.observe()[:, -1:], 3, axis=1))
    assert np.array_equal(env.observe()[:, -1], env.observe(snapshot)[:, -1])


def test_stacked_pictures() -> None:
    env = make_vec("Nim-v0", 3, frame_stack=2, render_obs=True, render_size=16)
    obs, _ = env.reset(seed=0)
    assert env.single_observation_space == spaces.Box(0, 255, (2, 16, 16, 3), np.uint8)
    after, *_ = env.step(np.zeros(3, int))
    assert np.array_equal(after[:, 0], obs[:, 1])
    assert np.array_equal(after[:, 1], env.pictures())


@pytest.mark.parametrize("id", list_envs())
def test_every_environment_takes_a_step_limit(id: str) -> None:
    env = make_vec(id, 3, max_episode_steps=4, autoreset_mode="disabled")
    env.reset(seed=2)
    for chance in chances(env, 4):
        mask = env.view().action_mask
        _, _, terminated, truncated, _ = env.step(actions_for(env, chance, mask))
        if terminated.any():
            return
    assert truncated.all()
    assert env.max_episode_steps == 4


def test_scaled_rewards() -> None:
    for scale in (0.125, -3.0):
        env, plain = make_vec("Kitchen-v0", 9, reward_scale=scale), make_vec("Kitchen-v0", 9)
        for one in (env, plain):
            one.reset(seed=0)
        for ours, theirs in zip(steps(env, 300), steps(plain, 300), strict=True):
            assert np.array_equal(ours[1], theirs[1] * scale)
            assert np.array_equal(ours[4]["shaped_reward"], theirs[4]["shaped_reward"])
    plain.restore(env.snapshot())  # the worlds are the same


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("id", ["CartPole-v1", "Nim-v0"])
def test_stepping_without_observations(id: str, mode: str) -> None:
    kwargs = {"autoreset_mode": mode, "max_episode_steps": 9}
    env, plain = make_vec(id, 9, observe=False, **kwargs), make_vec(id, 9, **kwargs)
    assert env.reset(seed=0)[0] is None
    plain.reset(seed=0)
    for ours, theirs in zip(steps(env, 30), steps(plain, 30), strict=True):
        assert ours[0] is None
        if len(theirs) == 5:
            for a, b in zip(ours[1:4], theirs[1:4], strict=True):
                assert np.array_equal(a, b)
    assert env.snapshot() == plain.snapshot()
    for a, b in zip(parts(env.observe()), parts(plain.observe()), strict=True):
        assert np.array_equal(a, b)
    assert env.step_from(env.snapshot(), np.zeros(9, int)).obs is None


@pytest.mark.parametrize(
    ("kwargs", "error", "words"),
    [
        ({"frame_stack": 0}, ValueError, "frame_stack: expected an integer >= 1, got 0"),
        ({"frame_stack": 1000}, ValueError, "frame_stack: expected an integer <= 256"),
        ({"reward_scale": float("inf")}, ValueError, "reward_scale: expected a finite number"),
        ({"reward_scale": "2"}, TypeError, "reward_scale: expected a number"),
        ({"max_episode_steps": -1}, ValueError, "max_episode_steps: expected an integer >= 0"),
    ],
)
def test_bad_options(kwargs: dict, error: type[Exception], words: str) -> None:
    with pytest.raises(error, match=words):
        make_vec("Nim-v0", 2, **kwargs)
