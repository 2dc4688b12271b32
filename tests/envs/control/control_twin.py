"""Reacher and the cart pole swing-up again, in plain Python, written from docs/envs/control.md.

Their numbers have the same bits: the same C library, and the same order of operations.
"""

import math
from dataclasses import dataclass, field

import numpy as np

from rollout import _native


def draws(seed: int, episode: int) -> list[float]:
    """The uniform numbers of a reset."""
    return _native.philox_doubles(seed, episode, 0, 1, 8).tolist()


def clip(value: float, low: float, high: float) -> float:
    return min(max(value, low), high)


@dataclass
class Reacher:
    """Angles and speeds of two links, and the target."""

    angle: list[float] = field(default_factory=lambda: [0.0, 0.0])
    speed: list[float] = field(default_factory=lambda: [0.0, 0.0])
    target: list[float] = field(default_factory=lambda: [0.0, 0.0])
    events: tuple[int, ...] = (0,)

    def reset(self, seed: int, episode: int) -> None:
        u = draws(seed, episode)
        self.angle = [math.pi * (2 * u[0] - 1), math.pi * (2 * u[1] - 1)]
        self.speed = [0.0, 0.0]
        radius, direction = 0.9 * math.sqrt(u[2]), math.pi * (2 * u[3] - 1)
        self.target = [radius * math.cos(direction), radius * math.sin(direction)]

    def offset(self) -> list[float]:
        first, second = self.angle[0], self.angle[0] + self.angle[1]
        return [
            0.5 * function(first) + 0.5 * function(second) - goal
            for function, goal in zip((math.cos, math.sin), self.target, strict=True)
        ]

    def step(self, action: np.ndarray) -> tuple[float, bool]:
        a1, a2 = (clip(float(a), -1.0, 1.0) for a in action)
        w1, w2 = self.speed
        inertia = 1.0 * 0.5 * 0.5 / 12
        couple, whirl = 0.125 * math.cos(self.angle[1]), 0.125 * math.sin(self.angle[1])
        m22 = inertia + 0.0625
        m12 = m22 + couple
        m11 = 2 * m22 + 0.25 + 2 * couple
        f1 = 2.0 * a1 - 0.5 * w1 + whirl * (2 * w1 * w2 + w2 * w2)
        f2 = 2.0 * a2 - 0.5 * w2 - whirl * w1 * w1
        determinant = m11 * m22 - m12 * m12
        w1 = clip(w1 + 0.04 * ((m22 * f1 - m12 * f2) / determinant), -8.0, 8.0)
        w2 = clip(w2 + 0.04 * ((m11 * f2 - m12 * f1) / determinant), -8.0, 8.0)
        self.speed = [w1, w2]
        for joint, speed in enumerate(self.speed):
            angle = self.angle[joint] + 0.04 * speed
            if angle > math.pi:
                angle -= 2 * math.pi
            elif angle < -math.pi:
                angle += 2 * math.pi
            self.angle[joint] = angle
        x, y = self.offset()
        distance = math.sqrt(x * x + y * y)
        self.events = (int(distance < 0.05),)
        return -distance - 0.1 * (a1 * a1 + a2 * a2), False

    def observe(self) -> np.ndarray:
        turned = [function(angle) for function in (math.cos, math.sin) for angle in self.angle]
        return np.array([*turned, *self.target, *self.speed, *self.offset()], np.float32)

    def numbers(self) -> list[float]:
        return [*self.angle, *self.speed, *self.target]


@dataclass
class SwingUp:
    """The cart's place and speed, the pole's angle (0 is up) and its rate."""

    state: list[float] = field(default_factory=lambda: [0.0] * 4)
    events: tuple[int, ...] = (0, 0)

    def reset(self, seed: int, episode: int) -> None:
        self.state = [0.05 * (2 * u - 1) for u in draws(seed, episode)[:4]]
        self.state[2] = math.remainder(self.state[2] + math.pi, 2 * math.pi)

    def step(self, action: np.ndarray) -> tuple[float, bool]:
        x, x_dot, theta, theta_dot = self.state
        force = 10.0 * clip(float(action[0]), -1.0, 1.0)
        sin, cos = math.sin(theta), math.cos(theta)
        push = (force + 0.05 * theta_dot * theta_dot * sin) / 1.1
        theta_acc = (9.8 * sin - cos * push) / (0.5 * (4.0 / 3.0 - 0.1 * cos * cos / 1.1))
        x_acc = push - 0.05 * theta_acc * cos / 1.1
        x_dot += 0.02 * x_acc
        theta_dot += 0.02 * theta_acc
        x += 0.02 * x_dot
        theta = math.remainder(theta + 0.02 * theta_dot, 2 * math.pi)
        self.state = [x, x_dot, theta, theta_dot]
        height, off = math.cos(theta), x / 2.4
        off_track = abs(off) > 1
        self.events = (int(height > 0.95), int(off_track))
        return 0.0 if off_track else (1 + height) / 2 * (1 - off * off), off_track

    def observe(self) -> np.ndarray:
        x, x_dot, theta, theta_dot = self.state
        return np.array([x, x_dot, math.cos(theta), math.sin(theta), theta_dot], np.float32)

    def numbers(self) -> list[float]:
        return list(self.state)


TWINS = {"Reacher-v0": Reacher, "CartPoleSwingUp-v0": SwingUp}
