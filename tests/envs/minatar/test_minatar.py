"""MinAtar's options, states and streams; the rules themselves are in test_minatar_parity.py."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import rollout
from rollout.envs import make_vec

IDS = [id for id in rollout.list_envs() if id.startswith("MinAtar-")]
PLANES = {"Breakout": 4, "Freeway": 7, "Asterix": 4, "SpaceInvaders": 6, "Seaquest": 10}
ACTIONS = {"Breakout": 3, "Freeway": 3, "Asterix": 5, "SpaceInvaders": 4, "Seaquest": 6}


def name(id: str) -> str:
    return id.removeprefix("MinAtar-").removesuffix("-v1")


def walk(env: rollout.envs.VectorEnv, steps: int, seed: int = 0) -> list[np.ndarray]:
    """Random steps; the observations."""
    actions = np.random.default_rng(seed).integers(
        0, env.single_action_space.n, (steps, env.num_envs)
    )
    return [env.step(row)[0] for row in actions]


def test_the_five_games() -> None:
    assert [name(id) for id in IDS] == list(PLANES)


@pytest.mark.parametrize("id", IDS)
def test_spaces(id: str) -> None:
    env = make_vec(id, 2)
    space = env.single_observation_space
    assert (space.shape, space.dtype) == ((10, 10, PLANES[name(id)]), np.uint8)
    assert (space.low.min(), space.high.max()) == (0, 1)
    assert env.single_action_space.n == ACTIONS[name(id)]
    assert make_vec(id, 2, minimal_actions=False).single_action_space.n == 6


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("rng", ["numpy", "philox"])
def test_packed_observations_are_the_same_cells_as_bits(id: str, rng: str) -> None:
    whole, packed = make_vec(id, 5, rng=rng), make_vec(id, 5, rng=rng, packed=True)
    shape = whole.single_observation_space.shape
    count = int(np.prod(shape))
    assert packed.single_observation_space.shape == (-(-count // 8),)
    whole.reset(seed=1)
    packed.reset(seed=1)
    for dense, bits in zip(walk(whole, 300), walk(packed, 300), strict=True):
        cells = np.unpackbits(bits, axis=-1, count=count, bitorder="little")
        assert np.array_equal(cells.reshape(-1, *shape), dense)
        assert not np.unpackbits(bits, axis=-1, bitorder="little")[:, count:].any()


@pytest.mark.parametrize("id", IDS)
def test_lean_rows_follow_the_same_rules(id: str) -> None:
    """Where no number is drawn, the same state and action lead to the same state."""
    options = {"autoreset_mode": "disabled", "sticky_action_prob": 0.0}
    exact = make_vec(id, 1, **options)
    lean = make_vec(id, 1, rng="philox", **options)
    assert lean.row_bytes < 700 < 2500 < exact.row_bytes
    exact.reset(seed=0)
    lean.reset(seed=0)
    compared = 0
    actions = np.random.default_rng(0).integers(0, exact.single_action_space.n, (600, 1))
    for action in actions:
        before = exact.get_attr("state")
        lean.set_attr("state", before)
        theirs, ours = exact.step(action), lean.step(action)
        if not draws(name(id), before[0], theirs[1][0]):
            compared += 1
            assert all(np.array_equal(*pair) for pair in zip(ours[:3], theirs[:3], strict=True))
            assert lean.get_attr("state") == exact.get_attr("state")
        if theirs[2][0]:
            exact.reset()
            lean.reset()
    assert compared > 400


def draws(game: str, before: dict[str, Any], reward: float) -> bool:
    """Whether the step from `before` takes numbers besides that of the sticky action."""
    if game == "Asterix":
        return before["spawn_timer"] == 0
    if game == "Seaquest":
        return before["enemy_timer"] == 0 or before["diver_timer"] == 0
    return game == "Freeway" and reward > 0


@pytest.mark.parametrize("id", IDS)
def test_both_streams_give_the_same_games_on_the_whole(id: str) -> None:
    totals = []
    for rng in ("numpy", "philox"):
        env = make_vec(id, 1024, rng=rng)
        env.reset(seed=0)
        total = np.zeros((2, 1024))
        for action in np.random.default_rng(0).integers(0, env.single_action_space.n, (400, 1024)):
            _, reward, ended, _, _ = env.step(action)
            total += reward, ended
        totals.append(total)
    spread = np.sqrt(sum(total.var(1) for total in totals) / 1024)
    assert (np.abs(totals[0].mean(1) - totals[1].mean(1)) <= 5 * spread).all()
    if name(id) != "Freeway":
        assert totals[0].mean(1).min() > 0.1


def test_a_lean_row_depends_on_its_seed_alone() -> None:
    one = make_vec("MinAtar-Seaquest-v1", 1, rng="philox")
    many = make_vec("MinAtar-Seaquest-v1", 9, rng="philox", num_threads=3)
    one.reset(seed=7)
    many.reset(seed=3)
    for action in np.random.default_rng(1).integers(0, 6, 500):
        ours, theirs = one.step(np.array([action])), many.step(np.full(9, action))
        assert np.array_equal(ours[0][0], theirs[0][4])


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32, 12345678901234567890])
def test_resets_draw_as_numpys_random_state(seed: int) -> None:
    env = make_vec("MinAtar-Freeway-v1", 1)
    env.reset(seed=seed)
    words = [seed & 0xFFFFFFFF, seed >> 32]
    numpys = np.random.RandomState(seed if seed < 2**32 else words)
    for _ in range(100):  # on past the 624 words that the generator holds
        state = env.get_attr("state")[0]
        assert state["rest"] == numpys.randint(1, 6, 8).tolist()
        assert state["rightward"] == np.flatnonzero(numpys.rand(8) >= 0.5).tolist()
        env.reset()


def test_the_last_action_outlives_an_episode_but_not_a_seed() -> None:
    env = make_vec("MinAtar-Breakout-v1", 1, sticky_action_prob=0.0, minimal_actions=False)
    env.reset(seed=0)
    env.step(np.array([5]))
    env.reset()
    assert env.get_attr("state")[0]["last_action"] == 5
    env.reset(seed=0)
    assert env.get_attr("state")[0]["last_action"] == 0


def test_sticky_actions_repeat_the_last_one() -> None:
    env = make_vec("MinAtar-Breakout-v1", 4096, sticky_action_prob=0.25)
    env.reset(seed=0)
    env.step(np.ones(4096, int))
    env.step(np.full(4096, 2))
    left = np.mean([state["last_action"] == 1 for state in env.get_attr("state")])
    assert abs(left - 0.25 * 0.75) < 0.03
    always = make_vec("MinAtar-Breakout-v1", 8, sticky_action_prob=1.0)
    always.reset(seed=0)
    always.step(np.ones(8, int))
    assert all(state["paddle"] == 4 for state in always.get_attr("state"))


@pytest.mark.parametrize("id", IDS)
@pytest.mark.parametrize("rng", ["numpy", "philox"])
def test_a_state_read_and_set_is_the_same_world(id: str, rng: str) -> None:
    env = make_vec(id, 16, rng=rng, autoreset_mode="same_step")  # so that no row rests ended
    env.reset(seed=2)
    for _ in range(20):
        walk(env, 25)
        before, there = env.observe(env.snapshot()), env.get_attr("state")
        future = env.snapshot()
        env.set_attr("state", there)
        assert env.get_attr("state") == there
        assert np.array_equal(env.observe(env.snapshot()), before)
        after = walk(env, 30)
        env.restore(future)
        assert all(map(np.array_equal, walk(env, 30), after))


@pytest.mark.parametrize(
    ("id", "change", "message"),
    [
        ("MinAtar-Breakout-v1", {"paddle": 10}, "paddle: expected an integer >= 0 and <= 9"),
        ("MinAtar-Breakout-v1", {"bricks": [30]}, "bricks: expected integers from 0 to 29"),
        ("MinAtar-Breakout-v1", {"bal": 1}, "unknown key 'bal'"),
        ("MinAtar-Freeway-v1", {"rest": [1, 2]}, "rest: expected 8 integers"),
        ("MinAtar-Freeway-v1", {"rest": [0] * 8}, "rest: expected integers from 1 to 5"),
        ("MinAtar-SpaceInvaders-v1", {"aliens": [3]}, r"aliens: expected a list of \(row, col\)"),
        ("MinAtar-SpaceInvaders-v1", {"aliens": (3, 4)}, "aliens: expected a list"),
        ("MinAtar-Seaquest-v1", {"fish": [3]}, "fish: expected a list of dicts"),
        ("MinAtar-Seaquest-v1", {"fish": [{"row": 0, "col": 10}]}, "fish: col: expected an int"),
        ("MinAtar-Seaquest-v1", {"divers": [{}] * 9}, "divers: expected at most 8 of them"),
    ],
)
def test_states_that_cannot_be_are_refused(id: str, change: dict[str, Any], message: str) -> None:
    env = make_vec(id, 1)
    env.reset(seed=0)
    state = env.get_attr("state")[0]
    with pytest.raises((ValueError, TypeError), match=message):
        env.set_attr("state", [{**state, **change}])
    assert env.get_attr("state")[0] == state


@settings(deadline=None, max_examples=30)
@given(st.sampled_from(IDS), st.data())
def test_any_state_that_is_taken_can_be_played(id: str, data: st.DataObject) -> None:
    env = make_vec(id, 1)
    env.reset(seed=0)
    state = dict(env.get_attr("state")[0])
    for key, value in state.items():
        if type(value) is int and key != "step":
            state[key] = data.draw(st.integers(-1, 10), label=key)
        if type(value) is bool:
            state[key] = data.draw(st.booleans(), label=key)
    try:
        env.set_attr("state", [state])
    except ValueError:
        return
    for obs in walk(env, 60):
        assert obs.max() == 1


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"rng": "pcg"}, "rng: expected one of 'numpy', 'philox'"),
        ({"sticky_action_prob": 1.5}, "sticky_action_prob: expected a number in"),
        ({"packed": 1}, "packed: expected True or False"),
    ],
)
def test_options_that_cannot_be_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_vec("MinAtar-Asterix-v1", 1, **options)
