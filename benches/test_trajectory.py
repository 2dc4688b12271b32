"""Trajectory optimisation: beside bare calls of the model.

A plan is one call: K = 1000 candidates of T = 30 steps for N problems, warm. The network is that of
peers/pendulum.py: (2 + 1) -> 64 -> 64 -> 2, ReLU, as a change of state, with the pendulum's cost.
Its floor is the same T calls of network and cost in inference mode: on all N * K rows at once, as
one would write it, and on chunks of 2048 rows rolled through all T steps, which is what a plan
makes of it. For the compiled plan the floor is the same compiled step, in chunks. The exact
pendulum is native here, in double precision with Gymnasium's bits and in float32, and tensors in
the rivals'. The ensemble is PETS's size: 5 members of 4 x 200, 500 candidates x 20 particles x 15
steps x 5 iterations; its floor is the same layers as one batched product each.

Rivals (pytorch_mppi, TorchRL, mbrl-lib) are in peers/.
"""

from itertools import pairwise

import pytest
import torch
from peers.pendulum import CANDIDATES as K
from peers.pendulum import STEPS as T
from peers.pendulum import Network, cost
from torch import Tensor, nn

import rollout
from rollout.models import Box, ExactModel, ModelSpec, ObsSpec, Transition
from rollout.planning import CEM, MPPI
from rollout.planning.trajectory.compiled import CompiledStep

CHUNK = 2048  # rows that a plan rolls at a time
CPU = torch.device("cpu")


class Learned:
    """The network as a world model."""

    def __init__(self) -> None:
        self.network = Network()
        self.spec = ModelSpec(ObsSpec((2,)), Box((-2.0,), (2.0,)), CPU, stochastic=False)

    def begin(self, rows):
        return torch.zeros(rows, 2)

    def observe(self, state, obs, prev_action, first, noise):
        return obs

    def step(self, state, action, noise):
        after = self.network(state, action)
        return after, Transition(-cost(after, action), None)

    def take(self, state, rows):
        return state.index_select(0, rows)


def bare(step, problems: int, chunk: int | None = None):
    """T calls of a step and nothing else, on `chunk` rows at a time."""
    starts = torch.rand(problems * K, 2).split(chunk or problems * K)
    actions = torch.rand(T, problems * K, 1).split(chunk or problems * K, 1)

    def run():
        with torch.inference_mode():
            for start, some in zip(starts, actions, strict=True):
                state = start
                for action in some:
                    state = step(state, action)
            return state

    return run


def eager_step():
    network = Network()

    def step(state: Tensor, action: Tensor) -> Tensor:
        state = network(state, action)
        cost(state, action)
        return state

    return step


def compiled_step():
    step = CompiledStep(Learned()).bind(torch.zeros(1, 2))
    return lambda state, action: step(state, action)[0]


def describe(benchmark, pair: str, side: str, problems: int, least: dict[str, float]) -> None:
    role = "ours" if side == "ours" else "floor"
    benchmark.extra_info.update(
        pair=pair, role=role, name=side, work=problems * K * T, unit="steps"
    )
    if side in least:
        benchmark.extra_info["ratio_at_least"] = least[side]


@pytest.mark.info
@pytest.mark.parametrize("side", ["ours", "ours in float32"])
@pytest.mark.parametrize("problems", [1, 32])
def test_exact_pendulum(benchmark, problems: int, side: str) -> None:
    precision = "fast" if side == "ours in float32" else "exact"
    env = rollout.make_vec("Pendulum-v1", problems, num_threads=1, precision=precision)
    env.reset(seed=0)
    model = ExactModel(env)
    state = model.state(env.snapshot())
    planner = MPPI(model, horizon=T, population=K, std=0.5, paths=False, num_threads=1)

    def run():
        return planner.plan(state)

    pair = f"MPPI, exact pendulum, N={problems}"
    describe(benchmark, pair, side, problems, {})
    if side == "ours in float32":
        benchmark.extra_info.update(pair=f"{pair}, float32", role="ours")
    benchmark(run)


MLP_SIDES = [
    "ours",
    "bare network calls",
    "bare calls in chunks",
    "ours, compiled",
    "bare compiled calls",
]


