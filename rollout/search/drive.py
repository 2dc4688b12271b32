"""Run a search: hand its leaves to the model and the model's answers back, once a simulation.

A step hands out L leaves: one a row, or a wave of them; fewer when rows are done before others.
"""

from __future__ import annotations

from time import perf_counter

import torch
from torch import Tensor

from rollout import _native
from rollout.search.device import CapturedRecurrent, Workspace, bucket, unpack
from rollout.search.executor import CompiledRecurrent
from rollout.search.latents import Latents
from rollout.search.types import RecurrentFn, Root


def drive(
    search: _native.Search,
    root: Root,
    recurrent_fn: RecurrentFn,
    invalid: Tensor | None,
    latents: Latents,
    stop_at: float | None,
    edges: int,
) -> None:
    """Run all simulations. Two crossings into native code a simulation: the model's, and ours.

    stop_at: the time on `perf_counter` after which no call of the model is begun that would end
        later, going by the slowest one so far; None for no such time.
    edges: columns of the model's prior_logits.
    """
    if isinstance(recurrent_fn, CompiledRecurrent):
        recurrent_fn = recurrent_fn.bind(root.embedding)
    if isinstance(recurrent_fn, CapturedRecurrent):
        recurrent_fn.meet(root.prior_logits.device)
    clock = None if stop_at is None else Clock(stop_at)
    with torch.inference_mode():
        if root.prior_logits.is_cpu:
            _drive_host(search, root, recurrent_fn, invalid, latents, clock)
        else:
            _drive_device(search, root, recurrent_fn, invalid, latents, clock, edges)
    search.recall()  # of what is still out when time is up


class Clock:
    """Tells whether there is time for another step."""

    def __init__(self, stop_at: float) -> None:
        self.stop_at, self.longest = stop_at, 0.0
        self.last = perf_counter()

    def more(self) -> bool:
        """Note that a step was done, and say whether there is time for another."""
        now = perf_counter()
        self.longest = max(self.longest, now - self.last)
        self.last = now
        return now + self.longest <= self.stop_at


def _drive_host(
    search: _native.Search,
    root: Root,
    recurrent_fn: RecurrentFn,
    invalid: Tensor | None,
    latents: Latents,
    clock: Clock | None,
) -> None:
    """Run with everything in host memory: the native search reads and writes the tensors itself."""
    actions = torch.empty(latents.lanes, dtype=torch.int64)
    lanes = search.begin(
        root.prior_logits,
        root.value,
        invalid,
        latents.roots,
        actions,
        latents.buffers,
        root.to_play,
    )
    if clock is not None and not clock.more():
        return
    advance, out = search.advance, 0
    action, state = actions, latents.build()
    while lanes > 0:
        if lanes != out:
            out = lanes
            action, state = actions[:lanes], latents.build(lanes)
        heads, extras, embedding = unpack(recurrent_fn(action, state))
        lanes = advance(*heads, latents.leaves(embedding), *extras)  # type: ignore[call-arg]
        if clock is not None and not clock.more():
            return


def _drive_device(
    search: _native.Search,
    root: Root,
    recurrent_fn: RecurrentFn,
    invalid: Tensor | None,
    latents: Latents,
    clock: Clock | None,
    edges: int,
) -> None:
    """Run with the model and its states on a device: indices go down, heads come up, states stay.

    One copy each way a simulation, both through page-locked memory.
    """
    device, most = root.prior_logits.device, latents.lanes
    players = root.value.shape[1] if root.value.dim() == 2 else 1
    width = edges + 1 + 2 * players
    captured = recurrent_fn if isinstance(recurrent_fn, CapturedRecurrent) else None
    if captured is None:
        work = Workspace(latents, latents.nodes, width, device)
    else:
        work = captured.workspace(latents, width, device)
    latents.use(work.arenas, work.buffers)
    down, up = work.down, work.up
    to_play = None if root.to_play is None else root.to_play.cpu()
    lanes = search.begin(
        root.prior_logits.cpu(), root.value.cpu(), invalid, (), down[0], (), to_play
    )
    if clock is not None and not clock.more():
        return
    while lanes > 0:
        search.leaves(down[1], down[2])
        if captured is None:
            work.down_device.copy_(down, non_blocking=True)
            extras = work.run(recurrent_fn, latents, players, lanes)
        else:
            rows = bucket(lanes, most)
            work.pad(lanes, rows)
            work.down_device.copy_(down, non_blocking=True)
            extras = captured.run(work, latents, players, rows)
        up[:lanes].copy_(work.up_device[:lanes], non_blocking=True)
        extras = tuple(extra if extra is None else extra[:lanes].cpu() for extra in extras)
        if device.type == "cuda":
            torch.cuda.current_stream(device).synchronize()
        rewards, values = up[:lanes, :players], up[:lanes, players : 2 * players]
        if players == 1:
            rewards, values = rewards[:, 0], values[:, 0]
        discounts, logits = up[:lanes, 2 * players], up[:lanes, 2 * players + 1 :]
        lanes = search.advance(rewards, discounts, logits, values, (), *extras)
        if clock is not None and not clock.more():
            return
