"""Tree search: with a model that costs nothing, and beside bare calls of its network.

The null model (uniform logits, no reward, no value) leaves the tree alone. The network has a latent
of 64 and two hidden layers of 64, random weights, in eager torch or compiled. Its floor is the same
S calls in sequence, each fed the latent of the last, in inference mode. Equal simulations are not
equal work: a row of ours tells the mean depth of its leaves (with random weights muzero's trees are
chains).
"""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from rollout.search import (
    RecurrentOutput,
    Root,
    compile_recurrent,
    gumbel_muzero_policy,
    muzero_policy,
)

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


# pair, side, and what the side owes or is owed: our speed over a floor's
SIDES = [
    ("MLP", "ours", None),
    ("MLP", "bare calls", None),
    ("compiled MLP", "ours compiled", None),
    ("compiled MLP", "bare calls", 0.8),
    ("compiled MLP", "bare compiled calls", None),
]


@pytest.mark.gate
@pytest.mark.parametrize(("of", "side", "owed"), SIDES)
@pytest.mark.parametrize("actions", [4, 18])
@pytest.mark.parametrize("policy", POLICIES)
def test_network(benchmark, policy: str, actions: int, of: str, side: str, owed: float) -> None:
    rows, latent = 64, 64
    network = Network(latent, 64, actions)
    embedding = torch.randn(rows, latent, generator=torch.Generator().manual_seed(1))

    def model(action: Tensor, state: Tensor) -> tuple[RecurrentOutput, Tensor]:
        after, logits, reward, value = network(action, state)
        return RecurrentOutput(reward, torch.ones_like(reward), logits, value), after

    if "compiled" in side:
        model = compile_recurrent(model, modules=[network]).bind(embedding)
    with torch.inference_mode():
        _, logits, _, value = network(torch.zeros(rows, dtype=torch.int64), embedding)
        root = Root(logits.contiguous(), value.contiguous(), embedding)
        ours, name = "ours" in side, side
        if ours:

            def run():
                return POLICIES[policy](root, model, SIMULATIONS, num_threads=1)

            name = f"depth {run().search_tree.mean_depth:.1f}"
        else:
            tape = list(torch.randint(0, actions, (SIMULATIONS, rows)))

            def run():
                state = embedding
                for action in tape:
                    _, state = model(action, state)
                return state

        if owed:
            benchmark.extra_info["ratio_at_least"] = owed
        benchmark.extra_info.update(
            pair=f"{policy} search, {of}, A={actions}, B={rows}, S={SIMULATIONS}",
            role="ours" if ours else "floor",
            name=name,
            work=rows * SIMULATIONS,
            unit="simulations",
        )
        benchmark(run)
