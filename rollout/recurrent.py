"""What a model says of one imagined step to whoever searches in it.

It lies below both `rollout.models`, where models give it, and `rollout.search`, which takes it from
any function; neither needs the other. Letters: A actions, P players; C outcomes of chance, and
F = max(A, C), the most edges of a node.
"""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor


class RecurrentOutput(NamedTuple):
    """What the model says of L steps: of the edges taken, and of the states they lead to.

    L is the rows of the call: those of the root, unless a search has waves, budgets or early stops.
    """

    reward: Tensor  # [L] float32, of the edge; [L, P] of P players
    discount: Tensor  # [L] float32, what the new state's value counts for; 0 where it is terminal
    prior_logits: Tensor  # [L, A] float32, of the new state; [L, F] with num_outcomes
    value: Tensor  # [L] float32, of the new state; [L, P] of P players
    invalid_actions: Tensor | None = None  # [L, A] (or F) bool, not allowed in the new state
    done: Tensor | None = None  # [L] bool, true where nothing comes after: descents stop there
    to_play: Tensor | None = None  # [L] int64, the player who moves in the new state
    # [L] bool, true where the new state awaits an outcome of chance: its logits are over outcomes
    chance: Tensor | None = None
    # [L] bool, true where the step must not be taken: its edge is closed; or float32, how far the
    # step is over a limit, at most 0 where it may be taken
    forbidden: Tensor | None = None
    # [L] float32, the standard deviation of what the model does not know of the step: of its reward
    # and of the new state's value, in their units; see disagreement_bonus and disagreement_penalty
    spread: Tensor | None = None
