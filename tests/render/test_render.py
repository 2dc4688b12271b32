from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageChops
from rich.cells import cell_len

from rollout.goals import Expectation
from rollout.render import Cook, Scene, Thing, draw_kitchen, intent, kitchen_text, save_gif
from rollout.render.scene import Mark
from rollout.render.terminal import HEIGHT, WIDTH

ROWS = ("XXPXX", "O   O", "X   X", "XDXSX")


def scene(**change: object) -> Scene:
    fields: dict[str, object] = {
        "rows": ROWS,
        "cooks": (Cook((1, 2), 1), Cook((3, 1), 2, Thing("onion"))),
        "things": {(2, 0): Thing("soup", ("onion", "onion"))},
        "step": 57,
        "horizon": 400,
        "score": 40,
    }
    return Scene(**{**fields, **change})  # type: ignore[arg-type]


def test_a_plan_is_laid_into_the_kitchen() -> None:
    plan = intent(
        scene(),
        0,
        [0, 3, 5, 2, 0, 5, -1, -1],
        [
            Expectation(3, 0, "onion_pickup"),
            Expectation(4, 1, "soup_delivery"),
            Expectation(6, 0, "potting_onion"),
            Expectation(6, 0, "collision"),
            Expectation(9, 0, "dish_pickup"),
        ],
    )
    # up, then against the onions: it turns and stays; right, then against the pot
    assert plan.cells == ((1, 2), (1, 1), (1, 1), (1, 1), (2, 1), (2, 1), (2, 1))
    assert plan.marks == (
        Mark("take an onion", 3, (0, 1)),
        Mark("put an onion in a pot", 6, (2, 0)),
        Mark("run into someone", 6, None),
        Mark("take a dish", 9, None),
    )
    # a model that is early or late by a step means the same act
    late = intent(scene(), 0, [0, 3, 5, 2, 0, 5], [Expectation(4, 0, "onion_pickup")])
    assert late.marks == (Mark("take an onion", 4, (0, 1)),)
    # and nobody puts an onion into the box it came from
    odd = intent(scene(), 0, [0, 3, 5], [Expectation(3, 0, "optimal_onion_potting")])
    assert odd.marks == (Mark("put an onion in a pot", 3, None),)
    assert plan.others == (Mark("serve a soup", 4),)


def differ(a: Image.Image, b: Image.Image) -> tuple[int, int, int, int] | None:
    return ImageChops.difference(a, b).getbbox()


def test_pictures_keep_their_size_and_show_what_changes() -> None:
    plain = draw_kitchen(scene(), cell=48)
    assert plain.mode == "RGB"
    assert plain.size == (5 * 48, int((4 + 0.75 + 3 * 0.36 + 0.14) * 48) & ~1)
    assert differ(plain, draw_kitchen(scene(), cell=48)) is None

    # a step of one cook changes nothing outside the two cells (arms and hats reach over a bit)
    moved = draw_kitchen(scene(cooks=(Cook((2, 2), 1), scene().cooks[1])), cell=48)
    box = differ(plain, moved)
    assert box is not None
    assert box[0] >= 0.9 * 48
    assert box[2] <= 3.1 * 48
    assert box[1] >= 48 * (0.75 + 1.8)

    changes: tuple[dict[str, object], ...] = (
        {"score": 60},
        {"step": 58},
        {"things": {}},
        {"things": {(2, 0): Thing("soup", ("onion", "tomato"))}},
        {"things": {(2, 0): Thing("soup", ("onion",) * 3, 5)}},
        {"things": {(2, 0): Thing("soup", ("onion",) * 3, 20)}},
        {"cooks": (Cook((1, 2), 0), scene().cooks[1])},
        {"cooks": (Cook((1, 2), 1, Thing("dish")), scene().cooks[1])},
        {"cooks": (Cook((1, 2), 1, Thing("soup", ("tomato",), 20)), scene().cooks[1])},
    )
    for change in changes:
        assert differ(plain, draw_kitchen(scene(**change), cell=48)) is not None, change


def test_a_drawn_plan_shows_on_its_way_and_in_the_footer() -> None:
    plan = intent(scene(), 0, [0, 3, 5], [Expectation(3, 0, "onion_pickup")])
    plain, drawn = draw_kitchen(scene(), cell=48), draw_kitchen(scene(), [plan], cell=48)
    assert plain.size == drawn.size
    assert differ(plain, drawn) is not None
    # the onions carry a badge; the footer carries a line
    onions = (0, int(1.75 * 48), 48, int(2.75 * 48))
    assert differ(plain.crop(onions), drawn.crop(onions)) is not None
    foot = (0, int(4.75 * 48), 240, plain.height)
    assert differ(plain.crop(foot), drawn.crop(foot)) is not None
    goal = draw_kitchen(scene(), [plan], cell=48, caption="goal: soup_delivery=20")
    assert differ(drawn.crop(foot), goal.crop(foot)) is not None


