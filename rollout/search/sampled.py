"""Sampled MuZero: search where actions are numbers, or too many to list.

Each node draws K candidates from its policy, and the tree chooses among those. Candidates are drawn
by counter-based noise whose counter is the way from the root to the node, so that a node's are the
same whatever else is in the batch, in a wave, or searched before it.
Source: Hubert et al. 2021, "Learning and planning in complex action spaces".
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Literal, NamedTuple, TypeAlias

import torch
from torch import Tensor

from rollout.models.noise import CounterNoise, philox
from rollout.recurrent import RecurrentOutput
from rollout.search.candidates import Candidates, choose, with_actions
from rollout.search.executor import CompiledRecurrent
from rollout.search.policies import check_seed, gumbel_muzero_policy, muzero_policy
from rollout.search.samplers import Sampler
from rollout.search.types import (
    Embedding,
    PolicyOutput,
    RecurrentFn,
    Root,
    Seed,
)

_WORD = (1 << 32) - 1
_STEP = 0x9E3779B1  # odd: keys of a node's children are distinct
_SITE = 0x53414D50  # of the roots' keys


class SampledRoot(NamedTuple):
    """What the model says of the states to search from, candidates included."""

    candidates: Candidates
    value: Tensor  # [B] float32; [B, P] of P players
    embedding: Embedding  # leaves [B, ...]
    to_play: Tensor | None = None  # [B] int64


class SampledOutput(NamedTuple):
    """What the model says of L steps, the new states' candidates included; see RecurrentOutput."""

    reward: Tensor  # [L] float32
    discount: Tensor  # [L] float32
    candidates: Candidates  # of the new states
    value: Tensor  # [L] float32
    done: Tensor | None = None  # [L] bool
    to_play: Tensor | None = None  # [L] int64
    forbidden: Tensor | None = None  # [L] bool or float32
    spread: Tensor | None = None  # [L] float32


SampledFn: TypeAlias = Callable[[Any, Embedding, CounterNoise], tuple[SampledOutput, Embedding]]


def candidate_noise(seed: Seed, batch: int, device: torch.device | str = "cpu") -> CounterNoise:
    """Return the noise that the candidates of B roots are drawn by: a function of seed and row.

    seed: as in `sampled_muzero_policy`; with a seed a row, a row's is the same wherever it stands.
    """
    return CounterNoise(0, _root_keys(seed, batch, torch.device(device)))


def sampled_muzero_policy(
    root: Root | SampledRoot,
    recurrent_fn: RecurrentFn | SampledFn,
    num_simulations: int | Tensor,
    *,
    sampler: Sampler | None = None,
    policy: Literal["muzero", "gumbel"] = "muzero",
    invalid_actions: Tensor | None = None,
    seed: Seed = 0,
    **settings: Any,
) -> PolicyOutput:
    """Search among K candidate actions a node, for actions that are no short list.

    sampler: draws candidates from what the policy head says; see `GaussianSampler`,
        `CategoricalSampler`, `HybridSampler`. root is then a Root and recurrent_fn that of
        `muzero_policy`, but that it is given actions [L, ...] in the environment's own form, and
        that prior_logits [., W] and invalid_actions are whatever the sampler reads.
        None: the model brings candidates itself. root is then a SampledRoot, and recurrent_fn
        (action, embedding, noise) -> (SampledOutput, embedding) with CounterNoise of L nodes to
        draw from; `candidate_noise` is that of the roots.
    policy: "muzero" (PUCT; Dirichlet noise goes to candidates only) or "gumbel".
    invalid_actions: what the sampler must not draw at the root; see its class. With candidates
        that the model brings, theirs says so.
    num_simulations, seed: as in `muzero_policy`; settings: of the policy, as there.

    Returns a PolicyOutput: `action` [B, ...] to be taken and the candidates `actions` [B, K, ...],
    both built like the candidates (a tensor, or a pytree), `action_weights` [B, K], 0 for copies of
    an earlier candidate, the chosen `column` [B], and a CandidateTree.
    Raises ValueError or TypeError naming the argument or the head.
    """
    if policy not in ("muzero", "gumbel"):
        raise ValueError(f"policy: expected 'muzero' or 'gumbel', got {policy!r}")
    if settings.get("num_outcomes"):
        raise ValueError("num_outcomes: expected 0, as outcomes of chance are no candidates")
    if "top_k" in settings:
        raise ValueError("top_k: a sampler's count says how many candidates a node has")
    if sampler is not None:
        root, recurrent_fn = _sample(root, recurrent_fn, sampler, invalid_actions, seed)
    elif invalid_actions is not None:
        raise ValueError("invalid_actions: the model brings candidates; mark them in theirs")
    if not isinstance(root, SampledRoot):
        raise TypeError(
            f"root: expected a SampledRoot, or a sampler and a Root, got {type(root).__name__}"
        )
    batch = len(root.value)
    logits, invalid = root.candidates.prior("root")
    keys = _root_keys(seed, batch, logits.device)
    search: Callable[..., PolicyOutput] = gumbel_muzero_policy
    if policy == "muzero":
        search = muzero_policy
        settings = {"dirichlet_legal_only": True} | settings
    output = search(
        Root(logits, root.value, (root.embedding, root.candidates.actions, keys), root.to_play),
        _over_columns(recurrent_fn),
        num_simulations,
        invalid_actions=invalid,
        seed=seed,
        **settings,
    )
    return with_actions(output, root.candidates.actions, logits, invalid)


