"""Plan by tree search in any world model, whatever its actions are."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from time import perf_counter
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from rollout.models.protocol import Chance, Discrete, WorldModel
from rollout.planning.afterstates import SearchableAfterstates
from rollout.planning.carried import CarryingTree, carrying
from rollout.planning.goal import GoalLike, goal_weights
from rollout.planning.plan import TreePlan
from rollout.planning.pruning import rejections
from rollout.planning.rules import Rejection, rules
from rollout.planning.searchable import Searchable, compile_model, sampler_for, why_plain
from rollout.planning.seeds import Seeds
from rollout.search import (
    PolicyOutput,
    Sampler,
    candidate_noise,
    gumbel_muzero_policy,
    muzero_policy,
    sampled_muzero_policy,
    stochastic_muzero_policy,
)
from rollout.search.executor import CannotCompileError, CompiledRecurrent
from rollout.search.qtransform import QTransformLike, resolve
from rollout.search.types import Seed

_AFRESH = -1  # as what was done since an earlier plan


class TreeSearch:
    """A planner that searches a tree of the model's futures, for B rows at once.

    model: any `rollout.models` model. `recurrent` (Fused) is used where the model has it;
        otherwise `step`, and `policy` and `value` if it has them: without a policy all actions are
        equally likely, without a value a leaf is worth 0.
        Discrete actions are searched whole, or the likeliest of them with top_k; others by
        candidates drawn from the policy at every node, or evenly without one (Sampled MuZero).
    num_simulations: model calls a plan, and nodes a row.
    policy: "gumbel" (improves on the prior even with few simulations), "muzero" (PUCT), or
        "stochastic" (PUCT through afterstates and outcomes of chance; for models with
        `rollout.models.Chance`, whose simulations and max_depth count both halves of a step).
    discount: a step's, on top of the model's own continuation.
    goal: weights on the model's events, in place of its reward and value; see `goal_weights`.
    forbid: event name -> the highest probability of it along a plan; see `rollout.planning.rules`.
        A branch above is cut off and never taken, and `TreePlan.rejections` and `pruned` tell.
        Where nothing is left, what oversteps least is taken and `TreePlan.feasible` is false.
    disagreement_bonus, disagreement_penalty: look where the model is unsure, and lower what is
        expected there; for models whose steps tell their spread, in units of `Transition.spread`,
        or else ensembles (Members), in units of return: the deviation, over members, of reward +
        discount * value. See `rollout.search.Limits`.
    seed: of the planner's own sequence of seeds, one a plan.
    paths: whether to step the model along the line that a plan expects, for `Plan.path_events`;
        only models with events are asked, at D more calls a plan.
    compile: whether to call a compiled form of the model's `recurrent`, several times faster where
        the network is small; see `rollout.search.compile_recurrent`. "auto" does where it can be
        had and tells in `not_compiled` why it could not; the first plan then takes seconds, unless
        the code is on disk from before. Continuations are read with the discount as it is now.
        `forbid` and disagreement read each step's events and spread, so they go without.
    wave, early_stop, zero_discount_ends, overlap: see `rollout.search.Limits`.
    candidates: of a node, where actions are not Discrete. sampler: draws them in place of the usual
        one, of any actions; see `rollout.search.GaussianSampler` and the others.
    top_k: of Discrete actions, how many of the likeliest a node keeps; None for all.
    The rest are arguments of `rollout.search.gumbel_muzero_policy`, `muzero_policy` and
    `stochastic_muzero_policy`; a policy reads its own and ignores the others'.

    Not for two threads at once: make a planner for each.
    """

    def __init__(
        self,
        model: WorldModel[Any],
        *,
        num_simulations: int = 50,
        policy: Literal["gumbel", "muzero", "stochastic"] = "gumbel",
        discount: float = 0.997,
        goal: GoalLike | None = None,
        forbid: Mapping[str, float] | None = None,
        disagreement_bonus: float = 0.0,
        disagreement_penalty: float = 0.0,
        max_depth: int | None = None,
        wave: int = 1,
        early_stop: bool = False,
        zero_discount_ends: bool = False,
        overlap: bool = False,
        qtransform: QTransformLike | None = None,
        max_num_considered_actions: int = 16,
        gumbel_scale: float = 1.0,
        dirichlet_fraction: float = 0.25,
        dirichlet_alpha: float = 0.3,
        dirichlet_legal_only: bool = False,
        pb_c_init: float = 1.25,
        pb_c_base: float = 19652.0,
        temperature: float = 1.0,
        choice: Literal["visits", "lower_bound"] = "visits",
        deviations: float = 2.0,
        num_threads: int | None = None,
        seed: int = 0,
        paths: bool = True,
        compile: bool | Literal["auto"] = False,
        candidates: int = 20,
        sampler: Sampler | None = None,
        top_k: int | None = None,
    ) -> None:
        listed = isinstance(model.spec.action, Discrete) and sampler is None
        if top_k is not None and not listed:
            raise ValueError(
                f"top_k: expected Discrete actions and no sampler, got {model.spec.action}; "
                "candidates says how many a node has"
            )
        if policy not in ("gumbel", "muzero", "stochastic"):
            raise ValueError(f"policy: expected 'gumbel', 'muzero' or 'stochastic', got {policy!r}")
        if policy == "stochastic" and not isinstance(model, Chance):
            raise ValueError(
                "policy: 'stochastic' needs a model with afterstate and resolve "
                f"(rollout.models.Chance); {type(model).__name__} has none"
            )
        if policy == "stochastic" and (top_k is not None or not listed):
            raise ValueError(
                "policy: 'stochastic' searches all of a model's Discrete actions, without sampler "
                f"or top_k; got {model.spec.action}"
            )
        self._doubts = disagreement_bonus != 0.0 or disagreement_penalty != 0.0
        if policy == "stochastic" and (forbid or self._doubts):
            raise ValueError(
                "forbid, disagreement_bonus, disagreement_penalty: expected none with "
                "policy='stochastic'; 'gumbel' and 'muzero' have them"
            )
        if not 0.0 <= discount <= 1.0:
            raise ValueError(f"discount: expected a number in [0, 1], got {discount}")
        self.model = model
        self.num_simulations = num_simulations
        self.discount = discount
        self.goal = goal
        self.paths = paths
        self._rules = rules(forbid, model.spec)
        self.not_compiled = ""  # why the model is called as it is, where compile="auto"
        self._compiled: CompiledRecurrent | None = None
        self._must_compile = compile is True
        if compile:
            try:
                if policy == "stochastic":
                    raise CannotCompileError(
                        "compile: policy='stochastic' calls its model as it is"
                    )
                if why := why_plain(self._rules, self._doubts):
                    raise CannotCompileError(f"compile: {why}; search without it")
                self._compiled = compile_model(model, discount)
            except CannotCompileError as error:
                self._do_without(error)
        self._seeds = Seeds(seed)
        self._settings: dict[str, Any] = {
            "max_depth": max_depth,
            "num_threads": num_threads,
            "wave": wave,
            "early_stop": early_stop,
            "zero_discount_ends": zero_discount_ends,
            "overlap": overlap,
            "disagreement_bonus": disagreement_bonus,
            "disagreement_penalty": disagreement_penalty,
        }
        if qtransform is not None:
            resolve(qtransform)  # a wrong one is an error here and not at the first plan
            self._settings["qtransform"] = qtransform
        self._search: Callable[..., PolicyOutput]
        self._view = SearchableAfterstates if policy == "stochastic" else Searchable
        if policy == "gumbel":
            self._search = gumbel_muzero_policy
            self._settings |= {
                "max_num_considered_actions": max_num_considered_actions,
                "gumbel_scale": gumbel_scale,
            }
        else:
            self._search = stochastic_muzero_policy if policy == "stochastic" else muzero_policy
            self._settings |= {
                "dirichlet_fraction": dirichlet_fraction,
                "dirichlet_alpha": dirichlet_alpha,
                "dirichlet_legal_only": dirichlet_legal_only,
                "pb_c_init": pb_c_init,
                "pb_c_base": pb_c_base,
                "temperature": temperature,
            }
            if policy == "muzero":
                self._settings |= {"choice": choice, "deviations": deviations}
        if top_k is not None:
            self._settings["top_k"] = top_k
        if not listed:
            self._settings |= {"sampler": sampler or sampler_for(model, candidates)}
            rule: Literal["gumbel", "muzero"] = "gumbel" if policy == "gumbel" else "muzero"
            self._search = partial(sampled_muzero_policy, policy=rule)

    @torch.no_grad()
    def plan(
        self,
        state: Any,
        *,
        num_simulations: int | Tensor | None = None,
        goal: GoalLike | None = None,
        invalid_actions: Tensor | None = None,
        seed: Seed | None = None,
        deadline_ms: float | None = None,
        previous: TreePlan | None = None,
        prev_action: Tensor | None = None,
        first: Tensor | None = None,
    ) -> TreePlan:
        """Plan from B states at once.

        state: the model's pytree, leaves [B, ...].
        num_simulations, goal: None for the planner's own. num_simulations may be [B] ints, a budget
            for each row.
        invalid_actions: [B, A] bool, true where an action must not be taken now (of several
            choices [B, sum(nvec)], an option's column after another's); None for what the model's
            own rules forbid (`rollout.models.Legal`), if it knows them.
        seed: an int, or one a row, as in `rollout.search.muzero_policy`; None for the next of the
            planner's own sequence.
        deadline_ms: milliseconds from now to answer within: no call of the model is begun that
            would end later, going by the slowest so far, and path_events is None. Plan once before
            (a first call is slow).
        previous: the plan of one step before, to go on from the part of its trees that still
            counts; the model's parameters must be those of then. prev_action: [B] int64, what was
            done since, or `SearchTree.NOTHING_DONE` to think longer about the same state; None for
            what that plan said. first: [B] bool, true where an episode opens,
            and a row starts afresh; so does one whose goal has changed. Not with forbid, whose
            limits count from where a plan begins.
        Raises ValueError naming the argument, or the model's head that is not finite and the row.
        """
        start = perf_counter()
        rows = int(pytree.tree_leaves(state)[0].shape[0])
        goal = self.goal if goal is None else goal
        weights = None if goal is None else goal_weights(goal, self.model.spec, rows)
        if seed is None:
            seed = self._seeds.next()
        if num_simulations is None:
            num_simulations = self.num_simulations
        settings = self._settings
        model = self._view(
            self.model,
            weights,
            self.discount,
            candidate_noise(seed, rows, self.model.spec.device).rows,
            ruled=self._rules,
            doubts=self._doubts,
            ragged=settings["wave"] > 1
            or settings["early_stop"]
            or settings["overlap"]
            or not isinstance(num_simulations, int),
        )
        if self._compiled is not None:
            try:
                model.use(self._compiled, state)
            except CannotCompileError as error:
                self._do_without(error)
        root = model.root(state)
        if invalid_actions is None:
            invalid_actions = model.invalid(state)
        if deadline_ms is not None:
            spent = 1000 * (perf_counter() - start)
            settings = settings | {"deadline_ms": max(deadline_ms - spent, 0.0)}
        if previous is not None:
            if self._rules:
                raise ValueError(
                    "previous: expected None with forbid, whose limits count from this state; plan "
                    "afresh"
                )
            shape = (rows, *self.model.spec.event_shape)
            same_goal = _same_goal(weights, previous.goal_weights, shape)
            # a goal in the nodes of one plan and not of the other: all rows start afresh
            kept = getattr(previous.search_tree, "carries_goal", False)
            same_goal &= kept == model.carries_goal
            taken = _actions_since(previous, prev_action, first, same_goal)
            if bool((taken != _AFRESH).any()):
                settings = settings | {"tree": previous.search_tree, "tree_action": taken}
        elif prev_action is not None or first is not None:
            raise ValueError("previous: expected a plan beside prev_action or first, got None")
        output = self._search(
            root,
            *model.functions,
            num_simulations,
            invalid_actions=invalid_actions,
            seed=seed,
            **settings,
        )
        tree, device = output.search_tree, output.action.device
        if model.carries:
            tree = carrying(tree, self._rules, model.carries_goal)
        summary = tree.summary()
        first = output.action if output.column is None else output.column
        path_actions, path_rewards = model.path(tree, first)
        with_events = self.paths and deadline_ms is None
        path_events = model.path_events(state, path_actions) if with_events else None
        prior = root.prior_logits.softmax(-1) if output.prior is None else output.prior
        found: tuple[Rejection, ...] = ()
        if isinstance(tree, CarryingTree) and self._rules:
            found = rejections(tree, first)
        return TreePlan(
            action=output.action,
            action_weights=output.action_weights,
            value=summary.value.to(device),
            prior=prior,
            q_values=summary.qvalues.to(device),
            q_value=output.q_value.to(device),
            raw_value=summary.raw_value.to(device),
            mixed_value=summary.mixed_value.to(device),
            visit_counts=summary.visit_counts.to(device),
            path_actions=path_actions,
            path_rewards=path_rewards,
            path_events=path_events,
            search_tree=tree,
            goal_weights=weights,
            mean_depth=tree.mean_depth,
            actions=output.actions,
            feasible=tree.feasible.to(device),
            rejections=found,
            model_seconds=model.seconds,
            seconds=perf_counter() - start,
        )

    def _do_without(self, error: CannotCompileError) -> None:
        """Go on with the model as it is, unless a compiled one was asked for."""
        if self._must_compile:
            raise error
        self._compiled, self.not_compiled = None, str(error)


def _actions_since(
    previous: TreePlan, prev_action: Tensor | None, first: Tensor | None, same_goal: Tensor
) -> Tensor:
    """Return what was done since a plan, [B] int64 in host memory; _AFRESH to start afresh."""
    taken = previous.action if prev_action is None else prev_action
    if first is not None and (first.dtype != torch.bool or first.shape != same_goal.shape):
        raise ValueError(
            f"first: expected bool [B={len(same_goal)}] or None, got "
            f"{str(first.dtype).removeprefix('torch.')} {list(first.shape)}"
        )
    if taken.shape != same_goal.shape:
        raise ValueError(
            f"previous: expected a plan of B={len(same_goal)} rows, and prev_action [B], got "
            f"actions {list(taken.shape)}"
        )
    go_on = same_goal if first is None else same_goal & ~first.cpu()
    return torch.where(go_on, taken.cpu(), _AFRESH)


def _same_goal(ours: Tensor | None, theirs: Tensor | None, shape: tuple[int, ...]) -> Tensor:
    """Return [B] bool in host memory, true where both weigh events [B, *event_shape] the same."""
    if ours is None or theirs is None:
        return torch.full(shape[:1], ours is theirs)
    return (ours == theirs).expand(shape).flatten(1).all(1).cpu()
