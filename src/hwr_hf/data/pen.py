"""Pen strokes in, a grey picture of the line out: 0 = ink, 255 = paper.

The strokes are moved as another hand would (slant, slope, jitter, baseline drift) and drawn with
another pen (width, pressure, ink). Where the pen is slow it presses harder.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from PIL import Image, ImageDraw

from .iam_ondb import WritingFrame

PAPER = 255
SCALE = 3  # drawn so much larger, then averaged
NUM_WIDTHS = 4  # a stroke is drawn in parts, each of one width
MARGIN = 2  # pixels around the ink


@dataclass(frozen=True)
class Pen:
    """How strokes are drawn; the default is plain: black, of even width, as written.

    Args:
        width: Of the pen, in heights of the small letters.
        pressure: How far the width follows the pen's speed: 0 not at all, 1 from two thirds to one
            and a half of `width`.
        ink: Grey level of the ink, 0 to 255.
        slant: Added shear, in columns per row.
        slope: Added slope of the line.
        stretch: Factor of the width of the letters.
        jitter: Tremor of the pen, in heights of the small letters.
        drift: Waves of the baseline, in heights of the small letters.
    """

    width: float = 0.12
    pressure: float = 0.0
    ink: int = 0
    slant: float = 0.0
    slope: float = 0.0
    stretch: float = 1.0
    jitter: float = 0.0
    drift: float = 0.0

    @classmethod
    def random(cls, rng: np.random.Generator) -> "Pen":
        """A pen and a manner of writing as they are met."""
        return cls(
            width=float(np.exp(rng.uniform(np.log(0.06), np.log(0.2)))),
            pressure=rng.uniform(0.0, 0.8),
            ink=int(rng.uniform(0, 1) ** 2 * 140),
            slant=rng.normal(0.0, 0.2),
            slope=rng.normal(0.0, 0.01),
            stretch=float(np.exp(rng.normal(0.0, 0.15))),
            jitter=abs(rng.normal(0.0, 0.012)),
            drift=abs(rng.normal(0.0, 0.06)),
        )


def draw_strokes(
    strokes: Sequence[np.ndarray],
    pen: Pen | None = None,
    height: int = 64,
    rng: np.random.Generator | None = None,
    frame: WritingFrame | None = None,
) -> np.ndarray:
    """A picture of the strokes on white paper.

    Args:
        strokes: Arrays `(points, 2)`, x to the right and y down, in any unit.
        pen: Default: the plain `Pen()`.
        height: Of the picture, in pixels.
        rng: Of tremor and drift; needed where `pen` has some.
        frame: Of the strokes, if known.

    Returns:
        uint8 `(height, width)`, 0 = ink, 255 = paper.

    Raises:
        ValueError: There is no stroke.
    """
    if not len(strokes):
        raise ValueError("There is no stroke to draw. Leave out lines without ink.")
    pen = pen or Pen()
    frame = frame or WritingFrame.of(strokes)
    lengths = [len(stroke) for stroke in strokes]
    starts = np.cumsum([0, *lengths[:-1]])
    points = np.concatenate(strokes).astype(np.float64)
    points = (points - [points[:, 0].min(), frame.middle]) / frame.x_height
    points = _move(points, pen, rng)

    low, high = points.min(axis=0) - pen.width, points.max(axis=0) + pen.width
    # A dash or a full stop must not be blown up to the height of the picture.
    scale = (height - 2 * MARGIN) / max(high[1] - low[1], 1.0)
    width = int(np.ceil((high[0] - low[0]) * scale)) + 2 * MARGIN
    middle = (low + high) / 2
    points = (points - middle) * scale * SCALE + [width * SCALE / 2, height * SCALE / 2]

    pen_width = pen.width * scale * SCALE
    parts = _parts(points, starts, lengths, pen_width, pen.pressure)
    canvas = Image.new("L", (width * SCALE, height * SCALE), PAPER)
    draw = ImageDraw.Draw(canvas)
    for part, part_width in parts:
        _draw_part(draw, part, max(part_width, SCALE * 0.7), pen.ink)
    return np.asarray(canvas.reduce(SCALE))


def _move(points: np.ndarray, pen: Pen, rng: np.random.Generator | None) -> np.ndarray:
    """Points as another hand would set them, in heights of the small letters."""
    x, y = points.T
    x = x * pen.stretch
    if pen.drift:
        y = y + pen.drift * np.sin(x / rng.uniform(4, 12) + rng.uniform(0, 2 * np.pi))
    if pen.jitter:
        tremor = rng.normal(0.0, pen.jitter, (2, len(x)))
        tremor = (tremor + np.roll(tremor, 1, axis=1) + np.roll(tremor, -1, axis=1)) / 3**0.5
        x, y = x + tremor[0], y + tremor[1]
    return np.stack([x - pen.slant * y, y + pen.slope * x], axis=1)


def _parts(
    points: np.ndarray,
    starts: np.ndarray,
    lengths: list[int],
    pen_width: float,
    pressure: float,
) -> list[tuple[np.ndarray, float]]:
    """Runs of points within a stroke that are drawn with one width."""
    if not pressure:
        return [
            (points[start : start + length], pen_width)
            for start, length in zip(starts, lengths, strict=True)
        ]
    steps = np.hypot(*np.diff(points, axis=0, prepend=points[:1]).T)
    steps[starts] = steps[np.minimum(starts + 1, len(steps) - 1)]
    speed = np.convolve(np.pad(steps, 2, mode="edge"), np.full(5, 0.2), mode="valid")
    order = np.searchsorted(np.quantile(speed, [0.25, 0.5, 0.75]), speed)  # 0 is the slowest
    widths = pen_width * 1.5 ** (pressure * np.linspace(1, -1, NUM_WIDTHS))
    stroke_numbers = np.repeat(np.arange(len(lengths)), lengths)
    changes = np.flatnonzero((np.diff(order) != 0) | (np.diff(stroke_numbers) != 0)) + 1
    bounds = [0, *changes.tolist(), len(points)]
    parts = []
    for start, end in pairwise(bounds):
        # One point further, if the stroke goes on, so that no gap is left.
        goes_on = end < len(points) and stroke_numbers[end] == stroke_numbers[start]
        parts.append((points[start : end + goes_on], float(widths[order[start]])))
    return parts


def _draw_part(draw: ImageDraw.ImageDraw, points: np.ndarray, width: float, ink: int) -> None:
    """A run of points with round ends."""
    radius = width / 2
    flat = points.ravel().tolist()
    if len(points) > 1:
        draw.line(flat, fill=ink, width=max(1, round(width)))
    for x, y in (flat[:2], flat[-2:]):
        draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill=ink)
