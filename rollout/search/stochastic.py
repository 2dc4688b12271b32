"""Stochastic MuZero: between an action and the next state lies an afterstate, and chance.

A node is a state, whose edges are actions, or an afterstate, whose edges are outcomes of chance.
Two networks: one from a state and an action to an afterstate, one from that and an outcome to a
state. Names and semantics are mctx's, but a leaf is evaluated by the one network that it needs.
Source: Antonoglou et al. 2022, "Planning in stochastic environments with a learned model".
"""

from __future__ import annotations

from collections.abc import Callable
from time import perf_counter
from typing import NamedTuple, TypeAlias, Unpack

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from rollout.recurrent import RecurrentOutput
from rollout.search.policies import Limits, check_invalid, puct_rule, run_search
from rollout.search.qtransform import QTransformLike, qtransform_by_parent_and_siblings
from rollout.search.split import Columns, Shelves, route
from rollout.search.types import Embedding, PolicyOutput, Root, Seed

_STATE, _AFTERSTATE = 0, 1
_HEADS, _CHANCE = len(RecurrentOutput._fields), RecurrentOutput._fields.index("chance")


class DecisionRecurrentFnOutput(NamedTuple):
    """What the model says of R afterstates."""

    chance_logits: Tensor  # [R, C] float32, of the outcomes
    afterstate_value: Tensor  # [R] float32, with the reward still to come; [R, P] of P players
    invalid_outcomes: Tensor | None = None  # [R, C] bool, true where an outcome cannot be
    done: Tensor | None = None  # [R] bool, true where nothing comes after
    to_play: Tensor | None = None  # [R] int64, whose side the value is from


class ChanceRecurrentFnOutput(NamedTuple):
    """What the model says of R outcomes: of the step that they end, and of the states after it."""

    action_logits: Tensor  # [R, A] float32
    value: Tensor  # [R] float32; [R, P] of P players
    reward: Tensor  # [R] float32, of the whole step; [R, P] of P players
    discount: Tensor  # [R] float32, what the state's value counts for; 0 where it is terminal
    invalid_actions: Tensor | None = None  # [R, A] bool, true where not allowed in the state
    done: Tensor | None = None  # [R] bool, true where nothing comes after
    to_play: Tensor | None = None  # [R] int64, the player who moves in the state


DecisionRecurrentFn: TypeAlias = Callable[
    [Tensor, Embedding], tuple[DecisionRecurrentFnOutput, Embedding]
]
ChanceRecurrentFn: TypeAlias = Callable[
    [Tensor, Embedding], tuple[ChanceRecurrentFnOutput, Embedding]
]


class StoredState(NamedTuple):
    """A node of `SearchTree.embeddings`: tensors of states and afterstates share places."""

    is_chance: Tensor  # [...] bool
    tensors: tuple[Tensor, ...]


def stochastic_muzero_policy(
    root: Root,
    decision_recurrent_fn: DecisionRecurrentFn,
    chance_recurrent_fn: ChanceRecurrentFn,
    num_simulations: int | Tensor,
    *,
    invalid_actions: Tensor | None = None,
    max_depth: int | None = None,
    qtransform: QTransformLike = qtransform_by_parent_and_siblings,
    dirichlet_fraction: float = 0.25,
    dirichlet_alpha: float = 0.3,
    dirichlet_legal_only: bool = False,
    pb_c_init: float = 1.25,
    pb_c_base: float = 19652.0,
    temperature: float = 1.0,
    seed: Seed = 0,
    num_threads: int | None = None,
    **limits: Unpack[Limits],
) -> PolicyOutput:
    """Search with PUCT at states and by the chances at afterstates, as Stochastic MuZero does.

    root:                  prior_logits [B, A], value [B] and embedding, a pytree of [B, ...], of
                           states.
    decision_recurrent_fn: (action [R] int64, state) -> (DecisionRecurrentFnOutput, afterstate).
    chance_recurrent_fn:   (outcome [R] int64, afterstate) -> (ChanceRecurrentFnOutput, state).
                           Afterstates may be another pytree than states. R is the rows that need
                           this network, and changes from call to call; a call without rows is left
                           out. The first network is called once more at the start, for one row, to
                           learn C and what an afterstate is.
    num_simulations:       half steps: n of them see about half as deep as n of `muzero_policy`.
    max_depth:             in edges, outcomes included.
    The other arguments, and what is raised, are those of `muzero_policy`. An edge into an
    afterstate has reward 0 and discount 1; to_play is given by both networks or by none.

    Returns action, action_weights = shares of the visits, and the trees, whose `embeddings` are
    `StoredState`s.
    """
    start = perf_counter()
    rule = puct_rule(
        qtransform,
        dirichlet_fraction=dirichlet_fraction,
        dirichlet_alpha=dirichlet_alpha,
        dirichlet_legal_only=dirichlet_legal_only,
        pb_c_init=pb_c_init,
        pb_c_base=pb_c_base,
        temperature=temperature,
        choice="visits",
        deviations=0.0,
    )
    action = torch.zeros(1, dtype=torch.int64, device=root.prior_logits.device)
    invalid = check_invalid(invalid_actions, *root.prior_logits.shape)
    if invalid is not None:
        # one that is allowed, lest the model mind
        action[0] = int(invalid[0].to(torch.int64).argmin())
    with torch.inference_mode():
        output, afterstate = decision_recurrent_fn(action, _first_row(root.embedding))
    networks = _Networks(root, decision_recurrent_fn, chance_recurrent_fn, output, afterstate)
    if "num_outcomes" in limits:
        raise ValueError(
            "num_outcomes: leave it out; decision_recurrent_fn says how many there are"
        )
    deadline_ms = limits.get("deadline_ms")
    if deadline_ms is not None:
        limits["deadline_ms"] = max(deadline_ms - 1000 * (perf_counter() - start), 0.0)
    limits["num_outcomes"] = networks.outcomes
    return run_search(
        rule,
        networks.root(root),
        networks.recurrent,
        num_simulations,
        invalid_actions=invalid,
        max_depth=max_depth,
        seed=seed,
        num_threads=num_threads,
        **limits,
    )


