"""Measure how many synthetic lines a second are drawn.

python scripts/benchmark_synthetic.py --fonts fonts --text text.txt --iam-ondb path/to/iam-ondb
"""

import argparse
import json
import time
from pathlib import Path

from torch.utils.data import DataLoader

from hwr_hf.data.corpus import TextLines
from hwr_hf.data.fonts import HandwritingFonts
from hwr_hf.data.iam_ondb import read_iam_ondb
from hwr_hf.data.synthetic import SyntheticLines
from hwr_hf.json_files import write_json

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fonts", required=True, help="folder of handwriting fonts")
    parser.add_argument("--iam-ondb", required=True, help="folder of IAM-OnDB's downloads")
    parser.add_argument("--text", nargs="+", required=True, help="files of English text")
    parser.add_argument("--lines", type=int, default=2000, help="(default: %(default)s)")
    parser.add_argument("--processes", type=int, default=2, help="(default: %(default)s)")
    parser.add_argument("--output", type=Path, default=Path("results/synthetic_speed.json"))
    arguments = parser.parse_args()
    lines = SyntheticLines(
        read_iam_ondb(arguments.iam_ondb),
        HandwritingFonts(arguments.fonts),
        TextLines(arguments.text),
        num_lines=arguments.processes + arguments.lines,
    )
    lines.line(0)  # words are cut apart before the clock starts
    loader = DataLoader(lines, batch_size=None, num_workers=arguments.processes)
    iterator = iter(loader)
    for _ in range(arguments.processes):
        next(iterator)  # the processes are up
    start = time.perf_counter()
    count = sum(1 for _ in iterator)
    seconds = time.perf_counter() - start
    report = {
        "lines": count,
        "processes": arguments.processes,
        "seconds": round(seconds, 1),
        "lines_per_second": round(count / seconds),
    }
    write_json(arguments.output, report)
    print(json.dumps(report, indent=2))
