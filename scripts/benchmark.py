"""Measure the speed of reading, where the time goes, and how fast other readers are.

python scripts/benchmark.py --lines 256
python scripts/benchmark.py --iam path/to/iam --lines 327 --output results/speed.json

Competitors that are not installed are reported as missing: apt-get install tesseract-ocr;
pip install rapidocr. Run it on a machine that does nothing else.
"""

import argparse
import sys
from pathlib import Path

from hwr_hf import DEFAULT_MODEL
from hwr_hf.benchmark.readers import READERS
from hwr_hf.benchmark.speed_report import run_benchmark

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--model", default=DEFAULT_MODEL, help="folder (the one in the package)")
    parser.add_argument("--lines", type=int, default=256, help="to read (%(default)s)")
    parser.add_argument("--iam", help="folder of IAM: reads its validation lines, measures CER")
    parser.add_argument("--fonts", help="folder of handwriting fonts to draw lines with")
    parser.add_argument("--threads", type=int, help="for every reader (all cores)")
    parser.add_argument(
        "--readers", nargs="+", default=list(READERS), metavar="NAME", help="; ".join(READERS)
    )
    parser.add_argument("--max-seconds", type=float, default=60, help="a reader (%(default)s)")
    parser.add_argument("--output", type=Path, default=Path("results/speed.json"))
    arguments = parser.parse_args()
    shown = ["python scripts/benchmark.py", f"--lines {arguments.lines}"]
    shown += ["--iam path/to/iam"] if arguments.iam else []
    shown += ["--fonts fonts"] if arguments.fonts else []
    report = run_benchmark(
        arguments.output,
        arguments.model,
        arguments.lines,
        arguments.iam,
        arguments.fonts,
        arguments.threads,
        arguments.readers,
        arguments.max_seconds,
        command=" ".join(shown),
        tell=lambda message: print(message, file=sys.stderr),
    )
    for name, entry in report["readers"].items():
        if "lines_per_second" in entry:
            print(f"{entry['lines_per_second']:8.1f} lines/s  {name}")
        else:
            print(f"{name}: {entry}")
