"""Measure the memory of `hwr-hf transcribe` against the number of images.

python scripts/benchmark_transcribe.py --images 1000 10000 100000

The model in the package reads an archive of that many drawn words, eight of them over and over.
"""

import argparse
import json
import os
from pathlib import Path

import torch

from hwr_hf.json_files import write_json
from hwr_hf.transcription.memory import measure_memory

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--images", type=int, nargs="+", default=[1000, 10_000, 100_000], help="(%(default)s)")
    add("--output", type=Path, default=Path("results/transcribe_memory.json"), help="(%(default)s)")
    arguments = parser.parse_args()
    load_before = round(os.getloadavg()[0], 2)
    rows = measure_memory(arguments.images)
    report = {
        "unit": "drawn words in an archive",
        "decoder": "greedy",
        "cores": os.cpu_count(),
        "load_average_before": load_before,
        "torch": torch.__version__,
        "note": "a process for each row, its start included; peak_megabytes is its resident memory",
        "rows": rows,
    }
    write_json(arguments.output, report)
    print(json.dumps(report, indent=2))
