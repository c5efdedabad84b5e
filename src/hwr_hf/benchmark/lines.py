"""The images of a benchmark: a folder of PNG files and their texts.

Out: `BenchmarkLine`s, drawn from fonts, or validation lines of IAM. All readers get the same files.
"""

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

WORDS = (
    "the of and to in a is that for it was on with as be by at from his he had have not are but "
    "they which their would there been when who will more no out so said what up its about than "
    "into them can only other time new some could these two may first then any like my now over "
    "such our man even most made after also did many before must through years where much your "
    "way well down should because each just those people how too little state good very make "
    "world still see own men work long here get both between life being under never day same"
).split()
HEIGHT = 64  # pixels of a drawn line
MEAN_WORDS = 8  # of a drawn line; IAM's have about as many


@dataclass(frozen=True)
class BenchmarkLine:
    """One image of a line and what it says."""

    path: str
    text: str


def draw_lines(
    num_lines: int, folder: str | Path, fonts: str | Path | None = None, seed: int = 0
) -> list[BenchmarkLine]:
    """Lines of frequent English words, saved as PNG files.

    Args:
        num_lines: How many.
        folder: Where the files go.
        fonts: Folder of handwriting fonts; None draws with the print font of PIL.
        seed: Of words and fonts.
    """
    handwriting = None
    if fonts is not None:
        from hwr_hf.data.fonts import HandwritingFonts

        handwriting = HandwritingFonts(fonts)
    lines = []
    for number in range(num_lines):
        rng = np.random.default_rng([seed, number])
        text = " ".join(rng.choice(WORDS, size=max(1, rng.poisson(MEAN_WORDS))))
        if handwriting is not None:
            image = Image.fromarray(handwriting.draw(text, rng, HEIGHT))
        else:
            image = _printed(text)
        lines.append(_saved(image, folder, number, text))
    return lines


def iam_lines(iam: str | Path, num_lines: int | None, folder: str | Path) -> list[BenchmarkLine]:
    """Lines of IAM's validation split, saved as PNG files.

    Args:
        iam: Folder of IAM's downloads.
        num_lines: So many of them, spread over the split; None for all.
        folder: Where the files go.
    """
    from hwr_hf.data import load_iam

    dataset = load_iam(str(iam), unit="lines", split="aachen")["validation"]
    count = len(dataset) if num_lines is None else min(num_lines, len(dataset))
    rows = np.linspace(0, len(dataset) - 1, count).astype(int).tolist()
    return [
        _saved(dataset[row]["image"], folder, number, dataset[row]["text"])
        for number, row in enumerate(rows)
    ]


def _printed(text: str) -> Image.Image:
    font = ImageFont.load_default(size=HEIGHT * 5 // 8)
    margin = HEIGHT // 8
    image = Image.new("L", (round(font.getlength(text)) + 2 * margin, HEIGHT), 255)
    ImageDraw.Draw(image).text((margin, HEIGHT // 2), text, fill=0, font=font, anchor="lm")
    return image


def _saved(image: Image.Image, folder: str | Path, number: int, text: str) -> BenchmarkLine:
    path = Path(folder, f"{number:05}.png")
    image.save(path)
    return BenchmarkLine(str(path), text)
