"""Play gymnasium's own environments and hand back what happened.

Gymnasium plays in a process of its own: NumPy picks its sin and cos by processor when it is loaded,
and the comparison is with those of the C library. Ours are played by the same code, in the tests.
"""

import functools
import os
import pickle
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, SyncVectorEnv

MODES = ("next_step", "same_step", "disabled")
# without these (the names differ between releases) NumPy's sin and cos are the C library's
FEATURES = "X86_V3 X86_V4 AVX512_ICL AVX512_SPR AVX2 FMA3 AVX512F AVX512_SKX"

Actor = Callable[[Any, np.ndarray], np.ndarray]  # (observations, noise in [0, 1)) -> actions


@dataclass(frozen=True)
class Game:
    """What to play.

    act:   names the function of this file that picks actions.
    state: the attributes of gymnasium's rows to compare with our states; "" for none.
    """

    id: str
    rows: int
    steps: int
    limit: int
    act: str
    state: str = "state"
    keywords: tuple[tuple[str, Any], ...] = ()
    seed: int = 5

    @property
    def kwargs(self) -> dict[str, Any]:
        return dict(self.keywords)


def choose(count: int) -> Actor:
    """Any of `count` actions."""
    return lambda obs, noise: np.floor(noise * count).astype(np.int64)


def along(velocity: Any, noise: np.ndarray) -> np.ndarray:
    """Actions 0, 1, 2: mostly along a velocity, which gathers energy."""
    return np.where(noise < 0.8, np.where(velocity > 0, 2, 0), np.floor(noise * 3)).astype(np.int64)


def drive(obs: np.ndarray, noise: np.ndarray) -> np.ndarray:
    """Taxi actions: mostly pick up and drop off where that does something."""
    stops, passenger, cell = np.array([0, 4, 20, 23, -1]), obs // 4 % 5, obs // 20
    out = np.floor(noise * 6).astype(np.int64)
    out[(passenger == 4) & np.isin(cell, stops) & (noise < 0.4)] = 5
    out[stops[passenger] == cell] = 4
    return out


ACTORS: dict[str, Actor] = {
    **{f"one of {count}": choose(count) for count in (2, 3, 4, 6)},
    "along the car": lambda obs, noise: along(obs[:, 1], noise),
    "along the elbow": lambda obs, noise: along(obs[:, 5], noise),
    # forces within and beyond the limits, and the limits themselves
    "drive": drive,
    "force the car": lambda obs, noise: np.float32(
        np.where(noise < 0.1, 1, 1.3 * noise) * np.where(obs[:, 1] < 0, -1, 1)
    )[:, None],
    "force the pendulum": lambda obs, noise: np.float32(np.where(noise < 0.1, -2, 6 * noise - 3))[
        :, None
    ],
}


@dataclass
class Log:
    """What each reset and step gave, and the rows' states after it."""

    entries: list[Any] = field(default_factory=list)

    @property
    def flags(self) -> tuple[np.ndarray, np.ndarray]:
        """All terminations and all truncations of the steps."""
        steps = [entry for entry in self.entries if len(entry) > 3]
        return tuple(np.concatenate([step[part] for step in steps]) for part in (2, 3))


def numbers(row: tuple[Any, ...]) -> np.ndarray:
    """A state as float64; ours are dicts that end with the step."""
    if isinstance(row[0], dict):
        row = tuple(row[0].values())[:-1]
    return np.concatenate([np.ravel(np.array(value, np.float64)) for value in row])


def play(env: Any, game: Game, state: str | None = None) -> Log:
    """Play a game, with some rows seeded again in the middle; ours tell their "state"."""
    if state is None:
        state = "state" if game.state else ""
    noise = np.random.default_rng(3)
    act = ACTORS[game.act]
    log = Log()
    disabled = env.metadata["autoreset_mode"] is AutoresetMode.DISABLED

    def note(*what: Any) -> Any:
        rows = zip(*(env.get_attr(name) for name in state.split()), strict=True)
        log.entries.append((*what, np.array([numbers(row) for row in rows])))
        return what[0]

    obs = note(*env.reset(seed=game.seed))
    for step in range(game.steps):
        if step == game.steps // 3:
            every_other = [1000 + row if row % 2 else None for row in range(game.rows)]
            obs = note(*env.reset(seed=every_other))
        out = env.step(act(obs, noise.random(game.rows)))
        obs = note(*out)
        ended = out[2] | out[3]
        if disabled and ended.any():
            obs = note(*env.reset(options={"reset_mask": ended}))
    return log


@functools.cache
def gymnasiums(game: Game) -> dict[str, Log]:
    """Gymnasium's side of a game, by autoreset mode."""
    done = subprocess.run(
        [sys.executable, "-W", "ignore", __file__],
        input=pickle.dumps(vars(game)),
        env={**os.environ, "NPY_DISABLE_CPU_FEATURES": FEATURES},
        capture_output=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr.decode()
    return {mode: Log(entries) for mode, entries in pickle.loads(done.stdout).items()}


def assert_same(ours: Any, theirs: Any) -> None:
    """Same structure, dtypes and bits."""
    if not isinstance(theirs, int):  # a NumPy integer may stand for one of Python
        assert type(ours) is type(theirs)
    if isinstance(ours, dict):
        assert ours.keys() == theirs.keys()
        for key in ours:
            assert_same(ours[key], theirs[key])
    elif isinstance(ours, tuple):
        assert len(ours) == len(theirs)
        for mine, other in zip(ours, theirs, strict=True):
            assert_same(mine, other)
    elif isinstance(ours, np.ndarray) and ours.dtype == object:
        assert_same(tuple(ours), tuple(theirs))
    elif isinstance(ours, np.ndarray):
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape)
        assert ours.tobytes() == theirs.tobytes()
    else:
        assert ours == theirs


def assert_same_logs(ours: Log, theirs: Log) -> None:
    """The same entries, bit for bit."""
    assert len(ours.entries) == len(theirs.entries)
    for mine, other in zip(ours.entries, theirs.entries, strict=True):
        assert_same(mine, other)


def main() -> None:
    game = Game(**pickle.loads(sys.stdin.buffer.read()))
    logs = {}
    for mode in MODES:
        env = SyncVectorEnv(
            [lambda: make(game)] * game.rows, autoreset_mode=AutoresetMode[mode.upper()]
        )
        logs[mode] = play(env, game, game.state).entries
    sys.stdout.buffer.write(pickle.dumps(logs))


def make(game: Game) -> gymnasium.Env:
    """One of gymnasium's environments; what its constructor does not take is set afterwards."""
    kwargs = game.kwargs
    later = {
        name: kwargs.pop(name) for name in ("book_or_nips", "torque_noise_max") if name in kwargs
    }
    env = gymnasium.make(game.id, max_episode_steps=game.limit, **kwargs)
    for name, value in later.items():
        setattr(env.unwrapped, name, value)
    return env


if __name__ == "__main__":
    main()
