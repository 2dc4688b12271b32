"""The trees of a finished search, as arrays with mctx's names."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, NamedTuple

import torch
from torch import Tensor

from rollout import _native
from rollout.search import show
from rollout.search.latents import Latents

_DEAD_END = "all that could follow is ruled out"


class SearchSummary(NamedTuple):
    """What a search found at the root."""

    visit_counts: Tensor  # [B, A] float32
    visit_probs: Tensor  # [B, A] float32, rows sum to 1
    value: Tensor  # [B] float32, the mean return found
    qvalues: Tensor  # [B, A] float32, 0 where never visited
    raw_value: Tensor  # [B] float32, the model's value of the root
    # [B] float32, what qtransform_completed_by_mix_value gives an action never visited: (v + N m) /
    # (N + 1) of the raw value v, N visits, and the mean m of visited actions' Q, weighted by prior
    mixed_value: Tensor


class Closed(NamedTuple):
    """A step that a search closed, because of `RecurrentOutput.forbidden`."""

    path: tuple[int, ...]  # actions from the root; the step is the last
    nodes: tuple[int, ...]  # slots of the nodes that they were taken in
    excess: float  # how far it is over its limit; 0 where all that could follow it was closed
    value: float  # the return of the path, from the root, by the model's value; 0 with no excess
    visits: int  # that were taken out of the tree with it
    prior_logit: float
    slot: int  # where the state that it leads to is kept, see `SearchTree.states`
    chance: bool  # whether the step is an outcome of chance


class SearchTree:
    """The trees of one search, in native memory; slot 0 is the root of each row.

    The arrays are CPU tensors, made anew at every access (O(B N A)); `summary` reads the root only.
    Slots that no simulation reached hold 0, or -1 in the index arrays.

    node_visits        [B, N] int32   visits of each node, its own evaluation included
    raw_values         [B, N] float32 the model's value of each node
    node_values        [B, N] float32 the mean of that and of the returns through the node
    parents            [B, N] int32   slot of the parent
    action_from_parent [B, N] int32   action taken there
    children_index     [B, N, F] int32   slot of each child, UNVISITED where there is none
    children_visits    [B, N, F] int32   visits of each child
    children_prior_logits, children_rewards, children_discounts, children_values
                       [B, N, F] float32 of each edge and of the child at its end
    chance_nodes       [B, N] bool     where the edges are outcomes of chance

    F is A, or the most outcomes of a chance node if that is more; what the root has is [B, A].
    """

    ROOT_INDEX: ClassVar[int] = 0
    NO_PARENT: ClassVar[int] = -1
    UNVISITED: ClassVar[int] = -1
    NOTHING_DONE: ClassVar[int] = -2  # as an action since: a later search goes on at this root

    def __init__(
        self,
        native: _native.Search,
        latents: Latents,
        invalid: Tensor | None,
        actions: int,
        simulations: int,
    ) -> None:
        self.native = native
        self.latents = latents
        self._invalid = invalid
        self.num_actions = actions
        self.num_simulations = simulations  # most of a row; N is one more, or what it began with

    @property
    def batch_size(self) -> int:
        """B, the number of trees."""
        return self.latents.batch

    @property
    def node_visits(self) -> Tensor:
        """[B, N] int32."""
        return self._field("node_visits")

    @property
    def raw_values(self) -> Tensor:
        """[B, N] float32."""
        return self._field("raw_values")

    @property
    def node_values(self) -> Tensor:
        """[B, N] float32."""
        return self._field("node_values")

    @property
    def parents(self) -> Tensor:
        """[B, N] int32."""
        return self._field("parents")

    @property
    def action_from_parent(self) -> Tensor:
        """[B, N] int32."""
        return self._field("action_from_parent")

    @property
    def children_index(self) -> Tensor:
        """[B, N, F] int32."""
        return self._field("children_index")

    @property
    def children_prior_logits(self) -> Tensor:
        """[B, N, F] float32."""
        return self._field("children_prior_logits")

    @property
    def children_visits(self) -> Tensor:
        """[B, N, F] int32."""
        return self._field("children_visits")

    @property
    def children_values(self) -> Tensor:
        """[B, N, F] float32."""
        return self._field("children_values")

    @property
    def children_rewards(self) -> Tensor:
        """[B, N, F] float32."""
        return self._field("children_rewards")

    @property
    def children_discounts(self) -> Tensor:
        """[B, N, F] float32."""
        return self._field("children_discounts")

    @property
    def chance_nodes(self) -> Tensor:
        """[B, N] bool."""
        return self._field("chance_nodes")

    @property
    def embeddings(self) -> Any:
        """The root embedding's pytree with leaves [B, N, ...], on its device; a copy."""
        return self.latents.all(self.native, self.parents >= 0)

    @property
    def root_invalid_actions(self) -> Tensor:
        """[B, A] bool, true where the search was not allowed to start."""
        if self._invalid is None:
            return torch.zeros(self.batch_size, self.num_actions, dtype=torch.bool)
        return self._invalid

    @property
    def root_gumbel(self) -> Tensor | None:
        """[B, A] float32, the Gumbel noise of this search; None where the policy uses none."""
        noise = self.native.noise()
        return None if noise is None else torch.from_numpy(noise)

    @property
    def mean_depth(self) -> float:
        """Edges from the root to a simulation's leaf, mean over rows and simulations."""
        return self.native.mean_depth

    @property
    def nbytes(self) -> int:
        """Bytes that the trees take, without model states."""
        return self.native.tree_bytes

    def qvalues(self, indices: Tensor) -> Tensor:
        """Return the mean return of each edge, [B, F], 0 where unvisited. indices: [B] node slots.

        It is reward + discount * value, but in an open-loop search, where rewards and what follows
        them may go together.
        """
        return self._field("children_qvalues")[torch.arange(self.batch_size), indices]

    def summary(self) -> SearchSummary:
        """Return the root's visits, value and Q-values."""
        visits, value, qvalues, raw, mixed = map(torch.from_numpy, self.native.summary())
        shares = visits / visits.sum(-1, keepdim=True).clamp(min=1)
        return SearchSummary(visits, shares, value, qvalues, raw, mixed)

    @property
    def feasible(self) -> Tensor:
        """[B] bool, false where every action of the root was closed."""
        return torch.from_numpy(self.native.feasible())

    def closed(self, row: int = 0) -> list[Closed]:
        """Return what was closed in a row, in order of time.

        It is in no array of the tree, which is as if those steps had never been allowed.
        """
        closings = self.native.closings(row)
        return [
            Closed(tuple(path), tuple(nodes), excess, worth, visits, logit, slot, chance)
            for path, nodes, slot, excess, worth, visits, logit, chance in closings
        ]

    def reasons(self, row: int = 0) -> dict[tuple[int, ...], str]:
        """Say in words why each path of a row was closed."""
        return {
            one.path: f"over its limit by {one.excess:.3g}" if one.excess > 0 else _DEAD_END
            for one in self.closed(row)
        }

    def edge_actions(self, row: int) -> Any:
        """Return what the edges of a row's nodes stand for, None where edge a is action a.

        Where nodes have candidates it is a pytree of [N, F, ...], for slots that were reached.
        """
        return None

    def visit_table(self, row: int = 0, names: Sequence[str] | None = None) -> str:
        """Return a row's root as a table in plain text; see `rollout.search.show.visit_table`."""
        return show.visit_table(self, row, names)

    def states(self, rows: Tensor, slots: Tensor) -> Any:
        """Return the states at some slots, leaves [M, ...]; rows, slots: [M] int64."""
        return self.latents.at(self.native, rows, slots)

    def principal_path(self, first: Tensor) -> tuple[Tensor, Tensor]:
        """Return the most visited path of each row and the rewards along it.

        first: [B] int64, the action that starts it.
        Returns actions (at chance nodes outcomes) [B, D] int64, -1 after a path's end, and rewards
        [B, D] float32, 0 there. D is the longest path's length, at least 1.
        """
        actions, rewards, _ = self.native.principal_path(first.cpu().numpy())
        return torch.from_numpy(actions), torch.from_numpy(rewards)

    def principal_slots(self, first: Tensor) -> Tensor:
        """Return the slots that the most visited path leads through, [B, D], -1 after its end."""
        return torch.from_numpy(self.native.principal_path(first.cpu().numpy())[2])

    def to_dict(self, row: int = 0, names: Sequence[str] | None = None) -> dict[str, Any]:
        """Return a row's tree as nested dicts; see `rollout.search.show.to_dict`."""
        return show.to_dict(self, row, names)

    def to_graphviz(self, row: int = 0, names: Sequence[str] | None = None) -> str:
        """Return a row's tree in Graphviz's language."""
        return show.to_graphviz(self, row, names)

    def to_html(
        self,
        path: str | Path,
        row: int = 0,
        names: Sequence[str] | None = None,
        title: str = "Search tree",
    ) -> None:
        """Write a row's tree as one HTML file that needs nothing else."""
        show.to_html(self, path, row, names, title)

    def of_row(self, name: str, row: int) -> Tensor:
        """Return one of the arrays above for one row, [N] or [N, F]; O(N A), whatever B is."""
        return torch.from_numpy(self.native.field(name, row))[0]

    def _field(self, name: str) -> Tensor:
        return torch.from_numpy(self.native.field(name))
