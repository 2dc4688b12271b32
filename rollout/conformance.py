"""What a conformance check found: named items, each passed, failed, or not applicable."""

from __future__ import annotations

from dataclasses import dataclass

SKIPPED = "skipped: "


@dataclass(frozen=True, slots=True)
class Item:
    """One question put to a subject. passed is None when it does not apply; detail says why."""

    name: str
    passed: bool | None
    detail: str

    @classmethod
    def of(cls, name: str, answer: str | None) -> Item:
        """Make an item of a question's answer: None, a fault, or "skipped: why"."""
        skipped = answer is not None and answer.startswith(SKIPPED)
        return cls(name, None if skipped else answer is None, (answer or "").removeprefix(SKIPPED))


@dataclass(frozen=True, slots=True)
class Report:
    """What a check found; `str(report)` is a table."""

    subject: str
    items: tuple[Item, ...]

    @property
    def passed(self) -> bool:
        """Whether no item failed."""
        return not self.failures

    @property
    def failures(self) -> tuple[Item, ...]:
        """The items that failed."""
        return tuple(item for item in self.items if item.passed is False)

    def __str__(self) -> str:
        words = {True: "ok", False: "FAILED", None: "-"}
        width = max((len(item.name) for item in self.items), default=0)
        lines = [f"{words[i.passed]:>6}  {i.name:<{width}} {i.detail}".rstrip() for i in self.items]
        return "\n".join(
            [f"{self.subject}: {len(self.failures)} of {len(self.items)} failed", *lines]
        )
