"""Make golden/stochastic_muzero.json: what mctx's stochastic_muzero_policy finds in a table.

    pip install mctx==0.0.71 jax    # in an environment of its own
    python tests/search/make_stochastic_golden.py

The numbers are ours, made by running mctx (Apache-2.0) on the tables below; none of its data is in
the file. Dirichlet fraction 0; scores are distinct, so that mctx's random tie-breaks do not matter.
"""

import json
from pathlib import Path

import numpy as np

GOLDEN = Path(__file__).parent / "golden" / "stochastic_muzero.json"
SIZE = 4093  # prime
CASES = [
    {"actions": 4, "outcomes": 3, "simulations": 64, "rows": 3, "max_depth": None, "seed": 1},
    {"actions": 3, "outcomes": 12, "simulations": 50, "rows": 2, "max_depth": 5, "seed": 2},
    {"actions": 18, "outcomes": 5, "simulations": 80, "rows": 2, "max_depth": None, "seed": 3},
]


def tables(case):
    """Return float32 tables of a model whose states and afterstates are numbers below SIZE."""
    generator = np.random.default_rng(case["seed"])

    def draw(*shape):
        return (4.0 * generator.random(shape) - 2.0).astype(np.float32)

    return {
        "action_logits": draw(SIZE, case["actions"]),
        "chance_logits": draw(SIZE, case["outcomes"]),
        "value": draw(SIZE),
        "afterstate_value": draw(SIZE),
        "reward": draw(SIZE),
        "discount": np.where(draw(SIZE) < -1.6, 0.0, 0.95).astype(np.float32),
        "invalid": draw(case["rows"], case["actions"]) < -1.2,
    }


def first_states(case):
    return np.arange(case["rows"]) * 37 + 11


def next_number(number, edge):
    return (number * 1009 + edge * 131 + 7) % SIZE


def run(case):
    import jax
    import jax.numpy as jnp
    import mctx

    table = {name: jnp.asarray(array) for name, array in tables(case).items()}
    state = jnp.asarray(first_states(case), jnp.int32)

    def decide(params, key, action, state):
        after = next_number(state, action)
        return mctx.DecisionRecurrentFnOutput(
            chance_logits=table["chance_logits"][after],
            afterstate_value=table["afterstate_value"][after],
        ), after

    def resolve(params, key, outcome, after):
        state = next_number(after, outcome)
        return mctx.ChanceRecurrentFnOutput(
            action_logits=table["action_logits"][state],
            value=table["value"][state],
            reward=table["reward"][state],
            discount=table["discount"][state],
        ), state

    output = mctx.stochastic_muzero_policy(
        (),
        jax.random.PRNGKey(case["seed"]),
        mctx.RootFnOutput(
            prior_logits=table["action_logits"][state], value=table["value"][state], embedding=state
        ),
        decide,
        resolve,
        case["simulations"],
        invalid_actions=table["invalid"],
        max_depth=case["max_depth"],
        dirichlet_fraction=0.0,
        pb_c_base=200.0,
    )
    tree = output.search_tree
    return case | {
        "action_weights": output.action_weights.tolist(),
        "node_visits": tree.node_visits.tolist(),
        "parents": tree.parents.tolist(),
        "node_values": np.asarray(tree.node_values).round(6).tolist(),
    }


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps([run(case) for case in CASES], separators=(",", ":")) + "\n")
