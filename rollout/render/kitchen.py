"""Draw a kitchen as a picture, with the plans that are in the cooks' minds.

Everything is drawn here in a flat style, at `_SMOOTH` times its size, and scaled down once. All
measures below are in cells, so a picture looks the same at any size. Thread-safe: nothing is kept
but fonts and backgrounds, which are read-only. Cost: about 10 ms a 320 x 340 picture.
"""

import math
from collections.abc import Sequence
from functools import lru_cache
from itertools import pairwise

from PIL import Image, ImageDraw, ImageFont

from rollout.render.scene import STEPS, Cell, Cook, Intent, Mark, Scene, Thing

Color = tuple[int, int, int]

_SMOOTH = 3  # drawn larger by this, so that edges come out smooth

INK: Color = (58, 52, 64)
PAPER: Color = (250, 246, 239)
MUTED: Color = (150, 142, 140)
FLOOR: tuple[Color, Color] = ((240, 229, 211), (234, 221, 200))
WOOD: Color = (190, 146, 103)
WOOD_LIGHT: Color = (207, 166, 124)
WOOD_DARK: Color = (154, 113, 77)
ONION: Color = (238, 190, 92)
ONION_LIGHT: Color = (250, 222, 150)
TOMATO: Color = (220, 84, 68)
LEAF: Color = (104, 150, 84)
CHINA: Color = (252, 252, 250)
CHINA_RIM: Color = (192, 200, 208)
IRON: Color = (74, 76, 90)
IRON_DARK: Color = (50, 51, 62)
BROTH: Color = (104, 98, 104)
ONION_SOUP: Color = (236, 178, 66)
TOMATO_SOUP: Color = (222, 96, 62)
SKIN: Color = (245, 209, 176)
HAIR: Color = (112, 76, 56)
READY: Color = (110, 190, 110)
COOKING: Color = (244, 160, 72)
# one colour a cook: told apart by hue and by lightness
COOKS: tuple[Color, ...] = ((62, 116, 204), (46, 158, 112), (188, 92, 168), (214, 120, 46))


class Brush:
    """Draws in units of one cell, from an origin, onto an RGBA picture."""

    def __init__(self, image: Image.Image, unit: float, x: float = 0.0, y: float = 0.0) -> None:
        self._draw = ImageDraw.Draw(image, "RGBA")
        self._image = image
        self.unit = unit
        self._x, self._y = x, y

    def at(self, x: float, y: float) -> "Brush":
        """Return a brush whose origin lies at (x, y) of this one."""
        return Brush(self._image, self.unit, *self._point(x, y))

    def _point(self, x: float, y: float) -> tuple[float, float]:
        return self._x + x * self.unit, self._y + y * self.unit

    def _width(self, width: float) -> int:
        return max(1, round(width * self.unit))

    def circle(
        self,
        x: float,
        y: float,
        r: float,
        fill: tuple[int, ...] | None = None,
        line: tuple[int, ...] | None = None,
        width: float = 0.0,
    ) -> None:
        """Draw a disc of radius r around (x, y)."""
        box = (*self._point(x - r, y - r), *self._point(x + r, y + r))
        self._draw.ellipse(box, fill, line, self._width(width) if line else 0)

    def ellipse(
        self, x: float, y: float, rx: float, ry: float, fill: tuple[int, ...] | None
    ) -> None:
        """Draw a filled ellipse around (x, y)."""
        self._draw.ellipse((*self._point(x - rx, y - ry), *self._point(x + rx, y + ry)), fill)

    def box(
        self,
        x: float,
        y: float,
        w: float,
        h: float,
        fill: tuple[int, ...] | None = None,
        round_by: float = 0.0,
        line: tuple[int, ...] | None = None,
        width: float = 0.0,
    ) -> None:
        """Draw a box with its corner at (x, y), its own corners rounded."""
        self._draw.rounded_rectangle(
            (*self._point(x, y), *self._point(x + w, y + h)),
            round_by * self.unit,
            fill,
            line,
            self._width(width) if line else 0,
        )

    def line(self, points: Sequence[tuple[float, float]], fill: tuple[int, ...], w: float) -> None:
        """Draw a line through the points, with round ends."""
        self._draw.line([self._point(*p) for p in points], fill, self._width(w), joint="curve")
        for p in (points[0], points[-1]):
            self.circle(*p, w / 2, fill)

    def polygon(self, points: Sequence[tuple[float, float]], fill: tuple[int, ...]) -> None:
        """Draw a filled polygon."""
        self._draw.polygon([self._point(*p) for p in points], fill)

    def arc(
        self, x: float, y: float, r: float, share: float, fill: tuple[int, ...], w: float
    ) -> None:
        """Draw the share (0..1) of a ring around (x, y), clockwise from the top."""
        if share > 0:
            box = (*self._point(x - r, y - r), *self._point(x + r, y + r))
            self._draw.arc(box, -90, -90 + 360 * min(share, 1.0), fill, self._width(w))

    def text(
        self,
        x: float,
        y: float,
        text: str,
        size: float,
        fill: tuple[int, ...] = INK,
        anchor: str = "lm",
    ) -> None:
        """Write a line of text; `anchor` as in Pillow, "lm" being left and middle."""
        font = _font(round(size * self.unit))
        self._draw.text(self._point(x, y), text, fill, font, anchor)

    def text_width(self, text: str, size: float) -> float:
        """Return how wide a line of text would be."""
        return _font(round(size * self.unit)).getlength(text) / self.unit


