"""Pictures of environments: golden images, and what a picture must tell."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from scenes import SCENES, picture
from write_golden import SIZES, path

import rollout
from rollout.envs import make_vec

GAMES = [id for id in rollout.list_envs() if id.startswith("MinAtar-")]
BOARDS = {
    "TicTacToe-v0": {},
    "ConnectFour-v0": {},
    "Othello-v0": {},
    "Go-v0": {"size": 9},
    "Hex-v0": {"size": 7},
    "2048-v0": {},
}
TOYS = {
    "FrozenLake-v1": {},
    "FrozenLake8x8-v1": {},
    "CliffWalking-v1": {},
    "Taxi-v4": {},
    "Blackjack-v1": {},
}
DRAWN = {
    **BOARDS,
    **TOYS,
    "CartPole-v1": {},
    "Pendulum-v1": {},
    "Acrobot-v1": {},
    "MountainCar-v0": {},
    "MountainCarContinuous-v0": {},
    "Reacher-v0": {},
    "CartPoleSwingUp-v0": {},
    "Kitchen-v0": {"layout": "coordination_ring"},
    "MiniGrid-DoorKey-8x8-v0": {},
    "MiniGrid-FourRooms-v0": {},
    **{id: {} for id in GAMES},
}


def legal(env: rollout.envs.VectorEnv, infos: dict, rng: np.random.Generator) -> np.ndarray:
    """Random actions, legal ones where the environment tells which are."""
    if "action_mask" not in infos:
        return env.action_space.sample()
    return (rng.random(infos["action_mask"].shape) * (infos["action_mask"] + 1e-9)).argmax(1)


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("name", SCENES)
def test_pictures_are_the_golden_ones(name: str, size: int) -> None:
    golden = np.asarray(Image.open(path(name, size)))
    drawn = picture(name, size)
    differs = (golden != drawn).any(-1).sum()
    assert not differs, f"{differs} pixels differ; if they should, run write_golden.py and look"


def test_golden_images_are_small() -> None:
    files = list(Path(path("any", 64)).parent.glob("*.png"))
    assert len(files) == len(SCENES) * len(SIZES)
    assert sum(file.stat().st_size for file in files) < 150_000


@pytest.mark.parametrize("id", DRAWN)
@pytest.mark.parametrize("size", [8, 32, 33, 64, 200])
def test_every_size(id: str, size: int) -> None:
    env = make_vec(id, 3, render_obs=True, render_size=size, **DRAWN[id])
    obs, infos = env.reset(seed=0)
    assert (obs.shape, obs.dtype) == ((3, size, size, 3), np.uint8)
    assert np.array_equal(obs, env.pictures(size=size))
    assert len(np.unique(obs.reshape(-1, 3), axis=0)) > 2
    env.action_space.seed(0)
    rng, changed = np.random.default_rng(0), False
    for _ in range(40):
        after, *_, infos = env.step(legal(env, infos, rng))
        changed |= bool((after != obs).any())
    assert changed


@pytest.mark.parametrize("id", GAMES)
def test_a_picture_tells_what_the_planes_tell(id: str) -> None:
    """No two different observations look alike."""
    env = make_vec(id, 64, autoreset_mode="same_step")
    env.reset(seed=0)
    told: dict[bytes, bytes] = {}
    for actions in np.random.default_rng(0).integers(0, env.single_action_space.n, (60, 64)):
        obs = env.step(actions)[0]
        for planes, drawn in zip(obs, env.pictures(size=64), strict=True):
            assert told.setdefault(drawn.tobytes(), planes.tobytes()) == planes.tobytes()
    assert len(told) > 300


@pytest.mark.parametrize("id", {**BOARDS, **TOYS})
def test_a_picture_tells_what_the_observation_tells(id: str) -> None:
    env = make_vec(id, 64, autoreset_mode="same_step", **DRAWN[id])
    env.action_space.seed(0)
    _, infos = env.reset(seed=0)
    rng = np.random.default_rng(0)
    told: dict[bytes, bytes] = {}
    for _ in range(60):
        obs, *_, infos = env.step(legal(env, infos, rng))
        rows = zip(*obs, strict=True) if isinstance(obs, tuple) else obs
        for seen, drawn in zip(rows, env.pictures(size=64), strict=True):
            words = np.asarray(seen).tobytes()
            assert told.setdefault(drawn.tobytes(), words) == words
    assert len(told) > (10 if id in TOYS else 100)


def test_a_picture_of_a_kitchen_tells_what_its_view_tells() -> None:
    env = make_vec("Kitchen-v0", 64, layout="cramped_room", partner="onions", partner_noise=0.3)
    env.reset(seed=0)
    told: dict[bytes, bytes] = {}
    shown = np.r_[0:25]  # the last plane is the clock's
    for actions in np.random.default_rng(0).integers(0, 6, (120, 64)):
        obs = env.step(actions)[0]
        for view, drawn in zip(obs, env.pictures(size=64), strict=True):
            seen = view[..., shown].tobytes()
            assert told.setdefault(drawn.tobytes(), seen) == seen
    assert len(told) > 2000


@pytest.mark.parametrize(
    ("id", "change"),
    [
        ("CartPole-v1", {"x": 0.1}),
        ("CartPole-v1", {"theta": 0.02}),
        ("Pendulum-v1", {"theta": 0.05}),
        ("MountainCar-v0", {"position": -0.45}),
        ("Reacher-v0", {"angle2": 0.1}),
        ("Reacher-v0", {"target_x": 0.04}),
        ("CartPoleSwingUp-v0", {"theta": 0.03}),
        ("Acrobot-v1", {"theta2": 0.2}),
    ],
)
def test_small_moves_show(id: str, change: dict[str, Any]) -> None:
    env = make_vec(id, 1)
    env.reset(seed=0)
    still = {key: 0.0 for key in env.get_attr("state")[0] if key != "step"}
    still = {**still, "position": -0.5} if "position" in still else still
    pictures = []
    for state in (still, {**still, **change}):
        env.set_attr("state", [{**state, "step": 0}])
        pictures.append(env.pictures(size=64)[0].astype(int))
    assert abs(pictures[0] - pictures[1]).max() > 20


def test_states_far_outside_are_drawn_all_the_same() -> None:
    env = make_vec("CartPole-v1", 1)
    env.reset(seed=0)
    for far in (1e9, -1e300):
        env.set_attr("state", [dict(x=far, x_dot=far, theta=far, theta_dot=far, step=0)])
        assert env.pictures(size=64).std() > 0


def test_a_clocks_end_is_no_part_of_a_picture() -> None:
    """Rows in the same state look the same, however they came there."""
    env = make_vec("MinAtar-Seaquest-v1", 2)
    env.reset(seed=[1, 2])
    env.set_attr("state", [env.get_attr("state")[0]] * 2)
    one, other = env.pictures(size=84)
    assert np.array_equal(one, other)
