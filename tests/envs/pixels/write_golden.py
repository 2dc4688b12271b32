"""Write the golden images anew: `python write_golden.py`, in any folder. Look at what changed."""

from pathlib import Path

from PIL import Image
from scenes import SCENES, picture

GOLDEN = Path(__file__).parent / "golden"
SIZES = (64, 84)


def path(name: str, size: int) -> Path:
    return GOLDEN / f"{name}-{size}.png"


if __name__ == "__main__":
    for name in SCENES:
        for size in SIZES:
            Image.fromarray(picture(name, size)).save(path(name, size), optimize=True)
