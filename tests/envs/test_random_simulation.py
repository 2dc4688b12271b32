"""Random play over every environment: spaces, masks, ends and infos keep their promises."""

from collections.abc import Callable

import gymnasium
import numpy as np
import pytest
from gymnasium.utils.env_checker import check_env
from random_play import actions, actions_for, chances, leaves

from rollout.envs import list_envs, make_vec
from rollout.envs.single import SingleEnv

IDS = list_envs()
ROWS, STEPS = 24, 120
ADVISED = {"Taxi-v4", "Taxi-v3"}  # gymnasium's Taxi takes a masked action, and nothing happens
MODES = ("next_step", "same_step", "disabled")


@pytest.mark.parametrize("id", IDS)
def test_random_play(id: str) -> None:
    env = make_vec(id, ROWS, num_threads=2, events=True, max_episode_steps=90)
    obs, infos = env.reset(seed=5)
    over = np.zeros(ROWS, bool)
    for chance in chances(env, STEPS):
        assert env.observation_space.contains(obs)
        mask, turn = infos.get("action_mask"), infos.get("to_play")
        if mask is not None:
            assert mask.dtype == np.int8
            assert mask.shape == (ROWS, env.single_action_space.n)
            assert np.isin(mask, (0, 1)).all()
            # a world that goes on lets somebody move
            assert mask.any(axis=1)[~over].all()
        if turn is not None:
            assert turn.dtype == np.int64
            assert ((turn >= 0) & (turn < env.num_players)).all()
        obs, reward, terminated, truncated, infos = env.step(actions(env, chance, infos))
        assert np.isfinite(reward).all()
        for part in (reward, terminated, truncated):
            assert not part[over].any()
        over = terminated | truncated
        if env.event_names:
            assert infos["events"].dtype == np.uint8
            assert infos["events"].shape[-1] == len(env.event_names)
            assert not infos["events"][~infos["_events"]].any()
        for name, part in infos.items():
            assert len(part) == ROWS, name


@pytest.mark.parametrize("id", IDS)
def test_illegal_actions_are_refused(id: str) -> None:
    """Wherever a mask does more than advise; and no row moves."""
    env = make_vec(id, ROWS, num_threads=1, max_episode_steps=60)
    infos = env.reset(seed=5)[1]
    if "action_mask" not in infos:
        return
    over = np.zeros(ROWS, bool)
    for chance in chances(env, 40):
        mask = infos["action_mask"]
        good = actions_for(env, chance, mask)
        rows = np.flatnonzero((mask == 0).any(axis=1) & ~over)
        if len(rows):
            bad = good.copy()
            bad[rows[0]] = np.argmin(mask[rows[0]])
            before = env.snapshot()
            if id in ADVISED:
                env.step(bad)
                env.restore(before)
            else:
                with pytest.raises(ValueError, match=f"row {rows[0]} may not play {bad[rows[0]]}"):
                    env.step(bad)
                assert env.snapshot() == before
        _, _, terminated, truncated, infos = env.step(good)
        over = terminated | truncated


@pytest.mark.parametrize("id", IDS)
def test_the_autoreset_modes_agree(id: str) -> None:
    """The same worlds pass by in each mode: episodes, lengths, last and first observations."""
    logs = []
    for mode in MODES:
        env = make_vec(id, 6, num_threads=1, autoreset_mode=mode, max_episode_steps=25)
        infos = env.reset(seed=5)[1]
        log: list[list[bytes]] = [[] for _ in range(6)]
        tape = chances(env, 100)
        taken = np.zeros(6, int)
        over = np.zeros(6, bool)
        while taken.min() < 60:
            chance = tape[np.minimum(taken, 99), np.arange(6)]
            obs, reward, terminated, truncated, infos = env.step(actions(env, chance, infos))
            ended = terminated | truncated
            for row in range(6):
                if over[row] and mode == "next_step":
                    continue  # a reset, not a step
                last = infos["final_obs"][row] if mode == "same_step" and ended[row] else None
                seen = leaves(last) if last is not None else [part[row] for part in leaves(obs)]
                flags = reward[row], terminated[row], truncated[row]
                log[row].append(b"".join(np.asarray(part).tobytes() for part in (*seen, *flags)))
                taken[row] += 1
            over = ended
            if mode == "disabled" and ended.any():
                infos = env.reset(options={"reset_mask": ended})[1]
        logs.append([row[:60] for row in log])
    assert logs[0] == logs[1] == logs[2]


def step_legally(env: SingleEnv) -> Callable[[int], tuple]:
    """A step that puts a legal action in the place of an illegal one: the checker plays blindly."""
    step = env.step

    def legal_step(action: int) -> tuple:
        mask = env.vector.view().action_mask[0]
        legal = np.flatnonzero(mask)
        return step(action if mask[action] or not len(legal) else legal[action % len(legal)])

    return legal_step


@pytest.mark.parametrize("id", IDS)
@pytest.mark.filterwarnings("ignore::UserWarning")  # wide bounds and other things of taste
@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # an id that has a later version
def test_a_single_environment_passes_gymnasiums_checker(id: str) -> None:
    env = gymnasium.make(f"rollout/{id}").unwrapped
    if "action_mask" in env.reset()[1]:
        env.step = step_legally(env)
    check_env(env, skip_render_check=not env.vector.has_pictures)


@pytest.mark.parametrize("id", IDS)
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
def test_a_single_environment_is_a_row(id: str) -> None:
    env = gymnasium.make(f"rollout/{id}").unwrapped
    rows = make_vec(id, 1, autoreset_mode="disabled")
    obs, infos = env.reset(seed=9)
    expected, batch = rows.reset(seed=9)
    for chance in chances(rows, 10):
        assert env.observation_space.contains(obs)
        for a, b in zip(leaves(obs), leaves(expected), strict=True):
            assert np.array_equal(a, b[0])
        assert infos.keys() == {name for name in batch if name[0] != "_"}
        action = actions(rows, chance, batch)
        obs, reward, terminated, truncated, infos = env.step(action[0])
        expected, *flags, batch = rows.step(action)
        assert (reward, terminated, truncated) == tuple(flag[0] for flag in flags)
        assert [type(value) for value in (reward, terminated, truncated)] == [float, bool, bool]
        if terminated or truncated:
            break
    assert env.snapshot() == rows.snapshot()
