"""Lines of text drawn from handwriting fonts, no two words alike.

In: a folder of fonts and a text. Out: uint8 `(height, width)`, 0 = ink, 255 = clean white paper,
cropped to the ink. A font repeats itself as no hand does, so each word gets its own slant, size,
angle and place on a wavering baseline, each letter of an unjoined hand its own place, and the pen
presses harder here than there. Paper is `Paper`'s part, elastic fields are `Augmentation`'s.
"""

import logging
import math
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

from ..resnet_bilstm.tokenization_resnet_bilstm import DEFAULT_CHARACTERS

logger = logging.getLogger(__name__)

SUFFIXES = (".ttf", ".otf", ".woff2")
PROBE_SIZE = 48
CROSSED_OUT = "#"  # IAM's sign of a crossed-out word
PAPER = 255


class HandwritingFonts:
    """Draws lines of text, each in a font taken at random.

    A lone `#` is drawn as IAM means it, as a crossed-out word.

    Args:
        folder: Folder with `.ttf`, `.otf` or `.woff2` files. One that cannot be opened or has none
            of the characters is left out with a warning.
        characters: The characters that some font has to have.

    Attributes:
        names: Names of the fonts in use, from their files.

    Raises:
        FileNotFoundError: There is no such folder.
        ValueError: It holds no usable font, or no font has one of the characters.

    >>> fonts = HandwritingFonts("fonts")  # doctest: +SKIP
    >>> fonts.draw("a quiet house", np.random.default_rng(0)).shape  # doctest: +SKIP
    (67, 210)
    """

    def __init__(self, folder: str | Path, characters: str = DEFAULT_CHARACTERS):
        folder = Path(folder)
        if not folder.is_dir():
            raise FileNotFoundError(
                f"There is no folder {folder}. Needed is one with handwriting fonts "
                f"({', '.join(SUFFIXES)}); `python scripts/get_fonts.py {folder}` makes one."
            )
        self.characters = characters
        self._fonts: list[_Font] = []
        for path in sorted(p for p in folder.iterdir() if p.suffix.lower() in SUFFIXES):
            try:
                font = _Font.read(path, characters)
            except (OSError, ValueError) as error:
                logger.warning("%s is left out: %s", path, error)
                continue
            self._fonts.append(font)
        if not self._fonts:
            raise ValueError(
                f"{folder} holds no usable font. Needed are {', '.join(SUFFIXES)} files with "
                f"letters; `python scripts/get_fonts.py {folder}` fetches some."
            )
        covered = frozenset().union(*(font.covered for font in self._fonts))
        missing = [c for c in characters if not c.isspace() and c not in covered]
        if missing:
            raise ValueError(
                f"None of the {len(self._fonts)} fonts in {folder} has "
                f"{', '.join(map(repr, missing))}. Add a font that has, or leave out of "
                "`characters` what cannot be drawn."
            )

    def __len__(self) -> int:
        return len(self._fonts)

    @property
    def names(self) -> list[str]:
        return [font.name for font in self._fonts]

    def _covering(self, text: str) -> list["_Font"]:
        """The fonts that have every character of `text`."""
        needed = frozenset(text) - {" "}
        return [font for font in self._fonts if needed <= font.covered]

    def draw(self, text: str, rng: np.random.Generator, height: int = 64) -> np.ndarray:
        """The text as a line of handwriting.

        Args:
            text: One line; its words are drawn with a gap between them.
            rng: Chooses the font and all else; the same state gives the same pixels.
            height: Height in pixels of a line with ascenders and descenders, to about a fifth.

        Returns:
            uint8 `(height, width)`, 0 = ink, 255 = paper, with a margin of 1 to 4 px.

        Raises:
            ValueError: `text` is blank, or no one font has all its characters.
        """
        words = text.split()
        if not words:
            raise ValueError(f"The text {text!r} is blank: there is nothing to draw.")
        candidates = self._covering(text)
        if not candidates:
            needed = sorted(frozenset(text) - {" "})
            nowhere = [c for c in needed if not any(c in f.covered for f in self._fonts)]
            raise ValueError(
                f"No font can draw {text!r}: "
                + (f"none has {', '.join(map(repr, nowhere))}." if nowhere else "none has all.")
            )
        font = candidates[int(rng.integers(len(candidates)))]
        words = [_word_ink(font, word, height, rng) for word in words]
        return _inked(_strokes_changed(_line_ink(words, height, rng), rng), rng)


