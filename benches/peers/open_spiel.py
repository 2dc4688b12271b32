"""OpenSpiel: random playouts inside its C++, as its own search makes them; no observations.

A search of few simulations with many playouts each is nearly all playouts. Moves are counted by the
mean length of a random game from the root, less the move or two that the search makes.
"""

import random

import pyspiel

from peers.timing import N, one_core, say

SIMULATIONS, PLAYOUTS, GAMES = 4, 100, 200
# its game: ours
SAME = {
    "tic_tac_toe": "TicTacToe-v0",
    "connect_four": "ConnectFour-v0",
    "othello": "Othello-v0",
    "go(board_size=9)": "Go-v0 9x9",
}


def mean_length(game) -> float:
    """The moves of a random game."""
    rng, moves = random.Random(0), 0
    for _ in range(GAMES):
        state = game.new_initial_state()
        while not state.is_terminal():
            state.apply_action(rng.choice(state.legal_actions()))
            moves += 1
    return moves / GAMES


def main() -> None:
    one_core()
    for id, ours in SAME.items():
        game = pyspiel.load_game(id)
        evaluator = pyspiel.RandomRolloutEvaluator(PLAYOUTS, 1)
        bot = pyspiel.MCTSBot(game, evaluator, 1.0, SIMULATIONS, 1000, False, 7, False)
        root = game.new_initial_state()
        work = SIMULATIONS * PLAYOUTS * (mean_length(game) - 1)
        say(
            f"{ours}, n={N}",
            "open_spiel, C++ playouts",
            lambda bot=bot, root=root: bot.mcts_search(root),
            work,
        )


if __name__ == "__main__":
    main()
