"""MuZero's search, acting and learning from a regularised policy instead of from visit counts.

PUCT's visits approach the policy that maximises Q less a penalty for leaving the prior. With few
simulations counts are a coarse picture of it; it can be solved for exactly. Source: Grill et al.
2020, "Monte-Carlo tree search as regularized policy optimization".
"""

from __future__ import annotations

from typing import Literal, Unpack

from torch import Tensor

from rollout import _native
from rollout.search.policies import Limits, puct_rule, run_search
from rollout.search.qtransform import QTransformLike, qtransform_by_parent_and_siblings
from rollout.search.types import PolicyOutput, RecurrentFn, Root, Seed

_WAYS = ("puct", "regularised", "sampled")  # in the native order


def regularised_muzero_policy(
    root: Root,
    recurrent_fn: RecurrentFn,
    num_simulations: int | Tensor,
    *,
    select: Literal["puct", "regularised", "sampled"] = "puct",
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
    """Search as `muzero_policy`, and act by pi_bar = argmax_y q . y - lambda KL(prior, y).

    q is the scaled Q of the root's actions, the prior has its noise, and lambda = c(N) sqrt(N) /
    (n + A) of n visits and A allowed actions, with PUCT's c and N = n + 1: it shrinks as visits
    come, and pi_bar goes from the prior to the best action.

    select: how actions are chosen in the tree. "puct" as in MuZero; "regularised" by the node's own
        pi_bar, the action with the highest pi_bar / (visits + 1), so that visits follow it without
        noise; "sampled" draws from it, as published.
    temperature: the action is drawn from pi_bar^(1 / temperature).
    The other arguments, and what is raised, are those of `muzero_policy`. early_stop stops a row
    only where one action is allowed.

    Returns action, action_weights = pi_bar of the root, and the trees.
    """
    if select not in _WAYS:
        raise ValueError(f"select: expected one of {', '.join(_WAYS)}, got {select!r}")
    puct = puct_rule(
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
    return run_search(
        _native.SearchRegularised(puct, way=_WAYS.index(select)),
        root,
        recurrent_fn,
        num_simulations,
        invalid_actions=invalid_actions,
        max_depth=max_depth,
        seed=seed,
        num_threads=num_threads,
        **limits,
    )
