"""pgx: jit(scan(vmap(step))) with its automatic reset, on recorded legal random play."""

import itertools

import jax
import jax.numpy as jnp
import pgx
from pgx.experimental import auto_reset

from peers.timing import ROWS, one_core, say, scanned

# its id: ours
SAME = {
    "tic_tac_toe": "TicTacToe-v0",
    "connect_four": "ConnectFour-v0",
    "othello": "Othello-v0",
    "hex": "Hex-v0",
    "go_9x9": "Go-v0",
    "2048": "2048-v0",
    "minatar-breakout": "MinAtar-Breakout-v1",
    "minatar-freeway": "MinAtar-Freeway-v1",
    "minatar-asterix": "MinAtar-Asterix-v1",
    "minatar-space_invaders": "MinAtar-SpaceInvaders-v1",
    "minatar-seaquest": "MinAtar-Seaquest-v1",
}


def main() -> None:
    one_core()
    for (id, ours), rows in itertools.product(SAME.items(), ROWS):
        env, steps = pgx.make(id), scanned(rows)
        advance = jax.vmap(auto_reset(env.step, env.init))

        def play(states, tape, advance=advance):
            def step(states, given):
                states = advance(states, given[0], given[1])
                seen = (states.observation, states.rewards, states.terminated)
                return states, (*seen, states.legal_action_mask)

            return jax.lax.scan(step, states, tape)

        def record(states, keys, advance=advance):
            def step(states, keys):
                scores = jnp.where(states.legal_action_mask, 0.0, -1e9)
                actions = jax.vmap(jax.random.categorical)(keys, scores)
                return advance(states, actions, keys), actions

            return jax.lax.scan(step, states, keys)[1]

        keys = jax.random.split(jax.random.PRNGKey(1), steps * rows).reshape(steps, rows, -1)
        states = jax.jit(jax.vmap(env.init))(jax.random.split(jax.random.PRNGKey(0), rows))
        tape = (jax.jit(record)(states, keys), keys)
        compiled = jax.jit(play)

        def run(compiled=compiled, states=states, tape=tape) -> None:
            jax.block_until_ready(compiled(states, tape))

        say(f"{ours}, n={rows}", "pgx, a rollout a call", run, steps * rows)


if __name__ == "__main__":
    main()
