"""The command line's front door: `python -m rollout`, or `rollout` once installed."""

import sys
from collections.abc import Callable

import typer
from rich.console import Console
from rich.markup import escape

from rollout.cli.bench import bench
from rollout.cli.demo import demo
from rollout.cli.doctor import doctor
from rollout.cli.envs import envs
from rollout.cli.eval import evaluate
from rollout.cli.play import play
from rollout.cli.train import train

app = typer.Typer(
    name="rollout",
    help="Step environments, imagine futures in a learned model, and plan through them.",
    epilog="Start with `rollout doctor`, then `rollout demo`. Every command explains itself: "
    "`rollout train --help`.",
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
)
COMMANDS: dict[str, Callable[..., None]] = {
    "demo": demo,
    "play": play,
    "envs": envs,
    "train": train,
    "eval": evaluate,
    "bench": bench,
    "doctor": doctor,
}
for name, command in COMMANDS.items():
    app.command(name)(command)


def main() -> None:
    """Run the command line; wrong input ends with its message and exit code 2.

    The library raises ValueError for what a caller got wrong and OSError for what a file did not
    allow; both messages are written for that reader, so the traceback above them is left out.
    """
    try:
        app(prog_name="rollout")
    except (ValueError, OSError) as error:
        Console(stderr=True).print(f"[red]rollout:[/] {escape(str(error))}")
        sys.exit(2)
