"""pytorch_mppi: one command of MPPI, over our network and over the pendulum in torch."""

import math

import torch
from pytorch_mppi import MPPI, MPPI_Batched

from peers.pendulum import CANDIDATES, STEPS, Network, cost, pendulum
from peers.timing import one_core, say


def planner(dynamics, problems: int):
    """A warm-started command for so many problems at once."""
    settings = {
        "nx": 2,
        "noise_sigma": torch.eye(1),
        "num_samples": CANDIDATES,
        "horizon": STEPS,
        "lambda_": 1.0,
        "u_min": torch.tensor([-2.0]),
        "u_max": torch.tensor([2.0]),
    }
    if problems == 1:
        mppi, state = MPPI(dynamics, cost, **settings), torch.tensor([math.pi, 1.0])
    else:
        mppi = MPPI_Batched(dynamics, cost, num_envs=problems, **settings)
        state = torch.rand(problems, 2)
    return lambda: mppi.command(state)


def main() -> None:
    one_core()
    torch.set_num_threads(1)
    with torch.inference_mode():
        for of, dynamics, counts in (
            ("exact pendulum", pendulum, (1, 32)),
            ("MLP 64", Network(), (1, 8, 32)),
        ):
            for problems in counts:
                work = problems * CANDIDATES * STEPS
                say(f"MPPI, {of}, N={problems}", "pytorch_mppi", planner(dynamics, problems), work)


if __name__ == "__main__":
    main()
