"""Small models whose best plans are known."""

import torch

from rollout.models import Box, Discrete, Hybrid, ModelSpec, MultiDiscrete, ObsSpec, Transition

CPU = torch.device("cpu")


class Base:
    """State: [R, 2] float32; column 0 counts steps."""

    def begin(self, rows):
        return torch.zeros(rows, 2)

    def observe(self, state, obs, prev_action, first, noise):
        return obs

    def take(self, state, rows):
        return state.index_select(0, rows)


class Quadratic(Base):
    """The reward of step t is -|action - target_t|^2: the best plan is the targets."""

    def __init__(self, width=2, low=-1.0, high=2.0, **spec):
        self.spec = ModelSpec(
            obs=ObsSpec((2,)), action=Box((low,) * width, (high,) * width), device=CPU, **spec
        )
        self.centre = torch.linspace(-0.6, 1.2, width)

    def target(self, time):
        return self.centre + 0.1 * time

    def step(self, state, action, noise):
        off = action - self.target(state[:, :1])
        after = torch.stack((state[:, 0] + 1, action.sum(1)), 1)
        return after, Transition(-off.square().sum(1), None)


class Codes(Base):
    """One point for each choice of a step that equals (t + place) mod n."""

    def __init__(self, nvec=(5,)):
        action = Discrete(nvec[0]) if len(nvec) == 1 else MultiDiscrete(nvec)
        self.nvec = torch.tensor(nvec)
        self.spec = ModelSpec(obs=ObsSpec((2,)), action=action, device=CPU)

    def right(self, time):
        return (time + torch.arange(len(self.nvec))) % self.nvec

    def step(self, state, action, noise):
        hit = action.view(len(state), -1) == self.right(state[:, :1].long())
        return state + 1, Transition(hit.float().sum(1), None)


class Mixed(Base):
    """Choice 0..2 says which of three numbers is wanted; the second column should be it."""

    wanted = torch.tensor([-0.5, 0.25, 0.75])
    worth = torch.tensor([0.0, 1.0, 0.2])

    def __init__(self):
        self.spec = ModelSpec(obs=ObsSpec((2,)), action=Hybrid((3,), (-1.0,), (1.0,)), device=CPU)

    def step(self, state, action, noise):
        choice = action[:, 0].long()
        reward = self.worth[choice] - (action[:, 1] - self.wanted[choice]).square()
        return state + 1, Transition(reward, None)


class Road(Base):
    """Reward is the action; above `cliff` a collision is as likely as the excess says."""

    def __init__(self, cliff=0.3):
        self.cliff = cliff
        self.spec = ModelSpec(
            obs=ObsSpec((2,)),
            action=Box((-1.0,), (1.0,)),
            device=CPU,
            events=("step", "collision"),
        )

    def step(self, state, action, noise):
        risk = (action[:, 0] - self.cliff).clamp(0, 1)
        events = torch.stack((torch.ones_like(risk), risk), 1)
        return state + 1, Transition(action[:, 0], None, None, events)


class Ending(Base):
    """An action above 0 earns 1 and ends the episode; one below earns 0.4 and goes on."""

    def __init__(self):
        self.spec = ModelSpec(obs=ObsSpec((2,)), action=Box((-1.0,), (1.0,)), device=CPU)

    def step(self, state, action, noise):
        high = (action[:, 0] > 0).float()
        return state + 1, Transition(0.4 + 0.6 * high, 1 - high)


class Ensemble(Base):
    """Member m adds its bias, scaled by the action, to a reward that likes the action a little.

    Biases cancel on average; what a member says of a path depends on which is asked.
    """

    def __init__(self, biases=(-1.0, 0.0, 1.0)):
        self.biases = torch.tensor(biases)
        self.spec = ModelSpec(
            obs=ObsSpec((2,)), action=Box((-1.0,), (1.0,)), device=CPU, members=len(biases)
        )
        self.asked = []

    def _out(self, state, action, bias):
        reward = 0.1 * action[:, 0] + bias * action[:, 0].abs()
        spread = self.biases.std(correction=0) * action[:, 0].abs()
        return state + 1, Transition(reward, None, spread)

    def step(self, state, action, noise):
        return self._out(state, action, self.biases.mean())

    def step_member(self, state, action, member, noise):
        self.asked.append(member)
        return self._out(state, action, self.biases[member])