@lru_cache(maxsize=32)
def _font(size: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    """Return Pillow's own built-in font at a size in pixels."""
    return ImageFont.load_default(size)


def _thing(brush: Brush, thing: Thing, x: float, y: float, scale: float = 1.0) -> None:
    """Draw an onion, tomato, dish or soup around (x, y)."""
    if thing.kind == "onion":
        _onion(brush, x, y, 0.17 * scale)
    elif thing.kind == "tomato":
        _tomato(brush, x, y, 0.17 * scale)
    else:
        _plate(brush, x, y, 0.24 * scale)
        if thing.kind == "soup":
            brush.circle(x, y, 0.165 * scale, _soup_color(thing.ingredients))
            _pieces(brush, thing.ingredients, x, y, 0.05 * scale, 0.085 * scale)


def _onion(brush: Brush, x: float, y: float, r: float) -> None:
    brush.line([(x, y - r * 0.8), (x - r * 0.25, y - r * 1.45)], LEAF, r * 0.26)
    brush.line([(x, y - r * 0.8), (x + r * 0.3, y - r * 1.35)], LEAF, r * 0.26)
    brush.circle(x, y, r, ONION, (186, 132, 52), r * 0.16)
    brush.ellipse(x - r * 0.32, y - r * 0.2, r * 0.2, r * 0.42, ONION_LIGHT)


def _tomato(brush: Brush, x: float, y: float, r: float) -> None:
    brush.circle(x, y, r, TOMATO, (160, 52, 44), r * 0.16)
    brush.ellipse(x - r * 0.35, y - r * 0.1, r * 0.18, r * 0.3, (240, 140, 122))
    for dx in (-0.45, 0.0, 0.45):
        brush.line([(x, y - r * 0.75), (x + r * dx, y - r * 0.4)], LEAF, r * 0.26)


def _plate(brush: Brush, x: float, y: float, r: float) -> None:
    brush.circle(x, y, r, CHINA, CHINA_RIM, r * 0.14)
    brush.circle(x, y, r * 0.66, None, (222, 228, 232), r * 0.1)


def _pieces(
    brush: Brush, ingredients: Sequence[str], x: float, y: float, r: float, spread: float
) -> None:
    """Draw ingredients as small discs around (x, y)."""
    for i, kind in enumerate(ingredients):
        angle = math.tau * i / max(len(ingredients), 1) - math.pi / 2
        off = 0.0 if len(ingredients) == 1 else spread
        light, dark = (
            (ONION_LIGHT, (200, 150, 66)) if kind == "onion" else ((236, 122, 104), (168, 60, 48))
        )
        at = (x + off * math.cos(angle), y + off * math.sin(angle))
        brush.circle(*at, r, light, dark, r * 0.3)


def _soup_color(ingredients: Sequence[str]) -> Color:
    """Return a soup's colour: between onion and tomato, by what is in it."""
    share = ingredients.count("tomato") / max(len(ingredients), 1)
    r, g, b = (round(a + (t - a) * share) for a, t in zip(ONION_SOUP, TOMATO_SOUP, strict=True))
    return r, g, b


def _counter(brush: Brush, face: bool) -> None:
    """Draw a counter; `face` where its front edge is seen from the floor below."""
    brush.box(0, 0, 1, 1, WOOD)
    brush.box(0.04, 0.04, 0.92, 0.8 if face else 0.92, WOOD_LIGHT, 0.07)
    if face:
        brush.box(0, 0.88, 1, 0.12, WOOD_DARK)


def _crate(brush: Brush, kind: str) -> None:
    """Draw a box of ingredients."""
    brush.box(0.14, 0.12, 0.72, 0.68, WOOD_DARK, 0.08)
    brush.box(0.19, 0.17, 0.62, 0.58, (128, 90, 60), 0.05)
    draw = _onion if kind == "onion" else _tomato
    for x, y in ((0.36, 0.36), (0.64, 0.36), (0.36, 0.6), (0.64, 0.6)):
        draw(brush, x, y, 0.125)


def _dishes(brush: Brush) -> None:
    """Draw a pile of dishes."""
    for rise in (0.0, 0.05, 0.1):
        _plate(brush, 0.5, 0.52 - rise, 0.28)


def _hatch(brush: Brush) -> None:
    """Draw the place where soups are served."""
    brush.box(0.1, 0.1, 0.8, 0.7, (126, 176, 132), 0.08)
    brush.box(0.1, 0.1, 0.8, 0.7, None, 0.08, (88, 136, 98), 0.035)
    # a bell
    brush.box(0.26, 0.58, 0.48, 0.07, INK, 0.03)
    brush.circle(0.5, 0.3, 0.045, INK)
    brush.polygon(
        [(0.5 + 0.2 * math.cos(a), 0.56 + 0.22 * math.sin(a)) for a in _HALF_TURN],
        (250, 210, 90),
    )


_HALF_TURN = [math.pi + math.pi * i / 16 for i in range(17)]


def _pot(brush: Brush, soup: Thing | None) -> None:
    """Draw a pot on its stove, with what is in it and how far it has cooked."""
    brush.box(0.08, 0.08, 0.84, 0.74, (120, 122, 134), 0.09)
    brush.box(0.1, 0.4, 0.8, 0.1, IRON_DARK, 0.05)
    brush.circle(0.5, 0.45, 0.31, IRON, IRON_DARK, 0.03)
    cooking = soup is not None and soup.tick >= 0
    filled = soup is not None and bool(soup.ingredients)
    inside = _soup_color(soup.ingredients) if soup and cooking else BROTH if filled else IRON_DARK
    brush.circle(0.5, 0.45, 0.235, inside)
    if soup is None:
        return
    size, spread = (0.055, 0.1) if cooking else (0.085, 0.115)
    _pieces(brush, soup.ingredients, 0.5, 0.45, size, spread)
    if cooking:
        brush.circle(0.5, 0.45, 0.325, None, IRON_DARK, 0.085)
        share = soup.tick / max(soup.cook_time, 1)
        brush.arc(0.5, 0.45, 0.315, share, READY if soup.ready else COOKING, 0.065)
    if soup.ready:
        # a tick says "ready" to those who do not tell green from orange
        brush.circle(0.8, 0.18, 0.14, READY, PAPER, 0.03)
        brush.line([(0.735, 0.185), (0.785, 0.235), (0.865, 0.13)], PAPER, 0.04)
    elif cooking:
        left = str(soup.cook_time - soup.tick)
        brush.circle(0.8, 0.18, 0.15, PAPER, COOKING, 0.03)
        brush.text(0.8, 0.18, left, 0.19, INK, "mm")


def _cook(brush: Brush, cook: Cook, color: Color) -> None:
    """Draw a cook: a body in its colour, a face turned the way it faces, and what it holds."""
    dx, dy = STEPS[cook.facing]
    dark = _shade(color, 0.7)
    brush.ellipse(0.5, 0.9, 0.27, 0.075, (70, 50, 30, 60))
    # an arrow on the floor: the facing shows even in small pictures
    tip = (0.5 + dx * 0.5, 0.56 + dy * 0.48)
    wing = [(tip[0] - dx * 0.1 + s * dy * 0.1, tip[1] - dy * 0.1 + s * dx * 0.1) for s in (-1, 1)]
    brush.polygon([tip, *wing], (*dark, 210))
    hands = [
        (0.5 + dx * 0.25 + s * (0.25 - 0.11 * abs(dx)) * (dy != 0), 0.72 + s * 0.07 * (dx != 0))
        for s in (-1, 1)
    ]
    if cook.facing == 0:
        _hands(brush, [(x, 0.6) for x, _ in hands], dark)
        if cook.held is not None:
            _thing(brush, cook.held, 0.78, 0.4)
    brush.box(0.26, 0.54, 0.48, 0.36, color, 0.17, dark, 0.03)
    if cook.facing == 1:
        # an apron
        brush.box(0.37, 0.62, 0.26, 0.25, CHINA, 0.06)
    brush.circle(0.5, 0.47, 0.2, HAIR if cook.facing == 0 else SKIN, _shade(SKIN, 0.8), 0.02)
    if cook.facing != 0:
        for side in (-1, 1):
            brush.circle(0.5 + dx * 0.09 + side * (0.075 - 0.02 * abs(dx)), 0.48, 0.027, INK)
        brush.circle(0.5 + dx * 0.15, 0.54, 0.028, _shade(SKIN, 0.86))
    _hat(brush, 0.5 - dx * 0.02, 0.3, color)
    if cook.facing != 0:
        _hands(brush, hands, dark)
        if cook.held is not None:
            _thing(brush, cook.held, 0.5 + dx * 0.3, 0.76 + dy * 0.02)


def _hands(brush: Brush, at: Sequence[tuple[float, float]], sleeve: Color) -> None:
    for x, y in at:
        brush.circle(x, y, 0.075, SKIN, sleeve, 0.022)


def _hat(brush: Brush, x: float, y: float, color: Color) -> None:
    """Draw a cook's hat with a band in the cook's colour."""
    rim = (206, 202, 198)
    for off in (-0.13, 0.13, 0.0):
        brush.circle(x + off, y - 0.1 - (0.05 if off == 0 else 0), 0.115, CHINA, rim, 0.02)
    brush.box(x - 0.15, y - 0.13, 0.3, 0.16, CHINA, 0.03)
    brush.box(x - 0.175, y + 0.005, 0.35, 0.08, color, 0.035)


def _shade(color: Color, by: float) -> Color:
    r, g, b = (round(c * by) for c in color)
    return r, g, b


@lru_cache(maxsize=8)
def _background(rows: tuple[str, ...], unit: int) -> Image.Image:
    """Return the picture of the kitchen itself, without what moves."""
    image = Image.new("RGB", (unit * max(map(len, rows)), unit * len(rows)), FLOOR[0])
    brush = Brush(image, unit)
    for y, row in enumerate(rows):
        for x, kind in enumerate(row):
            cell = brush.at(x, y)
            if kind == " ":
                cell.box(0, 0, 1, 1, FLOOR[(x + y) % 2])
                continue
            _counter(cell, face=y + 1 < len(rows) and rows[y + 1][x : x + 1] == " ")
            if kind in "OT":
                _crate(cell, "onion" if kind == "O" else "tomato")
            elif kind == "D":
                _dishes(cell)
            elif kind == "S":
                _hatch(cell)
            elif kind == "P":
                _pot(cell, None)
    # walls cast a soft shadow onto the floor below them
    for y, row in enumerate(rows[:-1]):
        for x, kind in enumerate(row):
            if kind != " " and rows[y + 1][x : x + 1] == " ":
                brush.box(x, y + 1, 1, 0.07, (90, 60, 30, 40))
    return image


def _way(brush: Brush, plan: Intent, color: Color) -> None:
    """Draw the way that a cook means to go, fading with the time until it gets there."""
    stops: list[tuple[Cell, int]] = []
    for step, cell in enumerate(plan.cells):
        if not stops or stops[-1][0] != cell:
            stops.append((cell, step))
    last = max(len(plan.cells) - 1, 1)
    # ways that run both ways through a cell stay apart: each leg keeps to its own right
    for (a, _), (b, when) in pairwise(stops):
        off = ((a[1] - b[1]) * 0.07, (b[0] - a[0]) * 0.07)
        ends = [(c[0] + 0.5 + off[0], c[1] + 0.62 + off[1]) for c in (a, b)]
        alpha = round(235 - 165 * when / last)
        brush.line(ends, (*PAPER, alpha // 2), 0.13)
        brush.line(ends, (*color, alpha), 0.075)
        brush.circle(*ends[1], 0.075, (*color, alpha))


def _badge(brush: Brush, cell: Cell, number: int, color: Color, crowd: int) -> None:
    """Put a numbered badge onto the cell of a mark; `crowd` badges are there already."""
    target = brush.at(*cell)
    if crowd == 0:
        target.box(0.03, 0.03, 0.94, 0.94, None, 0.1, (*color, 230), 0.045)
    target.circle(0.17 + 0.3 * crowd, 0.17, 0.155, color, PAPER, 0.03)
    target.text(0.17 + 0.3 * crowd, 0.175, str(number), 0.21, PAPER, "mm")


def _header(brush: Brush, scene: Scene, width: float) -> None:
    """Write the score and the time."""
    label = brush.text_width("score", 0.2)
    brush.text(0.16, 0.37, "score", 0.2, MUTED)
    brush.text(0.16 + label + 0.1, 0.33, f"{scene.score:g}", 0.38)
    if scene.horizon:
        brush.text(width - 0.16, 0.37, f"{scene.step} / {scene.horizon}", 0.2, MUTED, "rm")
        brush.box(0.16, 0.6, width - 0.32, 0.06, (230, 222, 212), 0.03)
        share = min(scene.step / scene.horizon, 1.0)
        if share > 0:
            brush.box(0.16, 0.6, max((width - 0.32) * share, 0.06), 0.06, COOKS[0], 0.03)


def _footer(
    brush: Brush, scene: Scene, plans: Sequence[Intent], caption: str, width: float, rows: int
) -> None:
    """Write, a line each, what the cooks mean to do; then the caption."""
    lines: list[tuple[str, Color, str]] = []
    for plan in plans:
        color = COOKS[plan.cook % len(COOKS)]
        marks = [(str(i + 1), mark) for i, mark in enumerate(plan.marks)]
        marks += [("", mark) for mark in plan.others]
        for number, mark in sorted(marks, key=lambda m: m[1].step):
            who = "" if number else "partner: "
            lines.append((number, color if number else MUTED, who + _told(mark)))
    if caption:
        lines = [*lines[: rows - 1], *[("", MUTED, "")] * (rows - 1 - len(lines))]
        lines.append(("", INK, caption))
    for i, (number, color, text) in enumerate(lines[:rows]):
        y = 0.25 + 0.36 * i
        x = 0.16
        if number:
            brush.circle(x + 0.13, y, 0.13, color)
            brush.text(x + 0.13, y + 0.005, number, 0.18, PAPER, "mm")
            x += 0.36
        brush.text(x, y, _fit(brush, text, 0.21, width - x - 0.1), 0.21, INK)


def _told(mark: Mark) -> str:
    """Return a mark as words."""
    return mark.text + (", now" if mark.step <= 1 else f", in {mark.step} steps")


def _fit(brush: Brush, text: str, size: float, width: float) -> str:
    """Return the text, cut with dots where it is wider than `width`."""
    if brush.text_width(text, size) <= width:
        return text
    while text and brush.text_width(text + "...", size) > width:
        text = text[:-1]
    return text.rstrip(" ,") + "..."


def draw_kitchen(
    scene: Scene,
    plans: Sequence[Intent] = (),
    *,
    cell: int = 56,
    caption: str = "",
    footer_rows: int = 3,
) -> Image.Image:
    """Return an RGB picture of a kitchen.

    plans: drawn as a fading line from each cook, with numbered badges where it means to act; the
      footer names them.
    cell: pixels a cell, at least 16.
    caption: the footer's last line.
    footer_rows: lines below the kitchen, the same in each frame so that a film keeps its size;
      0 for none.

    The picture is [(H + 0.75 + footer) * cell, W * cell] pixels, rounded to even numbers.
    Raises ValueError for cells that are too small to draw in.
    """
    if cell < 16:
        raise ValueError(f"cell: expected at least 16 pixels, got {cell}")
    head, foot = 0.75, 0.36 * footer_rows + 0.14 if footer_rows else 0.0
    width, height = max(map(len, scene.rows)), len(scene.rows)
    unit = cell * _SMOOTH
    image = Image.new("RGB", (unit * width, round(unit * (head + height + foot))), PAPER)
    image.paste(_background(scene.rows, unit), (0, round(unit * head)))
    brush = Brush(image, unit)
    _header(brush, scene, width)
    kitchen = brush.at(0, head)
    for (x, y), thing in scene.things.items():
        if scene.rows[y][x] == "P":
            _pot(kitchen.at(x, y), thing)
        else:
            _thing(kitchen.at(x, y), thing, 0.5, 0.45)
    for plan in plans:
        _way(kitchen, plan, COOKS[plan.cook % len(COOKS)])
    # who stands further down covers who stands behind
    for i, cook in sorted(enumerate(scene.cooks), key=lambda c: c[1].cell[1]):
        _cook(kitchen.at(*cook.cell), cook, COOKS[i % len(COOKS)])
    crowds: dict[Cell, int] = {}
    for plan in plans:
        for number, mark in enumerate(plan.marks[:9], 1):
            if mark.cell is not None:
                crowd = crowds.get(mark.cell, 0)
                if crowd < 3:
                    color = COOKS[plan.cook % len(COOKS)]
                    _badge(kitchen, mark.cell, number, color, crowd)
                crowds[mark.cell] = crowd + 1
    if footer_rows:
        _footer(brush.at(0, head + height), scene, plans, caption, width, footer_rows)
    size = (image.width // _SMOOTH & ~1, image.height // _SMOOTH & ~1)
    return image.resize(size, Image.Resampling.LANCZOS)
