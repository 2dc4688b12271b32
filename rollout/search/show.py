"""A search tree for people: a table, a dict, Graphviz text, and a page that stands alone."""

from __future__ import annotations

import html
import json
import re
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

if TYPE_CHECKING:
    from rollout.search.tree import SearchTree


def visit_table(tree: SearchTree, row: int = 0, names: Sequence[str] | None = None) -> str:
    """Return a row's root as a table in plain text: an action a line, the most visited first.

    Columns: visits and their share, Q, reward, prior; closed actions come last, with the reason.
    Raises as `to_dict`.
    """
    root = to_dict(tree, row, names)
    tried = {child["action"]: child for child in root.get("children", [])}
    logits = tree.children_prior_logits[row, 0, : tree.num_actions]
    priors = logits.softmax(-1).tolist()
    barred = (logits == torch.finfo(torch.float32).min).tolist()
    labels = [_name(action, False, names) for action in range(tree.num_actions)]
    wide = max(len("action"), *map(len, labels))
    lines = [f"{'action':<{wide}}  visits   share        Q   reward   prior"]
    visits = max(root["visits"] - 1, 1)
    order = sorted(
        (a for a in range(tree.num_actions) if a in tried or not barred[a]),
        key=lambda a: (
            -tried.get(a, {}).get("visits", 0),
            "closed" in tried.get(a, {}),
            -priors[a],
        ),
    )
    for action in order:
        child, head = tried.get(action), f"{labels[action]:<{wide}}"
        if child is None:
            lines.append(f"{head}  {0:6d}  {'-':>6}  {'-':>7}  {'-':>7}  {priors[action]:6.3f}")
        elif "closed" in child:
            lines.append(f"{head}  ruled out: {child['closed']}")
        else:
            lines.append(
                f"{head}  {child['visits']:6d}  {child['visits'] / visits:6.1%}  {child['q']:7.3g}"
                f"  {child['reward']:7.3g}  {child['prior']:6.3f}"
            )
    return "\n".join(lines)


def to_dict(tree: SearchTree, row: int = 0, names: Sequence[str] | None = None) -> dict[str, Any]:
    """Return a row's tree as nested dicts of plain numbers, children in order of visits.

    Keys: name, visits, value (mean return), raw_value (the model's); below the root action, prior,
    reward, discount and q too; children where there are any. names: of the A actions. What chance
    gave has outcome for action, and "chance" and its number for a name; what awaits it says so in
    awaits. What was closed (see `SearchTree.closed`) comes after the others, with the reason in
    closed, no visits, and no values; the root says whether it is feasible.
    Raises IndexError for a row that is not there, ValueError for a wrong number of names.
    """
    if not 0 <= row < tree.batch_size:
        raise IndexError(f"row: expected 0 to {tree.batch_size - 1}, got {row}")
    if names is not None and len(names) != tree.num_actions:
        raise ValueError(f"names: expected {tree.num_actions}, one an action, got {len(names)}")
    index, visits = tree.children_index[row].tolist(), tree.node_visits[row].tolist()
    values, raw = tree.node_values[row].tolist(), tree.raw_values[row].tolist()
    rewards, discounts = tree.children_rewards[row].tolist(), tree.children_discounts[row].tolist()
    priors = tree.children_prior_logits[row].softmax(-1).tolist()
    chance = tree.chance_nodes[row].tolist()
    nodes: list[dict[str, Any]] = [
        {"name": "root", "visits": v, "value": x, "raw_value": r}
        for v, x, r in zip(visits, values, raw, strict=True)
    ]
    open_slots = [0]
    while open_slots:
        slot = open_slots.pop()
        children = []
        for action, child in enumerate(index[slot]):
            if child < 0:
                continue
            reward, discount = rewards[slot][action], discounts[slot][action]
            nodes[child] |= {
                "name": _name(action, chance[slot], names),
                "outcome" if chance[slot] else "action": action,
                "prior": priors[slot][action],
                "reward": reward,
                "discount": discount,
                "q": reward + discount * values[child],
            }
            if chance[child]:
                nodes[child]["awaits"] = "chance"
            children.append(nodes[child])
            open_slots.append(child)
        if children:
            nodes[slot]["children"] = sorted(children, key=lambda node: -node["visits"])
    nodes[0]["feasible"] = bool(tree.feasible[row])
    _add_closed(nodes[0], tree, row, names)
    return nodes[0]


def _add_closed(
    root: dict[str, Any], tree: SearchTree, row: int, names: Sequence[str] | None
) -> None:
    """Hang what was closed where it was; a step whose way there is closed hangs below that."""
    for path, reason in sorted(tree.reasons(row).items(), key=lambda item: len(item[0])):
        node = root
        for edge in path[:-1]:
            below = node["children"]
            node = next(
                child for child in below if edge in (child.get("action"), child.get("outcome"))
            )
        after_chance = node.get("awaits") == "chance"
        node.setdefault("children", []).append(
            {
                "name": _name(path[-1], after_chance, names),
                "outcome" if after_chance else "action": path[-1],
                "visits": 0,
                "closed": reason,
            }
        )


def _name(edge: int, chance: bool, names: Sequence[str] | None) -> str:
    if chance:
        return f"chance {edge}"
    return str(edge) if names is None else names[edge]


def to_graphviz(tree: SearchTree, row: int = 0, names: Sequence[str] | None = None) -> str:
    """Return a row's tree in Graphviz's language; `dot -Tsvg` draws it. See `to_dict`."""
    lines = ["digraph search {", "  node [shape=box, fontname=sans];"]
    count = 0
    open_nodes: list[tuple[dict[str, Any], int]] = [(to_dict(tree, row, names), -1)]
    while open_nodes:
        node, parent = open_nodes.pop()
        name = _quoted(node["name"])
        if reason := node.get("closed"):
            lines.append(f'  n{count} [label="{_quoted(reason)}", color=red, fontcolor=red];')
            lines.append(f'  n{parent} -> n{count} [label="{name}", color=red, style=dashed];')
        else:
            shape = ", shape=ellipse" if node.get("awaits") == "chance" else ""
            text = f"visits {node['visits']}\\nvalue {node['value']:.3g}"
            lines.append(f'  n{count} [label="{text}"{shape}];')
            if parent >= 0:
                label = f"{name}\\nQ {node['q']:.3g} p {node['prior']:.2g}"
                lines.append(f'  n{parent} -> n{count} [label="{label}"];')
        open_nodes += [(child, count) for child in reversed(node.get("children", []))]
        count += 1
    return "\n".join([*lines, "}", ""])


def _quoted(text: object) -> str:
    return str(text).replace("\\", "\\\\").replace('"', '\\"')


def to_html(
    tree: SearchTree,
    path: str | Path,
    row: int = 0,
    names: Sequence[str] | None = None,
    title: str = "Search tree",
) -> None:
    """Write a row's tree as one HTML file that needs nothing else.

    The page shows the principal line and the tree, to be opened, closed, searched and cut by depth
    or visits. See `to_dict` for row and names.
    """
    # "</" would end the element that holds the data
    data = json.dumps(to_dict(tree, row, names)).replace("</", "<\\/")
    page = (files("rollout") / "assets" / "search_tree.html").read_text(encoding="utf-8")
    parts = {"__TITLE__": html.escape(title), "__DATA__": data}
    page = re.sub("|".join(parts), lambda found: parts[found[0]], page)
    Path(path).write_text(page, encoding="utf-8")
