"""What the variants of tree search cost beside MuZero's, with a model that costs nothing.

Rewards and values are fixed numbers, so trees differ in shape as the rules do: a row tells the mean
depth of its leaves. An open-loop search makes a step a call, and so depth times the calls.
"""

import numpy as np
import pytest
import torch

from rollout.search import (
    RecurrentOutput,
    Root,
    muzero_policy,
    open_loop_policy,
    regularised_muzero_policy,
    selection_rule,
)

ROWS, SIMULATIONS = 64, 50
VARIANTS = ("regularised", "sampled", "a rule of numba", "open loop")


@pytest.mark.info
@pytest.mark.parametrize("side", ["ours", "muzero_policy"])
@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("actions", [4, 18])
def test_variant(benchmark, actions: int, variant: str, side: str) -> None:
    root, heads = fixed_model(actions)

    def recurrent(action, state):
        return heads[len(action)], state

    how = {"num_threads": 1}
    if side == "ours" and variant == "a rule of numba":
        rule = puct()
        how |= {"root_selection": rule, "interior_selection": rule}

    def run():
        if side == "ours" and variant in ("regularised", "sampled"):
            return regularised_muzero_policy(root, recurrent, SIMULATIONS, select=variant, **how)
        if side == "ours" and variant == "open loop":
            return open_loop_policy(root, lambda a, s, _: recurrent(a, s), SIMULATIONS, **how)
        return muzero_policy(root, recurrent, SIMULATIONS, **how)

    depth = f"depth {run().search_tree.mean_depth:.1f}"
    benchmark.extra_info.update(
        pair=f"search, {variant}, fixed heads, A={actions}, B={ROWS}, S={SIMULATIONS}",
        role="ours" if side == "ours" else "floor",
        name=depth if side == "ours" else f"{side}, {depth}",
        work=ROWS * SIMULATIONS,
        unit="simulations",
    )
    benchmark(run)


def fixed_model(actions: int) -> tuple[Root, dict[int, RecurrentOutput]]:
    """A root, and what the model says of any number of rows."""
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(ROWS, actions, generator=generator)
    value, reward = torch.rand(2, ROWS, generator=generator)
    discount = torch.full((ROWS,), 0.99)
    heads = {
        rows: RecurrentOutput(reward[:rows], discount[:rows], logits[:rows], value[:rows])
        for rows in range(1, ROWS + 1)
    }
    return Root(logits, value, torch.zeros(ROWS, 1)), heads


def puct():
    """MuZero's rule, as a user would write it."""

    @selection_rule(params={"c1": 1.25, "c2": 19652.0})
    def rule(node, prior, visits, params, scores):
        n, c2 = np.float32(node.visits), np.float32(params.c2)
        c = np.float32(params.c1) + np.log((n + c2 + np.float32(1)) / c2)
        for a in range(node.num_actions):
            scores[a] += np.sqrt(n) * c * prior[a] / (np.float32(visits[a]) + np.float32(1))

    return rule
