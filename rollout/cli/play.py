"""`rollout play`: share a kitchen with a planner, in the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

if TYPE_CHECKING:
    from rich.console import Console

    from rollout.cli.goal_board import GoalBoard
    from rollout.cli.keyboard import Keyboard
    from rollout.envs.kitchen import Layout
    from rollout.worlds import Person, Recording, SharedWorld

_FRAME_SECONDS = 0.03  # how long to wait for a key before looking for news
_STAY = 4
_MOVES = {
    "up": 0,
    "w": 0,
    "down": 1,
    "s": 1,
    "right": 2,
    "d": 2,
    "left": 3,
    "a": 3,
    ".": _STAY,
    "space": 5,
    "enter": 5,
}


def play(
    world: Annotated[str, typer.Argument(help="which world; there is one so far: `kitchen`")],
    layout: Annotated[
        str, typer.Option(help="a layout's name, see `rollout envs`, or a file of one's own")
    ] = "cramped_room",
    goal: Annotated[
        str,
        typer.Option(
            help='what the agent is to want: weights on events, such as "soup_delivery=20, '
            "collision=-1\" [default: the game's own rewards]"
        ),
    ] = "",
    tick_ms: Annotated[
        int | None,
        typer.Option(min=20, help="milliseconds a tick [default: 250; as recorded in a replay]"),
    ] = None,
    steps: Annotated[int, typer.Option("--horizon", min=1, help="ticks a game")] = 400,
    seed: Annotated[int, typer.Option(min=0, help="of the agent's plans and of the world")] = 0,
    simulations: Annotated[
        int | None, typer.Option(min=1, help="imagined steps a plan [default: the model's card]")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="a kitchen model [default: the one that came along]")
    ] = None,
    record: Annotated[Path | None, typer.Option(help="keep the game in this new file")] = None,
    replay: Annotated[
        Path | None, typer.Option(help="show a kept game again, checking every state")
    ] = None,
) -> None:
    """Cook **together with a planner** that imagines the kitchen in a learned model.

    The world has a fixed tick that neither of you can stop: who has not chosen by its end stays
    put, and that is counted. You see where the agent means to go and what it means to do. Reweight
    what it wants with g, the number keys, + and -: the very next plan follows. v stops its next
    action, and it must think of another.

        rollout play kitchen

        rollout play kitchen --goal "soup_delivery=20, collision=-5" --record game.jsonl

        rollout play kitchen --replay game.jsonl
    """
    from rich.console import Console

    from rollout.worlds import load_recording

    console = Console()
    if world != "kitchen":
        raise ValueError(f"world: expected `kitchen`, got {world!r}")
    if replay is not None:
        _replay(load_recording(replay), console, tick_ms)
        return

    import torch

    from rollout.cli.keyboard import Keyboard
    from rollout.cli.kitchen_model import load_kitchen_model, read_layout
    from rollout.goals import KITCHEN_GOAL, parse
    from rollout.planning import TreeSearch
    from rollout.worlds import Agent, Person, Recorder, SharedWorld, WorldSpec

    keyboard = Keyboard()
    # one row is too little to share: a second thread would only take time from the screen
    torch.set_num_threads(1)
    kitchen = read_layout(layout)
    learned = load_kitchen_model(kitchen, model)
    planner = TreeSearch(
        learned.model,
        num_simulations=simulations or learned.card.eval_simulations or learned.card.simulations,
        discount=learned.card.discount,
        gumbel_scale=0.0,
        num_threads=1,
        paths=False,
    )
    spec = WorldSpec(
        env="Kitchen-v0",
        options={
            "layout": kitchen.text,
            "horizon": steps,
            "dynamics": learned.card.env_options.get("dynamics", "old"),
        },
        seed=seed,
        default_action=_STAY,
        tick_ms=tick_ms or 250,
    )
    person, agent = Person(), Agent(planner, seed=seed, identity=learned.identity)
    log = None if record is None else Recorder(record)
    wanted = parse(goal) if goal else KITCHEN_GOAL
    with SharedWorld(spec, [person, agent], goal=wanted, log=log) as shared:
        _run(shared, person, kitchen, keyboard, console)
    told = f"score {shared.view.score:g} in {shared.view.tick} of {steps} ticks"
    for seat, participant in enumerate((person, agent)):
        told += f"; {participant.name}: late {shared.late[seat]}, vetoed {shared.vetoed[seat]}"
    console.print(told, soft_wrap=True)
    if record is not None:
        console.print(f"see it again: rollout play kitchen --replay {record}", soft_wrap=True)


def _run(
    world: SharedWorld, person: Person, layout: Layout, keyboard: Keyboard, console: Console
) -> None:
    """Let the world run in a thread of its own; read keys and draw until it ends or q is hit."""
    from concurrent.futures import ThreadPoolExecutor

    from rich.live import Live

    from rollout.cli.goal_board import GoalBoard
    from rollout.cli.screen import KEYS, Seat, Shown, draw

    board = GoalBoard(world.goal, world.events)
    horizon = int(world.spec.options["horizon"])
    drawn: Shown | None = None
    with (
        keyboard,
        Live(console=console, screen=True, auto_refresh=False) as live,
        ThreadPoolExecutor(1, thread_name_prefix="rollout-world") as thread,
    ):
        running = thread.submit(world.run)
        try:
            while not running.done():
                key = keyboard.key(_FRAME_SECONDS)
                if key == "q":
                    break
                if key is not None:
                    _press(key, world, person, board)
                seats = [
                    Seat(p.describe()["name"], p.describe()["kind"], late, vetoed)
                    for p, late, vetoed in zip(
                        world.participants, world.late, world.vetoed, strict=True
                    )
                ]
                shown = Shown(
                    view=world.view,
                    seats=tuple(seats),
                    proposals=world.proposals(),
                    goal_title=board.title,
                    goal_rows=tuple(board.rows),
                    picked=board.picked,
                    keys=KEYS,
                    columns=console.width,
                )
                if shown != drawn:
                    live.update(draw(shown, layout, horizon, world.spec.tick_ms), refresh=True)
                    drawn = shown
        finally:
            # the thread ends only when the world does
            world.close()
        running.result()


def _press(key: str, world: SharedWorld, person: Person, board: GoalBoard) -> None:
    """Do what a key stands for; unknown keys do nothing."""
    if key in _MOVES:
        person.press(_MOVES[key])
    elif key == "v":
        for seat, participant in enumerate(world.participants):
            if participant.describe()["kind"] == "agent":
                world.veto(seat)
    elif key == "g":
        world.set_goal(board.next_preset())
    elif key in ("+", "=", "-", "_"):
        world.set_goal(board.change(up=key in "+="))
    elif key.isdigit():
        board.pick(int(key))


def _replay(recording: Recording, console: Console, tick_ms: int | None) -> None:
    """Show a recorded game at its own pace, and check every state; without a terminal only check.

    Raises ValueError where the recording does not replay equal.
    """
    import sys
    import time
    from contextlib import ExitStack

    from rich.live import Live

    from rollout.cli.keyboard import Keyboard
    from rollout.cli.screen import REPLAY_KEYS, Seat, Shown, draw
    from rollout.envs.kitchen import load_layout
    from rollout.worlds import recorded_proposals, replay

    spec = recording.spec
    if spec.env != "Kitchen-v0":
        raise ValueError(f"replay: expected a recording of Kitchen-v0, got one of {spec.env}")
    layout = load_layout(str(spec.options.get("layout", "cramped_room")))
    horizon = int(spec.options.get("horizon", 400))
    pace = (tick_ms or spec.tick_ms) / 1000
    late, vetoed = [0] * len(recording.seats), [0] * len(recording.seats)
    with ExitStack() as stack:
        live, keyboard = None, None
        if console.is_terminal and sys.stdin.isatty():
            keyboard = stack.enter_context(Keyboard())
            live = stack.enter_context(Live(console=console, screen=True, auto_refresh=False))
        for view in replay(recording):
            if live is None or keyboard is None:
                continue
            until = time.monotonic() + pace
            if view.last is not None:
                late = [n + more for n, more in zip(late, view.last.late, strict=True)]
                vetoed = [n + more for n, more in zip(vetoed, view.last.vetoed, strict=True)]
            shown = Shown(
                view=view,
                seats=tuple(
                    Seat(str(seat["name"]), str(seat["kind"]), late[i], vetoed[i])
                    for i, seat in enumerate(recording.seats)
                ),
                proposals=recorded_proposals(recording, view.tick),
                goal_title="",
                goal_rows=tuple(view.goal),
                picked=None,
                keys=REPLAY_KEYS,
                columns=console.width,
            )
            live.update(draw(shown, layout, horizon, spec.tick_ms), refresh=True)
            while (left := until - time.monotonic()) > 0 and keyboard.key(left) != "q":
                pass
            if left > 0:
                break
    console.print(
        f"{view.tick} of {len(recording.ticks)} ticks replayed, each state equal to the recorded "
        f"one; score {view.score:g}",
        soft_wrap=True,
    )
    if not recording.complete:
        console.print("the recording was cut off: the game may have gone on", soft_wrap=True)
