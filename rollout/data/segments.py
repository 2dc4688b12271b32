"""Windows of stored experience, and the n-step targets that are read off them.

Time runs as everywhere in `rollout`: state k is seen, action k is taken in it, and reward k,
events k and the continuation of step k are what leaving it produced. A window starts at a real
step and is cut at its episode's end: nothing of the next episode is ever visible in it.

Plain NumPy, no state; safe from any thread. B windows, K unrolled steps, n steps of return,
L = K + n, A actions.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray


@dataclass(frozen=True, slots=True)
class Segments:
    """B windows of up to L consecutive steps. The arrays belong to the caller.

    `length` counts the steps of a window that really happened in its episode. What lies past
    them is filler: observations repeat the last real one, rewards and events are 0.
    """

    rows: NDArray[np.int64]  # [B] environment row
    start: NDArray[np.int64]  # [B] step number of state 0, counted since the replay was made
    obs: NDArray[np.generic]  # [B, K+1, ...] observation of states 0..K
    action: NDArray[np.int64]  # [B, K]
    policy: NDArray[np.float32]  # [B, K+1, A] stored policy target of states 0..K
    reward: NDArray[np.float32]  # [B, L]
    events: NDArray[np.uint8]  # [B, L, ...event shape] counts; E may be 0
    length: NDArray[np.int64]  # [B] real steps, 0 < length <= L
    terminated: NDArray[np.bool_]  # [B] the last real step ended the episode for good

    @property
    def unroll(self) -> int:
        """K, the number of unrolled steps."""
        return int(self.action.shape[1])

    @property
    def horizon(self) -> int:
        """n, the number of steps a return looks ahead before it bootstraps."""
        return int(self.reward.shape[1]) - self.unroll

    @property
    def step_mask(self) -> NDArray[np.bool_]:
        """[B, K] step k happened."""
        return np.arange(self.unroll) < self.length[:, None]

    @property
    def state_mask(self) -> NDArray[np.bool_]:
        """[B, K+1] state k was seen and is not terminal: policy and value mean something there.

        The last observation of a truncated episode counts; that of a terminated one does not.
        """
        k = np.arange(self.unroll + 1)
        return k < (self.length + ~self.terminated)[:, None]

    @property
    def absorbed(self) -> NDArray[np.bool_]:
        """[B, K+1] state k is terminal or lies past it: reward, events and value are 0 for ever."""
        return (np.arange(self.unroll + 1) >= self.length[:, None]) & self.terminated[:, None]

    @property
    def cont(self) -> NDArray[np.float32]:
        """[B, K] 1 where state k+1 is not terminal. Truncation does not enter it."""
        return (~self.absorbed[:, 1:]).astype(np.float32)

    def bootstrap(self, discount: float) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return where each state's n-step return bootstraps, and with what weight.

        Returns (step numbers [B, K+1], weights [B, K+1]): state k bootstraps from the stored
        observation n steps on, or from the episode's last one if that comes first (a truncated
        episode), with weight discount ** distance; the weight is 0 where the episode terminated
        on the way, and for states that never were.
        """
        k = np.arange(self.unroll + 1)
        end = self.length[:, None]
        offset = np.minimum(k + self.horizon, end)
        dead = (self.terminated[:, None] & (offset == end)) | (k > end)
        weight = np.where(dead, 0.0, np.power(discount, np.maximum(offset - k, 0)))
        return self.start[:, None] + offset, weight.astype(np.float32)

    def returns(self, discount: float) -> NDArray[np.float32]:
        """[B, K+1] discounted reward of the next n steps, without the bootstrap."""
        return _sums(self.reward[..., None], self.unroll, discount)[..., 0]

    def event_returns(self, discount: float) -> NDArray[np.float32]:
        """[B, K+1, ...event shape] discounted event counts of the next n steps, no bootstrap."""
        shape = self.events.shape
        flat = self.events.reshape(*shape[:2], int(np.prod(shape[2:])))
        return _sums(flat, self.unroll, discount).reshape(shape[0], -1, *shape[2:])


def _sums(
    values: NDArray[np.float32] | NDArray[np.uint8], unroll: int, discount: float
) -> NDArray[np.float32]:
    """[B, L, F] to [B, K+1, F]: discounted sums over a sliding window of L - K steps."""
    # the filler past an episode's end is 0, so one matrix serves every window
    band = _band(unroll, values.shape[1] - unroll, discount)
    sums: NDArray[np.float32] = np.matmul(band, values.astype(np.float32))
    return sums


@lru_cache(maxsize=16)
def _band(unroll: int, horizon: int, discount: float) -> NDArray[np.float32]:
    """[K+1, L] the matrix that sums `horizon` discounted steps from each of K+1 states."""
    ahead = np.arange(unroll + horizon) - np.arange(unroll + 1)[:, None]
    inside = (ahead >= 0) & (ahead < horizon)
    band: NDArray[np.float32] = np.where(inside, discount ** np.maximum(ahead, 0), 0.0).astype(
        np.float32
    )
    band.flags.writeable = False
    return band
