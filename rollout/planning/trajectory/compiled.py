"""A model's step compiled for rolls of whole sequences: faster than eager torch where a network is
small. Host memory only, and models that draw no random numbers.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from rollout.models.protocol import Transition
from rollout.search import packages
from rollout.search.packages import CannotCompileError, Package

Step = Callable[[Any, Tensor], tuple[Any, Transition]]


class CompiledStep:
    """`model.step` without its noise, compiled when it is first needed.

    Reads the parameters of the model, or of the modules among its attributes, where they are, so
    training goes on under it. Raises CannotCompileError for a model on another device, or one that
    draws.
    """

    def __init__(self, model: Any) -> None:
        if model.spec.device.type != "cpu":
            raise CannotCompileError(
                f"compile: expected a model in host memory, got one on {model.spec.device}; move "
                "it with .to('cpu'), or plan without it"
            )
        if model.spec.stochastic:
            raise CannotCompileError(
                "compile: expected a model whose spec says stochastic=False, got one that draws "
                "random numbers; say so if it draws none, or plan without it"
            )
        self._model = model
        # each with where among its outputs the fields of a transition are
        self._packages: dict[Any, tuple[Package, tuple[int | None, ...]]] = {}

    def bind(self, state: Any) -> Step:
        """Return the step for states like this one, leaves [R, ...]; it checks none of them.

        Raises CannotCompileError.
        """
        leaves, spec = pytree.tree_flatten(state)
        key = (spec, tuple((leaf.dtype, *leaf.shape[1:]) for leaf in leaves))
        if key not in self._packages:
            self._packages[key] = self._load(leaves, spec)
        package, places = self._packages[key]
        package.refresh()
        run, count = package.run, len(leaves)
        if isinstance(state, Tensor):

            def step(now: Tensor, action: Tensor) -> tuple[Any, Transition]:
                given = run([now, action])
                return given[0], _transition(places, given)

            return step

        def step_tree(now: Any, action: Tensor) -> tuple[Any, Transition]:
            given = run([*pytree.tree_leaves(now), action])
            after = pytree.tree_unflatten(given[:count], spec)
            return after, _transition(places, given)

        return step_tree

    def _load(
        self, leaves: list[Tensor], spec: pytree.TreeSpec
    ) -> tuple[Package, tuple[int | None, ...]]:
        fields: list[str] = []

        def step(state: Any, action: Tensor) -> tuple[Any, list[Tensor]]:
            after, transition = self._model.step(state, action, _Silence())
            named = zip(Transition._fields, transition, strict=True)
            there = {name: field for name, field in named if field is not None}
            fields[:] = there
            return after, list(there.values())

        flat = _Flat(self._model, step, spec)
        action = self._model.spec.action
        example = torch.zeros((len(leaves[0]), *action.shape), dtype=action.dtype)
        package = packages.load(flat, (*leaves, example), (True,) * (len(leaves) + 1))
        places = {name: len(leaves) + at for at, name in enumerate(fields)}
        return package, tuple(places.get(name) for name in Transition._fields)


class _Flat(nn.Module):
    """The step on a flat list of tensors, the action last, as a module that owns what it reads."""

    def __init__(
        self,
        model: Any,
        step: Callable[[Any, Tensor], tuple[Any, list[Tensor]]],
        spec: pytree.TreeSpec,
    ) -> None:
        super().__init__()
        found = [model] if isinstance(model, nn.Module) else vars(model).values()
        self.modules_read = nn.ModuleList(m for m in found if isinstance(m, nn.Module))
        self.step = (step,)  # not an attribute of its own, lest a module be owned twice
        self.spec = spec

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        state = pytree.tree_unflatten(list(tensors[:-1]), self.spec)
        after, fields = self.step[0](state, tensors[-1])
        leaves, spec = pytree.tree_flatten(after)
        if spec != self.spec:
            raise ValueError(f"state: expected the structure {self.spec}, got {spec}")
        return (*leaves, *fields)


class _Silence:
    """The noise of a model that draws none."""

    def normal(self, site: str, shape: Sequence[int]) -> Tensor:
        """Refuse."""
        return self.uniform(site, shape)

    def uniform(self, site: str, shape: Sequence[int]) -> Tensor:
        """Refuse."""
        raise ValueError(f"spec.stochastic is False, but the step draws at {site!r}")


def _transition(places: Sequence[int | None], given: Sequence[Tensor]) -> Transition:
    return Transition(*[None if at is None else given[at] for at in places])
