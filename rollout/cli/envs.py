"""`rollout envs`: the environments, what they take and give, and the events they name."""

from typing import Annotated

import typer


def envs(
    env_id: Annotated[
        str | None, typer.Argument(metavar="[ID]", help="one environment, in full")
    ] = None,
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

    table = Table(title="environments", title_justify="left", show_lines=True)
    for column in ("id", "what", "observation", "action", "events"):
        table.add_column(column, overflow="fold")
    for name in rollout.list_envs() if env_id is None else [env_id]:
        env = rollout.make_vec(name, 1)
        table.add_row(
            name,
            rollout.envs.spec(name),
            str(env.single_observation_space),
            str(env.single_action_space),
            ", ".join(env.event_names) or "none",
        )
        env.close()
    Console().print(table)
