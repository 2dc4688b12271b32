"""What trajectory optimisers are given: the pendulum in torch, its cost, and a network of its size.

The network is (2 + 1) -> 64 -> 64 -> 2 with ReLU, as a change of state. Needs torch only.
"""

import math

import torch
from torch import Tensor, nn

CANDIDATES, STEPS = 1000, 30


def cost(state: Tensor, action: Tensor) -> Tensor:
    """Return what a step costs, [R]. state: [R, 2]; action: [R, 1]."""
    angle = ((state[:, 0] + math.pi) % (2 * math.pi)) - math.pi
    return angle**2 + 0.1 * state[:, 1] ** 2 + 0.001 * action[:, 0] ** 2


def pendulum(state: Tensor, action: Tensor) -> Tensor:
    """Return the state that follows, [R, 2]."""
    angle, speed = state[:, 0:1], state[:, 1:2]
    action = torch.clamp(action, -2, 2)
    speed = torch.clamp(speed + (15.0 * torch.sin(angle) + 3.0 * action) * 0.05, -8, 8)
    return torch.cat((angle + speed * 0.05, speed), dim=1)


class Network(nn.Module):
    """Random weights, always the same."""

    def __init__(self, width: int = 64) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layers = nn.Sequential(
            nn.Linear(3, width), nn.ReLU(), nn.Linear(width, width), nn.ReLU(), nn.Linear(width, 2)
        )
        self.requires_grad_(False)

    def forward(self, state: Tensor, action: Tensor) -> Tensor:
        return state + 0.05 * self.layers(torch.cat((state, action), dim=1))
