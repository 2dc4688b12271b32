"""LightZero: its own search() over its C++ trees, from roots to visit counts.

The networks are those of weights.py. Its defaults are not mctx's: Q is rescaled by the whole tree's
extremes, so that its trees are less deep.
"""

import logging
from types import SimpleNamespace

import numpy as np
import torch
from easydict import EasyDict
from lzero.mcts.tree_search.mcts_ctree import GumbelMuZeroMCTSCtree, MuZeroMCTSCtree
from torch import nn

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

SEARCHES = {"muzero": MuZeroMCTSCtree, "gumbel": GumbelMuZeroMCTSCtree}
CONSIDERED = 16


class Null(nn.Module):
    """What it says is ready-made."""

    def __init__(self, rows: int, actions: int) -> None:
        super().__init__()
        self.said = {
            "latent_state": torch.zeros(rows, 1),
            "policy_logits": torch.zeros(rows, actions),
            "value": torch.zeros(rows, 1),
            "reward": torch.zeros(rows, 1),
        }

    def recurrent_inference(self, latent, action):
        return SimpleNamespace(**self.said)  # the search writes to what it is given


class Network(nn.Module):
    """The layers of weights.py."""

    def __init__(self, size: str, actions: int) -> None:
        super().__init__()
        self.table, self.first, self.second, self.last = (
            nn.Parameter(torch.from_numpy(x), requires_grad=False) for x in weights(size, actions)
        )

    def recurrent_inference(self, latent, action):
        size, actions = latent.shape[1], len(self.table)
        h = torch.relu(latent @ self.first + self.table[action.reshape(-1)])
        out = torch.relu(h @ self.second) @ self.last
        return SimpleNamespace(
            latent_state=torch.tanh(out[:, :size]),
            policy_logits=out[:, size : size + actions],
            value=out[:, -1:],
            reward=out[:, -2:-1],
        )


def searcher(policy: str, model: nn.Module, actions: int, simulations: int, latents):
    """A search from ready-made roots."""
    rows = len(latents)
    settings = EasyDict(
        num_simulations=simulations,
        discount_factor=DISCOUNT,
        device="cpu",
        max_num_considered_actions=CONSIDERED,
        env_type="not_board_games",
        root_dirichlet_alpha=0.3,
        root_noise_weight=0.25,
        model={
            "support_scale": 300,
            "categorical_distribution": False,
            "action_space_size": actions,
        },
    )
    search, legal = SEARCHES[policy](settings), [list(range(actions)) for _ in range(rows)]
    zeros, logits, nobody = [0.0] * rows, np.zeros((rows, actions)).tolist(), [-1] * rows
    alpha = [0.3] * actions

    def run() -> None:
        found = search.roots(rows, legal)
        noise = [np.random.dirichlet(alpha).astype(np.float32).tolist() for _ in range(rows)]
        if policy == "gumbel":
            found.prepare(0.25, noise, zeros, zeros, logits, nobody)
        else:
            found.prepare(0.25, noise, zeros, logits, nobody)
        search.search(found, model, latents, nobody)
        found.get_distributions(), found.get_values()

    return run


def main() -> None:
    logging.disable(logging.CRITICAL)
    one_core()
    torch.set_num_threads(1)
    with torch.no_grad():
        for policy, actions, rows, simulations in NULL_POINTS:
            if policy == "gumbel" and rows > 64:
                continue  # one search takes seconds
            latents = np.zeros((rows, 1), np.float32)
            run = searcher(policy, Null(rows, actions), actions, simulations, latents)
            pair = null_pair(policy, actions, rows, simulations)
            say(pair, "LightZero", run, rows * simulations, "simulations")
        for policy, size, rows, simulations in NETWORK_POINTS:
            run = searcher(policy, Network(size, ACTIONS), ACTIONS, simulations, roots(size, rows))
            say(network_pair(policy, size, rows, simulations), "LightZero", run,
                rows * simulations, "simulations")  # fmt: skip


if __name__ == "__main__":
    main()
