"""A search tree for people: as a dict, as Graphviz text, and as a page that stands alone."""

from __future__ import annotations

import html
import json
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from rollout.search.tree import SearchTree

_PAGE = """<!doctype html>
<meta charset="utf-8"><title>{title}</title>
<style>
body {{ font: 14px/1.5 system-ui, sans-serif; margin: 2rem; color: #222; background: #fff; }}
details {{ margin-left: 1.4rem; }} summary, .leaf {{ cursor: pointer; white-space: nowrap; }}
.leaf {{ margin-left: 2.5rem; cursor: default; }}
.bar {{ display: inline-block; height: .7em; background: #4a7fb5; margin-right: .5em; }}
.line > summary b, .line.leaf b {{ color: #b5522a; }} small {{ color: #666; }}
</style>
<h1>{title}</h1>
<p>A bar is an action's share of its parent's visits; the most visited line is marked.
<button onclick="all(true)">open all</button> <button onclick="all(false)">close all</button>
</p>
<div id="tree"></div>
<script id="data" type="application/json">{data}</script>
<script>
function all(open) {{ document.querySelectorAll('details').forEach(d => d.open = open); }}
const number = x => x === undefined ? '' : Number(x).toPrecision(3);
function show(node, share, line) {{
  const children = node.children || [];
  const box = document.createElement(children.length ? 'details' : 'div');
  box.className = (children.length ? '' : 'leaf ') + (line ? 'line' : '');
  const head = children.length ? box.appendChild(document.createElement('summary')) : box;
  const bar = head.appendChild(document.createElement('span'));
  bar.className = 'bar'; bar.style.width = (8 * share).toFixed(2) + 'em';
  head.appendChild(document.createElement('b')).textContent = node.name + ' ';
  head.appendChild(document.createElement('small')).textContent =
    `visits ${{node.visits}}  value ${{number(node.value)}}` + (node.q === undefined ? '' :
    `  Q ${{number(node.q)}}  reward ${{number(node.reward)}}  prior ${{number(node.prior)}}`);
  const most = Math.max(...children.map(c => c.visits));
  let marked = false;
  for (const child of children) {{
    const best = line && !marked && child.visits === most;
    marked = marked || best;
    box.appendChild(show(child, child.visits / Math.max(node.visits - 1, 1), best));
  }}
  if (line && children.length) box.open = true;
  return box;
}}
const data = JSON.parse(document.getElementById('data').textContent);
document.getElementById('tree').appendChild(show(data, 1, true));
</script>
"""


def to_dict(tree: SearchTree, row: int = 0, names: Sequence[str] | None = None) -> dict[str, Any]:
    """Return a row's tree as nested dicts of plain numbers, children in order of visits.

    Keys: name, visits, value (mean return), raw_value (the model's); below the root action, prior,
    reward, discount and q too; children where there are any. names: of the A actions. What chance
    gave has outcome for action, and "chance" and its number for a name.
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
            children.append(nodes[child])
            open_slots.append(child)
        if children:
            nodes[slot]["children"] = sorted(children, key=lambda node: -node["visits"])
    return nodes[0]


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
        text = f"visits {node['visits']}\\nvalue {node['value']:.3g}"
        lines.append(f'  n{count} [label="{text}"];')
        if parent >= 0:
            name = str(node["name"]).replace("\\", "\\\\").replace('"', '\\"')
            label = f"{name}\\nQ {node['q']:.3g} p {node['prior']:.2g}"
            lines.append(f'  n{parent} -> n{count} [label="{label}"];')
        open_nodes += [(child, count) for child in reversed(node.get("children", []))]
        count += 1
    return "\n".join([*lines, "}", ""])


def to_html(
    tree: SearchTree,
    path: str | Path,
    row: int = 0,
    names: Sequence[str] | None = None,
    title: str = "Search tree",
) -> None:
    """Write a row's tree as one HTML file that needs nothing else and can be opened and closed.

    See `to_dict` for row and names.
    """
    # "</" would end the element that holds the data
    data = json.dumps(to_dict(tree, row, names)).replace("</", "<\\/")
    Path(path).write_text(_PAGE.format(title=html.escape(title), data=data), encoding="utf-8")
