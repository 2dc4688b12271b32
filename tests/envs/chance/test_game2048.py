"""2048 against a plain Python twin and OpenSpiel; its two halves; its chances."""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rollout
from rollout import _native
from rollout.envs.chance import Game2048VectorEnv

ORACLE = Path(__file__).parents[1] / "boards" / "oracle_openspiel.py"
MOST = 131072


def made(num_envs: int = 1, **kwargs: object) -> Game2048VectorEnv:
    env = rollout.make_vec("2048-v0", num_envs, **({"num_threads": 1} | kwargs))
    assert isinstance(env, Game2048VectorEnv)
    env.reset(seed=0)
    return env


def board(rows: np.ndarray) -> dict:
    return {"board": rows.tolist(), "awaits_tile": False, "step": 0}


# the twin -----------------------------------------------------------------------------------------


def slide_line(line: list[int]) -> tuple[list[int], int]:
    """Slide four tiles to the left; the tiles and what is earned."""
    tiles, out, earned = [tile for tile in line if tile], [], 0
    while tiles:
        tile = tiles.pop(0)
        if tiles and tiles[0] == tile:
            tile += tiles.pop(0)
            earned += tile
        out.append(tile)
    return out + [0] * (4 - len(out)), earned


def slide(rows: np.ndarray, action: int) -> tuple[np.ndarray, int]:
    """Slide a board up, right, down or left."""
    turns = (1, 2, 3, 0)[action]  # quarter turns that bring the wall to the left
    lines = [slide_line(line) for line in np.rot90(rows, turns).tolist()]
    turned = np.array([line for line, _ in lines])
    return np.rot90(turned, -turns), sum(earned for _, earned in lines)


def random_boards(count: int) -> list[np.ndarray]:
    """Boards from empty to full, with small tiles that merge and large ones."""
    rng = np.random.default_rng(2)
    out = []
    for _ in range(count):
        kinds = rng.integers(1, 17, rng.integers(1, 5))
        tiles = 2 ** rng.choice(kinds, (4, 4)) * (rng.random((4, 4)) < rng.random())
        out.append(tiles)
    return [tiles for tiles in out if tiles.any()]


def test_slides_are_the_twins() -> None:
    boards = random_boards(1500)
    env = made(len(boards))
    env.set_attr("state", [board(rows) for rows in boards])
    worlds, mask = env.snapshot(), env.view().action_mask
    assert mask is not None
    merged = 0
    for action in range(4):
        expected = [slide(rows, action) for rows in boards]
        moves = np.array(
            [(after != rows).any() for (after, _), rows in zip(expected, boards, strict=True)]
        )
        assert np.array_equal(mask[:, action], moves)
        rows = np.flatnonzero(moves)
        after = env.afterstates(worlds[rows], np.full(len(rows), action))
        tiles = env.view(after.snapshot).obs.astype(np.int64)
        tiles = np.where(tiles > 0, 2**tiles, 0)
        for k, row in enumerate(rows):
            assert np.array_equal(tiles[k], expected[row][0])
            assert after.reward[k] == expected[row][1]
        merged += (after.reward > 0).sum()
    assert merged > 500


def test_spaces() -> None:
    env = made(3)
    assert env.single_action_space.n == 4
    assert env.single_observation_space.shape == (4, 4)
    assert env.single_observation_space.dtype == np.uint8
    assert ((env.observe() > 0).sum(axis=(1, 2)) == 2).all()


# chance -------------------------------------------------------------------------------------------


