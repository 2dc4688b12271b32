"""2048 from Python: what the player does and what chance does, as two halves of a step."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rollout import _native
from rollout.envs.snapshot import Snapshot, StepFrom
from rollout.envs.vector_env import VectorEnv


@dataclass(frozen=True, slots=True)
class Afterstates:
    """Worlds between a slide and the new tile. R worlds, C = 32 outcomes.

    snapshot: the worlds; they await a tile and have no legal actions. One whose game the slide has
              ended (max_tile) awaits nothing.
    reward:   [R] float64, what the slide paid.
    chances:  [R, C] float64, of each outcome: 2 * cell + 1 if the new tile is a 4, cells row by
              row; a row sums to 1, or is 0 where the game is over.
    """

    snapshot: Snapshot
    reward: NDArray[np.float64]
    chances: NDArray[np.float64]


class Game2048VectorEnv(VectorEnv):
    """Rows of 2048-v0: slide all tiles one way, equal ones that meet merge, a new tile appears.

    max_tile: the tile that ends the game when it is made, a power of two from 8 on; 0: none does.

    Actions int64 [n]: 0 up, 1 right, 2 down, 3 left. Observations uint8 [n, 4, 4]: 0 for no tile, k
    for 2 ** k. The reward is the sum of the tiles that a slide makes.

    `afterstates` and `resolve` are the two halves of `step_from`, for planners that treat the new
    tile as a chance node: `step` is a slide, and then an outcome drawn by its chance.
    """

    def afterstates(self, snapshot: Snapshot, actions: ArrayLike) -> Afterstates:
        """Slide the worlds of a snapshot, which stays as it is, and draw no tile.

        actions: [R] integers, legal in their worlds; ValueError names the first that is not.
        """
        batch = self._open()
        self._require(snapshot)
        rows, reward, chances = _native.game2048_afterstates(
            batch, snapshot.data, _integers("actions", actions, len(snapshot))
        )
        return Afterstates(Snapshot(self.env_id, self.fingerprint, rows), reward, chances)

    def resolve(self, snapshot: Snapshot, outcomes: ArrayLike) -> StepFrom:
        """Give the worlds of an afterstates' snapshot, which stays as it is, their new tiles.

        outcomes: [R] integers, as `Afterstates.chances` numbers them; ValueError names the first
                  that has no chance. The reward of this half is 0.
        """
        batch = self._open()
        self._require(snapshot)
        rows, terminated = _native.game2048_resolve(
            batch, snapshot.data, _integers("outcomes", outcomes, len(snapshot))
        )
        after = Snapshot(self.env_id, self.fingerprint, rows)
        view = self.view(after)
        return StepFrom(
            after,
            view.obs,
            np.zeros(len(after)),
            terminated,
            np.zeros(len(after), np.bool_),
            None,
            {},
            view.action_mask,
            view.to_play,
        )


def _integers(name: str, values: ArrayLike, length: int) -> NDArray[np.int64]:
    array = np.asarray(values)
    if array.dtype.kind not in "iu" or array.shape != (length,):
        raise ValueError(
            f"{name}: expected integers [R={length}], got {array.dtype} {list(array.shape)}"
        )
    return array.astype(np.int64)
