"""Games: ours beside OpenSpiel's, random legal play with the legal actions of every position.

Ours steps all games through the public `step()`, with masks, observations and automatic resets, on
a tape of legal actions recorded before, whole games long; the plain loop does so inside one native
call. OpenSpiel replays recorded games one at a time from Python and asks for the legal actions of
each position; it makes no observations. Its wheel is among the tests' oracles.
"""

import itertools
import random
from collections.abc import Callable

import numpy as np
import pytest
from peers.timing import ROWS

import rollout
import rollout.search as search

# id, keywords, OpenSpiel's name, calls of step a round, what ours must reach in steps a second
GAMES = [
    ("TicTacToe-v0", {}, "tic_tac_toe", 60, 40e6),
    ("ConnectFour-v0", {}, "connect_four", 60, 15e6),
    ("Othello-v0", {}, "othello", 130, 7e6),
    ("Hex-v0", {}, "hex", 120, None),
    ("Go-v0", {}, "go(board_size=9)", 170, 2e6),
    ("2048-v0", {}, "2048", 60, 8e6),
]


def ours(id: str, keywords: dict, calls: int, num_envs: int, side: str) -> Callable[[], None]:
    env = rollout.make_vec(id, num_envs, num_threads=1, **keywords)
    rng = np.random.default_rng(0)
    _, infos = env.reset(seed=0)
    tape = []
    for _ in range(calls):
        mask = infos["action_mask"]
        pick = (rng.random(num_envs) * mask.sum(axis=1)).astype(np.int64)
        tape.append(np.argmax(mask.cumsum(axis=1) > pick[:, None], axis=1))
        infos = env.step(tape[-1])[4]

    def run() -> None:
        env.reset(seed=0)
        step = env.step
        for actions in tape:
            step(actions)

    def loop() -> None:
        env.reset(seed=0)
        env._open().loop(tape)

    return run if side == "ours" else loop


def openspiel(name: str, moves: int) -> Callable[[], None]:
    game = pytest.importorskip("pyspiel").load_game(name)
    rng = random.Random(0)
    games: list[list[int]] = []
    while sum(map(len, games)) < moves:
        state, played = game.new_initial_state(), []
        while not state.is_terminal() and state.legal_actions():
            played.append(rng.choice(state.legal_actions()))
            state.apply_action(played[-1])
        games.append(played)
    games[-1] = games[-1][: moves - sum(map(len, games[:-1]))]

    def run() -> None:
        for played in games:
            state = game.new_initial_state()
            for action in played:
                state.legal_actions()
                state.apply_action(action)

    return run


SIDES = [(n, side) for n in ROWS for side in ("ours", "plain loop")] + [(1024, "OpenSpiel")]


@pytest.mark.gate
@pytest.mark.parametrize(("num_envs", "side"), SIDES)
@pytest.mark.parametrize("row", GAMES, ids=[row[0] for row in GAMES])
def test_random_play(benchmark, row: tuple, num_envs: int, side: str) -> None:
    id, keywords, name, calls, least = row
    work = 2000 if side == "OpenSpiel" else calls * num_envs
    benchmark.extra_info.update(
        pair=f"{id}, n={num_envs}",
        role={"ours": "ours", "plain loop": "floor"}.get(side, "rival"),
        name=side,
        work=work,
        unit="steps",
    )
    if side == "ours" and num_envs == 1024 and least is not None:
        benchmark.extra_info["rate_at_least"] = least
    if side == "OpenSpiel":
        benchmark(openspiel(name, work))
    else:
        benchmark(ours(id, keywords, calls, num_envs, side))


@pytest.mark.info
@pytest.mark.parametrize("id", ["TicTacToe-v0", "ConnectFour-v0", "Othello-v0", "Go-v0"])
def test_playouts(benchmark, id: str) -> None:
    """Whole random games in native threads, without Python: what plain UCT is made of."""
    env = rollout.make_vec(id, 1, num_threads=1)
    env.reset(seed=0)
    worlds, n = env.snapshot(), 500
    benchmark.extra_info.update(
        pair=f"{id}, playouts", role="ours", name="ours", work=n, unit="playouts"
    )
    benchmark(lambda: env.playouts(worlds, n=n, seed=1))


# id, OpenSpiel's name, the least ratio of ours over its
UCT = [("TicTacToe-v0", "tic_tac_toe", 5.0), ("ConnectFour-v0", "connect_four", 12.0)]


@pytest.mark.gate
@pytest.mark.parametrize(
    ("row", "side"),
    list(itertools.product(UCT, ["ours", "OpenSpiel"])),
    ids=[f"{row[0]}-{side}" for row, side in itertools.product(UCT, ["ours", "OpenSpiel"])],
)
def test_uct(benchmark, row: tuple, side: str) -> None:
    """The same formula, budget and one random game a leaf, from the first position.

    OpenSpiel's is its bot in C++, called once a search; neither side solves or keeps its tree.
    """
    id, name, least = row
    simulations = 1000
    benchmark.extra_info.update(
        pair=f"{id}, UCT of {simulations}",
        role="ours" if side == "ours" else "rival",
        name=side if side == "ours" else "OpenSpiel MCTSBot",
        work=simulations,
        unit="simulations",
    )
    if side == "ours":
        env = rollout.make_vec(id, 1, num_threads=1)
        env.reset(seed=0)
        worlds = env.snapshot()
        benchmark(lambda: search.uct(env, worlds, simulations, c=2.0, seed=1))
        return
    pyspiel = pytest.importorskip("pyspiel")
    benchmark.extra_info["ratio_at_least"] = least
    game = pyspiel.load_game(name)
    position, megabytes = game.new_initial_state(), 1000
    bot = pyspiel.MCTSBot(
        game,
        pyspiel.RandomRolloutEvaluator(1, 0),
        2.0,
        simulations,
        megabytes,
        False,
        0,
        False,
        pyspiel.ChildSelectionPolicy.UCT,
    )
    benchmark(lambda: bot.mcts_search(position))
