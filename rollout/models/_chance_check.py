"""What `check` asks of a model whose steps have two halves."""

from __future__ import annotations

import torch

from rollout.models._trial import ROWS, Trial, map_tensors, named_leaves
from rollout.models.protocol import AfterstateValue, Chance, Legal, take


def chance(t: Trial) -> str | None:
    """Afterstates and outcomes: well formed, of their own rows alone, and leading to states."""
    model = t.model
    if not isinstance(model, Chance):
        return "skipped: the model has no afterstate and resolve"
    action = t.action
    if isinstance(model, Legal) and action.dim() == 1:
        action = model.legal(t.state).to(torch.int64).argmax(1)
    before = map_tensors(torch.clone, t.state)
    after, logits = model.afterstate(t.state, action)
    if logits.dim() != 2 or len(logits) != ROWS or logits.dtype != torch.float32:
        return f"chance logits are {logits.dtype} {list(logits.shape)}, not float32 [{ROWS}, C]"
    if not bool(torch.isfinite(logits).all()):
        return "chance logits are not finite: give what cannot be a large negative one such as -1e9"
    outcome = logits.argmax(1)
    state, transition = model.resolve(after, outcome)
    kinds = [[(n, x.dtype, x.shape) for n, x in named_leaves(s)] for s in (state, t.stepped[0])]
    if kinds[0] != kinds[1]:
        return f"resolve gives a state of leaves {kinds[0]}, step one of {kinds[1]}"
    for name in ("reward", "cont"):
        head = getattr(transition, name)
        if head is not None and (head.shape != (ROWS,) or head.dtype != torch.float32):
            return f"resolve: {name} is {head.dtype} {list(head.shape)}, not float32 [{ROWS}]"
    if found := t.differs(t.state, before):
        return f"afterstate changed its state in place: {found}"
    rows = torch.tensor([4, 1], device=t.spec.device)
    some, some_logits = model.afterstate(take(t.state, rows), action[rows])
    if found := t.differs((some, some_logits), take((after, logits), rows)):
        return f"afterstate depends on the rows beside: {found}"
    if found := t.differs(model.resolve(some, outcome[rows])[0], take(state, rows)):
        return f"resolve depends on the rows beside: {found}"
    if isinstance(model, AfterstateValue):
        value = model.afterstate_value(after)
        if value.shape != (ROWS,) or value.dtype != torch.float32:
            return f"afterstate_value is {value.dtype} {list(value.shape)}, not float32 [{ROWS}]"
    return None
