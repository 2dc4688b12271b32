"""The kitchen as a PettingZoo ParallelEnv, by PettingZoo's own tests and beside the vector env."""

from typing import Any

import numpy as np
import pytest
from pettingzoo.test import parallel_api_test, parallel_seed_test

import rollout
from rollout.envs.parallel import KitchenParallelEnv


@pytest.mark.parametrize("layout", ["cramped_room_single", "cramped_room", "multiplayer_schelling"])
@pytest.mark.parametrize("observation", ["lossless", "features"])
def test_the_api(layout: str, observation: str, capsys: Any) -> None:
    env = rollout.make_parallel("Kitchen-v0", layout=layout, observation=observation, horizon=50)
    parallel_api_test(env, num_cycles=120)
    parallel_seed_test(
        lambda: KitchenParallelEnv(layout=layout, observation=observation), num_cycles=20
    )
    assert "Passed" in capsys.readouterr().out


def test_steps_are_the_vector_envs() -> None:
    env = rollout.make_parallel("Kitchen-v0", horizon=60)
    rows = rollout.make_vec("Kitchen-v0", 1, horizon=60, events=True)
    views, _ = env.reset(seed=3)
    obs, _ = rows.reset(seed=3)
    for t in range(60):
        assert np.array_equal(np.stack(list(views.values())), obs[0])
        assert np.array_equal(env.state(), obs[0])
        joint = [int(rows.bot_actions("cook", i, 0.2, seed=i)[0]) for i in (0, 1)]
        views, rewards, terminated, truncated, infos = env.step(
            dict(zip(env.agents, joint, strict=True))
        )
        obs, reward, _, _, told = rows.step([joint])
        assert set(rewards.values()) == {reward[0]}
        assert set(terminated.values()) == {False}
        assert set(truncated.values()) == {t == 59}
        for i, agent in enumerate(env.possible_agents):
            assert infos[agent]["shaped_reward"] == told["shaped_reward"][0, i]
            assert np.array_equal(infos[agent]["events"], told["events"][0, i])
    assert env.agents == []
    with pytest.raises(ValueError, match=r"the episode has ended, call reset\(\)"):
        env.step({"player_0": 0, "player_1": 0})


def test_bad_requests() -> None:
    with pytest.raises(ValueError, match="partner: expected None, got 'cook'"):
        rollout.make_parallel("Kitchen-v0", partner="cook")
    with pytest.raises(ValueError, match=r"id: expected 'Kitchen-v0', .* got 'CartPole-v1'"):
        rollout.make_parallel("CartPole-v1")
    env = rollout.make_parallel("Kitchen-v0")
    env.reset(seed=0)
    with pytest.raises(ValueError, match=r"one for each of .*, got \['player_0'\]"):
        env.step({"player_0": 0})
