"""OpenSpiel: random playouts inside its C++, as its own search makes them; no observations.

A search of one simulation is the playouts of its root, and nothing else.
"""

import pyspiel

from peers.timing import one_core, say

PLAYOUTS = 500
# its game: ours
SAME = {
    "tic_tac_toe": "TicTacToe-v0",
    "connect_four": "ConnectFour-v0",
    "othello": "Othello-v0",
    "go(board_size=9)": "Go-v0",
}


def main() -> None:
    one_core()
    for id, ours in SAME.items():
        game = pyspiel.load_game(id)
        evaluator = pyspiel.RandomRolloutEvaluator(PLAYOUTS, 1)
        bot = pyspiel.MCTSBot(game, evaluator, 1.0, 1, 1000, False, 7, False)
        root = game.new_initial_state()
        say(
            f"{ours}, playouts",
            "open_spiel, in C++",
            lambda bot=bot, root=root: bot.mcts_search(root),
            PLAYOUTS,
            "playouts",
        )


if __name__ == "__main__":
    main()