@pytest.mark.gate
@pytest.mark.parametrize("side", MLP_SIDES)
@pytest.mark.parametrize("problems", [1, 8, 32])
def test_mppi_over_a_network(benchmark, problems: int, side: str) -> None:
    compiled = side.endswith("compiled")
    if side.startswith("ours"):
        planner = MPPI(
            Learned(),
            horizon=T,
            population=K,
            std=0.5,
            paths=False,
            num_threads=1,
            compile=compiled,
        )
        state = torch.rand(problems, 2)

        def run():
            return planner.plan(state)

    elif side == "bare compiled calls":
        run = bare(compiled_step(), problems, CHUNK)
    else:
        run = bare(eager_step(), problems, CHUNK if side == "bare calls in chunks" else None)
    # one problem fits the cache anyway, and pays for what a plan does besides
    least = {"bare network calls": 0.6 if problems == 1 else 0.7}
    pair = f"MPPI, MLP 64, N={problems}"
    describe(benchmark, pair, side, problems, least)
    if compiled or side == "bare compiled calls":
        benchmark.extra_info.update(pair=f"{pair}, compiled", role="ours" if compiled else "floor")
    benchmark(run)


@pytest.mark.gate
@pytest.mark.parametrize("side", ["ours", "bare network calls"])
def test_cem_over_a_network(benchmark, side: str) -> None:
    problems = 8
    if side == "ours":
        planner = CEM(
            Learned(),
            horizon=T,
            population=K,
            elites=100,
            iterations=1,
            paths=False,
            num_threads=1,
        )
        state = torch.rand(problems, 2)

        def run():
            return planner.plan(state)

    else:
        run = bare(eager_step(), problems)
    describe(
        benchmark, "CEM, MLP 64, N=8, 1 iteration", side, problems, {"bare network calls": 0.7}
    )
    benchmark(run)


class Ensemble:
    """Five members of four layers of 200, of Hopper's size."""

    OBS, ACTIONS, MEMBERS, WIDTH = 11, 3, 5, 200

    def __init__(self) -> None:
        generator = torch.Generator().manual_seed(0)
        sizes = [self.OBS + self.ACTIONS, *[self.WIDTH] * 4, 2 * (self.OBS + 1)]
        self.weights = [
            torch.randn(self.MEMBERS, a, b, generator=generator) / a**0.5
            for a, b in pairwise(sizes)
        ]
        self.spec = ModelSpec(
            ObsSpec((self.OBS,)), Box((-1.0,) * 3, (1.0,) * 3), CPU, members=self.MEMBERS
        )

    def begin(self, rows):
        return torch.zeros(rows, self.OBS)

    def observe(self, state, obs, prev_action, first, noise):
        return obs

    def take(self, state, rows):
        return state.index_select(0, rows)

    def layers(self, x: Tensor) -> Tensor:
        """Each member's outputs for its own rows, [members, R / members, ...]."""
        for i, weight in enumerate(self.weights):
            x = torch.bmm(x, weight)
            if i < len(self.weights) - 1:
                x = nn.functional.silu(x)
        return x

    def step_member(self, state, action, member, noise):
        # members have equal shares of the rows, so sorting makes one batched product of them
        order = member.argsort(stable=True)
        x = torch.cat((state, action), 1)[order].view(self.MEMBERS, -1, self.OBS + self.ACTIONS)
        out = torch.empty(len(state), 2 * (self.OBS + 1))
        out[order] = self.layers(x).flatten(0, 1)
        mean, log_std = out.chunk(2, 1)
        drawn = mean + log_std.clamp(-5, -2).exp() * noise.normal("step", (self.OBS + 1,))
        return state + 0.1 * drawn[:, 1:].tanh(), Transition(drawn[:, 0], None)

    def step(self, state, action, noise):
        x = torch.cat((state, action), 1).expand(self.MEMBERS, -1, -1)
        mean = self.layers(x).mean(0)[:, : self.OBS + 1]
        return state + 0.1 * mean[:, 1:].tanh(), Transition(mean[:, 0], None)


@pytest.mark.info
@pytest.mark.parametrize("side", ["ours", "bare network calls"])
def test_pets(benchmark, side: str) -> None:
    model, population, particles, horizon, iterations = Ensemble(), 500, 20, 15, 5
    if side == "ours":
        planner = CEM(
            model,
            horizon=horizon,
            population=population,
            elites=50,
            iterations=iterations,
            propagation="ts1",
            particles=particles,
            paths=False,
            num_threads=1,
        )
        state = torch.zeros(1, model.OBS)

        def run():
            return planner.plan(state)

    else:
        x = torch.rand(model.MEMBERS, population * particles // model.MEMBERS, 14)

        def run():
            with torch.inference_mode():
                for _ in range(iterations * horizon):
                    model.layers(x)

    benchmark.extra_info.update(
        pair="CEM, PETS ensemble, 20 particles",
        role="ours" if side == "ours" else "floor",
        name=side,
        work=population * particles * horizon * iterations,
        unit="steps",
    )
    benchmark.pedantic(run, rounds=3, warmup_rounds=1)
