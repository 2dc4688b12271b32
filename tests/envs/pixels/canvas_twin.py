"""The rasteriser in NumPy: a shape over the whole picture at a time, in whole numbers."""

import math
from collections.abc import Sequence

import numpy as np

PIXEL, HALF = 256, 128
Shape = tuple[str, Sequence[int], Sequence[int]]


def over(value: int, by: int) -> int:
    """Divide towards zero, as C++ does."""
    return abs(value) // by * (1 if value >= 0 else -1)


class Twin:
    def __init__(
        self, size: int, scene: tuple[int, int], ground: Sequence[int], shapes: Sequence[Shape]
    ) -> None:
        self.size, self.span = size, max(scene)
        self.rgb = np.empty((size, size, 3), np.int64)
        self.rgb[:] = ground[:3]
        self.left, self.top = ((size * PIXEL - self.scale(side)) // 2 for side in scene)
        self.y, self.x = np.indices((size, size)) * PIXEL + HALF  # the middles of the pixels
        for kind, color, numbers in shapes:
            getattr(self, kind)(np.array(color), *numbers)

    def scale(self, units: int) -> int:
        half = self.span // 2
        return over(units * PIXEL * self.size + (half if units >= 0 else -half), self.span)

    def at(self, x: int, y: int) -> tuple[int, int]:
        return self.left + self.scale(x), self.top + self.scale(y)

    def blend(self, color: np.ndarray, cover: np.ndarray) -> None:
        weight = (cover * (color[3] + (color[3] >> 7)) >> 8)[..., None]
        self.rgb += ((color[:3] - self.rgb) * weight + 128) >> 8

    def shade(self, color: np.ndarray, outside: np.ndarray) -> None:
        self.blend(color, np.clip(HALF - outside, 0, PIXEL))

    def length(self, x: np.ndarray, y: np.ndarray) -> np.ndarray:
        square = np.broadcast_to(x * x + y * y, self.x.shape)
        return np.array([[math.isqrt(int(value)) for value in row] for row in square])

    def tile(self, color: np.ndarray, x: int, y: int, width: int, height: int) -> None:
        (x0, y0), (x1, y1) = self.at(x, y), self.at(x + width, y + height)
        low, high = ((v + HALF >> 8) * PIXEL for v in (x0, x1))
        inside = (self.x > low) & (self.x < high)
        low, high = ((v + HALF >> 8) * PIXEL for v in (y0, y1))
        inside &= (self.y > low) & (self.y < high)
        self.blend(color, inside * PIXEL)

    def box(self, color: np.ndarray, x: int, y: int, width: int, height: int, round: int) -> None:
        (x0, y0), (x1, y1) = self.at(x, y), self.at(x + width, y + height)
        if round == 0:
            wide = np.minimum(x1, self.x + HALF) - np.maximum(x0, self.x - HALF)
            high = np.minimum(y1, self.y + HALF) - np.maximum(y0, self.y - HALF)
            self.blend(color, np.maximum(wide, 0) * np.maximum(high, 0) >> 8)
            return
        corner = min(self.scale(round), (x1 - x0) // 2, (y1 - y0) // 2)
        dx = abs(self.x - over(x0 + x1, 2)) - ((x1 - x0) // 2 - corner)
        dy = abs(self.y - over(y0 + y1, 2)) - ((y1 - y0) // 2 - corner)
        at_corner = (dx > 0) & (dy > 0)
        away = np.where(at_corner, self.length(dx, dy), np.maximum(dx, dy))
        self.shade(color, away - corner)

    def disc(self, color: np.ndarray, x: int, y: int, radius: int) -> None:
        cx, cy = self.at(x, y)
        self.shade(color, self.length(self.x - cx, self.y - cy) - max(self.scale(radius), HALF))

    def ring(self, color: np.ndarray, x: int, y: int, radius: int, width: int) -> None:
        cx, cy = self.at(x, y)
        half = max(self.scale(width), PIXEL) // 2
        away = self.length(self.x - cx, self.y - cy) - self.scale(radius)
        self.shade(color, abs(away) - half)

    def way(self, dx: int, dy: int) -> tuple[int, int, int]:
        length = max(math.isqrt(dx * dx + dy * dy), 1)
        return over(dx << 20, length), over(dy << 20, length), length

    def line(self, color: np.ndarray, x: int, y: int, to_x: int, to_y: int, width: int) -> None:
        (x0, y0), (x1, y1) = self.at(x, y), self.at(to_x, to_y)
        wx, wy, length = self.way(x1 - x0, y1 - y0)
        dx, dy = self.x - x0, self.y - y0
        along, across = wx * dx + wy * dy >> 20, wx * dy - wy * dx >> 20
        away = np.where(along <= 0, self.length(dx, dy), abs(across))
        away = np.where(along > length, self.length(self.x - x1, self.y - y1), away)
        self.shade(color, away - max(self.scale(width), PIXEL) // 2)

    def polygon(self, color: np.ndarray, *numbers: int) -> None:
        corners = [self.at(*pair) for pair in zip(numbers[::2], numbers[1::2], strict=True)]
        edges = list(zip(corners, corners[1:] + corners[:1], strict=True))
        area = sum(x0 * y1 - x1 * y0 for (x0, y0), (x1, y1) in edges)
        sides = []
        for (x0, y0), (x1, y1) in edges:
            if (x0, y0) == (x1, y1):
                continue
            wx, wy, _ = self.way(x1 - x0, y1 - y0)
            across = wx * (self.y - y0) - wy * (self.x - x0) >> 20
            sides.append(across if area < 0 else -across)
        # a sharp corner is cut off where it leaves the pixels that the corners touch
        near = np.ones(self.x.shape, bool)
        for middle, places in zip((self.x, self.y), zip(*corners, strict=True), strict=True):
            near &= (middle + HALF > min(places) - HALF) & (middle - HALF < max(places) + HALF)
        if sides:
            self.shade(color, np.where(near, np.max(sides, axis=0), PIXEL))


def draw_shapes(
    size: int, scene: tuple[int, int], ground: Sequence[int], shapes: Sequence[Shape]
) -> np.ndarray:
    return Twin(size, scene, ground, shapes).rgb.astype(np.uint8)