def _sample(
    root: Any,
    recurrent_fn: Any,
    sampler: Sampler,
    invalid_actions: Tensor | None,
    seed: Seed,
) -> tuple[SampledRoot, SampledFn]:
    """Return a root and a model that bring candidates, which the sampler draws."""
    if not isinstance(root, Root):
        raise TypeError(f"root: expected a Root with a sampler, got {type(root).__name__}")
    noise = candidate_noise(seed, len(root.prior_logits), root.prior_logits.device)
    candidates = sampler(root.prior_logits, noise, invalid_actions)
    if isinstance(recurrent_fn, CompiledRecurrent):
        actions = candidates.actions
        if not isinstance(actions, Tensor) or actions.dtype != torch.int64 or actions.dim() > 2:
            raise TypeError(
                "recurrent_fn: a compiled one takes actions [L] int64 only; search with the "
                "function that was compiled"
            )
        recurrent_fn = recurrent_fn.bind(root.embedding)

    def step(
        action: Any, embedding: Embedding, noise: CounterNoise
    ) -> tuple[SampledOutput, Embedding]:
        output, after = recurrent_fn(action, embedding)
        output = RecurrentOutput(*output)
        if output.chance is not None:
            raise ValueError(
                "recurrent_fn: chance: expected None, as outcomes of chance are no candidates"
            )
        return SampledOutput(
            output.reward,
            output.discount,
            sampler(output.prior_logits, noise, output.invalid_actions),
            output.value,
            output.done,
            output.to_play,
            output.forbidden,
            output.spread,
        ), after

    return SampledRoot(candidates, root.value, root.embedding, root.to_play), step


def _over_columns(recurrent_fn: Any) -> RecurrentFn:
    """Return the model as a search over columns sees it."""

    def step(column: Tensor, state: Any) -> tuple[RecurrentOutput, Any]:
        embedding, actions, keys = state
        keys = (keys * _STEP + column + 1) & _WORD
        output, after = recurrent_fn(choose(actions, column), embedding, CounterNoise(0, keys))
        if not isinstance(output, SampledOutput):
            raise TypeError(
                "recurrent_fn: expected (SampledOutput, embedding) where there is no sampler, got "
                f"{type(output).__name__}"
            )
        logits, invalid = output.candidates.prior("recurrent_fn")
        return RecurrentOutput(
            output.reward,
            output.discount,
            logits,
            output.value,
            invalid,
            output.done,
            output.to_play,
            forbidden=output.forbidden,
            spread=output.spread,
        ), (after, output.candidates.actions, keys)

    return step


def _root_keys(seed: Seed, batch: int, device: torch.device) -> Tensor:
    """Return the 32-bit key of each root, [B] int64."""
    checked = check_seed(seed, batch)
    zero, site = (torch.full((1,), x, device=device) for x in (0, _SITE))
    if isinstance(checked, int):
        return philox((torch.arange(batch, device=device), zero, zero, site), checked)[0]
    seeds = torch.from_numpy(checked.view("int64")).to(device)
    return philox((seeds & _WORD, (seeds >> 32) & _WORD, zero, site), 0)[0]
