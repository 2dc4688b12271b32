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
from torch.utils import _pytree as pytree

if TYPE_CHECKING:
    from rollout.search.tree import SearchTree


def visit_table(tree: SearchTree, row: int = 0, names: Sequence[str] | None = None) -> str:
    """Return a row's root as a table in plain text: an action a line, the most visited first.

    Columns: visits and their share, Q, reward, prior; closed actions come last, with the reason.
    Raises as `to_dict`.
    """
    root = to_dict(tree, row, names)
    tried = {child.get("column", child["action"]): child for child in root.get("children", [])}
    logits = tree.of_row("children_prior_logits", row)[0, : tree.num_actions]
    priors = logits.softmax(-1).tolist()
    barred = (logits == torch.finfo(torch.float32).min).tolist()
    edges = _Edges(tree, row, names)
    labels = [
        "" if barred[a] and a not in tried else edges.of(0, a, False)["name"]
        for a in range(len(barred))
    ]
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
    reward, discount and q too; children where there are any. What chance gave has outcome for
    action, and "chance" and its number for a name; what awaits it says so in awaits. What was
    closed (see `SearchTree.closed`) comes after the others, with the reason in closed, no visits,
    and no values; the root says whether it is feasible. Where nodes have candidates, action is what
    was taken and column which candidate of its node that is.
    names: of the A actions; where candidates are some of a list, of all on it.
    Raises IndexError for a row that is not there, ValueError for a wrong number of names, and for
    names of actions that are no list.
    """
    if not 0 <= row < tree.batch_size:
        raise IndexError(f"row: expected 0 to {tree.batch_size - 1}, got {row}")
    edges = _Edges(tree, row, names)

    def numbers(name: str) -> list[Any]:
        return tree.of_row(name, row).tolist()

    index, visits = numbers("children_index"), numbers("node_visits")
    values, raw = numbers("node_values"), numbers("raw_values")
    rewards, discounts = numbers("children_rewards"), numbers("children_discounts")
    priors = tree.of_row("children_prior_logits", row).softmax(-1).tolist()
    chance = numbers("chance_nodes")
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
            nodes[child] |= edges.of(slot, action, chance[slot]) | {
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
    _add_closed(nodes, index, edges, tree, row)
    return nodes[0]


def _add_closed(
    nodes: list[dict[str, Any]], index: list[list[int]], edges: _Edges, tree: SearchTree, row: int
) -> None:
    """Hang what was closed where it was; what closed the way there hangs below that.

    nodes: by slot, all that is reached from the root hanging together. index: children_index.
    """
    closed, reasons = tree.closed(row), tree.reasons(row)
    slots = {one.path: one.slot for one in closed}
    for one in sorted(closed, key=lambda one: len(one.path)):
        above = 0
        for depth, edge in enumerate(one.path[:-1], 1):
            above = slots.get(one.path[:depth], index[above][edge])
            if above < 0:  # it lies behind a step that was closed for another one's sake
                break
        else:
            step = edges.of(above, one.path[-1], one.chance)
            nodes[one.slot] = step | {"visits": 0, "closed": reasons[one.path]}
            nodes[above].setdefault("children", []).append(nodes[one.slot])


class _Edges:
    """What the edges of a row's nodes stand for, and what they are called."""

    def __init__(self, tree: SearchTree, row: int, names: Sequence[str] | None) -> None:
        self.names = names
        actions = tree.edge_actions(row)
        self.leaves = None if actions is None else [x.cpu() for x in pytree.tree_leaves(actions)]
        if names is None:
            return
        if self.leaves is None and len(names) != tree.num_actions:
            raise ValueError(f"names: expected {tree.num_actions}, one an action, got {len(names)}")
        if self.leaves is not None and not _listed(self.leaves):
            raise ValueError(
                "names: expected None where actions are no list: they are shown as they are"
            )

    def of(self, slot: int, edge: int, chance: bool) -> dict[str, Any]:
        """Return an edge's name and action, or outcome; its column, of candidates."""
        if chance:
            return {"name": f"chance {edge}", "outcome": edge}
        if self.leaves is None:
            return {"name": self._name(edge), "action": edge}
        parts = [leaf[slot, edge].tolist() for leaf in self.leaves]
        action = parts[0] if len(parts) == 1 else parts
        return {"name": self._name(action), "action": action, "column": edge}

    def _name(self, action: Any) -> str:
        if self.names is None:
            return _text(action)
        if not 0 <= action < len(self.names):
            raise ValueError(
                f"names: expected one for each of the model's actions, {action} among them, got "
                f"{len(self.names)}"
            )
        name: str = self.names[action]
        return name


def _listed(leaves: list[torch.Tensor]) -> bool:
    """Return whether actions are numbers of a list, from their leaves [N, K, ...]."""
    return len(leaves) == 1 and leaves[0].dim() == 2 and not leaves[0].is_floating_point()


def _text(action: Any) -> str:
    if isinstance(action, list):
        return "(" + ", ".join(map(_text, action)) + ")"
    return f"{action:.3g}" if isinstance(action, float) else str(action)


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
