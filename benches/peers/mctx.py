"""mctx: its policies jitted whole, with the trees left unused, on the networks of weights.py."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import mctx

from peers.timing import one_core, say
from peers.weights import (
    ACTIONS,
    DISCOUNT,
    NETWORK_POINTS,
    NULL_POINTS,
    network_pair,
    null_pair,
    roots,
    weights,
)

POLICIES = {"muzero": mctx.muzero_policy, "gumbel": mctx.gumbel_muzero_policy}


def null_model(params, key, action, embedding):
    rows = action.shape[0]
    zero, one = jnp.zeros(rows), jnp.ones(rows)
    output = mctx.RecurrentFnOutput(
        reward=zero, discount=one, prior_logits=jnp.zeros((rows, params)), value=zero
    )
    return output, embedding


def network(params, key, action, latent):
    h = jax.nn.relu(latent @ params.first + params.table[action])
    out = jax.nn.relu(h @ params.second) @ params.last
    size, actions = latent.shape[1], params.table.shape[0]
    output = mctx.RecurrentFnOutput(
        reward=out[:, -2],
        discount=jnp.full(out.shape[0], DISCOUNT),
        prior_logits=out[:, size : size + actions],
        value=out[:, -1],
    )
    return output, jnp.tanh(out[:, :size])


def searcher(policy: str, params, model, actions: int, simulations: int, embedding) -> Callable:
    """A search from ready-made roots; compiled at the first call, which is not timed."""
    rows = embedding.shape[0]

    def search(params, key, embedding):
        root = mctx.RootFnOutput(
            prior_logits=jnp.zeros((rows, actions)), value=jnp.zeros(rows), embedding=embedding
        )
        out = POLICIES[policy](params, key, root, model, num_simulations=simulations)
        return out.action, out.action_weights

    # of the null model's, a number of actions that shapes depend on
    static = (0,) if isinstance(params, int) else ()
    compiled, key = jax.jit(search, static_argnums=static), jax.random.PRNGKey(0)
    return lambda: jax.block_until_ready(compiled(params, key, embedding))


def main() -> None:
    one_core()
    for policy, actions, rows, simulations in NULL_POINTS:
        run = searcher(policy, actions, null_model, actions, simulations, jnp.zeros((rows, 1)))
        pair = null_pair(policy, actions, rows, simulations)
        say(pair, "mctx", run, rows * simulations, "simulations")
    for policy, size, rows, simulations in NETWORK_POINTS:
        params = jax.tree.map(jnp.asarray, weights(size, ACTIONS))
        embedding = jnp.asarray(roots(size, rows))
        run = searcher(policy, params, network, ACTIONS, simulations, embedding)
        say(network_pair(policy, size, rows, simulations), "mctx", run, rows * simulations,
            "simulations")  # fmt: skip


if __name__ == "__main__":
    main()
