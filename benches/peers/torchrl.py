"""TorchRL: its CEM and MPPI planners over our network, as a ModelBasedEnvBase."""

import logging
import os

os.environ.setdefault("RL_LOGGING_LEVEL", "ERROR")

import torch
from tensordict import TensorDict
from torch import nn
from torchrl.data import Composite, Unbounded
from torchrl.envs.model_based import ModelBasedEnvBase
from torchrl.modules import CEMPlanner, MPPIPlanner, SafeModule, ValueOperator, WorldModelWrapper
from torchrl.objectives.value import TDLambdaEstimator

from peers.pendulum import CANDIDATES, STEPS, Network, cost
from peers.timing import one_core, say


class Reward(nn.Module):
    """What a step is worth."""

    def forward(self, hidden, action):
        flat = cost(hidden.flatten(0, -2), action.flatten(0, -2))
        return -flat.view(*hidden.shape[:-1], 1)


class Dynamics(nn.Module):
    """The network, for any number of leading axes."""

    def __init__(self) -> None:
        super().__init__()
        self.network = Network()

    def forward(self, hidden, action):
        after = self.network(hidden.flatten(0, -2), action.flatten(0, -2))
        return after.view_as(hidden)


class Env(ModelBasedEnvBase):
    """The model as an environment."""

    def __init__(self) -> None:
        keys = ["hidden", "action"]
        world = WorldModelWrapper(
            SafeModule(Dynamics(), in_keys=keys, out_keys=["hidden"]),
            SafeModule(Reward(), in_keys=keys, out_keys=["reward"]),
        )
        super().__init__(world, device="cpu")
        self.state_spec = Composite(hidden=Unbounded((2,)))
        self.observation_spec = Composite(hidden=Unbounded((2,)))
        self.action_spec = Unbounded((1,))
        self.reward_spec = Unbounded((1,))

    def _reset(self, tensordict=None, **rest):
        found = TensorDict({}, batch_size=self.batch_size)
        return found.update(self.full_state_spec.rand()).update(self.full_observation_spec.rand())


def main() -> None:
    logging.disable(logging.INFO)
    one_core()
    torch.set_num_threads(1)
    with torch.inference_mode():
        env = Env()
        value = ValueOperator(nn.Linear(2, 1), in_keys=["hidden"])
        estimator = TDLambdaEstimator(gamma=0.99, lmbda=0.95, value_network=value)
        elites = CANDIDATES // 10
        cem = CEMPlanner(env, STEPS, 1, CANDIDATES, elites)
        mppi = MPPIPlanner(env, estimator, 1.0, STEPS, 1, CANDIDATES, elites)
        for pair, planner, problems in (
            ("CEM, MLP 64, N=8, 1 iteration", cem, 8),
            ("MPPI, MLP 64, N=1", mppi, 1),
            ("MPPI, MLP 64, N=8", mppi, 8),
        ):
            ends = torch.zeros(problems, 1, dtype=torch.bool)
            start = TensorDict(
                {"hidden": torch.rand(problems, 2), "done": ends, "terminated": ends.clone()},
                [problems],
            )
            work = problems * CANDIDATES * STEPS
            say(pair, "TorchRL", lambda p=planner, s=start: p(s.clone()), work)


if __name__ == "__main__":
    main()
