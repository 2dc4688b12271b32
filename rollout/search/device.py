"""What a simulation does on a device: gather the parents' states, call the model, store what it
gives, bring its heads together.

Launching these kernels one by one takes longer than running them where a network is small. On CUDA
they can be recorded once, as a graph, and launched together (`capture_recurrent`). A graph is for a
number of rows and for buffers at fixed addresses, so rows are padded to a power of two, and buffers
stay with the recurrent_fn: a search takes a set of them, and gives it back when its trees are gone.
"""

from __future__ import annotations

import weakref
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor

from rollout.recurrent import RecurrentOutput
from rollout.search.latents import Latents
from rollout.search.types import Embedding, RecurrentFn

_HEADS = len(RecurrentOutput._fields)
_WARM_UPS = 3  # runs before a graph is recorded, in which libraries choose kernels and make room

Extras = tuple[Tensor | None, ...]


def bucket(rows: int, most: int) -> int:
    """Return the rows that a graph for `rows` is recorded with: a power of two, or `most`."""
    return min(1 << (rows - 1).bit_length(), most)


class Desk:
    """What goes down and comes up for leaves that are out together, and the graphs recorded on it.

    first, most: where their lanes begin in the search's buffers, and how many there may be. down
    [3, most]: the action, where the parent's state is, where the new state goes. up [most, width]:
    reward, value, discount, prior_logits. Both in host memory, page-locked for CUDA.
    """

    def __init__(self, first: int, most: int, width: int, device: torch.device) -> None:
        pin = device.type == "cuda"
        self.first, self.most = first, most
        self.down = torch.zeros(3, most, dtype=torch.int64, pin_memory=pin)
        self.up = torch.empty(most, width, pin_memory=pin)
        self.down_device = torch.zeros(3, most, dtype=torch.int64, device=device)
        self.up_device = torch.empty(most, width, device=device)
        # of what was launched last
        self.done = torch.cuda.Event() if pin else None  # type: ignore[no-untyped-call]
        self.lanes = 0
        self.extras: Extras = ()
        self.graphs: dict[int, tuple[torch.cuda.CUDAGraph, Extras]] = {}


class Workspace:
    """The buffers of one search on a device.

    desks: one for each part of the search. arenas: a leaf of the states each, [N * B + 1, ...];
    padding rows write to the last.
    """

    def __init__(
        self,
        latents: Latents,
        nodes: int,
        first_lanes: Sequence[int],
        width: int,
        device: torch.device,
    ) -> None:
        self.device, self.nodes, self.scratch = device, nodes, nodes * latents.batch
        self.desks = [
            Desk(first, end - first, width, device)
            for first, end in pairwise([*first_lanes, latents.lanes])
        ]
        self.buffers = latents.buffers
        self.arenas = tuple(
            torch.empty((self.scratch + 1, *root.shape[1:]), dtype=root.dtype, device=device)
            for root in latents.roots
        )

    def launch(
        self, part: int, recurrent_fn: RecurrentFn, latents: Latents, players: int, lanes: int
    ) -> None:
        """Have the device evaluate the leaves that a desk's `down` tells of; do not wait for it."""
        desk = self.desks[part]
        captured = recurrent_fn if isinstance(recurrent_fn, CapturedRecurrent) else None
        rows = lanes
        if captured is not None:
            # rows past the lanes step from some state, to where nothing is read
            rows = bucket(lanes, desk.most)
            desk.down[:2, lanes:rows] = 0
            desk.down[2, lanes:rows] = self.scratch
        desk.down_device.copy_(desk.down, non_blocking=True)
        if captured is None:
            extras = self.run(desk, recurrent_fn, latents, players, rows)
        else:
            extras = captured.run(self, desk, latents, players, rows)
        desk.up[:lanes].copy_(desk.up_device[:lanes], non_blocking=True)
        desk.extras = tuple(
            extra if extra is None else extra[:lanes].to("cpu", non_blocking=True)
            for extra in extras
        )
        desk.lanes = lanes
        if desk.done is not None:
            desk.done.record(torch.cuda.current_stream(self.device))

    def wait(self, part: int, players: int) -> tuple[Any, Extras]:
        """Return the four heads, and what the model may say beside them, of what was launched."""
        desk = self.desks[part]
        if desk.done is not None:
            desk.done.synchronize()
        up = desk.up[: desk.lanes]
        rewards, values = up[:, :players], up[:, players : 2 * players]
        if players == 1:
            rewards, values = rewards[:, 0], values[:, 0]
        return (rewards, up[:, 2 * players], up[:, 2 * players + 1 :], values), desk.extras

    def run(
        self, desk: Desk, recurrent_fn: RecurrentFn, latents: Latents, players: int, rows: int
    ) -> Extras:
        """Do the work of `rows` rows; return what the model may say beside the four heads."""
        action, parent, slot = desk.down_device[:, :rows]
        for arena, buffer in zip(self.arenas, self.buffers, strict=True):
            torch.index_select(arena, 0, parent, out=buffer[desk.first : desk.first + rows])
        heads, extras, embedding = unpack(recurrent_fn(action, latents.build(rows, desk.first)))
        reward, discount, prior_logits, value = same_device(heads, self.device)
        columns = [
            reward.view(rows, players), value.view(rows, players), discount[:, None], prior_logits
        ]  # fmt: skip
        torch.cat(columns, 1, out=desk.up_device[:rows])
        for arena, fresh in zip(self.arenas, latents.leaves(embedding), strict=True):
            arena.index_copy_(0, slot, fresh)
        return extras

    def replay(
        self, desk: Desk, recurrent_fn: RecurrentFn, latents: Latents, players: int, rows: int
    ) -> Extras:
        """Do the same by a graph, recorded now if it was not yet. Raises RuntimeError."""
        if rows not in desk.graphs:
            desk.graphs[rows] = self._record(desk, recurrent_fn, latents, players, rows)
        graph, extras = desk.graphs[rows]
        graph.replay()
        return extras

    def _record(
        self, desk: Desk, recurrent_fn: RecurrentFn, latents: Latents, players: int, rows: int
    ) -> tuple[torch.cuda.CUDAGraph, Extras]:
        # the work reads states that it does not write, so that it can be done over and over
        current = torch.cuda.current_stream(self.device)
        aside = torch.cuda.Stream(self.device)  # type: ignore[no-untyped-call]
        aside.wait_stream(current)
        with torch.cuda.stream(aside):
            for _ in range(_WARM_UPS):
                self.run(desk, recurrent_fn, latents, players, rows)
        current.wait_stream(aside)
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            extras = self.run(desk, recurrent_fn, latents, players, rows)
        return graph, extras


