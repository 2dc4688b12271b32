"""The board games against plain Python twins, known counts, and their states as dicts."""

import random
from collections.abc import Callable

import numpy as np
import pytest
from board_twins import Drop, Hexagons, Lines, Reversi, Stones, Twin

import rollout
from rollout.envs import Snapshot, VectorEnv

IDS = ["TicTacToe-v0", "ConnectFour-v0", "Othello-v0", "Hex-v0", "Go-v0"]


def go(size: int, **rules: object) -> tuple[str, dict, Callable[[], Twin]]:
    return "Go-v0", {"size": size, **rules}, lambda: Stones(size, **rules)


# id, keywords, twin, games
PAIRS = [
    ("TicTacToe-v0", {}, Lines, 60),
    ("ConnectFour-v0", {}, Drop, 20),
    ("Othello-v0", {}, Reversi, 3),
    ("Hex-v0", {}, Hexagons, 2),
    ("Hex-v0", {"size": 2}, lambda: Hexagons(2), 20),
    ("Hex-v0", {"size": 13}, lambda: Hexagons(13), 1),
    (*go(2), 20),
    (*go(3, superko="draw", komi=0.0), 40),
    (*go(3, superko="positional"), 40),
    (*go(4, superko="positional", komi=-0.5), 10),
    (*go(5, superko="off"), 5),
    (*go(5, superko="positional", max_moves=37), 5),
    (*go(9), 1),
    (*go(11, superko="positional", max_moves=60), 1),
]


def name_of(pair: tuple) -> str:
    return f"{pair[0]} {' '.join(f'{k}={v}' for k, v in pair[1].items())}"


@pytest.mark.parametrize(("id", "keywords", "twin", "games"), PAIRS, ids=map(name_of, PAIRS))
def test_random_games_of_the_twin(
    id: str, keywords: dict, twin: Callable[[], Twin], games: int
) -> None:
    rng = random.Random(5)
    env = rollout.make_vec(id, 1, num_threads=1, autoreset_mode="disabled", **keywords)
    for _ in range(games):
        other = twin()
        obs, infos = env.reset()
        ended = False
        while True:
            assert np.flatnonzero(infos["action_mask"][0]).tolist() == other.legal()
            assert infos["to_play"][0] == other.to_play
            assert np.array_equal(obs[0], other.observe())
            assert env.get_attr("state")[0]["board"] == other.text()
            assert ended == (other.result is not None)
            if ended:
                break
            mover, action = other.to_play, rng.choice(other.legal())
            other.play(action)
            obs, reward, (ended,), _, infos = env.step([action])
            result = other.result or 0
            assert infos["rewards"][0].tolist() == [result, -result]
            assert reward[0] == infos["rewards"][0][mover]


@pytest.mark.parametrize("id", IDS)
def test_what_a_batch_is_told(id: str) -> None:
    env = rollout.make_vec(id, 3, num_threads=1)
    obs, _ = env.reset(seed=0)
    assert env.num_players == 2
    assert obs.dtype == np.uint8
    assert obs in env.observation_space
    assert env.max_episode_steps == 0


@pytest.mark.parametrize("id", IDS)
def test_illegal_moves_are_refused_and_nobody_moves(id: str) -> None:
    env = rollout.make_vec(id, 2, num_threads=1)
    _, infos = env.reset(seed=0)
    cell = 0
    while not infos["action_mask"][0, cell]:
        cell += 1
    env.step([cell, cell])
    while id == "ConnectFour-v0" and infos["action_mask"][0, cell]:
        infos = env.step([cell, cell])[4]
    before = env.get_attr("state")
    other = int(env.view().action_mask[0].argmax())
    with pytest.raises(ValueError, match=rf"row 1.*{cell}"):
        env.step([other, cell])
    assert env.get_attr("state") == before


# counts -------------------------------------------------------------------------------------------


def perft(env: VectorEnv, depth: int) -> list[int]:
    """How many games of 1, 2, ... moves there are from the start."""
    env.reset(seed=0)
    worlds, counts = env.snapshot([0]), []
    for _ in range(depth):
        rows, actions = np.nonzero(env.view(worlds).action_mask)
        counts.append(len(rows))
        worlds = env.step_from(worlds, actions, rows).snapshot
    return counts


@pytest.mark.parametrize(
    ("id", "counts"),
    [
        ("TicTacToe-v0", [9, 72, 504, 3024, 15120, 54720, 148176, 200448, 127872]),
        ("ConnectFour-v0", [7, 49, 343, 2401, 16807, 117649, 823536]),
        ("Othello-v0", [4, 12, 56, 244, 1396, 8200, 55092, 390216]),
    ],
)
def test_known_perft_counts(id: str, counts: list[int]) -> None:
    """OEIS A212693 for connect four; for Othello those of the usual perft tables."""
    assert perft(rollout.make_vec(id, 1, num_threads=1), len(counts)) == counts