@dataclass(frozen=True)
class _Font:
    """One font file.

    Attributes:
        path: The file.
        covered: The characters it has.
        is_joined: Whether letters of a word touch: it is drawn whole, with joins and ligatures.
        ink_height: Pixels from ascender to descender at a font size of 1 px.
    """

    path: str
    covered: frozenset[str]
    is_joined: bool
    ink_height: float

    @classmethod
    def read(cls, path: Path, characters: str) -> "_Font":
        probe = ImageFont.truetype(path, PROBE_SIZE)
        covered = _covered(probe, characters)
        if not covered:
            raise ValueError(f"it has none of the {len(characters)} characters.")
        letters = "".join(c for c in "Hdfgpy" if c in covered) or min(covered)
        _, top, _, bottom = probe.getbbox(letters)
        return cls(str(path), covered, _is_joined(probe, covered), (bottom - top) / PROBE_SIZE)

    @property
    def name(self) -> str:
        return Path(self.path).stem

    def size_for(self, height: int) -> int:
        """The font size whose ascenders and descenders span so many pixels."""
        return max(4, round(height / self.ink_height))


# Opening a font takes milliseconds, drawing a glyph tens of microseconds. Both are kept, outside of
# the objects so that these can be sent to another process.
@lru_cache(maxsize=256)
def _opened(path: str, size: int) -> ImageFont.FreeTypeFont:
    return ImageFont.truetype(path, size)


@lru_cache(maxsize=8192)
def _glyph(path: str, size: int, letter: str) -> tuple[np.ndarray, int, int, float]:
    """Ink of one letter, its left and top edge against the pen's start, and the pen's advance."""
    font = _opened(path, size)
    return *_ink_of(font, letter), font.getlength(letter)


def _ink_of(font: ImageFont.FreeTypeFont, text: str) -> tuple[np.ndarray, int, int]:
    """Ink (0 = none, 255 = full) of `text` and its left and top edge against the pen's start."""
    left, top, right, bottom = (round(edge) for edge in font.getbbox(text, anchor="ls"))
    ink = Image.new("L", (max(1, right - left), max(1, bottom - top)))
    ImageDraw.Draw(ink).text((-left, -top), text, fill=255, font=font, anchor="ls")
    return np.asarray(ink), left, top


def _covered(font: ImageFont.FreeTypeFont, characters: str) -> frozenset[str]:
    """The characters with a glyph of their own.

    A missing one is drawn as the font's `.notdef`, which is blank in some fonts. A font that draws
    `a` as a small `A` would teach the wrong letter: its small letters count as missing.
    """

    def ink(character: str) -> tuple[tuple[int, int], bytes]:
        mask = np.asarray(_ink_of(font, character)[0])
        return mask.shape, mask.tobytes()

    # Two noncharacters, which no font maps.
    notdef = {ink("\uffff"), ink("\U0010ffff")}
    inks = {c: ink(c) for c in characters if not c.isspace()}
    covered = {c for c, mask in inks.items() if mask not in notdef and any(mask[1])}
    same = {c for c in covered if c.islower() and inks.get(c.upper()) == inks[c]}
    return frozenset(covered - same)


def _is_joined(font: ImageFont.FreeTypeFont, covered: frozenset[str]) -> bool:
    """Whether most neighbours in a word of small letters share a column of pixels."""
    letters = "".join(c for c in "anemunin" if c in covered)
    columns = _ink_of(font, letters)[0].max(axis=0) > 64
    num_gaps = np.count_nonzero(np.diff(columns.astype(int)) == -1)
    return bool(num_gaps < len(letters) / 2)


