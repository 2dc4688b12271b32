"""gymnax: jit(scan(vmap(step))) with its automatic reset; all that a step gives is returned."""

import itertools

import gymnax
import jax

from peers.timing import ROWS, one_core, say, scanned

# its id: ours
SAME = {
    "CartPole-v1": "CartPole-v1",
    "Pendulum-v1": "Pendulum-v1",
    "Acrobot-v1": "Acrobot-v1",
    "MountainCar-v0": "MountainCar-v0",
    "MountainCarContinuous-v0": "MountainCarContinuous-v0",
    "Breakout-MinAtar": "MinAtar-Breakout-v1",
    "Freeway-MinAtar": "MinAtar-Freeway-v1",
    "Asterix-MinAtar": "MinAtar-Asterix-v1",
    "SpaceInvaders-MinAtar": "MinAtar-SpaceInvaders-v1",
}


def main() -> None:
    one_core()
    for (id, ours), rows in itertools.product(SAME.items(), ROWS):
        env, params = gymnax.make(id)
        steps = scanned(rows)

        def play(states, actions, key, env=env, params=params, rows=rows, steps=steps):
            def step(states, given):
                actions, key = given
                keys = jax.random.split(key, rows)
                out = jax.vmap(env.step, (0, 0, 0, None))(keys, states, actions, params)
                return out[1], (out[0], *out[2:-1])

            return jax.lax.scan(step, states, (actions, jax.random.split(key, steps)))

        key = jax.random.PRNGKey(0)
        states = jax.vmap(env.reset, (0, None))(jax.random.split(key, rows), params)[1]
        sample = jax.jit(jax.vmap(jax.vmap(env.action_space(params).sample)))
        actions = sample(jax.random.split(key, steps * rows).reshape(steps, rows, -1))
        compiled = jax.jit(play)

        def run(compiled=compiled, states=states, actions=actions, key=key) -> None:
            jax.block_until_ready(compiled(states, actions, key))

        say(f"{ours}, n={rows}", "gymnax, a rollout a call", run, steps * rows)


if __name__ == "__main__":
    main()