def test_go_perft_is_the_twins() -> None:
    def count(twin: Callable[[], Stones], played: list[int], depth: int) -> int:
        game = twin()
        for action in played:
            game.play(action)
        legal = game.legal()
        if depth == 1:
            return len(legal)
        return sum(count(twin, [*played, action], depth - 1) for action in legal)

    for superko in ("off", "draw", "positional"):
        env = rollout.make_vec("Go-v0", 1, num_threads=1, size=2, superko=superko)
        twin = lambda superko=superko: Stones(2, superko=superko)  # noqa: E731
        assert perft(env, 5) == [count(twin, [], depth) for depth in range(1, 6)]


@pytest.mark.parametrize(("size", "positions"), [(2, 57), (3, 12675)])
def test_go_reaches_every_legal_position(size: int, positions: int) -> None:
    """Tromp and Farneback 2007 counted them; with passes every one of them can be reached."""
    env = rollout.make_vec("Go-v0", 1, num_threads=1, size=size)
    env.reset(seed=0)
    seen: set[bytes] = set()
    start = env.get_attr("state")[0]
    worlds = env.snapshot([0])
    todo = [worlds]
    while todo:
        worlds = todo.pop()
        view = env.view(worlds)
        boards = view.obs[:, :2].copy()
        # the view is the mover's: white's is turned over
        white = view.to_play == 1
        boards[white] = boards[white][:, ::-1]
        fresh = []
        for row, board in enumerate(boards):
            key = board.tobytes() + bytes([view.to_play[row]])
            if key not in seen:
                seen.add(key)
                fresh.append(row)
        if not fresh:
            continue
        mask = view.action_mask[fresh]
        rows, actions = np.nonzero(mask)
        after = env.step_from(worlds[fresh], actions, rows)
        todo.append(forget(env, after.snapshot, start))
    assert len({key[:-1] for key in seen}) == positions


def forget(env: VectorEnv, worlds: Snapshot, start: dict) -> Snapshot:
    """The same boards and movers as if no move had been a ko, a pass or the last."""
    others = rollout.make_vec("Go-v0", len(worlds), num_threads=1, **{"size": len(start["board"])})
    others.reset(seed=0)
    others.restore(worlds)
    kept = ("board", "to_play")
    states = [start | {k: s[k] for k in kept} for s in others.get_attr("state")]
    others.set_attr("state", states)
    return others.snapshot()


# states as dicts ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("id", "keywords"),
    [(id, {}) for id in IDS] + [("Go-v0", {"size": 4, "superko": "positional"})],
)
def test_states_go_out_and_come_back(id: str, keywords: dict) -> None:
    """Two batches that are set alike at every move go on alike."""
    rng = np.random.default_rng(0)
    one, two = (
        rollout.make_vec(id, 32, num_threads=1, autoreset_mode="same_step", **keywords)
        for _ in range(2)
    )
    _, infos = one.reset(seed=0)
    two.reset(seed=1)
    for _ in range(40):
        two.set_attr("state", one.get_attr("state"))
        assert two.get_attr("state") == one.get_attr("state")
        mask = infos["action_mask"]
        actions = np.argmax(mask * rng.random(mask.shape), axis=1)
        obs, rewards, ended, _, infos = one.step(actions)
        obs2, rewards2, ended2, _, infos2 = two.step(actions)
        assert np.array_equal(obs, obs2)
        assert np.array_equal(rewards, rewards2)
        assert np.array_equal(ended, ended2)
        assert np.array_equal(infos["action_mask"], infos2["action_mask"])


def test_a_game_that_is_over_stays_over_when_it_is_set() -> None:
    env = rollout.make_vec("TicTacToe-v0", 1, num_threads=1)
    env.reset(seed=0)
    env.set_attr("state", {"board": ["xxx", "oo.", "..."], "to_play": 1})
    assert not env.view().action_mask.any()
    _, reward, terminated, _, infos = env.step([0])
    assert (reward[0], terminated[0]) == (0.0, False)
    assert infos["action_mask"].all()


def go_state(board: list[str], **change: object) -> dict:
    state = {"board": board, "to_play": 0, "ko": None, "passes": 0, "moves": 0, "over": False}
    return state | change


@pytest.mark.parametrize(
    ("id", "state", "match"),
    [
        ("TicTacToe-v0", {"board": ["xxx", "ooo", "..."], "to_play": 0}, "a line of one player"),
        ("TicTacToe-v0", {"board": ["x..", "..."], "to_play": 0}, "board: expected 3 strings of 3"),
        ("TicTacToe-v0", {"board": ["x..", "..z", "..."], "to_play": 0}, "one of '.', 'x' and 'o'"),
        ("TicTacToe-v0", {"board": "x........", "to_play": 0}, "board: expected 3 strings of 3"),
        ("TicTacToe-v0", {"board": ["..."] * 3, "to_play": 2}, "to_play: expected an integer"),
        ("ConnectFour-v0", {"board": ["x......"] + ["......."] * 5, "to_play": 0}, "that rest on"),
        ("Go-v0", go_state(["xo", "o."]), "a liberty for each chain"),
        ("Go-v0", go_state(["xx", "xx"]), "a liberty for each chain"),
        ("Go-v0", go_state(["x.", ".."], ko=(0, 0)), "ko: expected None or .* an empty point"),
        ("Go-v0", go_state(["x.", ".."], ko=3), "ko: expected None or"),
        ("Go-v0", go_state(["x.", ".."], passes=3), "passes: expected an integer >= 0 and <= 2"),
        ("Go-v0", go_state(["x.", ".."], moves=9), "moves: expected .* <= 8"),
    ],
)
def test_impossible_states_are_refused(id: str, state: dict, match: str) -> None:
    env = rollout.make_vec(id, 1, num_threads=1, **({"size": 2} if id == "Go-v0" else {}))
    env.reset(seed=0)
    before = env.get_attr("state")
    with pytest.raises(ValueError, match=match):
        env.set_attr("state", state)
    assert env.get_attr("state") == before


