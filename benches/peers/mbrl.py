"""mbrl-lib: CEM over its own ensemble of Gaussian networks, of Hopper's size, with TS1."""

import types

import mbrl.models
import numpy as np
import torch
from mbrl.planning import CEMOptimizer

from peers.timing import one_core, say

OBS, ACTIONS, MEMBERS, WIDTH, LAYERS = 11, 3, 5, 200, 4
POPULATION, PARTICLES, STEPS, ITERATIONS = 500, 20, 15, 5


def ensemble() -> mbrl.models.ModelEnv:
    """The model as mbrl-lib steps it, never ending."""
    network = mbrl.models.GaussianMLP(
        OBS + ACTIONS,
        OBS + 1,
        "cpu",
        num_layers=LAYERS,
        ensemble_size=MEMBERS,
        hid_size=WIDTH,
        propagation_method="random_model",
        activation_fn_cfg={"_target_": "torch.nn.SiLU"},
    )
    model = mbrl.models.OneDTransitionRewardModel(network, normalize=True, learned_rewards=True)
    spaces = types.SimpleNamespace(observation_space=None, action_space=None)

    def never(action, obs):
        return torch.zeros(obs.shape[0], 1, dtype=torch.bool)

    return mbrl.models.ModelEnv(spaces, model, never, generator=torch.Generator())


def main() -> None:
    one_core()
    torch.set_num_threads(1)
    torch.manual_seed(0)
    env, start = ensemble(), np.zeros(OBS, np.float32)
    low, high = [[-1.0] * ACTIONS] * STEPS, [[1.0] * ACTIONS] * STEPS
    cem = CEMOptimizer(ITERATIONS, 0.1, POPULATION, low, high, 0.1, "cpu")
    first = torch.zeros(STEPS, ACTIONS)

    def score(population):
        return env.evaluate_action_sequences(population, start, PARTICLES)

    say(
        "CEM, PETS ensemble, 20 particles",
        "mbrl-lib",
        lambda: cem.optimize(score, x0=first),
        POPULATION * PARTICLES * STEPS * ITERATIONS,
    )


if __name__ == "__main__":
    main()
