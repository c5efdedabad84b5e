"""How much memory `hwr-hf transcribe` takes, against the number of images.

In: numbers of images. Out: peak resident memory and rate of a process that reads as many from an
archive. The images are a few drawn words over and over: what is measured is the way through.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
import tarfile
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from PIL import Image, ImageDraw, ImageFont

WORDS = ("rain", "garden", "morning", "post", "her", "own", "came", "late")
FONT_SIZE = 24  # pixels


def measure_memory(counts: Sequence[int], output_format: str = "jsonl") -> list[dict]:
    """`images`, `peak_megabytes`, `seconds` and `images_per_second` for each number of images.

    Raises:
        ChildProcessError: A transcription failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        return [_measured(count, output_format, Path(folder)) for count in counts]


def write_words(path: str | Path, count: int) -> None:
    """An archive of so many images of words."""
    images = [word_png(word) for word in WORDS]
    with tarfile.open(path, "w") as archive:
        for number in range(count):
            content = images[number % len(images)]
            member = tarfile.TarInfo(f"{number:08}.png")
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))


def word_png(word: str) -> bytes:
    """A drawn word as the bytes of a PNG file."""
    font = ImageFont.load_default(FONT_SIZE)
    left, top, right, bottom = font.getbbox(word)
    image = Image.new("L", (int(right - left) + 12, int(bottom - top) + 12), 255)
    ImageDraw.Draw(image).text((6 - left, 6 - top), word, fill=0, font=font)
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def _measured(count: int, output_format: str, folder: Path) -> dict:
    archive = folder / f"{count}.tar"
    write_words(archive, count)
    command = [sys.executable, "-m", "hwr_hf", "transcribe", archive, "--no-words"]
    command += ["--output", folder / str(count), "--format", output_format]
    start = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - start
    if status != 0:
        raise ChildProcessError(f"The transcription of {count} images ended with {status}.")
    archive.unlink()
    return {
        "images": count,
        "peak_megabytes": round(usage.ru_maxrss / 1024),  # kilobytes on Linux
        "seconds": round(seconds, 1),
        "images_per_second": round(count / seconds, 1),
    }
