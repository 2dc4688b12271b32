"""What a player sees of a running kitchen: the kitchen, who means to do what, goals and keys."""

from collections.abc import Sequence
from dataclasses import dataclass

from rich.console import Group, RenderableType
from rich.rule import Rule
from rich.table import Table
from rich.text import Text

from rollout.envs.kitchen import ACTIONS, Layout
from rollout.goals.explain import act, family
from rollout.render import Intent, Scene, intent, kitchen_scene, kitchen_text
from rollout.render.terminal import COOKS, WIDTH
from rollout.worlds import Proposal, View

_PANEL_COLUMNS = 40  # what the text beside the kitchen needs
_MARKS = 3  # lines of what an agent means to do

KEYS = "arrows move  space use  . wait  v veto  g goal  1-9 pick  +- weigh  q quit"
REPLAY_KEYS = "q quit"


@dataclass(frozen=True, slots=True)
class Seat:
    """One participant as it is shown."""

    name: str
    kind: str
    late: int = 0
    vetoed: int = 0


@dataclass(frozen=True, slots=True)
class Shown:
    """Everything on the screen; equal ones look the same."""

    view: View
    seats: tuple[Seat, ...]
    proposals: tuple[Proposal | None, ...]
    goal_title: str
    goal_rows: tuple[tuple[str, float], ...]
    picked: int | None
    keys: str
    columns: int


def plans_of(scene: Scene, proposals: Sequence[Proposal | None]) -> list[Intent]:
    """Return the intents to draw: of all who have a plan."""
    return [
        intent(scene, seat, p.path, p.expected)
        for seat, p in enumerate(proposals)
        if p is not None and p.path
    ]


def draw(shown: Shown, layout: Layout, horizon: int, tick_ms: int) -> RenderableType:
    """Return the whole screen: the panel beside the kitchen, or below it where it is narrow."""
    view = shown.view
    names = [seat.name.upper()[: WIDTH - 2] for seat in shown.seats]
    scene = kitchen_scene(layout.grid, view.state, horizon=horizon, score=view.score, names=names)
    plans = plans_of(scene, shown.proposals)
    kitchen = kitchen_text(scene, plans)
    panel = _panel(shown, scene, plans, tick_ms)
    below = (Rule(style="dim"), happened(view, shown.seats), Text(shown.keys, style="dim"))
    if WIDTH * layout.width + _PANEL_COLUMNS > shown.columns:
        return Group(kitchen, panel, *below)
    beside = Table.grid(padding=(0, 2, 0, 0))
    beside.add_column(min_width=WIDTH * layout.width)
    beside.add_row(kitchen, panel)
    return Group(beside, *below)


def happened(view: View, seats: Sequence[Seat]) -> Text:
    """Return what the last tick brought: acts, by their plain names, and what was stopped."""
    line = Text(no_wrap=True, overflow="ellipsis")
    if view.last is None:
        return line
    for i, (seat, events) in enumerate(zip(seats, view.last.events, strict=True)):
        told = list(dict.fromkeys(act(family(event)) for event in events))
        action = view.last.proposed[i]
        if view.last.vetoed[i] and action is not None:
            told.append(f"was stopped from {ACTIONS[action]}")
        if told:
            line.append(f"{seat.name}: ", f"bold {COOKS[i % len(COOKS)]}")
            line.append(", ".join(told) + "   ")
    return line


def _panel(shown: Shown, scene: Scene, plans: Sequence[Intent], tick_ms: int) -> RenderableType:
    lines = [
        Text.assemble(
            ("score ", "dim"),
            (f"{scene.score:g}", "bold"),
            (f"   step {scene.step}/{scene.horizon}   tick {tick_ms} ms", "dim"),
        )
    ]
    by_cook = {plan.cook: plan for plan in plans}
    for i, (seat, proposal) in enumerate(zip(shown.seats, shown.proposals, strict=True)):
        lines.append(_seat_line(i, seat, proposal))
        if seat.kind == "agent":
            lines += _plan_lines(i, by_cook.get(i), proposal, shown.view)
    title = Text.assemble(("goal ", "dim"), (shown.goal_title, "bold"))
    lines += [Text(""), title]
    for i, (name, weight) in enumerate(shown.goal_rows):
        picked = i == shown.picked
        style = "reverse" if picked else "" if weight else "dim"
        lines.append(Text(f"{i + 1} {name:<22}{weight:>6g}", style=style))
    for line in lines:
        line.no_wrap, line.overflow = True, "ellipsis"
    return Group(*lines)


def _seat_line(i: int, seat: Seat, proposal: Proposal | None) -> Text:
    """Return who it is, what it is about to do, and how often it was late or vetoed."""
    line = Text.assemble((f" {seat.name} ", f"bold white on {COOKS[i % len(COOKS)]}"))
    doing = "..." if proposal is None else ACTIONS[proposal.action]
    line.append(f" {doing:<9}")
    line.append(f"late {seat.late}", style="dim")
    if seat.kind == "agent":
        line.append(f"  vetoed {seat.vetoed}", style="dim")
    return line


def _plan_lines(i: int, plan: Intent | None, proposal: Proposal | None, view: View) -> list[Text]:
    """Return what an agent means to do and expects of others, always the same number of lines."""
    about = Text("thinking" if proposal is None else f"planned in {proposal.seconds * 1000:.0f} ms")
    about.stylize("dim")
    if view.masked[i]:
        forbidden = ", ".join(ACTIONS[action] for action in sorted(view.masked[i]))
        about.append(f", not {forbidden}", "red")
    lines = [about]
    marks = [] if plan is None else [(f"({n})", mark) for n, mark in enumerate(plan.marks, 1)]
    marks += [] if plan is None else [("   ", mark) for mark in plan.others]
    for number, mark in sorted(marks, key=lambda m: m[1].step)[:_MARKS]:
        who = "" if number.strip() else "you will "
        when = "now" if mark.step <= 1 else f"in {mark.step}"
        color = f"bold {COOKS[i % len(COOKS)]}"
        lines.append(Text.assemble((number, color), f" {who}{mark.text} {when}"))
    return lines + [Text("")] * (1 + _MARKS - len(lines))
