"""Drawn lines that try a model's limits, and which of them it misreads.

In: a pipeline and handwriting fonts. Out: for every limit how many lines were tried and misread,
and one of the misread ones as an image, for the model card. The lines are drawn, so that they may
be shown; every one that was tried is counted, whether it was read right or not.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFilter, ImageFont

FONT_SIZE = 44
MARGIN = 14  # pixels of paper around the writing
INK, PAPER = 40, 245  # grey levels
GREY_LEVELS = 64  # of a stored image, which keeps it to a few kilobytes


def plain(line: Image.Image) -> Image.Image:
    """As it is: what the other changes are compared with."""
    return line


def shadow(line: Image.Image) -> Image.Image:
    """A shadow falls over the right half of a photograph."""
    light = np.interp(np.arange(line.width), [0.35 * line.width, 0.7 * line.width], [1.0, 0.3])
    return Image.fromarray((np.asarray(line) * light).astype(np.uint8))


def faint(line: Image.Image) -> Image.Image:
    """Pencil, 20 grey levels darker than its paper."""
    ink = (PAPER - np.asarray(line, dtype=float)) / (PAPER - INK)
    return Image.fromarray((PAPER - 20 * ink).astype(np.uint8))


def ruled(line: Image.Image) -> Image.Image:
    """Ruled paper: dark lines through and under the writing."""
    line = line.copy()
    draw = ImageDraw.Draw(line)
    for row in range(line.height // 4, line.height, line.height // 4):
        draw.line([(0, row), (line.width, row)], fill=INK, width=2)
    return line


def blurred(line: Image.Image) -> Image.Image:
    """A photograph out of focus."""
    return line.filter(ImageFilter.GaussianBlur(4))


def turned(line: Image.Image) -> Image.Image:
    """The page lies 25 degrees askew."""
    return line.rotate(25, Image.Resampling.BICUBIC, expand=True, fillcolor=PAPER)


def upside_down(line: Image.Image) -> Image.Image:
    """The page lies upside down."""
    return line.rotate(180)


def of_two_lines(line: Image.Image) -> Image.Image:
    """The left and the right half of the line, one above the other."""
    half = line.width // 2
    page = Image.new("L", (half + MARGIN, 2 * line.height - MARGIN), PAPER)
    page.paste(line.crop((0, 0, half, line.height)), (0, 0))
    page.paste(line.crop((half, 0, line.width, line.height)), (MARGIN, line.height - MARGIN))
    return page


@dataclass(frozen=True)
class Limit:
    """A text and a way to draw it that a model may fail at."""

    name: str
    text: str
    change: Callable[[Image.Image], Image.Image] = plain


SENTENCE = "We met again by the old harbour."
LIMITS = (
    Limit("nothing: plain writing", SENTENCE),
    Limit("shadow on a photograph", SENTENCE, shadow),
    Limit("faint pencil", SENTENCE, faint),
    Limit("ruled paper", SENTENCE, ruled),
    Limit("out of focus", SENTENCE, blurred),
    Limit("askew by 25 degrees", SENTENCE, turned),
    Limit("upside down", SENTENCE, upside_down),
    Limit("two lines in one image", SENTENCE, of_two_lines),
    Limit("characters it lacks", "Café Zoë, 20% off: £7.50 = €9"),
    Limit("names", "Okonkwo, Szymanska and Nguyen"),
    Limit("codes", "Ref. KX7-Q49b, no. 8352/6"),
    Limit("another language", "Wir fahren heute zusammen heim."),
    Limit("capitals", "PLEASE KEEP THE GATE CLOSED"),
)


def draw_line(text: str, font: str | Path) -> Image.Image:
    """Grey image (mode L) of a line in a font, with a margin of paper."""
    face = ImageFont.truetype(font, FONT_SIZE)
    left, top, right, bottom = face.getbbox(text)
    size = (round(right - left) + 2 * MARGIN, round(bottom - top) + 2 * MARGIN)
    line = Image.new("L", size, PAPER)
    ImageDraw.Draw(line).text((MARGIN - left, MARGIN - top), text, fill=INK, font=face)
    return line


def try_limits(
    reader, fonts: Sequence[str | Path], folder: str | Path, limits: Sequence[Limit] = LIMITS
) -> list[dict]:
    """Draw every limit in every font, read it with both decoders, and keep what was misread.

    Args:
        reader: The pipeline, with an n-gram beside its model.
        fonts: Font files. One that lacks a character of a text would draw a box for it, so it
            should have them all.
        folder: Where the first misread image of each limit is saved.
        limits: What to try.

    Returns:
        A row for each limit: `limit`, `text`, `tried`, `misread` (greedy) and `misread_beam`, and
        where something was misread `example`: its `font`, `image` (file name), `read`, `read_beam`
        and `score` (of the greedy reading).
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for limit in limits:
        readings = list(_readings(reader, limit, fonts))
        wrong = [r for r in readings if r["read"] != limit.text]
        wrong_beam = [r for r in readings if r["read_beam"] != limit.text]
        row = {
            "limit": limit.name,
            "text": limit.text,
            "tried": len(readings),
            "misread": len(wrong),
            "misread_beam": len(wrong_beam),
        }
        if wrong or wrong_beam:
            example = (wrong or wrong_beam)[0]
            name = "_".join(limit.name.split(":")[0].split()) + ".png"
            example.pop("drawn").save(folder / name, optimize=True)
            row["example"] = example | {"image": name}
        rows.append(row)
    return rows


def _readings(reader, limit: Limit, fonts: Sequence[str | Path]) -> Iterator[dict]:
    for font in fonts:
        drawn = limit.change(draw_line(limit.text, font)).quantize(GREY_LEVELS)
        image = drawn.convert("L")  # what is read is what will be stored
        (greedy,) = reader(image)
        (beam,) = reader(image, decoder="beam")
        yield {
            "font": Path(font).stem,
            "read": greedy["generated_text"],
            "read_beam": beam["generated_text"],
            "score": round(greedy["score"], 3),
            "drawn": drawn,
        }
