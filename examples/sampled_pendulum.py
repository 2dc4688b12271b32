"""Swing five pendulums up by a tree search over torques; prints the mean return of 200 steps.

    python examples/sampled_pendulum.py

The model is the environment itself. A torque is a number, so every node draws a few candidates;
what lies beyond a leaf is guessed from its energy, which swings up, and its angle, which balances.
"""

import numpy as np
import torch

import rollout
from rollout.models import ExactModel
from rollout.planning import TreeSearch

PENDULUMS, STEPS = 5, 200
GRAVITY, UPRIGHT_ENERGY = 10.0, 5.0  # of a rod of length and mass 1, in joules


class Guided(ExactModel):
    """The exact pendulum, with a guess at the return to come."""

    def value(self, state):
        cos, sin, speed = torch.from_numpy(self.picture(state)).unbind(1)
        energy = speed.square() / 6 + GRAVITY / 2 * cos
        angle = torch.atan2(sin, cos)
        near = torch.exp(-angle.square())
        cost = near * (6 * angle.square() + speed.square())
        return -(4 * (UPRIGHT_ENERGY - energy).abs() + cost)


def main():
    env = rollout.make_vec("Pendulum-v1", PENDULUMS)
    env.reset(seed=0)
    model = Guided(env)
    planner = TreeSearch(
        model, candidates=9, num_simulations=48, max_num_considered_actions=9, gumbel_scale=0.0
    )
    returns = np.zeros(PENDULUMS)
    for step in range(STEPS):
        plan = planner.plan(model.state(env.snapshot()), seed=step)
        _, reward, *_ = env.step(plan.action.numpy())
        returns += reward
    print(f"mean return {returns.mean():.1f}")


if __name__ == "__main__":
    main()
