"""The rasteriser against its twin, bit for bit, and against what shapes are."""

import math

import numpy as np
import pytest
from canvas_twin import draw_shapes as twin
from hypothesis import given, settings
from hypothesis import strategies as st

from rollout._native import draw_shapes, draw_turn

INK, PAPER = (20, 30, 40, 255), (240, 230, 220, 255)
COLORS = st.tuples(*[st.integers(0, 255)] * 4)
PLACES = st.integers(-30, 150)
LENGTHS = st.integers(0, 120)


def square_ish(points: list[tuple[int, int]]) -> list[int]:
    """The corners of a convex polygon: what a rubber band around the points would touch."""
    points = sorted(set(points))
    hull: list[tuple[int, int]] = []
    for run in (points, points[::-1]):
        start = len(hull)
        for x, y in run:
            while len(hull) >= start + 2:
                (ax, ay), (bx, by) = hull[-2:]
                if (bx - ax) * (y - ay) - (by - ay) * (x - ax) > 0:
                    break
                hull.pop()
            hull.append((x, y))
        hull.pop()
    return [part for point in hull for part in point]


SHAPES = st.one_of(
    st.tuples(st.just("tile"), COLORS, st.tuples(PLACES, PLACES, LENGTHS, LENGTHS)),
    st.tuples(
        st.just("box"), COLORS, st.tuples(PLACES, PLACES, LENGTHS, LENGTHS, st.integers(0, 40))
    ),
    st.tuples(st.just("disc"), COLORS, st.tuples(PLACES, PLACES, LENGTHS)),
    st.tuples(st.just("ring"), COLORS, st.tuples(PLACES, PLACES, LENGTHS, LENGTHS)),
    st.tuples(st.just("line"), COLORS, st.tuples(PLACES, PLACES, PLACES, PLACES, LENGTHS)),
    st.tuples(
        st.just("polygon"),
        COLORS,
        st.lists(st.tuples(PLACES, PLACES), min_size=3, max_size=8, unique=True)
        .map(square_ish)
        .filter(lambda corners: len(corners) >= 6),
    ),
)


@settings(deadline=None, max_examples=100)
@given(
    st.sampled_from([8, 17, 32]),
    st.sampled_from([(100, 100), (120, 70), (33, 100)]),
    st.lists(SHAPES, min_size=1, max_size=4),
)
def test_every_byte_equals_the_twins(size: int, scene: tuple[int, int], shapes: list) -> None:
    assert np.array_equal(draw_shapes(size, scene, PAPER, shapes), twin(size, scene, PAPER, shapes))


def area(kind: str, *numbers: int, size: int = 64, scene: int = 1000) -> float:
    """The share of the picture that a shape covers, by its light."""
    rgb = draw_shapes(size, (scene, scene), (0, 0, 0, 255), [(kind, (255,) * 4, numbers)])
    return rgb.mean() / 255 * scene**2


@pytest.mark.parametrize(
    ("kind", "numbers", "wanted"),
    [
        ("box", (103, 211, 307, 411, 0), 307 * 411),
        ("box", (103, 211, 307, 411, 100), 307 * 411 - (4 - math.pi) * 100**2),
        ("disc", (500, 480, 217), math.pi * 217**2),
        ("ring", (500, 480, 217, 40), math.tau * 217 * 40),
        ("line", (200, 300, 700, 650, 60), math.hypot(500, 350) * 60 + math.pi * 30**2),
        ("polygon", (100, 100, 800, 300, 300, 900), 250_000),
        ("polygon", (300, 900, 800, 300, 100, 100), 250_000),
    ],
)
def test_shapes_cover_what_they_should(kind: str, numbers: tuple, wanted: float) -> None:
    if kind == "polygon":
        x, y = np.array(numbers).reshape(-1, 2).T
        wanted = abs(np.dot(x, np.roll(y, 1)) - np.dot(y, np.roll(x, 1))) / 2
    assert area(kind, *numbers) == pytest.approx(wanted, rel=0.01)


def test_tiles_meet_without_a_seam() -> None:
    for size in (33, 64, 84):
        tiles = [("tile", INK, (x * 100, y * 100, 100, 100)) for x in range(7) for y in range(7)]
        rgb = draw_shapes(size, (700, 700), PAPER, tiles)
        assert (rgb == INK[:3]).all()


def test_a_scene_that_is_not_square_lies_in_the_middle() -> None:
    rgb = draw_shapes(64, (200, 100), PAPER, [("tile", INK, (0, 0, 200, 100))])
    inside = (rgb == INK[:3]).all(-1)
    assert inside[16:48].all()
    assert not inside[:16].any()
    assert not inside[48:].any()


def test_thin_things_stay_visible() -> None:
    for kind, numbers in [("line", (100, 500, 900, 520, 1)), ("ring", (500, 500, 300, 1))]:
        rgb = draw_shapes(32, (1000, 1000), (0, 0, 0, 255), [(kind, (255,) * 4, numbers)])
        assert rgb.max() > 120


def test_the_turn_is_sine_and_cosine() -> None:
    for radians in np.random.default_rng(0).uniform(-50, 50, 2000):
        sine, cosine = draw_turn(radians)
        assert abs(sine - math.sin(radians)) < 1e-6
        assert abs(cosine - math.cos(radians)) < 1e-6


def test_shapes_that_are_none_are_refused() -> None:
    with pytest.raises(ValueError, match="got blob with 0 numbers"):
        draw_shapes(8, (10, 10), PAPER, [("blob", INK, ())])
    with pytest.raises(ValueError, match="got disc with 2 numbers"):
        draw_shapes(8, (10, 10), PAPER, [("disc", INK, (1, 2))])
