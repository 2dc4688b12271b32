"""Nim, and through it all that an environment may have: turns, masks, several arrays, pictures."""

import numpy as np
import pytest
from gymnasium import spaces

from rollout.envs import VectorEnv, make_vec

MODES = ("next_step", "same_step", "disabled")


def games(num_envs: int = 6, **kwargs: object) -> tuple[VectorEnv, dict, dict]:
    env = make_vec("Nim-v0", num_envs, **{"num_threads": 1, "events": True} | kwargs)
    return env, *env.reset(seed=0)


def legal(infos: dict, rng: np.random.Generator) -> np.ndarray:
    """Any legal action a row; 0 where there is none."""
    return np.argmax(infos["action_mask"] * rng.random(infos["action_mask"].shape), axis=1)


def heaps(env: VectorEnv) -> np.ndarray:
    return np.array([state["heap"] for state in env.get_attr("state")])


def test_spaces() -> None:
    env, obs, _ = games(heap=7)
    assert env.single_observation_space == spaces.Dict(
        {
            "heap": spaces.Discrete(8),
            "tokens": spaces.Box(0, 1, (7,), np.uint8),
            "left": spaces.Box(0, 1, (1,), np.float32),
        }
    )
    assert env.observation_space.contains(obs)
    assert env.num_players == 2
    assert {name: part.dtype.name for name, part in obs.items()} == {
        "heap": "int64",
        "tokens": "uint8",
        "left": "float32",
    }


@pytest.mark.parametrize("misere", [False, True])
def test_a_game_is_played_by_its_rules(misere: bool) -> None:
    """A twin in plain Python, over many games."""
    env, obs, infos = games(64, misere=misere, autoreset_mode="disabled")
    rng = np.random.default_rng(1)
    heap, turn = heaps(env), np.zeros(64, np.int64)
    first = heap.copy()
    assert set(first) <= set(range(1, 16))
    assert len(set(first)) > 8
    for _ in range(200):
        assert np.array_equal(obs["heap"], heap)
        assert np.array_equal(obs["tokens"], np.arange(15) < heap[:, None])
        assert np.allclose(obs["left"][:, 0], heap / first)
        assert np.array_equal(infos["action_mask"], np.arange(3) < heap[:, None])
        assert np.array_equal(infos["to_play"], turn)
        assert infos["_action_mask"].all()
        actions = legal(infos, rng)
        obs, reward, terminated, truncated, infos = env.step(actions)
        heap -= actions + 1
        assert np.array_equal(terminated, heap == 0)
        assert not truncated.any()
        assert np.array_equal(reward, np.where(heap == 0, -1.0 if misere else 1.0, 0.0))
        rows = np.arange(64)
        assert np.array_equal(infos["rewards"][rows, turn], reward)
        assert np.array_equal(infos["rewards"][rows, 1 - turn], -reward)
        assert np.array_equal(infos["events"][rows, turn, 0], actions + 1)
        winner = 1 - turn if misere else turn
        assert np.array_equal(infos["events"][rows, winner, 1], terminated)
        turn = 1 - turn
        if terminated.any():
            obs, infos = env.reset(options={"reset_mask": terminated})
            now = heaps(env)
            heap, first = np.where(terminated, now, heap), np.where(terminated, now, first)
            turn[terminated] = 0


def test_the_multiples_of_four_are_lost() -> None:
    """By search over the real rules: `step_from` gives every child of every position."""
    env = make_vec("Nim-v0", 15, random_heap=False)
    env.reset(seed=0)
    states = env.get_attr("state")
    env.set_attr("state", [state | {"heap": k + 1} for k, state in enumerate(states)])
    every = env.snapshot()
    wins = {0: False}
    for heap in range(1, 16):
        mask = env.view(every[heap - 1]).action_mask[0]
        actions = np.flatnonzero(mask)
        out = env.step_from(every, actions, rows=[heap - 1] * len(actions))
        left = [
            0 if over else int(h) for over, h in zip(out.terminated, out.obs["heap"], strict=True)
        ]
        wins[heap] = any(not wins[h] for h in left)
    assert [heap for heap in wins if not wins[heap]] == [0, 4, 8, 12]


