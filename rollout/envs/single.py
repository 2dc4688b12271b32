"""One native environment as a `gymnasium.Env`: what `gymnasium.make("rollout/<id>")` gives."""

from __future__ import annotations

from typing import Any

import gymnasium
import numpy as np
from numpy.typing import NDArray

from rollout.envs.infos import take
from rollout.envs.snapshot import Snapshot
from rollout.envs.vector_env import VectorEnv


class SingleEnv(gymnasium.Env[Any, Any]):
    """A `VectorEnv` of one row, without its axis of rows and without autoreset.

    vector: that VectorEnv, which keeps the worlds. Keywords are its own.

    The keys of infos are those of the vector env, and their values those of the row: "events",
    "action_mask" and "to_play" among them.
    """

    metadata: dict[str, Any] = {"render_modes": ["rgb_array"], "render_fps": 30}  # noqa: RUF012

    def __init__(self, vector: VectorEnv) -> None:
        if vector.num_envs != 1 or vector.metadata["autoreset_mode"].value != "Disabled":
            raise ValueError(
                "vector: expected one row and autoreset_mode='disabled', "
                f"got {vector.num_envs} and {vector.metadata['autoreset_mode'].value!r}"
            )
        self.vector = vector
        self.render_mode = vector.render_mode
        self.observation_space = vector.single_observation_space
        self.action_space = vector.single_action_space
        if not vector.has_pictures:
            self.metadata = {**self.metadata, "render_modes": []}

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin a new episode; a seed is the row's. options: as for `VectorEnv.reset`."""
        super().reset(seed=seed)
        obs, infos = self.vector.reset(seed=seed, options=options)
        return _row(obs), _infos(infos)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Step once. Raises as `VectorEnv.step` does, ResetNeeded after an episode's end."""
        out = self.vector.step(np.asarray(action)[None])
        obs, reward, terminated, truncated, infos = out
        return _row(obs), float(reward[0]), bool(terminated[0]), bool(truncated[0]), _infos(infos)

    def render(self) -> NDArray[np.uint8] | None:
        """Return a picture, RGB [render_size, render_size, 3]; None without a render_mode."""
        frames = self.vector.render()
        return None if frames is None else frames[0]

    def snapshot(self) -> Snapshot:
        """Return the world as it is, a value."""
        return self.vector.snapshot()

    def restore(self, snapshot: Snapshot) -> None:
        """Put a world back. Raises ValueError if it is of another environment."""
        self.vector.restore(snapshot)

    def close(self) -> None:
        """Give the row back."""
        self.vector.close()


def _row(obs: Any) -> Any:
    return None if obs is None else take(obs, 0)


def _infos(infos: dict[str, Any]) -> dict[str, Any]:
    values = {name: part[0] for name, part in infos.items() if not name.startswith("_")}
    return {
        name: value.item() if isinstance(value, np.integer) else value
        for name, value in values.items()
    }