def _first_row(state: Embedding) -> Embedding:
    return pytree.tree_map(lambda leaf: leaf[:1], state)


class _Networks:
    """Two networks as the one that a search calls."""

    def __init__(
        self,
        root: Root,
        decide: DecisionRecurrentFn,
        resolve: ChanceRecurrentFn,
        first: DecisionRecurrentFnOutput,
        afterstate: Embedding,
    ) -> None:
        self._decide_fn, self._resolve_fn = decide, resolve
        self.actions = int(root.prior_logits.shape[-1])
        self.outcomes = int(first[0].shape[-1])
        self._shelves = Shelves(root.embedding, afterstate)
        self._afterstate, self._turns = afterstate, root.to_play is not None

    def root(self, root: Root) -> Root:
        """Return the root as the search keeps its state."""
        batch = len(root.prior_logits)
        states = self._shelves.store(_STATE, root.embedding, "root: embedding")
        others = self._shelves.store(_AFTERSTATE, self._afterstate, "afterstate")
        tensors = tuple(
            other.new_zeros((batch, *other.shape[1:])) if state is None else state
            for state, other in zip(states, others, strict=True)
        )
        chance = torch.zeros(batch, dtype=torch.bool, device=root.prior_logits.device)
        return root._replace(embedding=StoredState(chance, tensors))

    def recurrent(self, edge: Tensor, stored: StoredState) -> tuple[RecurrentOutput, StoredState]:
        """Evaluate each leaf by the network that its parent asks for."""
        steps = self._decide, self._resolve
        columns = route(stored.is_chance, edge, stored.tensors, steps)
        output, tensors = RecurrentOutput(*columns[:_HEADS]), columns[_HEADS:]
        # what a kind of state does not have is never read: the search may keep what was there
        kept = tuple(
            old if new is None else new for old, new in zip(stored.tensors, tensors, strict=True)
        )
        return output, StoredState(columns[_CHANCE], kept)

    def _decide(self, action: Tensor, tensors: tuple[Tensor, ...]) -> Columns:
        result, after = self._decide_fn(action, self._shelves.load(_STATE, tensors))
        output = DecisionRecurrentFnOutput(*result)
        self._check(
            "decision_recurrent_fn: chance_logits", output[0], self.outcomes, output.to_play
        )
        value = output.afterstate_value
        heads = RecurrentOutput(
            torch.zeros_like(value),
            torch.ones_like(value if value.dim() == 1 else value[:, 0]),
            self._pad(output.chance_logits),
            value,
            self._widen(output.invalid_outcomes),
            output.done,
            output.to_play,
            torch.ones_like(action, dtype=torch.bool),
        )
        return [
            *heads,
            *self._shelves.store(_AFTERSTATE, after, "decision_recurrent_fn: afterstate"),
        ]

    def _resolve(self, outcome: Tensor, tensors: tuple[Tensor, ...]) -> Columns:
        result, state = self._resolve_fn(outcome, self._shelves.load(_AFTERSTATE, tensors))
        output = ChanceRecurrentFnOutput(*result)
        self._check("chance_recurrent_fn: action_logits", output[0], self.actions, output.to_play)
        heads = RecurrentOutput(
            output.reward,
            output.discount,
            self._pad(output.action_logits),
            output.value,
            self._widen(output.invalid_actions),
            output.done,
            output.to_play,
            torch.zeros_like(outcome, dtype=torch.bool),
        )
        return [
            *heads,
            *self._shelves.store(_STATE, state, "chance_recurrent_fn: state"),
        ]

    def _widen(self, table: Tensor | None) -> Tensor | None:
        """Add the columns that a search expects and does not read: others have more edges."""
        return None if table is None else self._pad(table)

    def _pad(self, table: Tensor) -> Tensor:
        missing = max(self.actions, self.outcomes) - table.shape[1]
        return torch.nn.functional.pad(table, (0, missing)) if missing > 0 else table

    def _check(self, name: str, logits: Tensor, columns: int, to_play: Tensor | None) -> None:
        if logits.dim() != 2 or logits.shape[1] != columns:
            raise ValueError(f"{name}: expected float32 [R, {columns}], got {list(logits.shape)}")
        if (to_play is not None) != self._turns:
            raise ValueError(
                f"{name.partition(':')[0]}: to_play: expected it from both networks if the root "
                f"has it, and else from none; the root has {'one' if self._turns else 'none'}"
            )
