"""AlphaZero: tree search over the true rules, with a network that knows positions and no rules.

The worlds are a native environment's own blobs. They lie in the search's arena, a slot a node; a
leaf's world is its parent's, copied and stepped by native code, and the network sees what that
writes: one call of the environment and one of the network a simulation, for all rows.
Source: Silver et al. 2018.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any, Literal, TypeAlias, Unpack

import numpy as np
import torch
from gymnasium import spaces
from numpy.typing import ArrayLike
from torch import Tensor
from torch.utils import _pytree as pytree

from rollout import _native
from rollout.envs.snapshot import Snapshot
from rollout.envs.vector_env import VectorEnv
from rollout.recurrent import RecurrentOutput
from rollout.search.policies import Limits, gumbel_muzero_policy, muzero_policy
from rollout.search.qtransform import (
    QTransformLike,
    qtransform_by_parent_and_siblings,
    qtransform_completed_by_mix_value,
)
from rollout.search.types import PolicyOutput, Root, Seed

EvaluateFn: TypeAlias = Callable[[Any], tuple[Tensor, Tensor]]


def alphazero_policy(
    env: VectorEnv,
    worlds: Snapshot | ArrayLike | None,
    evaluate_fn: EvaluateFn,
    num_simulations: int | Tensor,
    *,
    rule: Literal["puct", "gumbel"] = "puct",
    discount: float = 1.0,
    invalid_actions: Tensor | None = None,
    max_depth: int | None = None,
    qtransform: QTransformLike | None = None,
    dirichlet_fraction: float = 0.25,
    dirichlet_alpha: float = 0.3,
    dirichlet_legal_only: bool = True,
    pb_c_init: float = 1.25,
    pb_c_base: float = 19652.0,
    temperature: float = 1.0,
    choice: Literal["visits", "lower_bound"] = "visits",
    deviations: float = 2.0,
    max_num_considered_actions: int = 16,
    gumbel_scale: float = 1.0,
    seed: Seed = 0,
    num_threads: int | None = None,
    **limits: Unpack[Limits],
) -> PolicyOutput:
    """Search from worlds of a native environment, by its own rules.

    env:         a `make_vec` environment with Discrete actions. Its rows stay as they are; its
                 threads step the worlds.
    worlds:      the B worlds to search from: a snapshot, rows of the env, or None for all rows.
    evaluate_fn: observations as the env makes them, torch tensors [L, ...] (a dict or a tuple of
                 them where the env's are), -> prior_logits [L, A] and value [L], float32. Called
                 for the roots, and then once a simulation under inference_mode, on buffers that
                 the next one overwrites. A value is the return from here on for who moves; where
                 it is [L, P], for each of the env's P players.
    rule:        "puct" or "gumbel". The arguments below are those of `muzero_policy` and
                 `gumbel_muzero_policy`, with their defaults; each rule reads its own.
    discount:    a step's.
    invalid_actions: [B, A] bool, true where an action must not be taken now, besides what is
                 against the rules; those the search never tries, at the root or below.
    dirichlet_legal_only: noise over legal actions only (muzero_policy's default is False).

    Where players take turns and values are [L], the game counts as zero-sum between two. A world
    that ends by its rules is worth 0 from there on, and one that was cut by a step limit what the
    network says of it; descents stop at both. A row whose world has ended already may get any
    action. A world's chances are part of it: the search sees what the env would draw.

    Returns what `muzero_policy` does; `search_tree.embeddings` are the worlds, uint8
    [B, N, row_bytes]. Raises ValueError or TypeError naming the argument.
    """
    return search_worlds(
        env,
        worlds,
        evaluate_fn,
        num_simulations,
        rule=rule,
        discount=discount,
        invalid_actions=invalid_actions,
        puct={
            "qtransform": qtransform or qtransform_by_parent_and_siblings,
            "dirichlet_fraction": dirichlet_fraction,
            "dirichlet_alpha": dirichlet_alpha,
            "dirichlet_legal_only": dirichlet_legal_only,
            "pb_c_init": pb_c_init,
            "pb_c_base": pb_c_base,
            "temperature": temperature,
            "choice": choice,
            "deviations": deviations,
        },
        gumbel={
            "qtransform": qtransform or qtransform_completed_by_mix_value,
            "max_num_considered_actions": max_num_considered_actions,
            "gumbel_scale": gumbel_scale,
        },
        max_depth=max_depth,
        seed=seed,
        num_threads=num_threads,
        **limits,
    )[1]


def search_worlds(
    env: VectorEnv,
    worlds: Snapshot | ArrayLike | None,
    evaluate_fn: EvaluateFn,
    num_simulations: int | Tensor,
    *,
    rule: str,
    discount: float,
    invalid_actions: Tensor | None,
    puct: dict[str, Any],
    gumbel: dict[str, Any],
    **shared: Any,
) -> tuple[Root, PolicyOutput]:
    """Do what `alphazero_policy` says; return the roots, too."""
    if rule not in ("puct", "gumbel"):
        raise ValueError(f"rule: expected 'puct' or 'gumbel', got {rule!r}")
    if not 0.0 <= discount <= 1.0:
        raise ValueError(f"discount: expected a number in [0, 1], got {discount}")
    policy, settings = (muzero_policy, puct) if rule == "puct" else (gumbel_muzero_policy, gumbel)
    actions = require_discrete(env)
    snapshot = worlds if isinstance(worlds, Snapshot) else env.snapshot(worlds)
    root, illegal = _root(env, snapshot, evaluate_fn, actions)
    invalid = _combine(illegal, invalid_actions, len(snapshot), actions)
    lanes = len(snapshot) * max(1, shared.get("wave", 1))
    calls = 2 if shared.get("overlap") else 1
    model = _Worlds(env, evaluate_fn, lanes, discount, root, calls)
    try:
        output = policy(
            root,
            model.recurrent_fn,
            num_simulations,
            invalid_actions=invalid,
            **settings,
            **shared,
        )
    except ValueError as error:
        # what the search says of its model is about what the user gave
        text = str(error).replace("recurrent_fn: ", "evaluate_fn: ", 1)
        raise ValueError(text.replace("root: ", "evaluate_fn: ", 1)) from error.__cause__
    return root, output


def require_discrete(env: VectorEnv) -> int:
    """Return the number of actions; raise ValueError where they are not one discrete choice."""
    space = env.single_action_space
    if not isinstance(space, spaces.Discrete):
        raise ValueError(
            f"env: expected Discrete actions, got {space} of {env.env_id}; a tree needs a finite "
            "set of them"
        )
    return int(space.n)


def _root(
    env: VectorEnv, snapshot: Snapshot, evaluate_fn: EvaluateFn, actions: int
) -> tuple[Root, Tensor | None]:
    """Return what the network says of the roots, and what is illegal there."""
    view = env.view(snapshot)
    if view.obs is None:
        raise ValueError("env: expected one that observes; make it without observe=False")
    obs = pytree.tree_map(torch.from_numpy, view.obs)
    with torch.inference_mode():
        logits, value = _evaluate(evaluate_fn, obs, len(snapshot), actions)
    if value.dim() == 2 and value.shape[1] != env.num_players:
        raise ValueError(
            f"evaluate_fn: value: expected [L] or [L, P={env.num_players}], got {list(value.shape)}"
        )
    if value.dim() == 1 and env.num_players > 2:
        raise ValueError(
            f"evaluate_fn: value: expected [L, P={env.num_players}] for a game of more than two, "
            f"got {list(value.shape)}"
        )
    to_play = None if view.to_play is None else torch.from_numpy(view.to_play)
    illegal = None
    if view.action_mask is not None:
        # a game that is over has no legal action, and a search must have one
        open_ = view.action_mask != 0
        illegal = torch.from_numpy(~open_ & open_.any(1, keepdims=True))
    return Root(logits, value, torch.from_numpy(snapshot.data), to_play), illegal


def _combine(
    illegal: Tensor | None, forbidden: Tensor | None, batch: int, actions: int
) -> Tensor | None:
    """Return what is forbidden at the roots by the rules or by the caller."""
    if illegal is None or forbidden is None:
        return illegal if forbidden is None else forbidden
    if not isinstance(forbidden, Tensor) or forbidden.shape != (batch, actions):
        return forbidden  # the search says what is wrong with it
    both = illegal | (forbidden.cpu() != 0)
    if bool((closed := both.all(1)).any()):
        row = int(closed.nonzero()[0])
        raise ValueError(
            f"invalid_actions: row {row} forbids every legal action; allow it one of "
            f"{(~illegal[row]).nonzero().flatten().tolist()}"
        )
    return both


def _evaluate(evaluate_fn: EvaluateFn, obs: Any, rows: int, actions: int) -> tuple[Tensor, Tensor]:
    """Call the network; its answers in host memory."""
    answer = evaluate_fn(obs)
    if not isinstance(answer, tuple | list) or len(answer) != 2:
        raise TypeError(
            f"evaluate_fn: expected (prior_logits [L, A], value [L]), got {type(answer).__name__}"
        )
    logits, value = (head.detach().cpu() for head in answer)
    return logits, value


class _Worlds:
    """An environment's rules and a network as a search's model.

    calls: how many must pass before what one returned may be written over.
    """

    def __init__(
        self,
        env: VectorEnv,
        evaluate_fn: EvaluateFn,
        lanes: int,
        discount: float,
        root: Root,
        calls: int,
    ) -> None:
        self.evaluate_fn, self.actions = evaluate_fn, root.prior_logits.shape[1]
        players = root.value.shape[1] if root.value.dim() == 2 else 1
        self.leaves = deque(_Leaves(env, lanes, discount, players) for _ in range(calls))

    def recurrent_fn(self, action: Tensor, worlds: Tensor) -> tuple[RecurrentOutput, Tensor]:
        """Step the worlds where they lie, and ask the network about what they have become."""
        self.leaves.rotate()
        lanes = action.shape[0]
        obs, reward, discount, done, invalid, to_play = self.leaves[0].step(action, worlds)
        logits, value = _evaluate(self.evaluate_fn, obs, lanes, self.actions)
        return RecurrentOutput(reward, discount, logits, value, invalid, done, to_play), worlds


class _Leaves:
    """Arrays that worlds are stepped into."""

    def __init__(self, env: VectorEnv, lanes: int, discount: float, players: int) -> None:
        self.native = _native.Leaves(env._open(), lanes, discount, players)
        self.all = pytree.tree_map_only(np.ndarray, torch.from_numpy, self.native.arrays())
        self.lanes, self.now = lanes, self.all

    def step(self, action: Tensor, worlds: Tensor) -> Any:
        """Step L worlds where they lie; return the first L rows of the arrays."""
        self.native.step(action, worlds)
        lanes = action.shape[0]
        if lanes != self.lanes:
            self.lanes = lanes
            self.now = pytree.tree_map_only(Tensor, lambda array: array[:lanes], self.all)
        return self.now
