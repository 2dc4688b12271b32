"""Tree search for games where P players move at once, over any model that is a function on tensors.

Each player chooses by statistics of its own; what all choose together leads to a child. The tree is
native, states stay where the model is. Letters: B rows, L = B leaves, P players, A actions each.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, TypeAlias

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from rollout import _native
from rollout.recurrent import RecurrentOutput
from rollout.search.policies import check_seed
from rollout.search.types import Embedding, Root, Seed

SimultaneousFn: TypeAlias = Callable[[Tensor, Embedding], tuple[RecurrentOutput, Embedding]]

_MOST_PLAYERS = 256


@dataclass(frozen=True, slots=True)
class SimultaneousOutput:
    """What a search found, on the root's device."""

    action: Tensor  # [B, P] int64, to be taken
    strategies: Tensor  # [B, P, A] float32, each player's mixed strategy; rows sum to 1
    visit_counts: Tensor  # [B, P, A] int32
    qvalues: Tensor  # [B, P, A] float32, mean returns; 0 where never visited
    value: Tensor  # [B, P] float32, the mean return found


def simultaneous_policy(
    root: Root,
    recurrent_fn: SimultaneousFn,
    num_simulations: int,
    *,
    rule: Literal["decoupled_uct", "regret_matching"] = "decoupled_uct",
    c: float = 1.25,
    exploration: float = 1.0,
    temperature: float = 1.0,
    invalid_actions: Tensor | None = None,
    max_depth: int | None = None,
    seed: Seed = 0,
    num_threads: int | None = None,
) -> SimultaneousOutput:
    """Search for what P players should do who choose without knowing the others' choice.

    root:            prior_logits [B, P, A] and value [B, P] float32; embedding, a pytree of
                     [B, ...] on one device.
    recurrent_fn:    (action [L, P] int64, embedding) -> (RecurrentOutput, embedding), called once a
                     simulation under inference_mode: reward and value [L, P], discount [L],
                     prior_logits [L, P, A]; invalid_actions [L, P, A] and done [L] may be left out.
    num_simulations: calls of recurrent_fn, and nodes added to every row's tree.
    rule:            "decoupled_uct": each player takes the action with the highest mean return
                         + c * prior * sqrt(visits of the node) / (1 + visits of the action),
                     of equals any. Good where players agree or one action is best whatever the
                     others do; it need not find a mixed equilibrium.
                     "regret_matching": each player draws an action in proportion to its positive
                     regrets. In games of two players with opposite interests the strategies, which
                     are the means of those shares, converge to an equilibrium.
    c:               weight of exploration for decoupled_uct, in units of the return.
    exploration:     with this chance, divided by the root of a node's visits (1 at most), a player
                     draws its action from the prior (decoupled_uct: alike players would else stay
                     in step) or from all alike (regret_matching).
    temperature:     an action is drawn from strategies^(1 / temperature); 0 takes the likeliest.
    invalid_actions: [B, P, A] bool, true where an action is not allowed at the root.
    max_depth:       most edges from the root to a leaf; leaves there are evaluated again.
    seed:            an int, row r then drawing from (seed, r); or B ints, one a row, and then a row
                     is the same wherever in a batch it stands.
    num_threads:     threads for the trees, None for all processors; results do not depend on it.

    Raises ValueError or TypeError naming the argument or the head.
    Sources: Lanctot, Lisy and Winands 2013; Tak, Lanctot and Winands 2014.
    """
    batch, players, actions = _check_root(root)
    if rule not in ("decoupled_uct", "regret_matching"):
        raise ValueError(f"rule: expected 'decoupled_uct' or 'regret_matching', got {rule!r}")
    numbers = {"c": c, "exploration": exploration, "temperature": temperature}
    for name, number in numbers.items():
        if not 0.0 <= number < float("inf"):
            raise ValueError(f"{name}: expected a finite number, at least 0, got {number}")
    for name, count in (("num_simulations", num_simulations), ("max_depth", max_depth)):
        if count is not None and count < 1:
            raise ValueError(f"{name}: expected at least 1, got {count}")
    if num_threads is not None and num_threads < 1:
        raise ValueError(f"num_threads: expected at least 1, or None, got {num_threads}")
    device, shape = root.prior_logits.device, (batch, players, actions)
    search = _native.SimultaneousSearch(
        check_seed(seed, batch),
        batch=batch,
        players=players,
        actions=actions,
        simulations=num_simulations,
        max_depth=max_depth or num_simulations,
        regret_matching=rule == "regret_matching",
        num_threads=num_threads or 0,
        **numbers,
    )
    states = _States(root.embedding, batch, num_simulations + 1, device)
    leaves = tuple(map(torch.from_numpy, search.leaves()))
    invalid = _head("invalid_actions", invalid_actions, shape, torch.bool, "")
    with torch.inference_mode():
        search.begin(
            root.prior_logits.detach().cpu().numpy(), root.value.detach().cpu().numpy(), invalid
        )
        more = True
        while more:
            action, parent, slot = (leaf.to(device, copy=True) for leaf in leaves)
            output, after = _unpack(recurrent_fn(action, states.take(parent)))
            states.put(slot, after)
            more = search.advance(
                _head("reward", output.reward, shape[:2], torch.float32),
                _head("discount", output.discount, shape[:1], torch.float32),
                _head("prior_logits", output.prior_logits, shape, torch.float32),
                _head("value", output.value, shape[:2], torch.float32),
                _head("invalid_actions", output.invalid_actions, shape, torch.bool),
                _head("done", output.done, shape[:1], torch.bool),
            )
    return SimultaneousOutput(*(torch.from_numpy(part).to(device) for part in search.act()))


