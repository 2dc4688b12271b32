"""overcooked_ai by its own environment class, with both players' lossless observations."""

import contextlib
import io

import numpy as np

from peers.timing import one_core, say

with contextlib.redirect_stdout(io.StringIO()):
    from overcooked.mdp.actions import Action
    from overcooked.mdp.overcooked_env import OvercookedEnv
    from overcooked.mdp.overcooked_mdp import OvercookedGridworld

STEPS = 400


def main() -> None:
    one_core()
    with contextlib.redirect_stdout(io.StringIO()):
        kitchen = OvercookedGridworld.from_layout_name("cramped_room", old_dynamics=True)
        env = OvercookedEnv.from_mdp(kitchen, horizon=STEPS, info_level=0)
        env.reset()
    moves = Action.INDEX_TO_ACTION
    drawn = np.random.default_rng(0).integers(0, len(moves), (STEPS, 2)).tolist()
    actions = [(moves[one], moves[two]) for one, two in drawn]

    def run() -> None:
        env.reset()
        for joint in actions:
            state, *_ = env.step(joint)
            kitchen.lossless_state_encoding(state, horizon=STEPS)

    say("Kitchen-v0 cramped_room, n=64", "overcooked's own env", run, STEPS)


if __name__ == "__main__":
    main()
