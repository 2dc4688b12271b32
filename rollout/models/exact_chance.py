"""The true rules with what chance does apart: for planners that look at more futures than one.

`ExactModel` has the one future that its environment would have, since random streams are part of a
world. Here a step has two halves, and a planner sees every outcome with its chance.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from rollout.envs.chance import Game2048VectorEnv
from rollout.models.exact import ExactModel
from rollout.models.protocol import Transition

_TINY = torch.finfo(torch.float32).tiny


class ExactAfterstate(NamedTuple):
    """Worlds that the player has acted in and chance has not."""

    worlds: Tensor  # [R, row_bytes] uint8
    reward: Tensor  # [R] float32, of the action
    over: Tensor  # [R] bool, where the action ended the episode: no outcome is awaited


class ExactChanceModel(ExactModel):
    """2048-v0 as a model with afterstates: see `protocol.Chance`, `Legal` and `AfterstateValue`.

    env: a `rollout.make_vec("2048-v0", ...)` that has been reset; it must stay open.
    A subclass that defines `value` and `afterstate_value` plans by those too.
    """

    def __init__(self, env: Game2048VectorEnv) -> None:
        if not isinstance(env, Game2048VectorEnv):
            raise TypeError(
                f"env: expected one with afterstates (2048-v0), got {type(env).__name__}; "
                "ExactModel takes any"
            )
        super().__init__(env)
        self._game = env

    def legal(self, state: Tensor) -> Tensor:
        """Return which actions change the board, [R, 4] bool: none where the game is over."""
        mask = self._game.view(self._wrap(state)).action_mask
        return torch.from_numpy(mask).bool()

    def afterstate(self, state: Tensor, action: Tensor) -> tuple[ExactAfterstate, Tensor]:
        """Slide every board, and return the chances of each new tile as logits [R, 32].

        Raises ValueError for an action that is not legal in its world.
        """
        after = self._game.afterstates(self._wrap(state), action.numpy())
        chances = torch.from_numpy(after.chances).float()
        reward = torch.from_numpy(after.reward).float()
        worlds = torch.from_numpy(after.snapshot.data)
        return ExactAfterstate(worlds, reward, chances.sum(1) == 0), chances.clamp(min=_TINY).log()

    def resolve(self, after: ExactAfterstate, outcome: Tensor) -> tuple[Tensor, Transition]:
        """Give every board its new tile; a world that is over stays as it is."""
        worlds, cont = after.worlds.clone(), torch.zeros(len(outcome))
        rows = (~after.over).nonzero()[:, 0]
        if len(rows) > 0:
            out = self._game.resolve(self._wrap(worlds[rows]), outcome[rows].numpy())
            worlds[rows] = torch.from_numpy(out.snapshot.data)
            cont[rows] = torch.from_numpy(~out.terminated).float()
        return worlds, Transition(after.reward, cont)

    def afterstate_value(self, after: ExactAfterstate) -> Tensor:
        """Return what the action has paid, [R]: the reward that is still to come for a search."""
        return after.reward
