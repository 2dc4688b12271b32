"""`rollout envs`: the environments, what they take and give, and the events they name."""

from typing import Annotated

import typer


def envs(
    env_id: Annotated[str | None, typer.Argument(metavar="ID", help="show this one only")] = None,
) -> None:
    """List the environments with their spaces, **events** and layouts.

    An event is something that happens in a step (a soup is delivered, two players collide). A
    world model predicts events, so a goal is a weighting of them: `soup_delivery=20, collision=-1`.

        rollout envs

        rollout envs Kitchen-v0
    """
    from rich.console import Console
    from rich.table import Table

    import rollout
    from rollout.envs.kitchen import list_layouts

    console = Console()
    for name in rollout.list_envs() if env_id is None else [env_id]:
        env = rollout.make_vec(name, 1)
        known = rollout.envs.spec(name)
        facts = Table.grid(padding=(0, 2))
        facts.add_row("  observation", " ".join(str(env.single_observation_space).split()))
        facts.add_row("  action", str(env.single_action_space))
        facts.add_row("  events", ", ".join(env.event_names) or "none")
        # a layout's own text is no reading matter here; the names are below
        options = (f"{key}={value}" for key, value in known.keywords.items() if key != "layout")
        facts.add_row("  options", ", ".join(options))
        if name == "Kitchen-v0":
            facts.add_row("  layouts", ", ".join(list_layouts()))
        env.close()
        console.print(f"[bold]{name}[/]  {known.summary}")
        console.print(facts)
