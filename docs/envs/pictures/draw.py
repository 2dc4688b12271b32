"""Draw the pictures of docs/envs: `python docs/envs/pictures/draw.py`, with rollout installed."""

import sys
from pathlib import Path

import numpy as np
from PIL import Image

HERE = Path(__file__).parent
sys.path.append(str(HERE.parents[2] / "tests" / "envs" / "pixels"))

from scenes import SCENES, picture  # noqa: E402  (the worlds of the golden images)

LARGE, SMALL, GAP = 192, 64, 8


def panel(name: str) -> np.ndarray:
    """One world: as people like it, and below it as an agent gets it."""
    sheet = np.full((LARGE + GAP + SMALL, LARGE, 3), 255, np.uint8)
    sheet[:LARGE] = picture(name, LARGE)
    left = (LARGE - SMALL) // 2
    sheet[LARGE + GAP :, left : left + SMALL] = picture(name, SMALL)
    return sheet


if __name__ == "__main__":
    for family in dict.fromkeys(family for family, _ in SCENES.values()):
        panels = [panel(name) for name, (of, _) in SCENES.items() if of == family]
        gap = np.full((LARGE + GAP + SMALL, GAP, 3), 255, np.uint8)
        row = np.concatenate([part for one in panels for part in (gap, one)][1:], axis=1)
        # flat colours with smooth edges: 256 of them are enough, and the file is a third as large
        Image.fromarray(row).quantize(256, dither=Image.Dither.NONE).save(
            HERE / f"{family}.png", optimize=True
        )
