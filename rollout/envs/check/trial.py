"""What the questions share: the envs under test, one a mode, and how to play them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, Protocol

from gymnasium.vector import AutoresetMode, VectorEnv

from rollout.envs.check.play import Player

ROWS = 4
Env = VectorEnv[Any, Any, Any]


class Make(Protocol):
    """Makes a fresh env for the check at each call."""

    def __call__(self, *, num_envs: int, autoreset_mode: AutoresetMode) -> Env:
        """Make `num_envs` rows that reset as `autoreset_mode` says."""


class Trial:
    """The envs under test. They are used again and again: every play begins with a seeded reset."""

    def __init__(
        self,
        env: Env | Make,
        modes: Sequence[AutoresetMode | str] | None,
        steps: int,
        seed: int,
        tolerance: float,
    ) -> None:
        self.steps, self.seed, self.tolerance = steps, seed, tolerance
        self.make: Make | None = None
        if isinstance(env, VectorEnv):
            if modes is not None:
                raise ValueError("modes: an env has its own; give a function that makes envs")
            self.envs = {env.metadata.get("autoreset_mode"): env}
        else:
            self.make = env
            asked = list(AutoresetMode) if modes is None else [_mode(name) for name in modes]
            if not asked:
                raise ValueError("modes: expected at least one")
            self.envs = {mode: env(num_envs=ROWS, autoreset_mode=mode) for mode in asked}
        first = next(iter(self.envs.values()))
        self.subject = f"{type(first).__name__} ({', '.join(map(_name, self.envs))})"
        self.rows = first.num_envs

    @property
    def seeds(self) -> list[int]:
        """What `reset(seed=self.seed)` seeds the rows with."""
        return list(range(self.seed, self.seed + self.rows))

    def each(self) -> Iterator[tuple[str, Env]]:
        """The envs, with the words that a fault begins with."""
        for mode, env in self.envs.items():
            yield f"{_name(mode)}: ", env

    def fresh(self, like: Env, num_envs: int = ROWS) -> Env:
        """Make an env of the same mode that nobody has used."""
        assert self.make is not None
        return self.make(num_envs=num_envs, autoreset_mode=like.metadata["autoreset_mode"])

    def play(self, env: Env, seed: Any = None, steps: int | None = None, **how: Any) -> Player:
        """Play an env from a seed, by default the trial's."""
        player = Player(env, **how)
        player.reset(self.seed if seed is None else seed)
        return player.steps(self.steps if steps is None else steps)

    def close(self) -> None:
        """Close the envs that the trial made."""
        if self.make is not None:
            for env in self.envs.values():
                env.close()


def _mode(name: AutoresetMode | str) -> AutoresetMode:
    for mode in AutoresetMode:
        if name in (mode, mode.value, mode.name.lower()):
            return mode
    names = [mode.name.lower() for mode in AutoresetMode]
    raise ValueError(f"modes: expected some of {names}, got {name!r}")


def _name(mode: Any) -> str:
    return mode.name.lower() if isinstance(mode, AutoresetMode) else repr(mode)
