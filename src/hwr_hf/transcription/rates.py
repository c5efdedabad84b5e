"""How fast each step of a transcription is on one core, measured on drawn lines.

Out: images a second of taking images from an archive, of decoding them, of a worker (decoding and
reading on one thread, while the other cores do the same) and of writing rows; and the mean size of
an image and of its row. A second is one of CPU time, so that other programs on the machine count
little; only writing, which waits for the disk, is timed by the clock.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path

import torch

from hwr_hf import DEFAULT_MODEL
from hwr_hf.image_files import open_image
from hwr_hf.transcription.drawn_images import drawn_png, write_archive
from hwr_hf.transcription.parts import Parts
from hwr_hf.transcription.reading import ReaderSettings, RowReader
from hwr_hf.transcription.sources import Item, open_source

LINES = (
    "The letter came by the morning post and she read it twice.",
    "Nobody had opened the garden gate since the first week of May.",
    "He counted the boats in the old harbour and went home late.",
    "It rained on the hills, and so the road was closed until noon.",
)
FONT_SIZE = 48  # pixels
GRAIN = 3.0  # grey values
WARM_UP = 16  # images: the first batches compile what later ones use


def measure_rates(num_images: int) -> dict:
    """Rates and sizes, with what they were measured on.

    Args:
        num_images: Images each step is measured on.
    """
    pngs = [drawn_png(line, FONT_SIZE, GRAIN, seed) for seed, line in enumerate(LINES)]
    with tempfile.TemporaryDirectory() as folder:
        archive = Path(folder, "lines.tar")
        write_archive(archive, pngs, num_images)
        source = open_source(str(archive))
        items, archive_seconds = _timed(lambda: list(source.items()))
        rows, worker_seconds = _read_on_all_cores(items)
        _, decode_seconds = _timed(lambda: [open_image(item.image) for item in items])
        parts = Parts(Path(folder, "out"), {"format": "jsonl"})
        _, write_seconds = _timed(lambda: parts.write(0, rows), time.perf_counter)
    return {
        "unit": "drawn lines",
        "images": num_images,
        "pixels": [list(open_image(png).size) for png in pngs],
        "decoder": "greedy",
        "cores": os.cpu_count(),
        "torch": torch.__version__,
        "bytes_per_image": round(sum(len(item.image) for item in items) / num_images),
        "bytes_per_row": round(sum(len(json.dumps(row)) for row in rows) / num_images),
        "images_per_second": {
            "archive": round(num_images / archive_seconds, 1),
            "decode": round(num_images / decode_seconds, 1),
            "worker": round(num_images / worker_seconds, 2),
            "write": round(num_images / write_seconds, 1),
        },
    }


def _read_on_all_cores(items: list[Item]) -> tuple[list[dict], float]:
    """Rows, and mean seconds of a worker while every core has one."""
    num_workers = os.cpu_count() or 1
    spawning = multiprocessing.get_context("spawn")  # a fork would share the parent's threads
    with ProcessPoolExecutor(num_workers, spawning) as pool:
        measured = list(pool.map(_read_timed, [items] * num_workers))
    return measured[0][0], sum(seconds for _, seconds in measured) / num_workers


def _read_timed(items: list[Item]) -> tuple[list[dict], float]:
    torch.set_num_threads(1)
    reader = RowReader(ReaderSettings(DEFAULT_MODEL, device="cpu"))
    reader.rows(items[:WARM_UP])
    return _timed(lambda: reader.rows(items))


def _timed(step: Callable, clock: Callable[[], float] = time.process_time):
    """What a step returns, and the seconds it takes."""
    start = clock()
    result = step()
    return result, clock() - start