def _word_ink(
    font: _Font, word: str, height: int, rng: np.random.Generator
) -> tuple[np.ndarray, int, int]:
    """Ink of a word and its left and top edge against the pen's start."""
    if word == CROSSED_OUT:
        return _crossed_out(font, height, rng)
    if font.is_joined:
        return _ink_of(_opened(font.path, font.size_for(height)), word)
    glyphs = [_glyph(font.path, font.size_for(height), letter) for letter in word]
    spacing = height * rng.normal(0.0, 0.02)
    jitter = height * rng.uniform(0.0, 0.02)
    pen, places = 0.0, []
    for _, left, top, advance in glyphs:
        places.append((round(pen + left), round(top + jitter * rng.standard_normal())))
        # A letter is never drawn over half of the one before it, however narrow the spacing.
        pen += max(advance / 2, advance + spacing + jitter * rng.standard_normal())
    edge = min(x for x, _ in places), min(y for _, y in places)
    right = max(x + glyph[0].shape[1] for (x, _), glyph in zip(places, glyphs, strict=True))
    bottom = max(y + glyph[0].shape[0] for (_, y), glyph in zip(places, glyphs, strict=True))
    ink = np.zeros((bottom - edge[1], right - edge[0]), dtype=np.uint8)
    for (x, y), glyph in zip(places, glyphs, strict=True):
        _add(ink, glyph[0], x - edge[0], y - edge[1])
    return ink, *edge


def _crossed_out(font: _Font, height: int, rng: np.random.Generator) -> tuple[np.ndarray, int, int]:
    """A word of random letters under a few strokes of the pen."""
    letters = [c for c in "aceghilmnorstuwy" if c in font.covered] or sorted(font.covered)
    count = int(rng.integers(1, 8))
    word = "".join(letters[int(i)] for i in rng.integers(len(letters), size=count))
    ink, left, top = _ink_of(_opened(font.path, font.size_for(height)), word)
    page = Image.fromarray(ink)
    pen = ImageDraw.Draw(page)
    width = max(2, round(height / 24))
    middle = -top - 0.14 * height  # half the height of a small letter above the baseline
    for _ in range(int(rng.integers(1, 5))):
        ys = middle + height * rng.normal(0, 0.08, 8).clip(-0.1, 0.1)
        if rng.random() < 0.6:  # a stroke through the word, else a zigzag
            ys = np.interp(np.arange(8), [0, 7], ys[:2])
        pen.line(list(zip(np.linspace(0, page.width, 8), ys, strict=True)), fill=255, width=width)
    return np.asarray(page), left, top


