"""A page image's lines as PAGE and ALTO describe them, and the cutting of a line from the page.

In: polygons, boxes and baselines in the file's coordinates, and the grey page. Out: a grey line,
what lies outside its polygon painted over with paper.
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from statistics import median

import numpy as np
from PIL import Image, ImageDraw

Points = tuple[tuple[float, float], ...]

CUTS = ("polygon", "box")
# What letters reach above and below a baseline, in distances between baselines.
ABOVE_BASELINE, BELOW_BASELINE = 0.8, 0.35
MIN_INSIDE = 0.5  # of a line's bounding box, in the page
MIN_SIDE = 3  # pixels of a line


@dataclass(frozen=True)
class PageLine:
    """One transcribed line.

    Attributes:
        id: Of the line in its file, `""` without one.
        text: As written in the file.
        polygon: Outline; the corners of the bounding box where the file has only that.
        baseline: From left to right; cut by where there is no polygon.
        region: Id of the text block, for the distance between its baselines.
    """

    id: str
    text: str
    polygon: Points = ()
    baseline: Points = ()
    region: str = ""


@dataclass(frozen=True)
class TranscribedPage:
    """Lines in reading order, and the image that they are on.

    Attributes:
        image_name: The image file as the XML file names it.
        size: Width and height of the page in the coordinates' unit; None if not given.
        in_pixels: False for millimetres and inches, which are scaled to the image whatever its
            size.
        lines: In reading order.
        faults: What could not be understood, as line id and reason.
    """

    image_name: str
    size: tuple[float, float] | None
    lines: tuple[PageLine, ...]
    faults: tuple[tuple[str, str], ...] = ()
    in_pixels: bool = True

    def scale(self, width: int, height: int) -> tuple[float, float]:
        """Pixels of an image of this size in a unit of the coordinates, across and down.

        Raises:
            ValueError: The image is of other proportions than the page.
        """
        if self.size is None or min(self.size) <= 0:
            if not self.in_pixels:
                raise ValueError("no page size: its unit of length needs one")
            return 1.0, 1.0
        across, down = width / self.size[0], height / self.size[1]
        if self.in_pixels and abs(across / down - 1) > 0.02:
            raise ValueError(
                f"other proportions: the coordinates are of {self.size[0]:.0f}x{self.size[1]:.0f} "
                f"pixels, the image has {width}x{height}; it is another one or was rotated"
            )
        return across, down


def parse_points(text: str) -> Points:
    """Points of `"x1,y1 x2,y2"` or `"x1 y1 x2 y2"`.

    Raises:
        ValueError: It is no list of finite pairs.
    """
    try:
        numbers = [float(number) for number in text.replace(",", " ").split()]
    except ValueError:
        numbers = [math.nan]
    if len(numbers) % 2 or not all(map(math.isfinite, numbers)):
        raise ValueError(f"no pairs of numbers: {text[:60]!r}")
    return tuple(zip(numbers[::2], numbers[1::2], strict=True))


def rank_in_order(places: Mapping[str, int], ids: Sequence[str]) -> int:
    """Place of the first of `ids` that a reading order names; the end if it names none."""
    return next((places[id_] for id_ in ids if id_ in places), len(places))


def with_polygons(page: TranscribedPage) -> TranscribedPage:
    """The page with a strip around the baseline for every line that has a baseline alone.

    Its height follows from the distance of the baselines in a region, or on the page.
    """
    lines = page.lines
    heights = [mean_height(line) for line in lines]
    distances: dict[str, list[float]] = {}
    for before, after, upper, lower in zip(lines, lines[1:], heights, heights[1:], strict=False):
        if None not in (upper, lower) and before.region == after.region and lower > upper:
            distances.setdefault(before.region, []).append(lower - upper)
    everywhere = [distance for region in distances.values() for distance in region]

    def completed(line: PageLine) -> PageLine:
        if line.polygon or len(line.baseline) < 2 or not everywhere:
            return line
        distance = median(distances.get(line.region, everywhere))
        above = [(x, y - ABOVE_BASELINE * distance) for x, y in line.baseline]
        below = [(x, y + BELOW_BASELINE * distance) for x, y in line.baseline]
        return replace(line, polygon=(*above, *reversed(below)))

    return replace(page, lines=tuple(map(completed, lines)))


def mean_height(line: PageLine) -> float | None:
    """Mean y of the baseline."""
    return sum(y for _, y in line.baseline) / len(line.baseline) if line.baseline else None


def cut_line(
    page: np.ndarray, line: PageLine, scale: tuple[float, float] = (1.0, 1.0), cut: str = "polygon"
) -> np.ndarray:
    """A line's part of the page.

    Args:
        page: Grey page, uint8 of shape `(height, width)`.
        line: With a polygon.
        scale: Pixels in a unit of the line's coordinates, across and down.
        cut: `"polygon"` paints what is outside the polygon in the grey of its paper, `"box"` keeps
            the whole bounding box.

    Returns:
        uint8 of shape `(height, width)`.

    Raises:
        ValueError: The line has no polygon or one without an area, or lies more outside the page
            than in it.
    """
    if not line.polygon:
        raise ValueError(
            "no outline: a baseline alone, and no other near it that tells the height of a line"
            if line.baseline
            else "no outline: neither polygon nor box nor baseline"
        )
    points = np.array(line.polygon) * scale
    left, top = np.floor(points.min(axis=0))
    right, bottom = np.floor(points.max(axis=0)) + 1
    height, width = page.shape
    inside = _overlap(left, right, width) * _overlap(top, bottom, height)
    if inside < MIN_INSIDE * (right - left) * (bottom - top):
        raise ValueError(
            f"outside the image: columns {left:.0f} to {right:.0f} and rows {top:.0f} to "
            f"{bottom:.0f} of an image of {width}x{height}"
        )
    left, top = max(0, int(left)), max(0, int(top))
    crop = page[top : int(bottom), left : int(right)]
    if len(points) < 3 or min(crop.shape) < MIN_SIDE:
        raise ValueError(
            f"outline too small: {crop.shape[1]}x{crop.shape[0]} pixels from {len(points)} points"
        )
    if cut == "box":
        return crop.copy()
    mask = Image.new("L", (crop.shape[1], crop.shape[0]))
    corners = [(float(x) - left, float(y) - top) for x, y in points]
    ImageDraw.Draw(mask).polygon(corners, fill=1, outline=1)
    is_line = np.asarray(mask, dtype=bool)
    # Most of a line is paper, so that its median is the paper's grey on dark pages too.
    return np.where(is_line, crop, np.uint8(np.median(crop[is_line])))


def _overlap(start: float, end: float, length: int) -> float:
    return max(0.0, min(end, length) - max(start, 0.0))
