"""A mixed partner is one of the four kinds for a whole episode, and every kind turns up."""

import numpy as np

import rollout

KINDS = ("cook", "onions", "random", "stay")


def test_mixed_partner_keeps_one_kind_an_episode() -> None:
    rows, steps = 64, 60
    env = rollout.make_vec("Kitchen-v0", rows, horizon=steps)
    env.reset(seed=5)
    agrees = np.ones((len(KINDS), rows), bool)
    for _ in range(steps - 1):
        mixed = env.bot_actions("mixed", 1, seed=5)
        agrees &= [env.bot_actions(kind, 1, seed=5) == mixed for kind in KINDS]
        env.step(np.stack([np.full(rows, 4), mixed], axis=1))
    assert agrees.any(0).all()
    assert agrees.sum(1).min() >= 4
