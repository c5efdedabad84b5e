"""How much memory `hwr-hf transcribe` takes, against the number of images.

In: numbers of images. Out: peak resident memory and rate of a process that reads as many from an
archive. The images are a few drawn words over and over: what is measured is the way through.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from hwr_hf.transcription.drawn_images import drawn_png, write_archive

WORDS = ("rain", "garden", "morning", "post", "her", "own", "came", "late")
FONT_SIZE = 24  # pixels


def measure_memory(counts: Sequence[int], output_format: str = "jsonl") -> list[dict]:
    """`images`, `peak_megabytes`, `seconds` and `images_per_second` for each number of images.

    Raises:
        ChildProcessError: A transcription failed.
    """
    with tempfile.TemporaryDirectory() as folder:
        return [_measured(count, output_format, Path(folder)) for count in counts]


def _measured(count: int, output_format: str, folder: Path) -> dict:
    archive = folder / f"{count}.tar"
    write_archive(archive, [drawn_png(word, FONT_SIZE) for word in WORDS], count)
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
