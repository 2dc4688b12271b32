"""Imagination: `rollout.imagine` beside the bare network calls that it cannot do without.

The floor is the same network, step by step in inference mode, with every column of its heads
computed and nothing decoded, kept or checked. Ours gives a whole `Path` of states, rewards,
continuations and events, and finds a NaN.
"""

from collections.abc import Callable

import pytest
import torch

import rollout
from rollout.models import ValueEquivalent, ValueEquivalentConfig

HORIZON = 15
CONFIG = ValueEquivalentConfig(
    obs_shape=(5, 4, 26),
    obs_dtype="uint8",
    num_actions=6,
    events=tuple(f"event {i}" for i in range(26)),
    event_rows=2,
)


def network(model: ValueEquivalent, state: torch.Tensor, actions: torch.Tensor) -> Callable:
    """The dynamics network called once a step; with no actions the policy is called too."""

    def run() -> torch.Tensor:
        latent = state
        for step in range(HORIZON):
            if actions is None:
                logits = model.policy(latent)
                action = logits.argmax(1)
            else:
                action = actions[:, step]
            trunk = model.dynamics(model.dynamics_in(latent, model.action_in[action]))
            columns, _, _, _ = model.dynamics_out.some(trunk, 0, 4)
            groups = columns.view(len(latent), CONFIG.simnorm, -1)
            latent = groups.softmax(1).flatten(1)
        return latent

    return run


SIDES = [
    (rows, policy, side)
    for rows in (64, 1024)
    for policy in ("given actions", "own policy")
    for side in ("ours", "bare network")
]


@pytest.mark.gate
@pytest.mark.parametrize(("rows", "policy", "side"), SIDES)
def test_imagine(benchmark, rows: int, policy: str, side: str) -> None:
    model = ValueEquivalent(CONFIG)
    generator = torch.Generator().manual_seed(0)
    obs = torch.randint(0, 2, (rows, *CONFIG.obs_shape), generator=generator, dtype=torch.uint8)
    actions = torch.randint(0, 6, (rows, HORIZON), generator=generator)
    given = policy == "given actions"
    with torch.inference_mode():
        state = model.observe(model.begin(rows), obs)
        if side == "ours":
            chosen = actions if given else "prior"

            def run() -> None:
                rollout.imagine(model, state, chosen, HORIZON, seed=0)

        else:
            run = network(model, state, actions if given else None)
            # sampling its own actions costs a draw of noise a roll and an addition a step
            # at 1024 rows the heads of all steps together no longer fit the cache
            benchmark.extra_info["ratio_at_least"] = (0.5 if rows > 64 else 0.75) if given else 0.65
        benchmark.extra_info.update(
            pair=f"imagination, {policy}, R={rows}, H={HORIZON}",
            role="ours" if side == "ours" else "floor",
            name=side,
            work=rows * HORIZON,
            unit="steps",
        )
        benchmark(run)
