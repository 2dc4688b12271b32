"""Search for a team: a joint action is chosen one player at a time, and the model is asked once.

With P players of A actions each a joint action is one of A^P. Here a node belongs to a seat: the
first player's choice leads to a node where the second chooses, knowing it, and so on; after the
last the model steps. All seats maximise the same return, so the sequence loses nothing: the best
joint action is the first player's best, given that the others answer as well as they can. What lies
between two steps of the model is made from the heads of the step before and costs no call.

A player may also be a partner, who is not ours to choose for: its seat is a node of chance whose
outcomes are weighed by the policy that the model predicts for it. Partners come after the team.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, TypeAlias, TypedDict, Unpack

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from rollout.recurrent import RecurrentOutput
from rollout.search.policies import gumbel_muzero_policy, muzero_policy
from rollout.search.qtransform import QTransformLike, qtransform_completed_by_mix_value
from rollout.search.sampled import candidate_noise
from rollout.search.split import Columns, route
from rollout.search.tree import SearchTree
from rollout.search.types import Embedding, PolicyOutput, Root, Seed

_LOW = torch.finfo(torch.float32).min
_GENTLE = qtransform_completed_by_mix_value(value_scale=0.03)


class JointRoot(NamedTuple):
    """What the model says of the states to search from. P players of at most A actions."""

    prior_logits: Tensor  # [B, P, A] float32, of each player
    value: Tensor  # [B] float32, of the team
    embedding: Embedding  # leaves [B, ...]: what joint_recurrent_fn steps from


class JointRecurrentOutput(NamedTuple):
    """What the model says of R joint actions, and of the states they lead to."""

    reward: Tensor  # [R] float32, of the team
    discount: Tensor  # [R] float32, what the new state's value counts for; 0 where it is terminal
    prior_logits: Tensor  # [R, P, A] float32, of each player in the new state
    value: Tensor  # [R] float32, of the new state
    invalid_actions: Tensor | None = None  # [R, P, A] bool, not allowed in the new state
    done: Tensor | None = None  # [R] bool, true where nothing comes after


JointRecurrentFn: TypeAlias = Callable[[Tensor, Embedding], tuple[JointRecurrentOutput, Embedding]]


@dataclass(frozen=True, slots=True)
class JointPolicyOutput:
    """The outcome of a search for a team."""

    action: Tensor  # [B, P] int64, to be taken; a partner's is its most likely one
    action_weights: Tensor  # [B, P, A] float32, the targets for training each player's policy
    search_tree: SearchTree
    order: tuple[int, ...]  # the player of each seat: a path's edge d is that of order[d % P]

    def principal_path(self) -> tuple[Tensor, Tensor]:
        """Return the joint actions that the search expects, [B, D, P], -1 after a path's end, and
        the reward of each step, [B, D], 0 there.

        The last step of a path may lack the choices of later seats, and its reward then.
        """
        players = len(self.order)
        edges, rewards = self.search_tree.principal_path(self.action[:, self.order[0]])
        missing = -edges.shape[1] % players
        edges = torch.nn.functional.pad(edges, (0, missing), value=-1)
        rewards = torch.nn.functional.pad(rewards, (0, missing))
        # seats back into the order of players
        actions = edges.view(len(edges), -1, players)[..., _inverse(self.order)]
        return actions, rewards[:, players - 1 :: players]


class JointSettings(TypedDict, total=False):
    """What both searches for a team take.

    partners:        players that are not ours: weighed by their own prior_logits.
    invalid_actions: [B, P, A] bool, true where an action is not allowed at the root.
    max_depth:       joint actions from the root to a leaf, at most.
    qtransform, seed, num_threads, deadline_ms, overlap: see `muzero_policy` and its `Limits`.
    """

    partners: Sequence[int]
    invalid_actions: Tensor | None
    max_depth: int | None
    qtransform: QTransformLike
    seed: Seed
    num_threads: int | None
    deadline_ms: float | None
    overlap: bool


def joint_muzero_policy(
    root: JointRoot,
    joint_recurrent_fn: JointRecurrentFn,
    num_simulations: int,
    *,
    dirichlet_fraction: float = 0.25,
    dirichlet_alpha: float = 0.3,
    pb_c_init: float = 1.25,
    pb_c_base: float = 19652.0,
    temperature: float = 1.0,
    **settings: Unpack[JointSettings],
) -> JointPolicyOutput:
    """Search for a team with PUCT.

    joint_recurrent_fn: (joint action [R, P] int64, embedding) -> (JointRecurrentOutput, embedding),
        called for the R rows whose joint action is complete, and left out where there are none.
    num_simulations: nodes added to every row's tree: P of them make a joint action, and those of
        the last seat call the model.
    temperature: of every seat's action, from the visits at the nodes that the choices before it
        lead to.
    settings: see `JointSettings`. The rest is as in `muzero_policy`.

    A choice is worth the mean of what the seats after it tried, so that where one right answer
    stands among bad ones it takes many simulations until it shows: `joint_gumbel_muzero_policy`
    needs fewer.

    Returns the joint action and each player's shares of the visits at its node: a player's weights
    are for what it does given what those before it do.
    Raises ValueError or TypeError naming the argument or the head, as `muzero_policy`.
    """
    return _search(
        muzero_policy,
        root,
        joint_recurrent_fn,
        num_simulations,
        settings,
        dirichlet_fraction=dirichlet_fraction,
        dirichlet_alpha=dirichlet_alpha,
        dirichlet_legal_only=True,
        pb_c_init=pb_c_init,
        pb_c_base=pb_c_base,
        temperature=temperature,
    )


def joint_gumbel_muzero_policy(
    root: JointRoot,
    joint_recurrent_fn: JointRecurrentFn,
    num_simulations: int,
    *,
    max_num_considered_actions: int = 16,
    gumbel_scale: float = 1.0,
    **settings: Unpack[JointSettings],
) -> JointPolicyOutput:
    """Search for a team with Gumbel MuZero: sequential halving over the first seat's actions.

    qtransform: `qtransform_completed_by_mix_value(value_scale=0.03)` by default. On 40 tables of
        4 x 4 normal numbers without a prior, 600 simulations found the best pair in 95 % with it,
        and in 55 % with mctx's scale of 0.1, by which later seats keep to the first good answer.
    The first seat's weights are softmax(logits + completed Q); below it, where visits follow such a
    policy, they are shares of the visits, and the action is the most visited. The other arguments,
    and what is raised, are those of `joint_muzero_policy` and `gumbel_muzero_policy`.
    """
    settings.setdefault("qtransform", _GENTLE)
    return _search(
        gumbel_muzero_policy,
        root,
        joint_recurrent_fn,
        num_simulations,
        settings,
        max_num_considered_actions=max_num_considered_actions,
        gumbel_scale=gumbel_scale,
    )


def _search(
    search: Callable[..., PolicyOutput],
    root: JointRoot,
    joint_recurrent_fn: JointRecurrentFn,
    num_simulations: int,
    settings: JointSettings,
    **rule: Any,
) -> JointPolicyOutput:
    """Search over seats with the policy `search`, then read every player's choice off the tree."""
    batch, players, actions = _check_root(root)
    common: dict[str, Any] = dict(settings)
    partners = tuple(common.pop("partners", ()))
    order = _order(partners, players)
    invalid = common.pop("invalid_actions", None)
    if invalid is not None and invalid.shape != (batch, players, actions):
        raise ValueError(
            f"invalid_actions: expected bool [B={batch}, P={players}, A={actions}], got "
            f"{list(invalid.shape)}"
        )
    if common.get("max_depth") is not None:
        common["max_depth"] *= players
    team = _Team(root, joint_recurrent_fn, order, players - len(partners))
    output = search(
        team.root(root, invalid),
        team.recurrent,
        num_simulations,
        invalid_actions=None if invalid is None else invalid[:, order[0]],
        num_outcomes=actions if partners else 0,
        **rule,
        **common,
    )
    logits = root.prior_logits if invalid is None else root.prior_logits.masked_fill(invalid, _LOW)
    noise = candidate_noise(common.get("seed", 0), batch).uniform("joint.act", (players,))
    temperature = rule.get("temperature", 0.0)
    action, weights = _choices(output, logits.cpu(), order, team.seats, temperature, noise)
    device = root.prior_logits.device
    return JointPolicyOutput(action.to(device), weights.to(device), output.search_tree, order)


