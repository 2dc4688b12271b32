"""Tree search: with a model that costs nothing, and beside bare calls of its network.

The null model (uniform logits, no reward, no value) leaves the tree alone. The networks are those
of `peers/weights.py`, called in eager torch or compiled; a floor is the same calls in sequence,
each fed the latent of the last, in inference mode, by the same executor. Equal simulations are not
equal work: a row of ours tells the mean depth of its leaves (with random weights muzero's trees
are chains).
"""

from collections.abc import Callable

import pytest
import torch
from peers.weights import (
    ACTIONS,
    DISCOUNT,
    NULL_POINTS,
    network_pair,
    null_pair,
    roots,
    weights,
)
from torch import Tensor, nn

from rollout.search import (
    RecurrentOutput,
    Root,
    compile_recurrent,
    gumbel_muzero_policy,
    muzero_policy,
)

POLICIES = {"muzero": muzero_policy, "gumbel": gumbel_muzero_policy}
# simulations a second owed at each of NULL_POINTS
NULL_OWED = [3e6, 1.5e6, 6e5, 1.5e5, 1.5e6, 2e6, 3e6]
# (policy, size, rows, simulations, wave): milliseconds owed a search, and speed over its own calls
NETWORK_OWED = {
    ("gumbel", "small", 1, 50, 1): (2.5, None),
    ("gumbel", "small", 1, 50, 8): (0.6, None),
    ("gumbel", "small", 64, 50, 1): (None, 1 / 2.1),
    ("muzero", "small", 64, 50, 1): (None, 1 / 2.7),
    ("muzero", "small", 64, 200, 1): (None, None),
    ("muzero", "small", 1024, 50, 1): (None, None),
    ("gumbel", "medium", 64, 50, 1): (None, 1 / 1.2),
    ("muzero", "medium", 64, 50, 1): (None, 1 / 1.2),
}


class Network(nn.Module):
    """One of the networks; returns the next latent, logits, reward and value."""

    def __init__(self, size: str, actions: int) -> None:
        super().__init__()
        table, *layers = map(torch.from_numpy, weights(size, actions))
        self.latent, self.actions = layers[0].shape[0], actions
        self.action = nn.Embedding.from_pretrained(table)
        self.first, self.second, self.last = map(linear, layers)

    def forward(self, action: Tensor, latent: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        h = torch.relu(self.first(latent) + self.action(action))
        out = self.last(torch.relu(self.second(h)))
        logits = out[:, self.latent : self.latent + self.actions]
        return torch.tanh(out[:, : self.latent]), logits, out[:, -2], out[:, -1]


def linear(matrix: Tensor) -> nn.Linear:
    """A layer of a matrix [in, out], without a bias to speak of."""
    layer = nn.Linear(*matrix.shape)
    layer.weight.data.copy_(matrix.t())
    layer.bias.data.zero_()
    return layer


def null_model(rows: int, actions: int) -> tuple[Root, Callable]:
    logits, zero, one = torch.zeros(rows, actions), torch.zeros(rows), torch.ones(rows)
    out = RecurrentOutput(reward=zero, discount=one, prior_logits=logits, value=zero)
    return Root(logits, zero, torch.zeros(rows, 1)), lambda action, embedding: (out, embedding)


@pytest.mark.gate
@pytest.mark.parametrize(("point", "owed"), list(zip(NULL_POINTS, NULL_OWED, strict=True)))
def test_null_model(benchmark, point: tuple[str, int, int, int], owed: float) -> None:
    policy, actions, rows, simulations = point
    root, model = null_model(rows, actions)

    def run():
        return POLICIES[policy](root, model, simulations, num_threads=1)

    benchmark.extra_info.update(
        pair=null_pair(policy, actions, rows, simulations),
        role="ours",
        name=f"depth {run().search_tree.mean_depth:.1f}",
        work=rows * simulations,
        unit="simulations",
        rate_at_least=owed,
    )
    benchmark(run)


def sides() -> list:
    """Each search compiled, its own bare calls, and at one size all of it in eager torch."""
    found = []
    for point in NETWORK_OWED:
        executors = ["eager", "compiled"] if point[1:4] == ("small", 64, 50) else ["compiled"]
        found += [(point, executor, who) for executor in executors for who in ("ours", "bare")]
    return found


@pytest.mark.gate
@pytest.mark.parametrize(("point", "executor", "who"), sides())
def test_network(benchmark, point: tuple, executor: str, who: str) -> None:
    policy, size, rows, simulations, wave = point
    network = Network(size, ACTIONS)
    embedding = torch.from_numpy(roots(size, rows))

    def model(action: Tensor, state: Tensor) -> tuple[RecurrentOutput, Tensor]:
        after, logits, reward, value = network(action, state)
        return RecurrentOutput(reward, torch.full_like(reward, DISCOUNT), logits, value), after

    compiled = executor == "compiled"
    if compiled:
        model = compile_recurrent(model, modules=[network]).bind(embedding)
    pair = network_pair(policy, size, rows, simulations, wave)
    if not compiled:
        pair = f"{pair}, eager"
    info = {"pair": pair, "work": rows * simulations, "unit": "simulations"}
    milliseconds, over = NETWORK_OWED[point]
    with torch.inference_mode():
        if who == "ours":
            root = Root(torch.zeros(rows, ACTIONS), torch.zeros(rows), embedding)

            def run():
                return POLICIES[policy](root, model, simulations, num_threads=1, wave=wave)

            info |= {"role": "ours", "name": f"depth {run().search_tree.mean_depth:.1f}"}
            if compiled and milliseconds:
                info["rate_at_least"] = 1000 * rows * simulations / milliseconds
        else:
            calls = -(-simulations // wave)
            tape = list(torch.randint(0, ACTIONS, (calls, rows * wave)))
            first = embedding.repeat_interleave(wave, 0)

            def run():
                state = first
                for action in tape:
                    _, state = model(action, state)
                return state

            info |= {"role": "floor", "name": f"bare {executor} calls"}
            if compiled and over:
                info["ratio_at_least"] = over
        benchmark.extra_info.update(info)
        benchmark(run)


@pytest.mark.info
@pytest.mark.parametrize("overlap", [True, False])
@pytest.mark.parametrize("policy", list(POLICIES))
@pytest.mark.parametrize("rows", [64, 1024])
def test_overlap(benchmark, rows: int, policy: str, overlap: bool) -> None:
    network = Network("small", ACTIONS)
    embedding = torch.from_numpy(roots("small", rows))

    def model(action: Tensor, state: Tensor) -> tuple[RecurrentOutput, Tensor]:
        after, logits, reward, value = network(action, state)
        return RecurrentOutput(reward, torch.full_like(reward, DISCOUNT), logits, value), after

    compiled = compile_recurrent(model, modules=[network]).bind(embedding)
    root = Root(torch.zeros(rows, ACTIONS), torch.zeros(rows), embedding)

    def run():
        return POLICIES[policy](root, compiled, 50, num_threads=2, overlap=overlap)

    benchmark.extra_info.update(
        pair=f"search in halves, {policy}, small, B={rows}, S=50, 2 threads",
        role="ours" if overlap else "floor",
        name="overlap" if overlap else "all rows at once",
        work=rows * 50,
        unit="simulations",
    )
    benchmark(run)