def test_chances_are_of_the_empty_cells() -> None:
    env = made()
    env.set_attr("state", board(np.array([[2, 2, 0, 0], [4, 8, 16, 32], [0] * 4, [2, 4, 2, 4]])))
    after = env.afterstates(env.snapshot(), [3])
    tiles = env.view(after.snapshot).obs[0].ravel()
    assert tiles[0] == 2
    expected = np.stack([0.9 * (tiles == 0), 0.1 * (tiles == 0)], axis=1).ravel() / 7
    assert np.allclose(after.chances[0], expected)
    assert after.chances.sum() == pytest.approx(1)
    assert not env.view(after.snapshot).action_mask.any()
    for outcome in np.flatnonzero(after.chances[0]):
        done = env.resolve(after.snapshot, [outcome])
        now = done.obs[0].ravel()
        assert now[outcome // 2] == 1 + outcome % 2
        assert (np.delete(now, outcome // 2) == np.delete(tiles, outcome // 2)).all()
        assert done.action_mask.any()
        assert not done.terminated[0]


def test_steps_draw_by_the_chances() -> None:
    rows = 20_000
    env = made(rows)
    start = np.array([[2, 0, 0, 4], [2, 8, 0, 16], [4, 2, 8, 2], [8, 4, 2, 16]])
    env.set_attr("state", board(start))
    after = env.afterstates(env.snapshot([0]), [0])
    still = env.view(after.snapshot).obs[0].ravel()
    obs, reward, _, _, _ = env.step(np.zeros(rows, np.int64))
    assert (reward == after.reward[0]).all()
    cells = (obs.reshape(rows, 16) != still).argmax(axis=1)
    new = obs.reshape(rows, 16)[np.arange(rows), cells]
    counts = np.bincount(2 * cells + new - 1, minlength=32)
    expected = after.chances[0] * rows
    possible = expected > 0
    assert counts[~possible].sum() == 0
    chi = ((counts - expected)[possible] ** 2 / expected[possible]).sum()
    # 99.99 % of the chi-squared distribution with 7 degrees of freedom (8 outcomes)
    assert possible.sum() == 8
    assert chi < 29.9


@pytest.mark.parametrize("max_tile", [0, 32])
def test_simd_levels_agree_to_the_bit(max_tile: int) -> None:
    before, runs, boards = _native.simd_level(), [], random_boards(1000)
    for level in {"baseline", before}:
        _native.set_simd_level(level)
        env = made(len(boards), max_tile=max_tile)
        rng, run = np.random.default_rng(5), []
        env.set_attr("state", [board(rows) for rows in boards])
        mask = env.view().action_mask
        for _ in range(60):
            chance = rng.random(mask.shape)
            out = env.step(np.argmax(chance * mask, axis=1))
            mask = out[4]["action_mask"]
            run.append([part.tobytes() for part in (*out[:4], mask)])
        runs.append((run, env.snapshot()))
    _native.set_simd_level(before)
    assert all(run == runs[0] for run in runs)


def test_first_tiles_differ_by_seed_and_episode() -> None:
    env = made(500)
    first = env.reset(seed=1)[0]
    assert np.array_equal(first, env.reset(seed=1)[0])
    assert not np.array_equal(first, env.reset()[0])
    assert (first == 2).any()
    assert (first == 1).sum() > 5 * (first == 2).sum()


# OpenSpiel ----------------------------------------------------------------------------------------


@pytest.mark.skipif(
    importlib.util.find_spec("pyspiel") is None, reason="pip install --no-deps open_spiel"
)
@pytest.mark.parametrize(("max_tile", "games"), [(2048, 100), (64, 100)])
def test_random_games_of_openspiel(max_tile: int, games: int, tmp_path: Path) -> None:
    """Legal actions, rewards and ends along its moves and its tiles."""
    games = int(os.environ.get("ROLLOUT_ORACLE_GAMES", games))
    path = tmp_path / "games.npz"
    name = f"2048(max_tile={max_tile})"
    subprocess.run([sys.executable, ORACLE, name, str(games), "1", path], check=True)
    log = np.load(path)
    lengths = log["lengths"]
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    at = starts + np.arange(games)  # of the first position; there is one more a game than moves
    masks = np.unpackbits(log["masks"], axis=1, count=4)

    env = made(games, max_tile=max_tile)
    first = []
    for start in starts:
        tiles = np.zeros(16, np.int64)
        for outcome in log["actions"][start : start + 2]:
            tiles[outcome // 2] = 2 + 2 * (outcome % 2)
        first.append(board(tiles.reshape(4, 4)))
    env.set_attr("state", first)
    worlds, mask = env.snapshot(), env.view().action_mask
    returns, merged = np.zeros(games), np.zeros(games, np.bool_)
    live = np.arange(games)
    for t in range(2, lengths.max() + 1, 2):
        theirs = masks[at[live] + t]
        assert (mask >= theirs).all()
        # OpenSpiel forgets that tiles merged by the last slide can merge again, until the next one
        exact = ~merged[live]
        assert np.array_equal(mask[exact], theirs[exact])
        going = t < lengths[live]
        assert np.array_equal(mask.any(axis=1), going | ~log["over"][live])
        live, worlds = live[going], worlds[going]
        if len(live) == 0:
            break
        after = env.afterstates(worlds, log["actions"][starts[live] + t])
        returns[live] += after.reward
        merged[live] = after.reward > 0
        # a slide that makes max_tile ends the game; the others get their tile
        ends = after.chances.sum(axis=1) == 0
        assert np.array_equal(ends, t + 1 == lengths[live])
        live = live[~ends]
        done = env.resolve(after.snapshot[~ends], log["actions"][starts[live] + t + 1])
        worlds, mask = done.snapshot, done.action_mask
        assert np.array_equal(done.terminated, (t + 2 == lengths[live]) & log["over"][live])
    assert np.array_equal(returns, log["returns"][:, 0])


# states and refusals ------------------------------------------------------------------------------


def test_states_go_out_and_come_back() -> None:
    one, two = made(16), made(16)
    rng = np.random.default_rng(0)
    infos = {"action_mask": one.view().action_mask}
    for _ in range(60):
        mask = infos["action_mask"]
        one.step(np.argmax(mask * rng.random(mask.shape), axis=1))
        two.set_attr("state", one.get_attr("state"))
        assert two.get_attr("state") == one.get_attr("state")
        infos = {"action_mask": one.view().action_mask}
        assert np.array_equal(infos["action_mask"], two.view().action_mask)
    after = one.afterstates(one.snapshot(), one.view().action_mask.argmax(axis=1))
    one.restore(after.snapshot)
    assert one.get_attr("state")[0]["awaits_tile"]
    two.set_attr("state", one.get_attr("state"))
    assert np.array_equal(
        two.resolve(two.snapshot(), after.chances.argmax(axis=1)).obs,
        one.resolve(after.snapshot, after.chances.argmax(axis=1)).obs,
    )


def test_the_largest_tiles_merge() -> None:
    env = made()
    env.set_attr("state", board(np.array([[MOST // 2, MOST // 2, 0, 0]] + [[0] * 4] * 3)))
    after = env.afterstates(env.snapshot(), [3])
    assert after.reward[0] == MOST
    assert env.view(after.snapshot).obs[0, 0, 0] == 17


FULL = np.array([[2, 4, 2, 4], [4, 2, 4, 2], [2, 4, 2, 4], [4, 2, 4, 2]])


def test_what_does_not_fit_is_refused() -> None:
    env = made()
    env.set_attr("state", board(np.array([[2, 0, 0, 0]] + [[0] * 4] * 3)))
    worlds = env.snapshot()
    with pytest.raises(ValueError, match="row 0"):
        env.step([0])
    with pytest.raises(ValueError, match=r"actions\[0\]: expected a legal action"):
        env.afterstates(worlds, [0])
    with pytest.raises(ValueError, match=r"actions\[0\]: expected a legal action"):
        env.afterstates(worlds, [4])
    with pytest.raises(ValueError, match=r"actions: expected integers \[R=1\]"):
        env.afterstates(worlds, [1, 2])
    with pytest.raises(ValueError, match=r"outcomes\[0\]: expected one that the afterstate"):
        env.resolve(worlds, [5])
    after = env.afterstates(worlds, [1]).snapshot
    for outcome in (6, 7, 32, -1):  # 6 and 7 are the cell of the tile
        with pytest.raises(ValueError, match=r"outcomes\[0\]: expected one that the afterstate"):
            env.resolve(after, [outcome])
    with pytest.raises(ValueError, match="max_tile: expected 0 or a power of two"):
        made(max_tile=1000)
    with pytest.raises(ValueError, match="max_tile: expected 0 or a power of two"):
        made(max_tile=4)


@pytest.mark.parametrize(
    ("state", "match"),
    [
        ({"board": [[3, 0, 0, 0]] + [[0] * 4] * 3}, "a power of two in 2..131072"),
        ({"board": [[1, 0, 0, 0]] + [[0] * 4] * 3}, "a power of two in 2..131072"),
        ({"board": [[2 * MOST, 0, 0, 0]] + [[0] * 4] * 3}, "a power of two in 2..131072"),
        ({"board": [[2] * 4] * 3}, "4 lists of 4 tiles"),
        ({"board": 2}, "4 lists of 4 tiles"),
        ({"board": FULL.tolist(), "awaits_tile": True}, "room for the tile"),
    ],
)
def test_impossible_states_are_refused(state: dict, match: str) -> None:
    env = made()
    before = env.get_attr("state")
    with pytest.raises(ValueError, match=match):
        env.set_attr("state", {"awaits_tile": False, "step": 0} | state)
    assert env.get_attr("state") == before


def test_a_board_without_a_move_is_over() -> None:
    env = made()
    env.set_attr("state", board(FULL))
    assert not env.view().action_mask.any()
    almost = FULL.copy()
    almost[0] = [8, 8, 2, 4]
    env.set_attr("state", board(almost))
    after = env.afterstates(env.snapshot(), [1])
    # the new tile goes to the one free corner: a 2 ends the game, a 4 beside a 4 does not
    ends = [bool(env.resolve(after.snapshot, [outcome]).terminated[0]) for outcome in (0, 1)]
    assert ends == [True, False]
