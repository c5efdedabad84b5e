"""What paper, scanner and file do to a line of clean ink.

In and out: uint8 `(height, width)`, 0 = ink, 255 = paper, of the same shape. Paper darkens a line
by a factor, so ink stays the darkest thing on it. To be quick, shading and shadows are drawn at an
eighth of the size and enlarged, and grain is cut from one tile of noise.
"""

import io
import math
from dataclasses import dataclass, fields
from functools import cache

import numpy as np
from PIL import Image, ImageFilter

PAPER = 255
COARSE = 8  # pixels of the line to one of the low-frequency field
TILE_SIZE = (256, 2048)


@dataclass(frozen=True)
class Paper:
    """Draws a line on paper; each effect has its own probability.

    Args:
        clean: The line comes back as it is; the others apply to the rest.
        bleed: Ends of descenders and ascenders of the neighbouring lines at the edges.
        binarize: Black and white, in place of the effects that follow.
        texture: Tinted paper with soft shading and grain.
        ruled: Ruled lines.
        squared: Squared paper.
        stain: One or two stains.
        shadow: A shadow that falls across.
        word_boxes: Grey grounds behind some words, as in lines put together from word crops.
        contrast: Paler or darker writing and greyer paper.
        blur: An unsharp scan.
        jpeg: Artefacts of JPEG.

    Raises:
        ValueError: A probability lies outside 0 to 1.

    >>> line = np.full((64, 400), 255, dtype=np.uint8)
    >>> Paper()(line, np.random.default_rng(0)).shape
    (64, 400)
    """

    clean: float = 0.5
    bleed: float = 0.25
    binarize: float = 0.2
    texture: float = 0.35
    ruled: float = 0.12
    squared: float = 0.06
    stain: float = 0.08
    shadow: float = 0.15
    word_boxes: float = 0.15
    contrast: float = 0.4
    blur: float = 0.3
    jpeg: float = 0.25

    def __post_init__(self):
        for field in fields(self):
            probability = getattr(self, field.name)
            if not 0 <= probability <= 1:
                raise ValueError(f"{field.name}={probability} is no probability: use 0 to 1.")

    def __call__(self, line: np.ndarray, rng: np.random.Generator) -> np.ndarray:
        """The line on its paper; a new array.

        Raises:
            ValueError: `line` is not a uint8 array of shape `(height, width)`.
        """
        if line.ndim != 2 or line.dtype != np.uint8 or not line.size:
            raise ValueError(
                f"A line of shape {line.shape} and type {line.dtype} was given; needed is uint8 "
                "(height, width)."
            )
        if rng.random() < self.clean:
            return line.copy()
        if rng.random() < self.bleed:
            line = _bled(line, rng)
        if rng.random() < self.binarize:
            return _binarized(line, rng)
        page = self._page(line, rng)
        if page is not None:
            line = (line * page).astype(np.uint8)
        if rng.random() < self.contrast:
            line = _contrast_table(rng)[line]
        if rng.random() < self.blur:
            radius = rng.uniform(0.3, 1.0) * line.shape[0] / 64
            line = np.asarray(Image.fromarray(line).filter(ImageFilter.GaussianBlur(radius)))
        if rng.random() < self.jpeg:
            line = _through_jpeg(line, int(rng.integers(15, 70)))
        return line.copy()

    def _page(self, line: np.ndarray, rng: np.random.Generator) -> np.ndarray | None:
        """Brightness of the paper, float32 in 0 to 1; None for white paper."""
        height, width = line.shape
        coarse = None
        if rng.random() < self.texture:
            coarse = _shading(height, width, rng)
        if rng.random() < self.shadow:
            coarse = _times(coarse, _shadow(height, width, rng))
        if rng.random() < self.stain:
            for _ in range(int(rng.integers(1, 3))):
                coarse = _times(coarse, _stain(height, width, rng))
        page = None
        if coarse is not None:
            enlarged = Image.fromarray(coarse).resize((width, height), Image.Resampling.BILINEAR)
            page = np.asarray(enlarged) * (1 + rng.uniform(0, 0.05) * _grain(height, width, rng))
        if rng.random() < self.ruled:
            page = _times(page, _ruling(line, rng))
        if rng.random() < self.squared:
            page = _times(page, _squares(height, width, rng))
        if rng.random() < self.word_boxes:
            page = _times(page, _word_boxes(line, rng))
        return None if page is None else page.clip(0, 1)


