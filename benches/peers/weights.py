"""The networks that every searcher is given: the same layers, the same weights, whoever runs them.

h = relu(latent W0 + table[action]); relu(h W1); one linear layer for the next latent (through
tanh), the policy's logits, the reward and the value. "small" has a latent of 64 and two hidden
layers of 64, "medium" a latent of 256 and two of 512. Needs NumPy and nothing else.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

SIZES = {"small": (64, 64), "medium": (256, 512)}  # latent, hidden
DISCOUNT = 0.997
SIMULATIONS = 50

Floats = NDArray[np.float32]


class Weights(NamedTuple):
    """Of one network: matrices [in, out], all biases 0."""

    table: Floats  # [A, hidden], of the action
    first: Floats  # [latent, hidden]
    second: Floats  # [hidden, hidden]
    last: Floats  # [hidden, latent + A + 2]


def weights(size: str, actions: int) -> Weights:
    """Return the weights of a size, random and always the same."""
    latent, hidden = SIZES[size]
    rng = np.random.default_rng(0)

    def matrix(rows: int, columns: int, scale: float) -> Floats:
        return (rng.standard_normal((rows, columns)) * scale).astype(np.float32)

    return Weights(
        table=matrix(actions, hidden, 0.3),
        first=matrix(latent, hidden, latent**-0.5),
        second=matrix(hidden, hidden, hidden**-0.5),
        last=matrix(hidden, latent + actions + 2, hidden**-0.5),
    )


def roots(size: str, rows: int) -> Floats:
    """Return the latents that a batch is searched from, [rows, latent]."""
    shape = (rows, SIZES[size][0])
    return np.random.default_rng(1).standard_normal(shape).astype(np.float32)


def null_pair(policy: str, actions: int, rows: int, simulations: int) -> str:
    """Name a search over a model that costs nothing."""
    return f"{policy} search, null model, A={actions}, B={rows}, S={simulations}"


def network_pair(policy: str, size: str, rows: int, simulations: int, wave: int = 1) -> str:
    """Name a search over one of the networks, with 18 actions."""
    waves = f", waves of {wave}" if wave > 1 else ""
    return f"{policy} search, {size} MLP, B={rows}, S={simulations}{waves}"


ACTIONS = 18  # of the networks
# what is timed of everyone: (policy, actions, rows, simulations)
NULL_POINTS = [
    ("muzero", 4, 64, 50),
    ("muzero", 18, 64, 50),
    ("muzero", 82, 64, 50),
    ("muzero", 362, 64, 50),
    ("muzero", 18, 1024, 200),
    ("gumbel", 18, 64, 50),
    ("gumbel", 18, 1024, 50),
]
# (policy, size, rows, simulations)
NETWORK_POINTS = [
    ("gumbel", "small", 1, 50),
    ("gumbel", "small", 64, 50),
    ("muzero", "small", 64, 50),
    ("muzero", "small", 64, 200),
    ("muzero", "small", 1024, 50),
    ("gumbel", "medium", 64, 50),
    ("muzero", "medium", 64, 50),
]