def test_every_kind_of_cell_and_thing_can_be_drawn_small_and_large() -> None:
    full = Scene(
        ("XPTPX", "O   S", "X   D", "XXXXX"),
        tuple(Cook((1 + i % 3, 1 + i // 3), i) for i in range(4)),
        {
            (1, 0): Thing("soup", ("onion", "tomato", "tomato"), 7),
            (3, 0): Thing("soup", ("tomato",) * 3, 20),
            (0, 2): Thing("dish"),
            (1, 3): Thing("tomato"),
            (2, 3): Thing("onion"),
            (3, 3): Thing("soup", ("onion",) * 3, 20),
        },
    )
    assert draw_kitchen(full, cell=16, footer_rows=0).size == (80, 76)
    assert draw_kitchen(full, cell=97, footer_rows=0).size[0] == 484
    with pytest.raises(ValueError, match="cell: expected at least 16 pixels, got 8"):
        draw_kitchen(full, cell=8)


def test_gif_holds_every_frame_and_stays_small(tmp_path: Path) -> None:
    frames = [
        draw_kitchen(scene(step=step, cooks=(Cook((1 + step % 3, 2), 2), scene().cooks[1])))
        for step in range(30)
    ]
    path = save_gif(tmp_path / "new" / "game.gif", frames, frame_ms=100)
    with Image.open(path) as film:
        assert film.n_frames == 30  # type: ignore[attr-defined]
        assert film.info["duration"] == 100
        assert film.info["loop"] == 0
        assert film.size == frames[0].size
        film.seek(17)
        error = np.abs(np.asarray(film.convert("RGB"), float) - np.asarray(frames[17], float))
    # few colours, but none far off
    assert error.mean() < 3
    assert path.stat().st_size < 100_000


def test_gif_refuses(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        save_gif(tmp_path / "a.gif", [])
    with pytest.raises(ValueError, match="all must have one size"):
        save_gif(tmp_path / "a.gif", [Image.new("RGB", (4, 4)), Image.new("RGB", (4, 6))])


def lines(drawn: Scene, *plans: object) -> list[str]:
    return kitchen_text(drawn, plans).plain.split("\n")  # type: ignore[arg-type]


def test_terminal_drawing_lines_up() -> None:
    plan = intent(scene(), 0, [0, 3, 5, 5], [Expectation(3, 0, "onion_pickup")])
    drawn = lines(scene(), plan)
    assert len(drawn) == HEIGHT * 4
    assert {cell_len(line) for line in drawn} == {WIDTH * 5}


def test_terminal_drawing_says_what_is_where() -> None:
    def cell(drawn: list[str], x: int, y: int) -> list[str]:
        rows = drawn[y * HEIGHT : (y + 1) * HEIGHT]
        return [row[x * WIDTH : (x + 1) * WIDTH].strip() for row in rows]

    drawn = lines(scene(cooks=(Cook((1, 2), 1, name="YOU"), scene().cooks[1])))
    assert cell(drawn, 2, 0) == ["pot", "o o .", ""]
    assert cell(drawn, 1, 2) == ["", "YOU", "↓"]
    assert cell(drawn, 3, 1) == ["", "P2  →", "onion"]
    assert cell(drawn, 0, 1) == ["", "onions", ""]

    cooking = {(2, 0): Thing("soup", ("onion",) * 3, 10), (0, 2): Thing("dish")}
    drawn = lines(scene(things=cooking))
    assert cell(drawn, 2, 0) == ["pot", "o o o", "██░░ 10"]
    assert cell(drawn, 0, 2)[1] == "dish"
    ready = {(2, 0): Thing("soup", ("onion",) * 3, 20)}
    assert cell(lines(scene(things=ready)), 2, 0)[2] == "READY"

    plan = intent(
        scene(),
        0,
        [0, 3, 5, 2, 0, 5],
        [Expectation(3, 0, "onion_pickup"), Expectation(6, 0, "potting_onion")],
    )
    drawn = lines(scene(), plan)
    assert cell(drawn, 0, 1) == ["", "onions", "(1)"]
    assert cell(drawn, 2, 0) == ["pot(2)", "o o .", ""]
    assert cell(drawn, 1, 1)[1] == "●"