def _times(page: np.ndarray | None, factor: np.ndarray) -> np.ndarray:
    return factor if page is None else page * factor


def _coarse_shape(height: int, width: int) -> tuple[int, int]:
    return max(2, height // COARSE), max(2, width // COARSE)


def _shading(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Tint and soft clouds."""
    rows, columns = _coarse_shape(height, width)
    clouds = rng.standard_normal((max(2, rows // 3), max(2, columns // 6))).astype(np.float32)
    clouds = Image.fromarray(clouds).resize((columns, rows), Image.Resampling.BICUBIC)
    tint = 1 - 0.35 * rng.beta(1, 2)
    return np.asarray(clouds) * np.float32(rng.uniform(0, 0.03)) + np.float32(tint)


def _shadow(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """Light that falls off along a random direction, slowly or at an edge."""
    rows, columns = _coarse_shape(height, width)
    direction = rng.uniform(0, 2 * math.pi)
    x = np.linspace(-1, 1, columns, dtype=np.float32) * np.float32(math.cos(direction))
    y = np.linspace(-1, 1, rows, dtype=np.float32) * np.float32(math.sin(direction))
    distance = x[None, :] + y[:, None] - np.float32(rng.uniform(-0.7, 0.7))
    steepness = np.float32(rng.choice([1.5, 3.0, 12.0]))
    depth = np.float32(rng.uniform(0.1, 0.45))
    return 1 - depth / (1 + np.exp(-steepness * distance))


def _stain(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A blot that is darkest at its middle or, like a cup's ring, at its edge."""
    rows, columns = _coarse_shape(height, width)
    radius = height * rng.uniform(0.3, 2.0)
    x = (np.arange(columns, dtype=np.float32) + 0.5) * (width / columns) - rng.uniform(0, width)
    y = (np.arange(rows, dtype=np.float32) + 0.5) * (height / rows) - rng.uniform(0, height)
    distance = np.hypot(x[None, :] * np.float32(rng.uniform(0.6, 1.4)), y[:, None]) / radius
    if rng.random() < 0.4:
        distance = 5 * (distance - 1)
    return (1 - rng.uniform(0.08, 0.4) * np.exp(-(distance**4))).astype(np.float32)


@cache
def _noise_tile() -> np.ndarray:
    """Noise of unit variance: half fine grain, half of it smoothed over 3 px as fibres are."""
    noise = np.random.default_rng(0).standard_normal(TILE_SIZE).astype(np.float32)
    smooth = sum(np.roll(noise, (dy, dx), (0, 1)) for dy in (-1, 0, 1) for dx in (-1, 0, 1)) / 3
    mixed = noise + smooth
    return mixed / mixed.std()


def _grain(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    """A random part of the noise tile, which is laid side by side for a line larger than it."""
    tile = _noise_tile()
    rows = (int(rng.integers(TILE_SIZE[0])) + np.arange(height)) % TILE_SIZE[0]
    columns = (int(rng.integers(TILE_SIZE[1])) + np.arange(width)) % TILE_SIZE[1]
    return tile[rows[:, None], columns]


def _stripes(length: int, pitch: float, thickness: float, start: float) -> np.ndarray:
    """Coverage, 0 to 1, of each pixel by lines `pitch` apart, one of them at `start`."""
    place = (np.arange(length, dtype=np.float32) - np.float32(start) + pitch / 2) % pitch
    return (thickness / 2 + 0.5 - np.abs(place - pitch / 2)).clip(0, 1).astype(np.float32)


def _slanted(stripes: np.ndarray, across: int, rng: np.random.Generator) -> np.ndarray:
    """Horizontal lines `(len(stripes), across)`, tilted by up to 2 px in 100."""
    rows = np.arange(len(stripes))[:, None] - np.linspace(
        0, min(rng.normal(0, 0.005) * across, len(stripes)), across
    ).round().astype(int)
    return stripes[rows % len(stripes)]


def _ruling(line: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Lines one of which runs about where the writing stands."""
    height, width = line.shape
    thickness = height / 64 * rng.uniform(0.8, 2.0)
    start = _baseline(line) + height * rng.normal(0.02, 0.05)
    stripes = _stripes(height, height * rng.uniform(0.7, 1.3), thickness, start)
    return 1 - np.float32(rng.uniform(0.1, 0.5)) * _slanted(stripes, width, rng)


def _baseline(line: np.ndarray) -> int:
    """The row below which the ink falls off the most."""
    ink = (PAPER - line).sum(axis=1, dtype=np.float32)
    ink = np.convolve(ink, np.ones(3, dtype=np.float32), mode="same")
    return int(np.argmax(ink - np.append(ink[3:], [0, 0, 0])[: len(ink)])) + 1


def _squares(height: int, width: int, rng: np.random.Generator) -> np.ndarray:
    thickness = height / 64 * rng.uniform(0.8, 1.5)
    pitch = height * rng.uniform(0.25, 0.6)
    across = _stripes(width, pitch, thickness, rng.uniform(0, pitch))
    rows = _stripes(height, pitch, thickness, rng.uniform(0, pitch))
    strength = np.float32(rng.uniform(0.08, 0.35))
    return 1 - strength * np.maximum(_slanted(rows, width, rng), across)


def _word_boxes(line: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Grey, grainy boxes about some of the words."""
    height, width = line.shape
    inked = line < PAPER // 2
    columns = np.flatnonzero(inked.any(axis=0))
    page = np.ones((height, width), dtype=np.float32)
    if not len(columns):
        return page
    words = np.split(columns, np.flatnonzero(np.diff(columns) > height // 6) + 1)
    chosen = rng.random(len(words)) < rng.uniform(0.1, 1.0)
    chosen[rng.integers(len(words))] = True
    margin = max(1, height // 32)
    for i in np.flatnonzero(chosen):
        word = words[i]
        left, right = max(0, word[0] - margin), min(width, word[-1] + 1 + margin)
        rows = np.flatnonzero(inked[:, left:right].any(axis=1))
        top, bottom = max(0, rows[0] - margin), min(height, rows[-1] + 1 + margin)
        grain = _grain(bottom - top, right - left, rng)
        page[top:bottom, left:right] = rng.uniform(0.82, 0.99) + 0.015 * grain
    return page


def _bled(line: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """The line's own lowest strokes, moved along, at its top edge; its highest at the bottom."""
    height, width = line.shape
    line = line.copy()
    inked = np.flatnonzero((line < PAPER // 2).any(axis=1))
    if not len(inked):
        return line
    depth = min(int(rng.integers(1, max(2, height // 5))), int(inked[-1] - inked[0]) + 1)
    shift = int(rng.integers(width))
    lowest = np.roll(line[inked[-1] + 1 - depth : inked[-1] + 1], shift, axis=1)
    highest = np.roll(line[inked[0] : inked[0] + depth], shift, axis=1)
    edges = int(rng.integers(1, 4))  # top, bottom or both
    if edges & 1:
        np.minimum(line[:depth], lowest, out=line[:depth])
    if edges & 2:
        np.minimum(line[-depth:], highest, out=line[-depth:])
    return line


def _contrast_table(rng: np.random.Generator) -> np.ndarray:
    """New grey level of each of the 256: ink no longer black, paper no longer white, a gamma."""
    ink, paper = rng.uniform(0, 90), rng.uniform(190, PAPER)
    levels = (np.arange(256) / PAPER) ** math.exp(rng.uniform(-0.4, 0.4))
    return (ink + (paper - ink) * levels).round().astype(np.uint8)


def _binarized(line: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Black and white, with the strokes' edges ragged by grain.

    The ink is cut off from white paper: good binarisation leaves stains and shadows out.
    """
    ink = float(line.min())
    threshold = ink + rng.uniform(0.35, 0.8) * (PAPER - ink)
    ragged = line + rng.uniform(0, 0.12) * PAPER * _grain(*line.shape, rng)
    # Beyond the strokes' grey edges no grain is strong enough to speckle the paper.
    return np.where((ragged < threshold) & (line < PAPER - 5), 0, PAPER).astype(np.uint8)


def _through_jpeg(line: np.ndarray, quality: int) -> np.ndarray:
    file = io.BytesIO()
    Image.fromarray(line).save(file, "JPEG", quality=quality)
    return np.asarray(Image.open(file))
