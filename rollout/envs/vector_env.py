"""Batches of native environments as a `gymnasium.vector.VectorEnv`."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from rollout import _native
from rollout.envs import arguments
from rollout.envs import infos as info_fields
from rollout.envs.buffers import StepBuffers, make_buffers, map_arrays
from rollout.envs.rows import Rows

Step = tuple[Any, NDArray[np.float64], NDArray[np.bool_], NDArray[np.bool_], dict[str, Any]]


class VectorEnv(Rows):
    """`num_envs` rows of one native environment, stepped together.

    Spaces, autoreset modes, infos and seeding are gymnasium's. Row i of `reset(seed=s)` is seeded
    s + i, and what a row does depends on its seed and its actions alone: never on the number of
    rows, of threads, or on its company.

    num_threads:    threads that step the rows, at most; None: every processor that this process
                    may use. Results never depend on it.
    autoreset_mode: "next_step", "same_step" or "disabled", as gymnasium means them.
    params:         dicts of the environment's keywords, for rows that differ: row i has
                    `params[i % len(params)]`, and the keywords that all share. `self.params` has
                    the distinct ones. Spaces, events and signals must be the same for all.
    redraw_params:  each episode of a row takes any of `self.params` instead, by its own seed.
    observe:        False: `reset` and `step` return None for observations and do not make them.
    events:         whether `step` puts `infos["events"]`, uint8 [n, event_rows, E], the counts of
                    `event_names` in that step (no event_rows axis when there is one row).
    copy:           whether `step` returns new arrays. With False it returns the same arrays each
                    time and overwrites them, which saves their allocation.
    batch_size:     rows that `recv` waits for, the first that are done; None: all of them.
    frame_stack:    k > 1: observations are the last k, [n, k, ...], the oldest first; an episode
                    starts with k of its first.
    reward_scale:   what rewards are multiplied by (signals are not).
    render_obs:     observations are pictures, uint8 [n, render_size, render_size, 3], for the
                    environments that can draw themselves.
    render_size:    pixels a side, of those and of `render`'s.
    render_mode:    "rgb_array" for `render`, or None.
    kwargs:         the environment's own, and max_episode_steps (0: no limit), which all take.

    Signals of an environment (such as a shaped reward) are always in infos, float32 [n, width].
    So are, from `reset` on, in games "action_mask", int8 [n, A] (1 where an action is legal now)
    and "to_play", int64 [n] (whose turn it is).
    Rewards are float64 [n], flags bool [n]. One caller at a time; different envs are independent.
    An env pickles and deep-copies with all its worlds.
    """

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: dict[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Begin a new episode in every row, or in some.

        seed:    s seeds row i with s + i; a list seeds each row, None in it going on with the row's
                 own stream; None goes on in all rows (one never seeded takes a random seed).
        options: "reset_mask", bool [n], resets just the rows that are True; "params", integers [n]
                 into `self.params`, gives the rows that are reset other parameters.

        Returns the observations of all rows, and infos with their action masks and turns in games.
        Raises ValueError or TypeError for a seed or a mask that does not fit.
        """
        batch = self._open()
        seeds, seeded = arguments.seeds(seed, self.num_envs)
        mask, params = arguments.reset_options(options, self.num_envs, len(self.params))
        if params is not None and self._redraw_params:
            raise ValueError("options['params']: with redraw_params episodes draw their own")
        obs, action_mask, to_play = batch.reset(seeds, seeded, mask, params, secrets.randbits(64))
        infos: dict[str, Any] = {}
        self._add_view(infos, self.num_envs, action_mask, to_play)
        return obs, infos

    def step(self, actions: ArrayLike) -> Step:
        """Step every row once.

        actions: [n] (or [n, parts]) integers as `action_space` has them, or [n, width] float32.

        Returns observations, rewards, terminations, truncations and infos as gymnasium's
        SyncVectorEnv does. Raises TypeError or ValueError naming the first bad action, ResetNeeded
        before the first reset or (autoreset "disabled") for a row whose episode has ended.
        """
        return self._gymnasium_step(self._open().step(actions))

    def buffers(self, *, pin: bool = False, **arrays: Any) -> StepBuffers:
        """Make arrays for `step_into` to fill again and again.

        arrays: the caller's own for some of them (NumPy's, or torch tensors in host memory), by the
                names of StepBuffers, "signals" being one array [n, width of all], and final_obs,
                final_action_mask and final_to_play. They are written to where they are.
        pin:    the others lie in page-locked memory, from which a GPU copies fast.

        Raises TypeError or ValueError for an array of another shape or dtype, or that is strided or
        read-only; RuntimeError for pin without CUDA.
        """
        return make_buffers(self._open(), self._signals, arrays, pin)

    def step_into(self, actions: ArrayLike, buffers: StepBuffers) -> None:
        """Step every row once, into `buffers` of this env: the fastest step, which makes no arrays.

        Raises as `step` does.
        """
        if buffers._native is None:
            raise TypeError("buffers: expected what env.buffers() returned, got its torch() view")
        self._open().step_into(actions, buffers._native)

    def send(self, actions: ArrayLike, env_id: ArrayLike | None = None) -> None:
        """Step rows in the background; `recv` gives what came of it. No row may be away already.

        env_id:  the rows, in any order; None: all of them.
        actions: one for each of them.

        Raises as `step` does, and then no row was sent; AlreadyPendingCallError for a row in
        flight. While rows are in flight, the other methods raise that, too; `step_from` and what
        else takes a snapshot may be used.
        """
        rows = None if env_id is None else arguments.row_index(env_id, self.num_envs)
        self._open().send(actions, rows)

    def recv(self) -> Step:
        """Wait for the first `batch_size` rows that are done (for all, if fewer are in flight).

        Returns what `step` does, of these m rows: arrays [m, ...], and `infos["env_id"]`, int64
        [m], says which they are, in ascending order. What a row gives is what `step` would have
        given; which rows are first is a matter of luck unless all are waited for.
        Raises NoAsyncCallError if nothing is in flight.
        """
        rows, out, whole = self._open().recv(self.batch_size)
        if not whole:
            out = map_arrays(lambda array: None if array is None else array[rows], out)
        step = self._gymnasium_step(out)
        info_fields.add(step[4], {"env_id": rows}, np.ones(len(rows), np.bool_))
        return step

    @property
    def in_flight(self) -> int:
        """How many rows were sent and not received."""
        return self._open().in_flight()

    def _gymnasium_step(self, out: _native._Outputs) -> Step:
        obs, reward, terminated, truncated, events, signals, stepped, mask, to_play, final = out
        infos: dict[str, Any] = {}
        if stepped is not None:
            info_fields.add(infos, self._fields(events, signals), stepped)
        if final is not None:
            ended = terminated | truncated
            if ended.any():
                last, last_mask, last_to_play = final
                fields = {"action_mask": last_mask, "to_play": last_to_play}
                info_fields.move_to_final(infos, last, fields, ended)
        self._add_view(infos, len(reward), mask, to_play)
        return obs, reward, terminated, truncated, infos

    def _add_view(
        self,
        infos: dict[str, Any],
        rows: int,
        action_mask: NDArray[np.int8] | None,
        to_play: NDArray[np.int64] | None,
    ) -> None:
        if action_mask is not None or to_play is not None:
            every = np.empty(rows, np.bool_)
            every.fill(True)  # np.ones takes three times as long, as long as a step of a few rows
            info_fields.add(infos, {"action_mask": action_mask, "to_play": to_play}, every)