@pytest.mark.parametrize(
    ("keywords", "match"),
    [
        ({"size": 20}, "size: expected an integer >= 2 and <= 19, got 20"),
        ({"size": 1}, "size: expected an integer >= 2 and <= 19, got 1"),
        ({"superko": "situational"}, "superko: expected one of 'off', 'draw', 'positional'"),
        ({"size": 3, "max_moves": 19}, "max_moves: expected an integer >= 1 and <= 18"),
        ({"komi": "half"}, "komi: expected a number"),
    ],
)
def test_bad_keywords(keywords: dict, match: str) -> None:
    with pytest.raises(ValueError, match=match):
        rollout.make_vec("Go-v0", 1, **keywords)


# Go's finer points --------------------------------------------------------------------------------


def board_of(env: VectorEnv, board: list[str], **change: object) -> np.ndarray:
    """Set the position; the legal points, [size, size]."""
    state = env.get_attr("state")[0]
    env.set_attr("state", state | {"board": board, "ko": None} | change)
    return env.view().action_mask[0, :-1].reshape(len(board), -1)


def test_go_ko_and_suicide() -> None:
    env = rollout.make_vec("Go-v0", 1, num_threads=1, size=5)
    env.reset(seed=0)
    legal = board_of(env, [".xo..", "xo.o.", ".xo..", ".....", "..ooo"])
    # (0, 0) is black's own eye, (1, 2) takes a stone
    assert legal[0, 0] == 1
    assert legal[1, 2] == 1
    obs = env.step([1 * 5 + 2])[0]
    state = env.get_attr("state")[0]
    assert state["board"][:3] == [".xo..", "x.xo.", ".xo.."]
    assert state["ko"] == (1, 1)
    assert obs[0, 2].sum() == obs[0, 2, 1, 1] == 1
    assert env.view().action_mask[0, 1 * 5 + 1] == 0
    # a point among enemies only is suicide; it is not when it takes something
    assert board_of(env, [".o...", "o....", ".....", ".....", "....."], to_play=0)[0, 0] == 0
    assert board_of(env, [".ox..", "ox...", "x....", ".....", "....."], to_play=0)[0, 0] == 1
    # nor when it joins a chain with another liberty
    assert board_of(env, [".xo..", "oo...", ".....", ".....", "....."], to_play=0)[0, 0] == 0
    assert board_of(env, [".x...", "oo...", ".....", ".....", "....."], to_play=0)[0, 0] == 1


@pytest.mark.parametrize("superko", ["off", "draw", "positional"])
def test_go_positions_come_back_only_without_superko(superko: str) -> None:
    env = rollout.make_vec("Go-v0", 1, num_threads=1, size=3, superko=superko)
    assert (repetitions(env, random.Random(0)) > 0) == (superko == "off")


def repetitions(env: VectorEnv, rng: random.Random) -> int:
    """How often a move brought back a position, in 50 random games, and the game went on."""
    count = 0
    for _ in range(50):
        _, infos = env.reset()
        been = [env.get_attr("state")[0]["board"]]
        over = False
        while not over:
            action = rng.choice(np.flatnonzero(infos["action_mask"][0]).tolist())
            _, _, (over,), _, infos = env.step([action])
            board = env.get_attr("state")[0]["board"]
            count += action != 9 and not over and board in been
            been.append(board)
    return count


@pytest.mark.parametrize(
    ("board", "lead"),
    [
        (["....."] * 5, 0),  # nobody's
        (["x....", ".....", ".....", ".....", "....."], 25),
        (["..x..", "..x..", "..x..", "..x..", "..o.."], 4 - 1),  # the rest touches both
        ([".x...", ".x...", "xxooo", "..oo.", "..o.."], 2 + 4 - (6 + 3)),
    ],
)
@pytest.mark.parametrize("komi_above", [-0.5, 0.0, 0.5])
def test_go_area_and_komi(board: list[str], lead: int, komi_above: float) -> None:
    env = rollout.make_vec("Go-v0", 1, num_threads=1, size=5, komi=lead + komi_above)
    env.reset(seed=0)
    board_of(env, board)
    env.step([25])
    _, _, terminated, _, infos = env.step([25])
    assert terminated[0]
    assert infos["rewards"][0, 0] == -np.sign(komi_above)
