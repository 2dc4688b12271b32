"""Run a search: hand its leaves to the model and the model's answers back, once a simulation."""

from __future__ import annotations

import torch
from torch import Tensor

from rollout import _native
from rollout.search.executor import CompiledRecurrent
from rollout.search.latents import Latents
from rollout.search.types import Embedding, RecurrentFn, RecurrentOutput, Root


def drive(
    search: _native.Search,
    root: Root,
    recurrent_fn: RecurrentFn,
    simulations: int,
    invalid: Tensor | None,
    latents: Latents,
) -> None:
    """Run all simulations. Two crossings into native code a simulation: the model's, and ours."""
    if isinstance(recurrent_fn, CompiledRecurrent):
        recurrent_fn = recurrent_fn.bind(root.embedding)
    with torch.inference_mode():
        if root.prior_logits.is_cpu:
            _drive_host(search, root, recurrent_fn, simulations, invalid, latents)
        else:
            _drive_device(search, root, recurrent_fn, simulations, invalid, latents)


def _drive_host(
    search: _native.Search,
    root: Root,
    recurrent_fn: RecurrentFn,
    simulations: int,
    invalid: Tensor | None,
    latents: Latents,
) -> None:
    """Run with everything in host memory: the native search reads and writes the tensors itself."""
    action = torch.empty(latents.batch, dtype=torch.int64)
    search.begin(root.prior_logits, root.value, invalid, latents.roots, action, latents.buffers)
    output, embedding = _checked(recurrent_fn(action, latents.build()))
    search.advance(*output, latents.leaves(embedding))
    if latents.single:
        # the shape of most searches, kept free of anything but the two calls
        state, advance = latents.build(), search.advance
        for _ in range(simulations - 1):
            (reward, discount, prior_logits, value), embedding = recurrent_fn(action, state)
            advance(reward, discount, prior_logits, value, (embedding,))
        return
    for _ in range(simulations - 1):
        output, embedding = recurrent_fn(action, latents.build())
        search.advance(*output, latents.leaves(embedding))


def _drive_device(
    search: _native.Search,
    root: Root,
    recurrent_fn: RecurrentFn,
    simulations: int,
    invalid: Tensor | None,
    latents: Latents,
) -> None:
    """Run with the model and its states on a device: indices go down, heads come up, states stay.

    One copy each way a simulation, both through page-locked memory.
    """
    device, pin = root.prior_logits.device, root.prior_logits.is_cuda
    batch, actions = root.prior_logits.shape
    # rows of `down`: action, where the parent's state is, where the new state goes
    down = torch.zeros(3, batch, dtype=torch.int64, pin_memory=pin)
    down_device = down.to(device)
    up = torch.empty(batch, actions + 3, pin_memory=pin)
    heads = (up[:, 0], up[:, 1], up[:, 3:], up[:, 2])
    latents.allocate()
    flat = [arena.flatten(0, 1) for arena in latents.arenas]
    action, parent, slot = down_device

    def go_down() -> None:
        down_device.copy_(down, non_blocking=True)
        for arena, buffer in zip(flat, latents.buffers, strict=True):
            torch.index_select(arena, 0, parent, out=buffer)

    search.begin(root.prior_logits.cpu(), root.value.cpu(), invalid, (), down[0], ())
    search.leaves(down[1], down[2])
    go_down()
    for _ in range(simulations):
        output, embedding = _checked(recurrent_fn(action, latents.build()))
        reward, discount, prior_logits, value = _same_device(output, device)
        up.copy_(
            torch.cat((torch.stack((reward, discount, value), 1), prior_logits), 1),
            non_blocking=True,
        )
        for arena, fresh in zip(flat, latents.leaves(embedding), strict=True):
            arena.index_copy_(0, slot, fresh)
        if pin:
            torch.cuda.current_stream(device).synchronize()
        search.advance(*heads, ())
        search.leaves(down[1], down[2])
        go_down()


def _checked(result: tuple[RecurrentOutput, Embedding]) -> tuple[RecurrentOutput, Embedding]:
    """Return what recurrent_fn gave, or say what it should have given."""
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], tuple):
        output, embedding = result
        if len(output) == 4:
            return output, embedding
    raise TypeError(
        "recurrent_fn: expected (RecurrentOutput(reward, discount, prior_logits, value), "
        f"embedding), got {type(result).__name__}"
        + (f" of {len(result)}" if isinstance(result, tuple) else "")
    )


def _same_device(output: RecurrentOutput, device: torch.device) -> RecurrentOutput:
    """Return the heads; raise ValueError for one that is elsewhere or of another dtype."""
    for name, head in zip(RecurrentOutput._fields, output, strict=True):
        if head.device != device or head.dtype != torch.float32:
            raise ValueError(
                f"recurrent_fn: {name}: expected float32 on {device}, got {head.dtype} on "
                f"{head.device}"
            )
    return output
