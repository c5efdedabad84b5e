"""Measure what reading costs on this machine: time and memory, for the model's card.

python scripts/measure_cost.py --output results/cost.json

Run it while nothing else runs. A time is the shortest of several, the one that was disturbed least.
"""

import argparse
import json
import os
import platform
import resource
import time
from collections.abc import Callable
from pathlib import Path

import torch
from PIL import Image
from transformers import pipeline

import hwr_hf
from hwr_hf.model_card import file_sha256

REPEATS, BATCH = 7, 16


def seconds(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """The shortest of several runs."""
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(time.perf_counter() - start)
    return min(times)


def processor_name() -> str:
    """The processor's name, where Linux tells it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
        return next(line.split(": ")[1] for line in lines if line.startswith("model name"))
    except (OSError, StopIteration):
        return platform.machine()


def measure(image_path: str) -> dict:
    """Loading, first line, later lines and batches with both decoders."""
    start = time.perf_counter()
    reader = pipeline("image-to-text", model=hwr_hf.DEFAULT_MODEL, device="cpu")
    loaded = time.perf_counter()
    image = Image.open(image_path).convert("L")
    reader(image)
    first = time.perf_counter()
    rows = []
    for decoder in ("greedy", "beam"):

        def read(images, batch_size=1, decoder=decoder):
            return reader(images, batch_size=batch_size, decoder=decoder)

        read(image)
        line = seconds(lambda read=read: read(image))
        batch = seconds(lambda read=read: read([image] * BATCH, batch_size=BATCH), repeats=3)
        rows.append(
            {
                "decoder": decoder,
                "line_seconds": round(line, 4),
                "lines_per_second": round(BATCH / batch, 1),
            }
        )
    return {
        "model_sha256": file_sha256(Path(hwr_hf.DEFAULT_MODEL) / "model.safetensors"),
        "image": f"{image_path}, {image.width} x {image.height} pixels",
        "device": "cpu",
        "processor": processor_name(),
        "cores": os.cpu_count(),
        "threads": torch.get_num_threads(),
        "load_seconds": round(loaded - start, 2),
        "first_line_seconds": round(first - loaded, 2),
        "peak_memory_megabytes": round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024  # kilobytes on Linux
        ),
        "rows": rows,
    }


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--image", default="samples/line.png", help="a line (%(default)s)")
    parser.add_argument("--output", type=Path, required=True, help="JSON file to write")
    arguments = parser.parse_args()
    text = json.dumps(measure(arguments.image), indent=2)
    arguments.output.write_text(text + "\n", encoding="utf-8")
    print(text)
