"""Play random games in OpenSpiel and write down all that its rules say.

    python oracle_openspiel.py GAME GAMES SEED FILE

FILE becomes an .npz. With T moves in all G games, chance moves included, and A actions:
  lengths  [G]       moves of a game
  actions  [T]       what was played
  players  [T + G]   who was to move at each position, the last of each game included; -1 is chance
  masks    [T + G, A/8] the legal actions of each position, as np.packbits packs them
  returns  [G, P]    what each player got in all
  over     [G]       whether the game is over; not where OpenSpiel knows no action to go on with

Run in a process of its own: the tests do not load OpenSpiel.
"""

import random
import sys

import numpy as np
import pyspiel


def main(name: str, games: int, seed: int, path: str) -> None:
    game = pyspiel.load_game(name)
    width = game.num_distinct_actions()
    rng = random.Random(seed)
    lengths, actions, players, masks, returns, over = [], [], [], [], [], []
    for _ in range(games):
        state = game.new_initial_state()
        start = len(actions)
        while True:
            chance = state.is_chance_node()
            legal = [] if chance else state.legal_actions()
            mask = np.zeros(width, np.uint8)
            mask[legal] = 1
            masks.append(np.packbits(mask))
            players.append(max(state.current_player(), -1))
            if state.is_terminal() or not (chance or legal):
                break
            if chance:
                outcomes, weights = zip(*state.chance_outcomes(), strict=True)
                action = rng.choices(outcomes, weights)[0]
            else:
                action = legal[int(rng.random() * len(legal))]
            actions.append(action)
            state.apply_action(action)
        lengths.append(len(actions) - start)
        returns.append(state.returns())
        over.append(state.is_terminal())
    np.savez(
        path,
        lengths=np.array(lengths),
        actions=np.array(actions),
        players=np.array(players, np.int8),
        masks=np.array(masks),
        returns=np.array(returns),
        over=np.array(over),
    )


if __name__ == "__main__":
    main(sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), sys.argv[4])