def _choices(
    output: PolicyOutput,
    logits: Tensor,
    order: tuple[int, ...],
    seats: int,
    temperature: float,
    noise: Tensor,
) -> tuple[Tensor, Tensor]:
    """Return every player's action [B, P] and weights [B, P, A], given those seated before it.

    logits: [B, P, A], what is not allowed lowest. seats: of the team, the first ones.
    """
    weights = logits.softmax(-1)  # of partners, and where a search has not come
    action = weights.argmax(-1)
    action[:, order[0]] = output.action.cpu()
    weights[:, order[0]] = output.action_weights.cpu()
    tree = output.search_tree
    children, visits = tree.children_index.long(), tree.children_visits.float()
    rows = torch.arange(len(action))
    node = torch.zeros_like(rows)
    for before, player in pairwise(order[:seats]):
        child = children[rows, node.clamp(min=0), action[:, before]]
        node = torch.where(node < 0, node, child)  # once off the tree, off it
        counts = visits[rows, node.clamp(min=0), : logits.shape[2]] * (node >= 0)[:, None]
        total = counts.sum(-1, keepdim=True)
        prior = weights[:, player]
        weights[:, player] = torch.where(total > 0, counts / total.clamp(min=1), prior)
        action[:, player] = _draw(weights[:, player], temperature, noise[:, player])
    return action, weights


