"""A world model with chance nodes as a search sees it: two functions in place of one."""

from __future__ import annotations

from time import perf_counter
from typing import Any

import torch
from torch import Tensor

from rollout.models.protocol import AfterstateValue, Chance, WorldModel
from rollout.planning.searchable import Searchable, expected_events, survival
from rollout.search import (
    ChanceRecurrentFnOutput,
    DecisionRecurrentFnOutput,
    Root,
    SearchTree,
)


class SearchableAfterstates(Searchable):
    """One plan's view of a model with `Chance`: for `rollout.search.stochastic_muzero_policy`.

    What the search keeps is the model's state, or afterstate, and the row of the plan that it
    belongs to: a network sees only some of the rows, in which a goal's weights must be found.
    """

    def __init__(self, model: WorldModel[Any], *plan: Any, **options: Any) -> None:
        super().__init__(model, *plan, **options)
        assert isinstance(model, Chance)
        self.chance: Chance[Any] = model
        self.functions = (self.decide, self.resolve)
        self._outcomes = torch.empty(0)

    @property
    def carries(self) -> bool:
        """Whether nodes keep a `Carried`: they keep the row."""
        return False

    def root(self, state: Any) -> Root:
        """Return what a search starts from."""
        root = super().root(state)
        rows = torch.arange(len(root.value), device=root.value.device)
        return root._replace(embedding=(state, rows))

    def decide(self, action: Tensor, state: Any) -> tuple[DecisionRecurrentFnOutput, Any]:
        """Take an action, and ask for what may come of it."""
        start = perf_counter()
        state, rows = state
        after, logits = self.chance.afterstate(state, action)
        if self.weights is None and isinstance(self.model, AfterstateValue):
            value = self.model.afterstate_value(after)
        else:
            value = logits.new_zeros(len(action))
        self.seconds += perf_counter() - start
        return DecisionRecurrentFnOutput(logits, value), (after, rows)

    def resolve(self, outcome: Tensor, after: Any) -> tuple[ChanceRecurrentFnOutput, Any]:
        """Take an outcome of chance, which ends a step."""
        start = perf_counter()
        after, rows = after
        state, transition = self.chance.resolve(after, outcome)
        weights = self.weights_of(rows)
        logits, value = self._predict(state, weights)
        reward, discount = self._pays(transition, weights)
        invalid = self.invalid(state)
        done = None if invalid is None else discount == 0
        self.seconds += perf_counter() - start
        output = ChanceRecurrentFnOutput(logits, value, reward, discount, invalid, done)
        return output, (state, rows)

    def path(self, tree: SearchTree, first: Tensor) -> tuple[Tensor, Tensor]:
        """Return the actions of the line that a tree expects, and the reward of each, [B, D].

        A line may end with an action whose outcome was not seen: its reward is 0 then.
        """
        edges, rewards = tree.principal_path(first)
        if edges.shape[1] % 2 == 1:
            edges = torch.nn.functional.pad(edges, (0, 1), value=-1)
            rewards = torch.nn.functional.pad(rewards, (0, 1))
        self._outcomes = edges[:, 1::2]
        return edges[:, 0::2], rewards[:, 1::2]

    def path_events(self, state: Any, actions: Tensor) -> Tensor | None:
        """Step along the line of `path`, its outcomes included; see `Searchable.path_events`."""
        if not self.model.spec.events:
            return None
        start = perf_counter()
        device, events = self.model.spec.device, []
        reached = torch.ones(len(actions), device=device)
        actions, outcomes = actions.to(device), self._outcomes.to(device)
        for action, outcome in zip(actions.unbind(1), outcomes.unbind(1), strict=True):
            # past its end a line goes on somehow, and what happens there counts for nothing
            after, _ = self.chance.afterstate(state, action.clamp(min=0))
            state, transition = self.chance.resolve(after, outcome.clamp(min=0))
            events.append(expected_events(transition, reached * (outcome >= 0)))
            reached = survival(transition, reached)
        self.seconds += perf_counter() - start
        return torch.stack(events, 1).cpu()