class CapturedRecurrent:
    """A recurrent_fn whose work on a device is recorded and replayed; see `capture_recurrent`.

    not_captured: why it is not, "" where it is.
    """

    def __init__(self, recurrent_fn: RecurrentFn) -> None:
        self._recurrent_fn = recurrent_fn
        self._free: dict[Any, list[Workspace]] = {}
        self._failure = ""
        self.not_captured = ""

    def __call__(self, action: Tensor, embedding: Embedding) -> tuple[RecurrentOutput, Embedding]:
        """Step, as the function that is recorded."""
        return self._recurrent_fn(action, embedding)

    def meet(self, device: torch.device) -> None:
        """Note where a search's states are."""
        self.not_captured = self._failure
        if device.type != "cuda":
            self.not_captured = f"capture: expected states on a CUDA device, got {device}"

    def workspace(
        self, latents: Latents, first_lanes: Sequence[int], width: int, device: torch.device
    ) -> Workspace:
        """Return buffers for a search; they come back when nothing needs `latents` any more."""
        nodes = 1 << (latents.nodes - 1).bit_length()
        kinds = tuple((root.dtype, *root.shape[1:]) for root in latents.roots)
        lanes = (*first_lanes, latents.lanes)
        key = (device, latents.batch, lanes, nodes, width, latents.spec, kinds)
        free = self._free.setdefault(key, [])
        work = free.pop() if free else Workspace(latents, nodes, first_lanes, width, device)
        weakref.finalize(latents, free.append, work)
        return work

    def run(self, work: Workspace, desk: Desk, latents: Latents, players: int, rows: int) -> Extras:
        """Replay a step of `rows` rows, or run it where it cannot be recorded."""
        if not self.not_captured:
            try:
                return work.replay(desk, self._recurrent_fn, latents, players, rows)
            except RuntimeError as error:
                self._failure = f"capture: CUDA could not record the model's step: {error}"
                self.not_captured = self._failure
        return work.run(desk, self._recurrent_fn, latents, players, rows)


def capture_recurrent(recurrent_fn: RecurrentFn) -> CapturedRecurrent:
    """Return a recurrent_fn for `muzero_policy` and the others, for models on a CUDA device.

    recurrent_fn: of torch operations only, that never wait for the device, the same at every call
        and for any number of rows: Python numbers it reads are fixed when it is recorded, and so
        are the addresses of its parameters (train them in place, or capture anew). It is given up
        to twice as many rows as there are leaves; what it says of the others is not read.

    The first searches record; where that fails the step is run as it is, and `not_captured` says
    why. Keep what is returned from one search to the next.
    """
    return CapturedRecurrent(recurrent_fn)


def unpack(result: Any, source: str = "recurrent_fn") -> tuple[Any, Extras, Embedding]:
    """Return the four heads that every output has, those it may have, and the embedding."""
    if isinstance(result, tuple) and len(result) == 2:
        output, embedding = result
        if isinstance(output, tuple) and len(output) in (4, _HEADS):
            return output[:4], output[4:], embedding
    raise TypeError(
        f"{source}: expected (RecurrentOutput(reward, discount, prior_logits, value), "
        f"embedding), got {type(result).__name__}"
        + (f" of {len(result)}" if isinstance(result, tuple) else "")
    )


def same_device(heads: Any, device: torch.device) -> Any:
    """Return the heads; raise ValueError for one that is elsewhere or of another dtype."""
    for name, head in zip(RecurrentOutput._fields, heads, strict=False):
        if head.device != device or head.dtype != torch.float32:
            raise ValueError(
                f"recurrent_fn: {name}: expected float32 on {device}, got {head.dtype} on "
                f"{head.device}"
            )
    return heads
