"""Play a vector env on a fixed action tape and note each row's episodes, whatever resets them.

The tape gives an action for (label, episode, moment in it), so a row plays the same game under
every autoreset mode, in any company and at any place; its episodes can then be compared.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from copy import deepcopy
from dataclasses import dataclass
from typing import Any
from zlib import crc32

import numpy as np
from gymnasium import spaces
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import concatenate, create_empty_array, iterate
from numpy.typing import NDArray

BANK = 97  # actions that the tape draws from
TWIST = 10_007  # added to a label, it gives another tape


@dataclass(frozen=True, slots=True)
class Moment:
    """What one row gave in one step; in an episode's first moment only `obs` means something."""

    obs: Any
    reward: float = 0.0
    terminated: bool = False
    truncated: bool = False

    @property
    def ended(self) -> bool:
        """Whether the episode ended here."""
        return self.terminated or self.truncated


Episodes = list[list[Moment]]


class Player:
    """One env, played row by row; `episodes[row]` is what has happened since the row was seeded.

    labels:   which tape a row follows; by default its number.
    ignored:  added to the label of a row that waits to be reset: its action should not matter.
    scribble: overwrite every array that the env returned once it has been read, and the actions
              that it was given: an env that still reads either plays on differently.
    """

    def __init__(
        self,
        env: VectorEnv[Any, Any, Any],
        *,
        labels: Sequence[int] | None = None,
        ignored: int = 0,
        scribble: bool = False,
    ) -> None:
        self.env = env
        self.mode = env.metadata["autoreset_mode"]
        self.labels = range(env.num_envs) if labels is None else labels
        self.ignored = ignored
        self.scribble = scribble
        single = deepcopy(env.single_action_space)
        single.seed(0)
        self.bank = [single.sample() for _ in range(BANK)]
        self.episodes: list[Episodes] = []
        self.ended = np.zeros(env.num_envs, np.bool_)
        self.counts = np.zeros(env.num_envs, np.int64)
        self.out: tuple[Any, ...] = ()  # what the last reset or step returned
        self.legal: Any = None  # the last infos["action_mask"]
        self.count = 0  # steps
        self.actions_changed = False

    def reset(self, seed: Any, mask: NDArray[np.bool_] | None = None) -> list[Any]:
        """Seed all rows or those of the mask, begin their records; return all observations."""
        options = None if mask is None else {"reset_mask": mask.copy()}
        obs = self._reset(seed, options)
        if mask is None:
            self.episodes = [[] for _ in obs]
            mask = np.ones(len(obs), np.bool_)
        for row in np.flatnonzero(mask).tolist():
            self.counts[row] = 0
            self.episodes[row] = [[Moment(obs[row])]]
        self.ended &= ~mask
        return obs

    def go_on(self, seed: Any = None) -> None:
        """Begin the next episode of every row by a reset that gives them no seed."""
        for row, obs in enumerate(self._reset(seed, None)):
            self._next_episode(row, obs)
        self.ended[:] = False

    def steps(self, count: int) -> Player:
        """Step `count` times."""
        for _ in range(count):
            self.step()
        return self

    def step(self) -> None:
        """Step every row once, resetting those that wait for it."""
        if self.mode is AutoresetMode.DISABLED and self.ended.any():
            obs = self._reset(None, {"reset_mask": self.ended.copy()})
            for row in np.flatnonzero(self.ended).tolist():
                self._next_episode(row, obs[row])
            self.ended[:] = False
        resetting = self.ended & (self.mode is AutoresetMode.NEXT_STEP)
        actions = self.actions(resetting)
        given = deepcopy(actions)
        self.out = self.env.step(actions)
        self.actions_changed |= not same(actions, given)
        obs, *facts, infos = self.out
        ended = np.logical_or(*facts[1:])
        for row, now in enumerate(self._rows(obs)):
            if resetting[row]:
                self._next_episode(row, now)
                continue
            moved = ended[row] and self.mode is AutoresetMode.SAME_STEP
            last = deepcopy(final_row(infos.get("final_obs"), row)) if moved else now
            self.episodes[row][-1].append(Moment(last, *(fact[row].item() for fact in facts)))
            if moved:
                self._next_episode(row, now)
        self.ended = ended & (self.mode is not AutoresetMode.SAME_STEP) & ~resetting
        self.count += 1
        self._read(actions)

    def actions(self, waiting: NDArray[np.bool_]) -> Any:
        """The tape's action of every row, a legal one where infos["action_mask"] tells."""
        space = self.env.single_action_space
        chosen: list[Any] = []
        for row, label in enumerate(self.labels):
            label += self.ignored * bool(waiting[row])
            draw = crc32(f"{label},{self.counts[row]},{len(self.episodes[row][-1])}".encode())
            action: Any = self.bank[draw % BANK]
            if isinstance(space, spaces.Discrete) and self.legal is not None:
                legal = np.flatnonzero(self.legal[row])
                if len(legal):
                    action = space.start + legal[draw % len(legal)]
            chosen.append(action)
        batch: Any = create_empty_array(space, len(chosen))
        return concatenate(space, chosen, batch)

    def _reset(self, seed: Any, options: dict[str, Any] | None) -> list[Any]:
        self.out = self.env.reset(seed=seed, options=options)
        rows = self._rows(self.out[0])
        self._read(())
        return rows

    def _read(self, actions: Any) -> None:
        """Take the legal actions out of what the env returned; then nothing there is needed."""
        mask = self.out[-1].get("action_mask")
        self.legal = None if mask is None else np.array(mask)
        if self.scribble:
            scribble((self.out, actions))

    def _rows(self, obs: Any) -> list[Any]:
        return [deepcopy(row) for row in iterate(self.env.observation_space, obs)]

    def _next_episode(self, row: int, obs: Any) -> None:
        self.counts[row] += 1
        self.episodes[row].append([Moment(obs)])


