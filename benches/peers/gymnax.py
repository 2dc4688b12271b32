"""gymnax: jit(scan(vmap(step))) with its automatic reset; all that a step gives is returned."""

import gymnax
import jax
import jax.numpy as jnp

from peers.timing import N, one_core, say

STEPS = 128  # of a call: what it costs to begin one is spread over them
# its id: ours
SAME = {
    "CartPole-v1": "CartPole-v1",
    "Pendulum-v1": "Pendulum-v1",
    "Acrobot-v1": "Acrobot-v1",
    "MountainCar-v0": "MountainCar-v0",
    "Breakout-MinAtar": "MinAtar-Breakout-v1",
    "Asterix-MinAtar": "MinAtar-Asterix-v1",
}


def main() -> None:
    one_core()
    for id, ours in SAME.items():
        env, params = gymnax.make(id)

        def play(states, actions, key, env=env, params=params):
            def step(states, given):
                actions, key = given
                keys = jax.random.split(key, N)
                out = jax.vmap(env.step, (0, 0, 0, None))(keys, states, actions, params)
                return out[1], (out[0], *out[2:-1])

            return jax.lax.scan(step, states, (actions, jax.random.split(key, STEPS)))

        key = jax.random.PRNGKey(0)
        states = jax.vmap(env.reset, (0, None))(jax.random.split(key, N), params)[1]
        space = env.action_space(params)
        actions = jnp.stack(
            [
                jax.vmap(space.sample)(jax.random.split(jax.random.PRNGKey(t), N))
                for t in range(STEPS)
            ]
        )
        compiled = jax.jit(play)

        def run(compiled=compiled, states=states, actions=actions, key=key) -> None:
            jax.block_until_ready(compiled(states, actions, key))

        say(f"{ours}, n={N}", "gymnax, a rollout a call", run, STEPS * N)


if __name__ == "__main__":
    main()