class _States:
    """The model's states by node: an arena [N * B, ...] a leaf of their pytree, on its device."""

    def __init__(self, embedding: Any, batch: int, nodes: int, device: torch.device) -> None:
        roots, self.spec = pytree.tree_flatten(embedding)
        for i, leaf in enumerate(roots):
            if not isinstance(leaf, Tensor) or leaf.dim() == 0 or leaf.shape[0] != batch:
                raise ValueError(
                    f"root: embedding: expected a pytree of tensors [B={batch}, ...], leaf {i} is "
                    + (f"{list(leaf.shape)}" if isinstance(leaf, Tensor) else type(leaf).__name__)
                )
            if leaf.device != device:
                raise ValueError(
                    f"root: embedding: expected leaves on {device} as prior_logits, leaf {i} is on "
                    f"{leaf.device}"
                )
        self.arenas = [leaf.new_empty(nodes * batch, *leaf.shape[1:]) for leaf in roots]
        for arena, leaf in zip(self.arenas, roots, strict=True):
            arena[:batch] = leaf.detach()

    def take(self, slots: Tensor) -> Any:
        """Return copies of the states in these slots."""
        return pytree.tree_unflatten([arena[slots] for arena in self.arenas], self.spec)

    def put(self, slots: Tensor, states: Any) -> None:
        """Store states."""
        leaves, spec = pytree.tree_flatten(states)
        if spec != self.spec:
            raise ValueError(
                f"recurrent_fn: embedding: expected the structure of the root's, {self.spec}, got "
                f"{spec}"
            )
        for arena, leaf in zip(self.arenas, leaves, strict=True):
            if leaf.shape[1:] != arena.shape[1:] or leaf.dtype != arena.dtype:
                raise ValueError(
                    f"recurrent_fn: embedding: expected {arena.dtype} [L, "
                    f"{', '.join(map(str, arena.shape[1:]))}] as the root's, got {leaf.dtype} "
                    f"{list(leaf.shape)}"
                )
            arena[slots] = leaf


def _check_root(root: Root) -> tuple[int, int, int]:
    """Return B, P and A."""
    logits = root.prior_logits
    if logits.dim() != 3 or logits.dtype != torch.float32 or 0 in logits.shape:
        raise ValueError(
            f"root: prior_logits: expected float32 [B, P, A], got {logits.dtype} "
            f"{list(logits.shape)}"
        )
    batch, players, actions = logits.shape
    if players > _MOST_PLAYERS:
        raise ValueError(f"root: prior_logits: expected at most {_MOST_PLAYERS} players")
    if root.value.shape != (batch, players) or root.value.dtype != torch.float32:
        raise ValueError(
            f"root: value: expected float32 [B={batch}, P={players}], got {root.value.dtype} "
            f"{list(root.value.shape)}"
        )
    return batch, players, actions


def _unpack(result: Any) -> tuple[RecurrentOutput, Any]:
    if isinstance(result, tuple) and len(result) == 2 and isinstance(result[0], RecurrentOutput):
        return result
    raise TypeError(
        "recurrent_fn: expected (RecurrentOutput(reward, discount, prior_logits, value), "
        f"embedding), got {type(result).__name__}"
    )


def _head(
    name: str,
    head: Tensor | None,
    shape: tuple[int, ...],
    dtype: torch.dtype,
    source: str = "recurrent_fn: ",
) -> Any:
    """Return a head in host memory; raise ValueError for another shape or dtype."""
    if head is None:
        return None
    if not isinstance(head, Tensor) or head.shape != shape or head.dtype != dtype:
        got = (
            f"{head.dtype} {list(head.shape)}" if isinstance(head, Tensor) else type(head).__name__
        )
        letters = ", ".join(f"{k}={n}" for k, n in zip("BPA", shape, strict=False))
        kind = str(dtype).removeprefix("torch.")
        raise ValueError(f"{source}{name}: expected {kind} [{letters}], got {got}")
    return head.detach().cpu().contiguous().numpy()
