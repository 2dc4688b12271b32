"""Plan for a team: several discrete choices a step, chosen one player at a time."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Any, Literal

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from rollout.models.noise import CounterNoise
from rollout.models.protocol import Fused, MultiDiscrete, WorldModel
from rollout.planning.goal import GoalLike, goal_weights
from rollout.planning.plan import JointPlan
from rollout.planning.searchable import Searchable, child_keys
from rollout.planning.seeds import Seeds
from rollout.search import (
    JointPolicyOutput,
    JointRecurrentOutput,
    JointRoot,
    candidate_noise,
    joint_gumbel_muzero_policy,
    joint_muzero_policy,
)
from rollout.search.types import Seed


class JointSearch:
    """A planner of the joint actions of P players, for B rows at once.

    model: a `rollout.models` model with MultiDiscrete actions, a choice a player. `recurrent`
        (Fused) is used where the model has it, otherwise `step`, and `policy`, `value` and `legal`
        if it has them; policies and rules have the players' columns side by side, [R, sum(nvec)].
    num_simulations: nodes a row: P make a joint action, and the last of them calls the model.
    policy: "gumbel" or "muzero"; see `rollout.search.joint_gumbel_muzero_policy`.
    partners: players that are not ours: their seats are chance under the model's policy for them.
    discount, goal, seed, paths: as in `TreeSearch`. max_depth: joint actions ahead, at most.
    settings: further arguments of the policy, such as qtransform, gumbel_scale or temperature.

    Not for two threads at once: make a planner for each.
    """

    def __init__(
        self,
        model: WorldModel[Any],
        *,
        num_simulations: int = 200,
        policy: Literal["gumbel", "muzero"] = "gumbel",
        partners: Sequence[int] = (),
        discount: float = 0.997,
        goal: GoalLike | None = None,
        max_depth: int | None = None,
        seed: int = 0,
        paths: bool = True,
        **settings: Any,
    ) -> None:
        if not isinstance(model.spec.action, MultiDiscrete):
            raise ValueError(
                f"model: expected MultiDiscrete actions, a choice a player, got "
                f"{model.spec.action}; TreeSearch plans for one"
            )
        if policy not in ("gumbel", "muzero"):
            raise ValueError(f"policy: expected 'gumbel' or 'muzero', got {policy!r}")
        if not 0.0 <= discount <= 1.0:
            raise ValueError(f"discount: expected a number in [0, 1], got {discount}")
        self.model, self.num_simulations, self.discount = model, num_simulations, discount
        self.goal, self.paths = goal, paths
        self._seeds = Seeds(seed)
        self._settings = {"partners": tuple(partners), "max_depth": max_depth, **settings}
        self._search: Callable[..., JointPolicyOutput] = joint_gumbel_muzero_policy
        if policy == "muzero":
            self._search = joint_muzero_policy

    @torch.no_grad()
    def plan(
        self,
        state: Any,
        *,
        num_simulations: int | None = None,
        goal: GoalLike | None = None,
        invalid_actions: Tensor | None = None,
        seed: Seed | None = None,
        deadline_ms: float | None = None,
    ) -> JointPlan:
        """Plan from B states at once.

        invalid_actions: [B, sum(nvec)] bool, the players' columns side by side; None for what the
            model's own rules forbid (`rollout.models.Legal`), if it knows them.
        The rest, and what is raised, are as in `TreeSearch.plan`.
        """
        start = perf_counter()
        rows = int(pytree.tree_leaves(state)[0].shape[0])
        goal = self.goal if goal is None else goal
        weights = None if goal is None else goal_weights(goal, self.model.spec, rows)
        seed = self._seeds.next() if seed is None else seed
        keys = candidate_noise(seed, rows, self.model.spec.device).rows
        model = SearchableTeam(self.model, weights, self.discount, keys)
        root = model.joint_root(state)
        if invalid_actions is None:
            invalid_actions = model.invalid(state)
        settings = self._settings
        if deadline_ms is not None:
            spent = 1000 * (perf_counter() - start)
            settings = settings | {"deadline_ms": max(deadline_ms - spent, 0.0)}
        output = self._search(
            root,
            model.recurrent_fn,
            self.num_simulations if num_simulations is None else num_simulations,
            invalid_actions=model.barred(invalid_actions, rows),
            seed=seed,
            **settings,
        )
        tree = output.search_tree
        path_actions, path_rewards = output.principal_path()
        with_events = self.paths and deadline_ms is None
        return JointPlan(
            action=output.action,
            action_weights=output.action_weights,
            value=tree.summary().value.to(output.action.device),
            prior=root.prior_logits.softmax(-1),
            path_actions=path_actions,
            path_rewards=path_rewards,
            path_events=model.path_events(state, path_actions) if with_events else None,
            search_tree=tree,
            mean_depth=tree.mean_depth,
            model_seconds=model.seconds,
            seconds=perf_counter() - start,
        )


class SearchableTeam(Searchable):
    """One plan's view of a model of joint actions: a row of logits and of rules a player.

    What the search keeps is the model's state, the row of the plan that it belongs to, and the key
    of the noise that steps from there are drawn by, which follows from the row and the way there:
    a call sees only some of the rows.
    """

    def __init__(self, model: WorldModel[Any], *plan: Any) -> None:
        super().__init__(model, *plan)
        assert isinstance(model.spec.action, MultiDiscrete)
        self.nvec = model.spec.action.nvec
        self.actions, self.most = sum(self.nvec), max(self.nvec)
        self.step = self._joint
        options = torch.arange(self.most, device=self.keys.device)
        self._missing = (
            options >= torch.tensor(self.nvec, device=self.keys.device)[:, None]
        )  # [P, A]

    def joint_root(self, state: Any) -> JointRoot:
        """Return what a search starts from."""
        logits, value = self.root(state)[:2]
        rows = torch.arange(len(value), device=value.device)
        # what a player does not have is lowest in a policy that is shown, as it is never chosen
        table = self._table(logits).masked_fill(self._missing, torch.finfo(torch.float32).min)
        return JointRoot(table, value, (state, rows, self.keys))

    def barred(self, invalid: Tensor | None, rows: int) -> Tensor | None:
        """Return what is not allowed, [R, P, A], from the players' columns [R, sum(nvec)]."""
        if invalid is None:
            if not bool(self._missing.any()):
                return None
            return self._missing.expand(rows, *self._missing.shape).contiguous()
        if invalid.shape != (rows, self.actions):
            raise ValueError(
                f"invalid_actions: expected bool [B={rows}, sum(nvec)={self.actions}], got "
                f"{list(invalid.shape)}"
            )
        return self._table(invalid) | self._missing

    def _joint(self, joint: Tensor, kept: Any) -> tuple[JointRecurrentOutput, Any]:
        state, rows, keys = kept
        keys = child_keys(keys, joint)
        weights = self.weights_of(rows)
        if isinstance(self.model, Fused):
            after, output = self.model.recurrent(state, joint, weights)
            reward, discount, logits, value, invalid, done = output[:6]
            discount = discount * self.discount
        else:
            after, transition = self.model.step(state, joint, CounterNoise(0, keys))
            reward, discount = self._pays(transition, weights)
            logits, value = self._predict(after, weights)
            invalid = self.invalid(after)
            done = None if invalid is None else discount == 0
        barred = self.barred(invalid, len(joint))
        return JointRecurrentOutput(reward, discount, self._table(logits), value, barred, done), (
            after, rows, keys
        )  # fmt: skip

    def _table(self, columns: Tensor) -> Tensor:
        """Return a row a player, [R, P, A], zero past its own, from columns [R, sum(nvec)]."""
        parts = torch.split(columns, list(self.nvec), 1)
        return torch.stack(
            [torch.nn.functional.pad(part, (0, self.most - part.shape[1])) for part in parts], 1
        )
