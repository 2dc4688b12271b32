"""Swing ten exact pendulums up: MPPI and TD-MPC beside pytorch_mppi, with the same budget.

    python benches/swing_up.py

Each plan may take 1500 model steps. Ten seeds, 200 steps each; prints the mean return and its
worst. pytorch_mppi is given both splits of the budget that ours use, and its own test's variance of
10 and lambda of 1; it is left out where it is not installed.
"""

import math
import time
from importlib.util import find_spec

import numpy as np
import torch

import rollout
from rollout.models import ExactModel
from rollout.planning import MPPI, TDMPC
from rollout.planning.trajectory import Coloured

SEEDS, STEPS = 10, 200
STD = math.sqrt(10) / 2  # in half ranges of a torque that is at most 2
OURS = {
    "MPPI, 94 x 16": (MPPI, {"horizon": 16, "population": 94, "std": STD}),
    "MPPI, 75 x 20": (MPPI, {"horizon": 20, "population": 75, "std": STD}),
    "TD-MPC, 3 x 25 x 20": (
        TDMPC,
        {"horizon": 20, "population": 25, "elites": 6, "iterations": 3, "std": 1.0},
    ),
}


def swing_up(kind, settings) -> np.ndarray:
    """Return the return of each seed, all planned for in one call a step."""
    env = rollout.make_vec("Pendulum-v1", SEEDS)
    env.reset(seed=0)
    model = ExactModel(env)
    planner = kind(model, discount=1.0, noise=Coloured(1.0), paths=False, **settings)
    total = np.zeros(SEEDS)
    for step in range(STEPS):
        plan = planner.plan(model.state(env.snapshot()), seed=step)
        total += env.step(plan.action.numpy())[1]
    return total


def dynamics(state: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    angle, speed = state[:, 0:1], state[:, 1:2]
    speed = speed + (15.0 * torch.sin(angle) + 3.0 * torch.clamp(action, -2, 2)) * 0.05
    speed = torch.clamp(speed, -8, 8)
    return torch.cat((angle + speed * 0.05, speed), dim=1)


def cost(state: torch.Tensor, action: torch.Tensor) -> torch.Tensor:
    angle = ((state[:, 0] + math.pi) % (2 * math.pi)) - math.pi
    return angle**2 + 0.1 * state[:, 1] ** 2 + 0.001 * action[:, 0] ** 2


def rival(population: int, horizon: int) -> np.ndarray:
    """Return the return of each seed under pytorch_mppi, one after another."""
    import pytorch_mppi

    total = np.zeros(SEEDS)
    for seed in range(SEEDS):
        torch.manual_seed(seed)
        env = rollout.make_vec("Pendulum-v1", 1)
        env.reset(seed=seed)
        planner = pytorch_mppi.MPPI(
            dynamics,
            cost,
            nx=2,
            noise_sigma=torch.tensor([[10.0]]),
            num_samples=population,
            horizon=horizon,
            lambda_=1.0,
            u_min=torch.tensor([-2.0]),
            u_max=torch.tensor([2.0]),
        )
        for _ in range(STEPS):
            state = env.get_attr("state")[0]
            action = planner.command(torch.tensor([state["theta"], state["theta_dot"]]).float())
            total[seed] += env.step(action.numpy()[None].astype(np.float32))[1][0]
    return total


def main() -> None:
    torch.set_num_threads(1)
    runs = {name: lambda one=one: swing_up(*one) for name, one in OURS.items()}
    if find_spec("pytorch_mppi"):
        for population, horizon in ((100, 15), (75, 20)):
            name = f"pytorch_mppi, {population} x {horizon}"
            runs[name] = lambda a=population, b=horizon: rival(a, b)
    for name, run in runs.items():
        start = time.perf_counter()
        total = run()
        seconds = time.perf_counter() - start
        print(f"{name:24} mean {total.mean():7.1f}  worst {total.min():7.1f}  {seconds:5.1f} s")


if __name__ == "__main__":
    main()
