"""Measure how long IAM's words take to load, cold and warm, and the memory they need.

python scripts/benchmark_iam.py --iam path/to/iam --output results/iam_loading.json
"""

import argparse
import json
import resource
import tempfile
import time
from pathlib import Path

from hwr_hf.data.iam import load_iam
from hwr_hf.json_files import write_json

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--iam", required=True, help="folder with IAM's downloads")
    parser.add_argument("--name", default="IAM", help="the data set's name in the report")
    parser.add_argument("--output", type=Path, default=Path("results/iam_loading.json"))
    arguments = parser.parse_args()

    seconds = {}
    with tempfile.TemporaryDirectory() as cache_dir:
        for start in ("cold", "warm"):
            begin = time.perf_counter()
            words = load_iam(arguments.iam, unit="words", cache_dir=cache_dir)
            seconds[start] = round(time.perf_counter() - begin, 2)
    report = {
        "dataset": arguments.name,
        "unit": "words",
        "images": {name: len(split) for name, split in words.items()},
        "seconds": seconds,
        "peak_memory_gb": round(
            resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6,
            2,  # kilobytes on Linux
        ),
    }
    write_json(arguments.output, report)
    print(json.dumps(report, indent=2))
