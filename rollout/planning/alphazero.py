"""Plan by the true rules of a native environment, with a network for positions."""

from __future__ import annotations

from time import perf_counter
from typing import Any, Literal

import torch
from numpy.typing import ArrayLike
from torch import Tensor

from rollout.envs.snapshot import Snapshot
from rollout.envs.vector_env import VectorEnv
from rollout.planning.plan import TreePlan
from rollout.search.alphazero import EvaluateFn, require_discrete, search_worlds
from rollout.search.qtransform import (
    QTransformLike,
    qtransform_by_parent_and_siblings,
    qtransform_completed_by_mix_value,
    resolve,
)
from rollout.search.types import Seed

_SEED_STEP = 0x9E3779B97F4A7C15  # odd, so that the seeds of a planner's plans are distinct
_SEED_MASK = (1 << 64) - 1


class AlphaZero:
    """A planner that searches a tree of an environment's own worlds, for B of them at once.

    env: a `make_vec` environment with Discrete actions; it must stay open, and its rows stay as
        they are.
    evaluate_fn: the network; see `rollout.search.alphazero_policy`.
    num_simulations: calls of the network a plan, and nodes a row.
    rule: "puct" or "gumbel". discount: a step's.
    seed: of the planner's own sequence of seeds, one a plan.
    The rest are arguments of `rollout.search.alphazero_policy`; each rule reads its own.

    Not for two threads at once: make a planner, and an environment, for each.
    """

    def __init__(
        self,
        env: VectorEnv,
        evaluate_fn: EvaluateFn,
        *,
        num_simulations: int = 50,
        rule: Literal["puct", "gumbel"] = "puct",
        discount: float = 1.0,
        max_depth: int | None = None,
        qtransform: QTransformLike | None = None,
        dirichlet_fraction: float = 0.25,
        dirichlet_alpha: float = 0.3,
        dirichlet_legal_only: bool = True,
        pb_c_init: float = 1.25,
        pb_c_base: float = 19652.0,
        temperature: float = 1.0,
        max_num_considered_actions: int = 16,
        gumbel_scale: float = 1.0,
        wave: int = 1,
        early_stop: bool = False,
        overlap: bool = False,
        num_threads: int | None = None,
        seed: int = 0,
    ) -> None:
        require_discrete(env)
        if qtransform is not None:
            resolve(qtransform)  # a wrong one is an error here and not at the first plan
        self.env, self.evaluate_fn = env, evaluate_fn
        self.num_simulations = num_simulations
        self._seed, self._plans = seed, 0
        self._settings: dict[str, Any] = {
            "rule": rule,
            "discount": discount,
            "puct": {
                "qtransform": qtransform or qtransform_by_parent_and_siblings,
                "dirichlet_fraction": dirichlet_fraction,
                "dirichlet_alpha": dirichlet_alpha,
                "dirichlet_legal_only": dirichlet_legal_only,
                "pb_c_init": pb_c_init,
                "pb_c_base": pb_c_base,
                "temperature": temperature,
            },
            "gumbel": {
                "qtransform": qtransform or qtransform_completed_by_mix_value,
                "max_num_considered_actions": max_num_considered_actions,
                "gumbel_scale": gumbel_scale,
            },
            "max_depth": max_depth,
            "wave": wave,
            "early_stop": early_stop,
            "overlap": overlap,
            "num_threads": num_threads,
        }

    @torch.no_grad()
    def plan(
        self,
        worlds: Snapshot | ArrayLike | None = None,
        *,
        num_simulations: int | Tensor | None = None,
        invalid_actions: Tensor | None = None,
        seed: Seed | None = None,
        deadline_ms: float | None = None,
    ) -> TreePlan:
        """Plan from B worlds at once.

        worlds: a snapshot, rows of the env, or None for all rows.
        num_simulations: None for the planner's own; or [B] ints, a budget for each row.
        invalid_actions: [B, A] bool, true where an action must not be taken now, besides what is
            against the rules.
        seed: an int, or one a row; None for the next of the planner's own sequence.
        deadline_ms: milliseconds from now to answer within, going by the slowest call so far.
        Where players take turns, `value` is for who moves, and `path_rewards` are each for who
        moves there. Raises as `rollout.search.alphazero_policy` does.
        """
        start = perf_counter()
        if seed is None:
            seed = (self._seed + self._plans * _SEED_STEP) & _SEED_MASK
            self._plans += 1
        spent = 0.0

        def evaluate(obs: Any) -> tuple[Tensor, Tensor]:
            nonlocal spent
            begin = perf_counter()
            answer = self.evaluate_fn(obs)
            spent += perf_counter() - begin
            return answer

        if deadline_ms is not None:
            deadline_ms = max(deadline_ms - 1000 * (perf_counter() - start), 0.0)
        root, output = search_worlds(
            self.env,
            worlds,
            evaluate,
            self.num_simulations if num_simulations is None else num_simulations,
            invalid_actions=invalid_actions,
            seed=seed,
            deadline_ms=deadline_ms,
            **self._settings,
        )
        tree = output.search_tree
        summary = tree.summary()
        path_actions, path_rewards = tree.principal_path(output.action)
        return TreePlan(
            action=output.action,
            action_weights=output.action_weights,
            value=summary.value,
            prior=root.prior_logits.softmax(-1),
            q_values=summary.qvalues,
            q_value=output.q_value,
            raw_value=summary.raw_value,
            mixed_value=summary.mixed_value,
            visit_counts=summary.visit_counts,
            path_actions=path_actions,
            path_rewards=path_rewards,
            path_events=None,
            search_tree=tree,
            mean_depth=tree.mean_depth,
            feasible=tree.feasible,
            model_seconds=spent,
            seconds=perf_counter() - start,
        )
