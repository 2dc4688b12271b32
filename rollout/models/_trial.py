"""What `check` tries a model with: inputs, the states they lead to, and watchers."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from rollout.models.noise import CounterNoise
from rollout.models.protocol import (
    Box,
    Discrete,
    EventValue,
    Examples,
    Hybrid,
    ModelSpec,
    MultiDiscrete,
    Prior,
    Transition,
    Value,
    WorldModel,
)

ROWS, HORIZON = 6, 3
# operations that wait for a device and read what it holds
_READS = ("_local_scalar_dense", "nonzero", "masked_select", "equal", "_unique2", "is_nonzero")
_METHODS = (Tensor.tolist, Tensor.item, Tensor.__bool__, Tensor.__int__, Tensor.__float__)


class Trial:
    """A model, inputs for it, and the states that they lead to."""

    def __init__(
        self, model: WorldModel[Any], obs: Tensor | None, seed: int, tolerance: float
    ) -> None:
        self.model, self.tolerance = model, tolerance
        self.spec: ModelSpec = model.spec
        device = self.spec.device
        self.noise = CounterNoise(seed, ROWS, 1, device=device)
        self.other_noise = CounterNoise(seed + 1, ROWS, 1, device=device)
        if obs is None and isinstance(model, Examples):
            obs = model.example_obs(2 * ROWS, seed)
        elif obs is None:
            obs = random_obs(self.spec, 2 * ROWS, seed)
        if obs.shape[0] < 2 * ROWS:
            raise ValueError(f"obs: expected at least {2 * ROWS} rows, got {obs.shape[0]}")
        obs = obs.to(device)
        self.obs, self.later_obs = obs[:ROWS], obs[ROWS : 2 * ROWS]
        self.actions = random_actions(self.spec, HORIZON, seed)
        self.action, self.other_action = (
            self.actions[:, 0],
            other_action(self.spec, self.actions[:, 0]),
        )
        self.all_first = torch.ones(ROWS, dtype=torch.bool, device=device)
        self.start = model.begin(ROWS)
        self.state = self.observe(self.start, self.obs, self.action, self.all_first)
        self.stepped: tuple[Any, Transition] = self.step(self.state, self.action)

    def observe(self, state: Any, obs: Tensor, action: Tensor, first: Tensor) -> Any:
        return self.model.observe(state, obs, action, first, self.noise)

    def step(self, state: Any, action: Tensor) -> tuple[Any, Transition]:
        return self.model.step(state, action, self.noise)

    def heads(self, state: Any) -> dict[str, Tensor]:
        """Every capability that reads a state."""
        read: dict[str, Tensor] = {}
        if isinstance(self.model, Prior):
            read["policy"] = self.model.policy(state)
        if isinstance(self.model, Value):
            read["value"] = self.model.value(state)
        if isinstance(self.model, EventValue):
            read["event_value"] = self.model.event_value(state)
        return read

    def differs(self, got: Any, want: Any, rows: Tensor | None = None) -> str | None:
        """Return where two pytrees of rows differ beyond rounding, or None."""
        leaves, wanted = named_leaves(got), named_leaves(want)
        names, wanted_names = [name for name, _ in leaves], [name for name, _ in wanted]
        if names != wanted_names:
            return f"the leaves are {names}, not {wanted_names}"
        for (name, a), (_, b) in zip(leaves, wanted, strict=True):
            if a.shape != b.shape:
                return f"{name} is {list(a.shape)} where {list(b.shape)} was expected"
            if rows is not None:
                a, b = a[rows], b[rows]
            same = a == b
            if a.is_floating_point():
                same |= torch.isclose(a, b, rtol=self.tolerance, atol=self.tolerance)
            if not bool(same.all()):
                at = (~same).nonzero()[0].tolist()
                where = tuple(at)
                return (
                    f"{name}{at} is {a[where].item():.6g} where {b[where].item():.6g} was expected"
                )
        return None


def map_tensors(function: Callable[..., Tensor], *trees: Any) -> Any:
    """Apply a function to the tensors of pytrees that are alike; None stays None."""
    return pytree.tree_map(lambda *x: None if x[0] is None else function(*x), *trees)


def random_obs(spec: ModelSpec, rows: int, seed: int) -> Tensor:
    """Return normal floats, or small integers that fit any integer dtype."""
    noise = CounterNoise(seed, rows)
    if spec.obs.dtype.is_floating_point:
        return noise.normal("check.obs", spec.obs.shape).to(spec.obs.dtype)
    high = 2 if spec.obs.dtype == torch.bool else 100
    return (noise.uniform("check.obs", spec.obs.shape) * high).floor().to(spec.obs.dtype)


def random_actions(spec: ModelSpec, horizon: int, seed: int) -> Tensor:
    """Return legal actions, [R, horizon, *action shape]."""
    low, high = (torch.as_tensor(bound) for bound in spec.action.bounds())
    if isinstance(spec.action, Box):
        # an unbounded action is tried near zero
        low, high = low.clamp(-1.0, 1.0), high.clamp(-1.0, 1.0)
    unit = CounterNoise(seed, ROWS).uniform("check.action", (horizon, *spec.action.shape))
    if isinstance(spec.action, Box):
        return (low + unit * (high - low)).to(spec.device)
    if isinstance(spec.action, Hybrid):
        choices = len(spec.action.nvec)
        whole = (unit[..., :choices] * (high[:choices] + 1)).floor()
        low, high = low[choices:].clamp(-1.0, 1.0), high[choices:].clamp(-1.0, 1.0)
        return torch.cat((whole, low + unit[..., choices:] * (high - low)), -1).to(spec.device)
    return (unit * (high + 1)).long().to(spec.device)


def other_action(spec: ModelSpec, action: Tensor) -> Tensor:
    """Return a legal action that differs in every row where there is one."""
    if isinstance(spec.action, Discrete):
        return (action + 1) % spec.action.n
    if isinstance(spec.action, MultiDiscrete):
        return (action + 1) % torch.tensor(spec.action.nvec, device=action.device)
    return action.roll(1, 0)


def action_count(spec: ModelSpec) -> int | None:
    """Return how many actions there are, None when they are a continuum."""
    if isinstance(spec.action, Discrete):
        return spec.action.n
    return max(spec.action.nvec) if isinstance(spec.action, MultiDiscrete) else None


def spoil_action(spec: ModelSpec, action: Tensor) -> Tensor:
    """Return NaN, or another legal action where there is no NaN."""
    if isinstance(spec.action, Box | Hybrid):
        return torch.full_like(action, torch.nan)
    return other_action(spec, action)


def poison(state: Any, keep: int | None = None) -> Any:
    """Return a copy with NaN in every float of every row, but the one to keep."""

    def spoil(leaf: Tensor) -> Tensor:
        leaf = leaf.clone()
        if leaf.is_floating_point():
            others = torch.arange(leaf.shape[0], device=leaf.device) != keep
            leaf[others] = torch.nan
        return leaf

    return map_tensors(spoil, state)


def named_leaves(tree: Any) -> list[tuple[str, Tensor]]:
    """Return the tensors of a pytree with their paths, "value" for a bare one."""
    pairs = pytree.tree_flatten_with_path(tree)[0]
    return [
        (pytree.keystr(path).lstrip(".") or "it", leaf) for path, leaf in pairs if leaf is not None
    ]


class _Dispatched(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Notes operations that read a device, below Python."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.seen = seen

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func.overloadpacket.__name__ in _READS:
            self.seen.append(f"aten.{func.overloadpacket.__name__}")
        return func(*args, **(kwargs or {}))


class _Called(TorchFunctionMode):
    """Notes methods that read a device, as Python calls them."""

    def __init__(self, seen: list[str]) -> None:
        super().__init__()
        self.seen = seen

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func in _METHODS:
            self.seen.append(f"Tensor.{func.__name__}")
        elif func is Tensor.__getitem__ and any(
            isinstance(x, Tensor) and x.dtype == torch.bool for x in pytree.tree_leaves(args[1])
        ):
            self.seen.append("indexing by a mask")
        return func(*args, **(kwargs or {}))


@contextmanager
def watch_reads() -> Iterator[list[str]]:
    """Collect the names of calls that wait for a device; on CUDA those hidden inside torch too."""
    seen: list[str] = []
    with ExitStack() as stack:
        caught = stack.enter_context(warnings.catch_warnings(record=True))
        if torch.cuda.is_available():
            warnings.simplefilter("always")
            stack.callback(torch.cuda.set_sync_debug_mode, torch.cuda.get_sync_debug_mode())
            torch.cuda.set_sync_debug_mode("warn")
        stack.enter_context(_Called(seen))
        stack.enter_context(_Dispatched(seen))
        yield seen
    seen += [str(one.message) for one in caught or () if "synchroniz" in str(one.message)]
