"""Run a search: hand its leaves to the model and the model's answers back, once a simulation.

A step hands out L leaves: one a row, or a wave of them; fewer when rows are done before others.
Rows may be in two halves, whose steps take turns: while the model has the leaves of one, the tree
takes and gives those of the other.
"""

from __future__ import annotations

from collections import deque
from time import perf_counter

import torch
from torch import Tensor

from rollout import _native
from rollout.search.device import CapturedRecurrent, Workspace, unpack
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
    parts = [
        _Part(number, actions, latents, first, count)
        for number, (first, count) in enumerate(zip(search.first_lanes, lanes, strict=True))
    ]
    if len(parts) == 2:
        _take_turns(search, recurrent_fn, latents, clock, *parts)
        return
    advance, (rows,) = search.advance, parts
    while rows.lanes > 0:
        heads, extras, embedding = unpack(recurrent_fn(rows.action, rows.state))
        rows.deal(advance(0, *heads, latents.leaves(embedding), *extras))  # type: ignore[call-arg]
        if clock is not None and not clock.more():
            return


class _Part:
    """The leaves that are out of all rows, or of half of them, in host memory."""

    def __init__(
        self, number: int, actions: Tensor, latents: Latents, first: int, lanes: int
    ) -> None:
        self._actions, self._latents, self._first = actions, latents, first
        self.number, self.lanes = number, -1
        self.deal(lanes)

    def deal(self, lanes: int) -> None:
        """Note how many leaves there are now."""
        if lanes != self.lanes:
            self.lanes = lanes
            self.action = self._actions[self._first : self._first + lanes]
            self.state = self._latents.build(lanes, self._first)


def _take_turns(
    search: _native.Search,
    recurrent_fn: RecurrentFn,
    latents: Latents,
    clock: Clock | None,
    half: _Part,
    other: _Part,
) -> None:
    """Call the model on one half while threads of the search's advance the other."""
    advanced: _Part | None = None
    while half.lanes > 0:
        heads, extras, embedding = unpack(recurrent_fn(half.action, half.state))
        leaves = latents.leaves(embedding)
        if advanced is not None:
            advanced.deal(search.finish())
        search.start(half.number, *heads, leaves, *extras)  # type: ignore[call-arg]
        advanced = half
        if clock is not None and not clock.more():
            break
        if other.lanes > 0:
            half, other = other, half
        else:  # there is nothing else to do meanwhile
            half.deal(search.finish())
            advanced = None
    if advanced is not None:
        search.finish()


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

    One copy each way a step, both through page-locked memory. The device has the next half's step
    to do before what it did last is waited for.
    """
    device = root.prior_logits.device
    players = root.value.shape[1] if root.value.dim() == 2 else 1
    width = edges + 1 + 2 * players
    to_play = None if root.to_play is None else root.to_play.cpu()
    actions = torch.empty(latents.lanes, dtype=torch.int64)
    given = search.begin(
        root.prior_logits.cpu(), root.value.cpu(), invalid, (), actions, (), to_play
    )
    if isinstance(recurrent_fn, CapturedRecurrent):
        work = recurrent_fn.workspace(latents, search.first_lanes, width, device)
    else:
        work = Workspace(latents, latents.nodes, search.first_lanes, width, device)
    latents.use(work.arenas, work.buffers)
    if clock is not None and not clock.more():
        return
    running: deque[int] = deque()
    for part, lanes in enumerate(given):
        search.leaves(part, *work.desks[part].down)
        work.launch(part, recurrent_fn, latents, players, lanes)
        running.append(part)
    while running:
        part = running.popleft()
        heads, extras = work.wait(part, players)
        lanes = search.advance(part, *heads, (), *extras)  # type: ignore[call-arg]
        if clock is not None and not clock.more():
            return
        if lanes > 0:
            search.leaves(part, *work.desks[part].down)
            work.launch(part, recurrent_fn, latents, players, lanes)
            running.append(part)