def final_row(final: Any, row: int) -> Any:
    """One row of infos["final_obs"]: an array of objects, a dense array, or a dict of those."""
    if final is None:
        return None
    if isinstance(final, dict):
        return {name: final_row(part, row) for name, part in final.items() if name[0] != "_"}
    if isinstance(final, tuple):
        return tuple(final_row(part, row) for part in final)
    return final[row]


def arrays(value: Any) -> Iterator[NDArray[Any]]:
    """The arrays inside nested dicts, tuples, lists and object arrays."""
    if isinstance(value, dict):
        for part in value.values():
            yield from arrays(part)
    elif isinstance(value, tuple | list):
        for part in value:
            yield from arrays(part)
    elif isinstance(value, np.ndarray) and value.dtype == object:
        yield from arrays(value.tolist())
    elif isinstance(value, np.ndarray):
        yield value


def scribble(value: Any) -> None:
    """Overwrite the arrays inside by what no env put there."""
    for array in arrays(value):
        if array.flags.writeable:
            array[...] = ~array if array.dtype == np.bool_ else array.dtype.type(77)


def same(a: Any, b: Any, tolerance: float = 0.0) -> bool:
    """Whether two observations, actions or infos are equal (floats: within the tolerance)."""
    if isinstance(a, dict):
        return (
            isinstance(b, dict)
            and a.keys() == b.keys()
            and all(same(a[key], b[key], tolerance) for key in a)
        )
    if isinstance(a, tuple | list):
        return (
            isinstance(b, tuple | list)
            and len(a) == len(b)
            and all(same(x, y, tolerance) for x, y in zip(a, b, strict=True))
        )
    x, y = np.asarray(a), np.asarray(b)
    if x.shape != y.shape:
        return False
    if x.dtype == object:
        return bool(a == b) if x.ndim == 0 else same(x.tolist(), y.tolist(), tolerance)
    if x.dtype.kind in "fc" or y.dtype.kind in "fc":
        return bool(np.allclose(x, y, rtol=tolerance, atol=tolerance, equal_nan=True))
    return bool(np.array_equal(x, y))


def difference(got: Episodes, want: Episodes, tolerance: float) -> str | None:
    """Where two records of a row differ first, up to the end of the shorter; None if nowhere."""
    for number, (mine, theirs) in enumerate(zip(got, want, strict=False)):
        for moment, (a, b) in enumerate(zip(mine, theirs, strict=False)):
            where = f"episode {number}, step {moment}"
            for name in ("reward", "terminated", "truncated"):
                x, y = getattr(a, name), getattr(b, name)
                if not same(x, y, tolerance):
                    return f"{where}: {name} is {x}, expected {y}"
            if not same(a.obs, b.obs, tolerance):
                return f"{where}: the observation is {brief(a.obs)}, expected {brief(b.obs)}"
        last = min(len(got), len(want)) - 1
        if number < last and len(mine) != len(theirs):
            return f"episode {number} has {len(mine) - 1} steps, expected {len(theirs) - 1}"
    return None


def brief(value: Any) -> str:
    """A short form of an observation for a message."""
    text = " ".join(str(value).split())
    return text if len(text) <= 60 else text[:57] + "..."
