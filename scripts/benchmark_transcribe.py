"""Measure the memory of `hwr-hf transcribe` against the number of images.

python scripts/benchmark_transcribe.py --images 1000 10000 100000
"""

import argparse
import json
import os
from pathlib import Path

from hwr_hf.transcription.memory import measure_memory

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--images", type=int, nargs="+", default=[1000, 10_000, 100_000], help="(%(default)s)")
    add("--output", type=Path, default=Path("results/transcribe_memory.json"), help="(%(default)s)")
    arguments = parser.parse_args()
    report = {
        "what": "hwr-hf transcribe over an archive of drawn words, start-up included",
        "cpus": os.cpu_count(),
        "runs": measure_memory(arguments.images),
    }
    arguments.output.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(report, indent=2))
