"""What a visitor of the app gives: a picture file or pen strokes in, a grey line out.

Out is uint8 `(height, width)`, upright, in the original tones. Whatever cannot be read raises
`InputError`, whose text is meant for the visitor; nothing is trusted, and no file is kept.
"""

import json
import os

import numpy as np
from PIL import Image, ImageDraw

from .resnet_bilstm.image_transforms_resnet_bilstm import (
    UNREADABLE_IMAGE,
    deskew_line,
    ink_mask,
    to_grey,
)

MAX_FILE_BYTES = 20 * 2**20
MAX_PIXELS = 25_000_000  # a photograph of 24 megapixels passes
FORMATS = ("PNG", "JPEG", "WEBP", "GIF", "BMP", "TIFF")  # no format that runs a program

MAX_DRAWING_CHARACTERS = 2_000_000  # of JSON
MAX_POINTS = 50_000
MAX_SIDE = 4096  # of the canvas, in CSS pixels
MIN_POINTS = 5  # a touch by accident is no writing
DRAWING_SCALE = 2  # pixels of the picture for a pixel of the canvas
PEN_WIDTH = 3.0  # canvas pixels, as canvas.js draws
SMOOTHING = 2  # drawn so much larger, then averaged

COUNTING_HEIGHT = 400  # rows that are enough to tell lines apart
GAP_LEVEL = 0.12  # of the densest row; less is a gap between lines
MIN_BAND = 0.5  # of the tallest band; less is dots, accents or a rule


class InputError(ValueError):
    """Something that cannot be read, said to the visitor who gave it."""


def load_picture(path: str | os.PathLike) -> np.ndarray:
    """The grey picture in a file.

    Raises:
        InputError: The file is gone, too large, no picture, damaged, has too many pixels or several
            pages.
    """
    if not os.path.isfile(path):
        raise InputError("This picture is no longer here. Please give it again.")
    size = os.path.getsize(path)
    if size > MAX_FILE_BYTES:
        raise InputError(
            f"This file has {size / 2**20:.0f} MB; at most {MAX_FILE_BYTES / 2**20:.0f} MB can be "
            "read. Cut out the line, or save it smaller."
        )
    try:
        image = Image.open(path, formats=FORMATS)
    except Image.DecompressionBombError:
        raise _too_many_pixels() from None
    except UNREADABLE_IMAGE:
        raise InputError(
            "This file is not a picture that can be read. Use PNG, JPEG, WebP, GIF, BMP or TIFF."
        ) from None
    with image:
        if image.width * image.height > MAX_PIXELS:
            raise _too_many_pixels(image.size)
        if image.format == "TIFF" and getattr(image, "n_frames", 1) > 1:
            raise InputError(
                f"This file has {image.n_frames} pages. Save the line as a picture of its own."
            )
        try:
            return to_grey(image, correct_tones=False)
        except (*UNREADABLE_IMAGE, MemoryError):
            raise InputError(
                "This picture is damaged: it could not be read to its end. Save or send it again."
            ) from None


def _too_many_pixels(size: tuple[int, int] | None = None) -> InputError:
    given = f"{size[0]} x {size[1]} pixels" if size else "far more pixels than a photograph"
    return InputError(
        f"This picture has {given}; at most {MAX_PIXELS // 10**6} million can be read. "
        "Cut out the line, or save it smaller."
    )


def load_drawing(drawing: str | None) -> np.ndarray:
    """The grey picture of strokes drawn on the canvas.

    Args:
        drawing: JSON `{"width": W, "height": H, "strokes": [[x0, y0, x1, y1, ...], ...]}` in pixels
            of the canvas, as `canvas.js` sends it; empty before anything was drawn.

    Raises:
        InputError: Nothing was drawn, or far too much.
    """
    if not drawing:
        raise InputError("Nothing is drawn yet. Write a line with mouse, pen or finger.")
    if len(drawing) > MAX_DRAWING_CHARACTERS:
        raise InputError("This drawing is too large. Draw one line only.")
    try:
        content = json.loads(drawing)
        width, height = (int(content[side]) for side in ("width", "height"))
        strokes = [
            np.array(stroke, dtype=np.float64).reshape(-1, 2) for stroke in content["strokes"]
        ]
        sane = 0 < width <= MAX_SIDE and 0 < height <= MAX_SIDE
        sane = sane and all(np.isfinite(stroke).all() for stroke in strokes)
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        sane = False
    if not sane:
        raise InputError("This drawing arrived broken. Clear it and draw again.")
    strokes = [np.clip(stroke, 0, [width, height]) for stroke in strokes if len(stroke)]
    num_points = sum(map(len, strokes))
    if num_points > MAX_POINTS:
        raise InputError("This drawing is too large. Draw one line only.")
    if num_points < MIN_POINTS:
        raise InputError("Nothing is drawn yet. Write a line with mouse, pen or finger.")
    return draw_strokes(strokes, width, height)


def draw_strokes(strokes: list[np.ndarray], width: int, height: int) -> np.ndarray:
    """Black strokes of arrays `(points, 2)` on white paper, at `DRAWING_SCALE` times the size."""
    scale = DRAWING_SCALE * SMOOTHING
    canvas = Image.new("L", (width * scale, height * scale), 255)
    draw = ImageDraw.Draw(canvas)
    pen, radius = round(PEN_WIDTH * scale), PEN_WIDTH * scale / 2
    for stroke in strokes:
        points = stroke * scale
        if len(points) > 1:
            draw.line(points.ravel().tolist(), fill=0, width=pen, joint="curve")
        for x, y in points[[0, -1]]:
            draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=0)
    return np.asarray(canvas.reduce(SMOOTHING))


def count_text_lines(grey: np.ndarray) -> int:
    """How many lines of writing a grey picture seems to show; 0 without ink.

    Counted are bands of rows that hold ink, once the writing is level. Lines that touch count as
    one, so this is good enough for a hint only.

    Args:
        grey: uint8 `(height, width)`, dark ink on light paper.
    """
    factor = max(1, grey.shape[0] // COUNTING_HEIGHT)
    small = np.asarray(Image.fromarray(grey).reduce(factor))
    profile = ink_mask(deskew_line(small)).sum(axis=1).astype(np.float64)
    if not profile.any():
        return 0
    profile = np.convolve(profile, [0.25, 0.5, 0.25], mode="same")
    inked = profile > GAP_LEVEL * profile.max()
    edges = np.flatnonzero(np.diff(np.pad(inked.astype(np.int8), 1)))
    heights = edges[1::2] - edges[::2]
    return int((heights >= MIN_BAND * heights.max()).sum())
