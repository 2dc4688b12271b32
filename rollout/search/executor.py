"""A model's step compiled for a search: the network is called some 2 to 6 times faster than in
eager torch where it is small, and that is most of a search's time.

Host memory only. What it takes and gives is what `recurrent_fn` does, so a compiled step goes
wherever that goes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _pytree as pytree

from rollout.recurrent import RecurrentOutput
from rollout.search import packages
from rollout.search.packages import CannotCompileError, Package
from rollout.search.types import Embedding

__all__ = ["CannotCompileError", "CompiledRecurrent", "compile_recurrent"]

Step = Callable[..., tuple[Any, Embedding]]
_PLAIN = RecurrentOutput._fields[:4]  # the heads that every output has


class CompiledRecurrent:
    """A recurrent_fn that is compiled when it is first called; see `compile_recurrent`."""

    def __init__(self, step: Step, modules: Sequence[nn.Module]) -> None:
        self._step, self._modules = step, modules
        self._packages: dict[Any, tuple[Package, tuple[str, ...]]] = {}

    def __call__(self, action: Tensor, embedding: Embedding) -> tuple[RecurrentOutput, Embedding]:
        """Step, as the function that was compiled."""
        output, after = self.bind(embedding)(action, embedding)
        return RecurrentOutput(*output), after

    def bind(
        self, embedding: Embedding, *extras: Tensor, extras_have_rows: bool = False
    ) -> Callable[[Tensor, Embedding], tuple[Any, Embedding]]:
        """Return the step for inputs like these, with nothing left to look up at each call.

        embedding: a pytree of tensors [B, ...] in host memory; what is returned takes others of
            the same shapes and dtypes, and does not check them.
        extras: further arguments of the function, the same at every call; with extras_have_rows
            their first axis is that of the rows.
        Raises CannotCompileError.
        """
        leaves, spec = pytree.tree_flatten(embedding)
        kinds = tuple((leaf.dtype, *leaf.shape[1:]) for leaf in leaves)
        more = tuple((x.dtype, *x.shape[int(extras_have_rows) :]) for x in extras)
        key = (spec, kinds, more, extras_have_rows)
        if key not in self._packages:
            self._packages[key] = self._load(leaves, spec, extras, extras_have_rows)
        package, heads = self._packages[key]
        package.refresh()
        run, tail = package.run, list(extras)
        if isinstance(embedding, Tensor) and heads == _PLAIN:

            def step(action: Tensor, state: Tensor) -> tuple[Any, Embedding]:
                reward, discount, prior_logits, value, after = run([action, state, *tail])
                return (reward, discount, prior_logits, value), after

            return step

        def step_tree(action: Tensor, state: Embedding) -> tuple[Any, Embedding]:
            outputs = run([action, *pytree.tree_leaves(state), *tail])
            given = dict(zip(heads, outputs, strict=False))
            after = pytree.tree_unflatten(outputs[len(heads) :], spec)
            return RecurrentOutput(**given), after

        return step_tree

    def _load(
        self,
        leaves: list[Tensor],
        spec: pytree.TreeSpec,
        extras: tuple[Tensor, ...],
        extras_have_rows: bool,
    ) -> tuple[Package, tuple[str, ...]]:
        if any(not leaf.is_cpu for leaf in leaves):
            raise CannotCompileError(
                f"compile: expected a state in host memory, got one on {leaves[0].device}"
            )
        heads: list[str] = []

        def step(*inputs: Any) -> tuple[Any, Embedding]:
            output, after = self._step(*inputs)
            pairs = zip(RecurrentOutput._fields, output, strict=False)
            heads[:] = [name for name, head in pairs if head is not None]
            return output, after

        flat = _Flat(step, self._modules, spec, len(leaves))
        arguments = (torch.zeros(len(leaves[0]), dtype=torch.int64), *leaves, *extras)
        batched = (True,) * (1 + len(leaves)) + (extras_have_rows,) * len(extras)
        package = packages.load(flat, arguments, batched)
        return package, tuple(heads)


class _Flat(nn.Module):
    """The step on a flat list of tensors, as a module that owns what it reads."""

    def __init__(
        self, step: Step, modules: Sequence[nn.Module], spec: pytree.TreeSpec, leaves: int
    ) -> None:
        super().__init__()
        self.modules_read = nn.ModuleList(modules)
        self.function = (step,)  # not an attribute of its own, lest a module be owned twice
        self.spec, self.leaves = spec, leaves

    def forward(self, *tensors: Tensor) -> tuple[Tensor, ...]:
        action, rest = tensors[0], tensors[1:]
        state = pytree.tree_unflatten(list(rest[: self.leaves]), self.spec)
        output, after = self.function[0](action, state, *rest[self.leaves :])
        leaves, spec = pytree.tree_flatten(after)
        if spec != self.spec:
            raise ValueError(f"embedding: expected the structure {self.spec}, got {spec}")
        return (*(head for head in output if head is not None), *leaves)


def compile_recurrent(
    recurrent_fn: Step, *, modules: Sequence[nn.Module] = ()
) -> CompiledRecurrent:
    """Return a compiled recurrent_fn for `muzero_policy` and the others, for models on the CPU.

    recurrent_fn: (action [B], embedding) -> (RecurrentOutput, embedding), of torch operations
        only, the same for every row and for any number of rows. It is traced once, with its modules
        in the mode (train or eval) they are then in: Python numbers it reads are fixed then. Where
        it draws random numbers it cannot be compiled.
    modules: the modules whose parameters it reads. They are read at every call, so training them
        in place shows at once. A module, or a method of one, needs none here.

    The first search compiles (some 10 seconds; needs g++) and keeps the code on disk, see
    `rollout.search.packages`; later ones, and later processes, load it in milliseconds.
    Raises CannotCompileError at the first call, not here.
    """
    owner = recurrent_fn if isinstance(recurrent_fn, nn.Module) else None
    owner = owner or getattr(recurrent_fn, "__self__", None)
    if isinstance(owner, nn.Module):
        modules = (owner, *modules)
    return CompiledRecurrent(recurrent_fn, modules)
