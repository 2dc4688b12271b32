"""How Q-values are scaled before they are added to a policy score; the arithmetic is native.

Each is a frozen dataclass of parameters. A policy takes an instance, the class itself (all
defaults) or a `functools.partial` of it, so code written for mctx needs no change.
Source: mctx (Apache-2.0).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass, fields
from functools import lru_cache
from typing import ClassVar, Literal, TypeAlias

from rollout import _native


@dataclass(frozen=True, slots=True)
class QTransform:
    """A way to scale the Q-values of a node's actions."""

    kind: ClassVar[str]

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if not math.isfinite(value):
                raise ValueError(f"{field.name}: expected a finite number, got {value}")


@dataclass(frozen=True, slots=True)
class ByParentAndSiblings(QTransform):
    """Rescale to [0, 1] by the least and greatest of the node's value and its visited actions' Q.

    Unvisited actions count as the least. epsilon: the least denominator.
    """

    kind: ClassVar[str] = "by_parent_and_siblings"
    epsilon: float = 1e-8


@dataclass(frozen=True, slots=True)
class ByMinMax(QTransform):
    """Rescale by known bounds: (q - min_value) / (max_value - min_value), nothing clipped.

    Unvisited actions count as min_value.
    """

    kind: ClassVar[str] = "by_min_max"
    min_value: float
    max_value: float

    def __post_init__(self) -> None:
        QTransform.__post_init__(self)
        if self.min_value >= self.max_value:
            raise ValueError(
                f"max_value: expected more than min_value={self.min_value}, got {self.max_value}"
            )


@dataclass(frozen=True, slots=True)
class CompletedByMixValue(QTransform):
    """Give unvisited actions a mixed value, and scale all by (maxvisit_init + most visits).

    The mixed value is the mean, over the node's evaluation and its visits, of the model's value and
    of the prior-weighted Q of the visited actions (Danihelka et al. 2022, appendix D); with
    use_mixed_value off it is the model's value alone. rescale_values: first bring the node's
    completed Q to [0, 1], with epsilon as the least denominator.
    """

    kind: ClassVar[str] = "completed_by_mix_value"
    value_scale: float = 0.1
    maxvisit_init: float = 50.0
    rescale_values: bool = True
    use_mixed_value: bool = True
    epsilon: float = 1e-8


@dataclass(frozen=True, slots=True)
class Scaled(QTransform):
    """Name the parts: what spans [0, 1], and what an unvisited action counts as.

    span: "siblings", the node's value and its visited actions; "tree", all Q that the row's tree
        has seen so far, clipped to it (MuZero's own rule); "fixed", min_value and max_value;
        "none", Q as it is.
    unvisited: "least", the least of the node's value and its visited actions; "parent", the node's
        value; "mean", the mean of the visited actions' Q, the node's value where there are none;
        "reduced", the node's value less `reduction` times the root of the prior that was visited
        (as KataGo and lc0 do); or a number. Where nothing was visited the prior decides.
    epsilon: the least denominator.
    """

    kind: ClassVar[str] = "scaled"
    span: Literal["siblings", "tree", "fixed", "none"] = "siblings"
    unvisited: Literal["least", "parent", "mean", "reduced"] | float = "least"
    reduction: float = 0.2
    min_value: float = 0.0
    max_value: float = 1.0
    epsilon: float = 1e-8

    def __post_init__(self) -> None:
        numbers = [self.reduction, self.min_value, self.max_value, self.epsilon]
        if not isinstance(self.unvisited, str):
            numbers.append(self.unvisited)
        elif self.unvisited not in _UNVISITED:
            raise ValueError(
                f"unvisited: expected one of {', '.join(_UNVISITED)} or a number, got "
                f"{self.unvisited!r}"
            )
        if self.span not in _SPANS:
            raise ValueError(f"span: expected one of {', '.join(_SPANS)}, got {self.span!r}")
        if not all(math.isfinite(number) for number in numbers):
            raise ValueError(f"qtransform: expected finite numbers, got {numbers}")
        if self.min_value >= self.max_value:
            raise ValueError(
                f"max_value: expected more than min_value={self.min_value}, got {self.max_value}"
            )


_SPANS = ("siblings", "tree", "fixed", "none")  # in the native order
_UNVISITED = ("least", "parent", "mean", "reduced")

qtransform_scaled = Scaled
qtransform_by_parent_and_siblings = ByParentAndSiblings
qtransform_by_min_max = ByMinMax
qtransform_completed_by_mix_value = CompletedByMixValue

QTransformLike: TypeAlias = QTransform | Callable[[], QTransform]


def resolve(qtransform: QTransformLike) -> _native.SearchQTransform:
    """Return what the native search takes; raise TypeError for what is no QTransform."""
    made: object = qtransform
    if not isinstance(made, QTransform) and callable(qtransform):
        made = qtransform()
    if not isinstance(made, QTransform):
        raise TypeError(
            "qtransform: expected one of rollout.search.qtransform_by_parent_and_siblings, "
            "qtransform_by_min_max(min_value=..., max_value=...), qtransform_scaled or "
            f"qtransform_completed_by_mix_value, got {qtransform!r}"
        )
    return _native_of(made)


@lru_cache(maxsize=64)
def _native_of(qtransform: QTransform) -> _native.SearchQTransform:
    if not isinstance(qtransform, Scaled):
        return _native.SearchQTransform(qtransform.kind, **asdict(qtransform))
    unvisited, number = len(_UNVISITED), qtransform.reduction
    if isinstance(qtransform.unvisited, str):
        unvisited = _UNVISITED.index(qtransform.unvisited)
    else:
        number = qtransform.unvisited
    return _native.SearchQTransform(
        qtransform.kind,
        epsilon=qtransform.epsilon,
        min_value=qtransform.min_value,
        max_value=qtransform.max_value,
        range=_SPANS.index(qtransform.span),
        unvisited=unvisited,
        number=number,
    )
