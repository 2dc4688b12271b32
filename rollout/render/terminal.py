"""Draw a kitchen in the cells of a terminal.

Words, arrows and box characters of one column each, so that everything lines up in any terminal;
colour only adds to what the words say.
"""

from collections.abc import Sequence

from rich.style import Style
from rich.text import Text

from rollout.render.scene import Cell, Intent, Scene, Thing

WIDTH, HEIGHT = 8, 3  # of one kitchen cell, in terminal cells

# one colour a cook; the numbers match the pictures' cooks
COOKS = ("#3e74cc", "#2e9e70", "#bc5ca8", "#d6782e")

_ARROWS = "↑↓→←"
_FLOORS = (Style(bgcolor="#2b2b33"), Style(bgcolor="#26262d"))
_COUNTERS = (Style(bgcolor="#6b4f38"), Style(bgcolor="#644a34"))
_KINDS = {
    "X": ("", Style()),
    "O": ("onions", Style(color="#ffd27a", bold=True)),
    "T": ("tomatoes", Style(color="#ff8a75", bold=True)),
    "D": ("dishes", Style(color="#ffffff", bold=True)),
    "S": ("serve", Style(bgcolor="#3f7a4c", color="#ffffff", bold=True)),
    "P": ("pot", Style(bgcolor="#3a3c48", color="#c8cad6")),
}
_LOOSE = Style(color="#ffffff", bold=True)
_COOKING = Style(bgcolor="#3a3c48", color="#f4a048", bold=True)
_READY = Style(bgcolor="#3a3c48", color="#7ee07e", bold=True)


class _Canvas:
    """A grid of styled characters."""

    def __init__(self, width: int, height: int) -> None:
        self._chars = [[" "] * width for _ in range(height)]
        self._styles = [[Style()] * width for _ in range(height)]

    def fill(self, cell: Cell, style: Style) -> None:
        for y in range(cell[1] * HEIGHT, (cell[1] + 1) * HEIGHT):
            for x in range(cell[0] * WIDTH, (cell[0] + 1) * WIDTH):
                self._chars[y][x] = " "
                self._styles[y][x] = style

    def put(self, cell: Cell, line: int, text: str, style: Style | None, align: str = "^") -> None:
        """Write into one line of a cell; the style adds to what lies below."""
        y, x0 = cell[1] * HEIGHT + line, cell[0] * WIDTH
        for x, char in enumerate(f"{text[:WIDTH]:{align}{WIDTH}}"):
            if char != " ":
                self._chars[y][x0 + x] = char
                self._styles[y][x0 + x] += style or Style()

    def text(self) -> Text:
        out = Text(no_wrap=True)
        for y, (chars, styles) in enumerate(zip(self._chars, self._styles, strict=True)):
            start = 0
            for x in range(1, len(chars) + 1):
                if x == len(chars) or styles[x] != styles[start]:
                    out.append("".join(chars[start:x]), styles[start])
                    start = x
            out.append("\n" if y + 1 < len(self._chars) else "")
        return out


def soup_text(soup: Thing) -> str:
    """Return what is in a soup: one letter an ingredient, a dot a place that is free."""
    return " ".join([*(kind[0] for kind in soup.ingredients), *"..."][:3])


def _pot(canvas: _Canvas, cell: Cell, soup: Thing) -> None:
    """Write what is in a pot and how far it has cooked."""
    canvas.put(cell, 1, soup_text(soup), None)
    if soup.ready:
        canvas.put(cell, 2, "READY", _READY)
    elif soup.tick >= 0:
        done = soup.tick * 4 // max(soup.cook_time, 1)
        left = soup.cook_time - soup.tick
        canvas.put(cell, 2, "█" * done + "░" * (4 - done) + f" {left}", _COOKING)


def kitchen_text(scene: Scene, plans: Sequence[Intent] = ()) -> Text:
    """Return a kitchen as rich text of W * 8 columns and H * 3 lines.

    plans: drawn as dots along each cook's way, fading with time, and as (1), (2), ... where it
      means to act, in the order of its marks.
    """
    rows = scene.rows
    canvas = _Canvas(WIDTH * max(map(len, rows)), HEIGHT * len(rows))
    for y, row in enumerate(rows):
        for x, kind in enumerate(row):
            if kind == " ":
                canvas.fill((x, y), _FLOORS[(x + y) % 2])
            else:
                label, style = _KINDS[kind]
                canvas.fill((x, y), _COUNTERS[(x + y) % 2] + style)
                canvas.put((x, y), 0 if kind == "P" else 1, label, None)
    for cell, thing in scene.things.items():
        if rows[cell[1]][cell[0]] == "P":
            _pot(canvas, cell, thing)
        else:
            canvas.put(cell, 1, thing.kind, _LOOSE)
    for plan in plans:
        color = COOKS[plan.cook % len(COOKS)]
        soon = len(plan.cells) // 2
        for step, cell in reversed(list(enumerate(plan.cells))):
            canvas.put(cell, 1, "●" if step <= soon else "·", Style(color=color, bold=True))
    for i, cook in enumerate(scene.cooks):
        canvas.fill(cook.cell, Style(bgcolor=COOKS[i % len(COOKS)], color="#ffffff", bold=True))
        canvas.put(cook.cell, 1, cook.name or f"P{i + 1}", None)
        line, align = ((0, "^"), (2, "^"), (1, ">"), (1, "<"))[cook.facing]
        canvas.put(cook.cell, line, _ARROWS[cook.facing], None, align)
        if cook.held is not None:
            canvas.put(cook.cell, 0 if cook.facing == 1 else 2, cook.held.kind, None)
    for plan in plans:
        style = Style(bgcolor=COOKS[plan.cook % len(COOKS)], color="#ffffff", bold=True)
        at: dict[Cell, str] = {}
        for number, mark in enumerate(plan.marks, 1):
            if mark.cell is not None and not scene.floor(mark.cell):
                at[mark.cell] = at.get(mark.cell, "") + f"({number})"
        for cell, text in at.items():
            # a pot's last line tells how far it has cooked
            pot = rows[cell[1]][cell[0]] == "P"
            canvas.put(cell, 0 if pot else 2, text[: 3 if pot else 6], style, ">" if pot else "^")
    return canvas.text()
