"""Legal moves, turns, ends and returns of the boards are OpenSpiel's, on random games.

The suite plays a few hundred; ROLLOUT_ORACLE_GAMES=10000 plays as many of each as one asks for.
"""

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import rollout

ORACLE = Path(__file__).parent / "oracle_openspiel.py"

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("pyspiel") is None, reason="pip install --no-deps open_spiel"
)

# id, keywords, OpenSpiel's name for it, games in the suite
GAMES = [
    ("TicTacToe-v0", {}, "tic_tac_toe", 1000),
    ("ConnectFour-v0", {}, "connect_four", 1000),
    ("Othello-v0", {}, "othello", 200),
    ("Hex-v0", {"size": 3}, "hex(board_size=3)", 1000),
    ("Hex-v0", {}, "hex(board_size=11)", 200),
    ("Hex-v0", {"size": 14}, "hex(board_size=14)", 50),
    # small boards for the repetitions and the captures of everything, large ones for the rest
    ("Go-v0", {"size": 2, "superko": "draw"}, "go(board_size=2)", 1000),
    ("Go-v0", {"size": 3, "superko": "draw", "komi": 0.0}, "go(board_size=3,komi=0.0)", 1000),
    ("Go-v0", {"size": 5, "superko": "draw", "komi": 0.5}, "go(board_size=5,komi=0.5)", 500),
    ("Go-v0", {"size": 9, "superko": "draw"}, "go(board_size=9)", 150),
    (
        "Go-v0",
        {"size": 13, "superko": "draw", "max_moves": 300},
        "go(board_size=13,max_game_length=300)",
        20,
    ),
    ("Go-v0", {"size": 19, "superko": "draw"}, "go(board_size=19)", 10),
]


@pytest.mark.parametrize(
    ("id", "keywords", "name", "games"), GAMES, ids=[f"{g[0]}-{g[2]}" for g in GAMES]
)
def test_random_games_of_openspiel(
    id: str, keywords: dict, name: str, games: int, tmp_path: Path
) -> None:
    games = int(os.environ.get("ROLLOUT_ORACLE_GAMES", games))
    path = tmp_path / "games.npz"
    subprocess.run([sys.executable, ORACLE, name, str(games), "1", path], check=True)
    log = np.load(path)

    env = rollout.make_vec(id, games, num_threads=1, **keywords)
    _, infos = env.reset(seed=0)
    lengths = log["lengths"]
    starts = np.concatenate([[0], np.cumsum(lengths)[:-1]])
    width = env.single_action_space.n
    masks = np.unpackbits(log["masks"], axis=1, count=width)
    seen_returns = np.zeros((games, 2))
    for t in range(lengths.max() + 1):
        # positions are numbered with one more a game than moves
        live = np.flatnonzero(t <= lengths)
        at = starts[live] + live + t
        assert np.array_equal(infos["action_mask"][live], masks[at])
        moving = np.flatnonzero(t < lengths)
        assert np.array_equal(infos["to_play"][moving], log["players"][starts[moving] + moving + t])
        # games that are over begin again, with any legal action
        actions = infos["action_mask"].argmax(axis=1)
        actions[moving] = log["actions"][starts[moving] + t]
        movers = infos["to_play"]
        _, rewards, terminated, truncated, infos = env.step(actions)
        assert np.array_equal(terminated[moving], t + 1 == lengths[moving])
        assert not truncated.any()
        assert np.array_equal(rewards[moving], infos["rewards"][moving, movers[moving]])
        seen_returns[moving] += infos["rewards"][moving]
    assert np.array_equal(seen_returns, log["returns"])