def _draw(weights: Tensor, temperature: float, unit: Tensor) -> Tensor:
    """Return an action a row by weights^(1 / temperature), the highest at 0. unit: [B]."""
    if temperature == 0.0:
        return weights.argmax(-1)
    highest = weights.amax(-1, keepdim=True)
    sums = (weights / highest).double().pow(1.0 / temperature).cumsum(-1)
    # the first whose sum exceeds the number drawn is one with a weight of its own
    return torch.searchsorted(sums, (unit.double() * sums[:, -1])[:, None], right=True)[:, 0]


class _Node(NamedTuple):
    """What is kept with a node: where its seat is, and what the last step of the model said."""

    seat: Tensor  # [L] int64, whose choice is next
    joint: Tensor  # [L, P] int64, the choices so far
    value: Tensor  # [L] float32, of the model's state
    prior_logits: Tensor  # [L, P, A]
    invalid: Tensor  # [L, P, A] bool


_HEADS, _KEPT = len(RecurrentOutput._fields), len(_Node._fields)


class _Team:
    """A model of joint actions as the model of one seat at a time that a search calls."""

    def __init__(
        self,
        root: JointRoot,
        joint_recurrent_fn: JointRecurrentFn,
        order: tuple[int, ...],
        seats: int,
    ) -> None:
        self._step_fn, self.seats = joint_recurrent_fn, seats
        self._order = torch.tensor(order, device=root.prior_logits.device)
        self._with_chance = seats < len(order)
        self._shape = root.prior_logits.shape[1:]
        self._spec = pytree.tree_structure(root.embedding)

    def root(self, root: JointRoot, invalid: Tensor | None) -> Root:
        """Return the root of the first seat."""
        kept = self._kept(root.prior_logits, root.value, invalid)
        states = tuple(pytree.tree_leaves(root.embedding))
        return Root(root.prior_logits[:, self._order[0]], root.value, (kept, states))

    def recurrent(self, edge: Tensor, embedding: Any) -> tuple[RecurrentOutput, Any]:
        """Pass the choice on to the next seat, or step the model where it is the last."""
        kept, states = embedding
        last = kept.seat == len(self._order) - 1
        columns = route(last, edge, (*kept, *states), (self._pass_on, self._step))
        node = _Node(*columns[_HEADS : _HEADS + _KEPT])
        return RecurrentOutput(*columns[:_HEADS]), (node, tuple(columns[_HEADS + _KEPT :]))

    def _pass_on(self, edge: Tensor, tensors: tuple[Tensor, ...]) -> Columns:
        kept, states = _Node(*tensors[:_KEPT]), tensors[_KEPT:]
        player = self._order[kept.seat]
        joint = kept.joint.scatter(1, player[:, None], edge[:, None])
        seat = kept.seat + 1
        rows, following = torch.arange(len(edge), device=edge.device), self._order[seat]
        heads = RecurrentOutput(
            torch.zeros_like(kept.value),
            torch.ones_like(kept.value),
            kept.prior_logits[rows, following],
            kept.value,
            kept.invalid[rows, following],
            torch.zeros_like(edge, dtype=torch.bool),
            None,
            seat >= self.seats if self._with_chance else None,
        )
        return [
            *heads,
            *kept._replace(seat=seat, joint=joint),
            *states,
        ]

    def _step(self, edge: Tensor, tensors: tuple[Tensor, ...]) -> Columns:
        kept, states = _Node(*tensors[:_KEPT]), tensors[_KEPT:]
        joint = kept.joint.clone()
        joint[:, self._order[-1]] = edge
        state = pytree.tree_unflatten(list(states), self._spec)
        result, state = self._step_fn(joint, state)
        output = JointRecurrentOutput(*result)
        leaves, spec = pytree.tree_flatten(state)
        if spec != self._spec:
            raise ValueError(
                "joint_recurrent_fn: embedding: expected the structure of the root's, "
                f"{self._spec}, got {spec}"
            )
        if output.prior_logits.shape[1:] != self._shape:
            raise ValueError(
                f"joint_recurrent_fn: prior_logits: expected float32 [R, P={self._shape[0]}, "
                f"A={self._shape[1]}], got {list(output.prior_logits.shape)}"
            )
        new = self._kept(output.prior_logits, output.value, output.invalid_actions)
        flag = torch.zeros_like(edge, dtype=torch.bool)
        heads = RecurrentOutput(
            output.reward,
            output.discount,
            output.prior_logits[:, self._order[0]],
            output.value,
            new.invalid[:, self._order[0]],
            flag if output.done is None else output.done,
            None,
            flag if self._with_chance else None,
        )
        return [
            *heads,
            *new,
            *leaves,
        ]

    def _kept(self, logits: Tensor, value: Tensor, invalid: Tensor | None) -> _Node:
        """Return what the first seat's node keeps."""
        rows = len(value)
        seat = torch.zeros(rows, dtype=torch.int64, device=value.device)
        if invalid is None:
            invalid = torch.zeros_like(logits, dtype=torch.bool)
        joint = seat[:, None].expand(rows, len(self._order)).contiguous()
        return _Node(seat, joint, value, logits, invalid)


def _order(partners: tuple[int, ...], players: int) -> tuple[int, ...]:
    """Return the player of each seat: the team, then the partners."""
    if len(set(partners)) != len(partners) or not set(partners) < set(range(players)):
        raise ValueError(
            f"partners: expected some, but not all, of the players 0 to {players - 1}, got "
            f"{partners}"
        )
    return (*(player for player in range(players) if player not in partners), *sorted(partners))


def _inverse(order: tuple[int, ...]) -> list[int]:
    """Return the seat of each player."""
    return [order.index(player) for player in range(len(order))]


def _check_root(root: JointRoot) -> tuple[int, int, int]:
    """Return B, P and A."""
    logits = root.prior_logits
    if logits.dim() != 3 or logits.dtype != torch.float32 or 0 in logits.shape:
        raise ValueError(
            "root: prior_logits: expected float32 [B, P, A], a row a player, got "
            f"{logits.dtype} {list(logits.shape)}"
        )
    batch, players, actions = logits.shape
    return batch, players, actions
