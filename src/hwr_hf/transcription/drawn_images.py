"""Drawn words and lines in an archive, to measure a transcription on.

Print in the font that comes with Pillow: what is measured is speed and memory, never how well it
is read. Grain of the paper gives PNG files about the size of scans, which plain drawings are not.
"""

from __future__ import annotations

import io
import tarfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image, ImageDraw, ImageFont

MARGIN = 6  # pixels


def drawn_png(text: str, font_size: int, grain: float = 0.0, seed: int = 0) -> bytes:
    """A PNG file of black print on white paper.

    Args:
        text: One line.
        font_size: In pixels.
        grain: Standard deviation of the paper's grey values, of 255.
        seed: Of the grain.
    """
    font = ImageFont.load_default(font_size)
    left, top, right, bottom = font.getbbox(text)
    size = (int(right - left) + 2 * MARGIN, int(bottom - top) + 2 * MARGIN)
    image = Image.new("L", size, 255)
    ImageDraw.Draw(image).text((MARGIN - left, MARGIN - top), text, fill=0, font=font)
    if grain:
        noise = np.random.default_rng(seed).normal(scale=grain, size=size[::-1])
        pixels = np.clip(np.asarray(image) - np.abs(noise), 0, 255)
        image = Image.fromarray(pixels.astype(np.uint8))
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def write_archive(path: str | Path, images: Sequence[bytes], count: int) -> None:
    """A tar archive of `count` members, the images over and over under names of their own."""
    with tarfile.open(path, "w") as archive:
        for number in range(count):
            content = images[number % len(images)]
            member = tarfile.TarInfo(f"{number:08}.png")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