@pytest.mark.parametrize("mode", MODES)
def test_an_illegal_action_is_refused_before_any_row_moves(mode: str) -> None:
    env, _, _ = games(autoreset_mode=mode, num_threads=2)
    states = env.get_attr("state")
    states[4]["heap"] = states[4]["first_heap"] = 2
    env.set_attr("state", states)
    before = env.snapshot()
    words = r"row 4 may not play 2 now; it may play 0, 1; infos\['action_mask'\] has"
    with pytest.raises(ValueError, match=words):
        env.step(np.array([0, 0, 0, 0, 2, 0]))
    assert env.snapshot() == before
    with pytest.raises(ValueError, match="row 0 may not play 2"):
        env.step_from(before, [2, 0], rows=[4, 0])


def test_a_finished_row_may_be_given_any_action() -> None:
    env, _, infos = games(heap=1)
    env.step(np.zeros(6, np.int64))
    assert heaps(env).tolist() == [0] * 6
    obs, reward, terminated, _, infos = env.step(np.full(6, 2))  # ignored: the rows are reset
    assert obs["heap"].tolist() == [1] * 6
    assert not np.any([reward, terminated, infos["_events"]])
    assert infos["action_mask"].tolist() == [[1, 0, 0]] * 6


def test_how_an_episode_ended_is_kept_in_same_step_mode() -> None:
    env, _, _ = games(heap=1, autoreset_mode="same_step")
    obs, reward, terminated, _, infos = env.step(np.zeros(6, np.int64))
    assert terminated.all()
    assert (reward == 1).all()
    assert obs["heap"].tolist() == [1] * 6
    assert infos["action_mask"].tolist() == [[1, 0, 0]] * 6
    assert infos["to_play"].tolist() == [0] * 6
    assert infos["_final_obs"].all()
    last = infos["final_obs"][3]
    assert (last["heap"], last["tokens"].tolist(), last["left"].tolist()) == (0, [0], [0.0])
    final = infos["final_info"]
    assert final["action_mask"].tolist() == [[0, 0, 0]] * 6
    assert final["to_play"].tolist() == [1] * 6
    assert final["rewards"].tolist() == [[1, -1]] * 6
    assert not infos["_events"].any()


def test_step_from_and_view_show_the_same() -> None:
    env, _, infos = games(64, autoreset_mode="disabled")
    rng = np.random.default_rng(2)
    seen = env.view()
    assert np.array_equal(seen.action_mask, infos["action_mask"])
    actions = legal(infos, rng)
    after = env.step_from(env.snapshot(), actions)
    obs, _, _, _, infos = env.step(actions)
    for view in (after, env.view(), env.view(after.snapshot)):
        assert all(np.array_equal(view.obs[name], obs[name]) for name in obs)
        assert np.array_equal(view.action_mask, infos["action_mask"])
        assert np.array_equal(view.to_play, infos["to_play"])
    assert np.array_equal(env.observe()["tokens"], obs["tokens"])


def test_pictures_as_observations() -> None:
    env, obs, _ = games(render_obs=True, render_size=84)
    assert env.single_observation_space == spaces.Box(0, 255, (84, 84, 3), np.uint8)
    assert obs.shape == (6, 84, 84, 3)
    assert np.array_equal(obs, env.pictures())
    assert np.array_equal(env.pictures([4, 1], size=84), obs[[4, 1]])
    assert env.pictures(size=16).shape == (6, 16, 16, 3)
    snapshot = env.snapshot()
    obs, *_ = env.step(np.zeros(6, np.int64))
    assert np.array_equal(env.pictures(snapshot=env.step_from(snapshot, [0] * 6).snapshot), obs)
    # runs of lit columns are tokens, and the ground changes with the turn
    lit = obs[:, 42, :, 0] == 240
    assert np.array_equal((lit[:, 1:] & ~lit[:, :-1]).sum(axis=1), heaps(env))
    assert (obs[:, 0, 0] == [16, 16, 96]).all()


def test_gymnasiums_render() -> None:
    env, _, _ = games(render_mode="rgb_array", render_size=32)
    frames = env.render()
    assert len(frames) == 6
    assert np.array_equal(frames, env.pictures())
    assert games()[0].render() is None


def test_bad_sizes_and_modes() -> None:
    with pytest.raises(ValueError, match="render_mode: expected 'rgb_array' or None, got 'human'"):
        games(render_mode="human")
    for size in (7, 1025, 64.0, True):
        with pytest.raises(ValueError, match=r"render_size: expected 8\.\.1024"):
            games(render_obs=True, render_size=size)
    with pytest.raises(ValueError, match="size: expected 8"):
        games()[0].pictures(size=0)