def _line_ink(
    words: list[tuple[np.ndarray, int, int]], height: int, rng: np.random.Generator
) -> np.ndarray:
    """Ink of the words on one wavering baseline, cropped."""
    slant = rng.normal(0.05, 0.15)
    stretch = math.exp(rng.normal(0.05, 0.12))
    size = rng.uniform(0.8, 1.05)
    looseness = rng.uniform(0.3, 1.5)  # how far words differ from each other
    gap = height * rng.uniform(0.22, 0.75)
    wave = height * rng.uniform(0.0, 0.06)
    wave_length = height * rng.uniform(6, 25)
    phase = rng.uniform(0, 2 * math.pi)
    climb = rng.normal(0.0, 0.006)

    placed, pen = [], 0.0
    for ink, left, top in words:
        angle = 2 * math.pi * pen / wave_length + phase
        baseline = wave * math.sin(angle) + climb * pen
        baseline += height * 0.02 * looseness * rng.standard_normal()
        slope = climb + wave * math.cos(angle) * 2 * math.pi / wave_length
        slope += math.radians(0.6 * looseness * rng.standard_normal())
        scale = size * (1 + 0.03 * looseness * rng.standard_normal())
        ink, left, top = _warped(
            ink,
            left,
            top,
            scale_x=scale * stretch * (1 + 0.02 * looseness * rng.standard_normal()),
            scale_y=scale,
            slant=slant + 0.03 * looseness * rng.standard_normal(),
            slope=slope,
        )
        placed.append((ink, round(pen), round(baseline) + top))
        pen += ink.shape[1] + max(0.12 * height, gap * (1 + 0.2 * looseness * rng.normal()))
    top = min(y for _, _, y in placed)
    bottom = max(y + ink.shape[0] for ink, _, y in placed)
    right = max(x + ink.shape[1] for ink, x, _ in placed)
    page = np.zeros((bottom - top, right), dtype=np.uint8)
    for ink, x, y in placed:
        _add(page, ink, x, y - top)
    rows, columns = (np.flatnonzero(page.max(axis=axis) > 32) for axis in (1, 0))
    if len(rows):
        page = page[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    return np.pad(page, rng.integers(1, 5, (2, 2)))


def _warped(
    ink: np.ndarray,
    left: int,
    top: int,
    scale_x: float,
    scale_y: float,
    slant: float,
    slope: float,
) -> tuple[np.ndarray, int, int]:
    """The ink scaled, slanted to the right and turned about the pen's start on the baseline."""
    forward = np.array([[1.0, -slope], [slope, 1.0]]) @ [[scale_x, -slant * scale_y], [0, scale_y]]
    height, width = ink.shape
    corners = forward @ [
        [left, left + width, left, left + width],
        [top, top, top + height, top + height],
    ]
    new_left, new_top = np.floor(corners.min(axis=1)).astype(int)
    new_right, new_bottom = np.ceil(corners.max(axis=1)).astype(int)
    back = np.linalg.inv(forward)
    offset = back @ [new_left, new_top] - [left, top]
    warped = Image.fromarray(ink).transform(
        (int(new_right - new_left), int(new_bottom - new_top)),
        Image.Transform.AFFINE,
        (*back[0], offset[0], *back[1], offset[1]),
        Image.Resampling.BILINEAR,
    )
    return np.asarray(warped), int(new_left), int(new_top)


def _add(page: np.ndarray, ink: np.ndarray, x: int, y: int) -> None:
    region = page[y : y + ink.shape[0], x : x + ink.shape[1]]
    np.maximum(region, ink, out=region)


def _strokes_changed(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Thicker or thinner strokes, more so at one place than at another; float32, 0 to 1."""
    strength = rng.uniform(-0.45, 1.0)
    ink = np.pad(ink, 1)
    changed = ink.copy()
    pick = np.maximum if strength > 0 else np.minimum
    for axis in (0, 1):
        for shift in (-1, 1):
            pick(changed, np.roll(ink, shift, axis), out=changed)
    ink, changed = (a.astype(np.float32) / 255 for a in (ink, changed))
    weight = abs(strength) * (1 + 0.4 * _slow_noise(ink.shape[1], 60, rng))
    return ink + weight.clip(0, 1) * (changed - ink)


def _inked(ink: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """White paper with the ink on it: from black ink to a light pencil, fading and coming back."""
    darkness = 1 - 0.6 * rng.beta(1, 2.5)
    darkness *= 1 + rng.uniform(0, 0.15) * _slow_noise(ink.shape[1], 40, rng)
    sharpness = rng.uniform(1.0, 1.6)  # of the strokes' edges
    ink = (0.5 + sharpness * (ink - 0.5)).clip(0, 1)
    ink *= darkness.clip(0.2, 1)
    return (PAPER * (1 - ink) + 0.5).astype(np.uint8)


def _slow_noise(length: int, period: int, rng: np.random.Generator) -> np.ndarray:
    """Smooth noise of about unit variance along a line; a new value every `period` columns."""
    knots = rng.standard_normal(length // period + 2).astype(np.float32)
    return np.interp(np.arange(length) / period, np.arange(len(knots)), knots).astype(np.float32)
