"""Measure a worker on this machine and write what a billion lines cost on 1, 10 and 100 machines.

python scripts/estimate_billion_lines.py

Rates are by CPU time. With other assumptions on the same measurement:
python scripts/estimate_billion_lines.py --measured results/billion_lines.json --cores 64
"""

import argparse
import json
import os
from dataclasses import asdict
from pathlib import Path

from hwr_hf.json_files import write_json
from hwr_hf.transcription.billion_lines import Assumptions, billion_lines_page
from hwr_hf.transcription.rates import measure_rates

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("--lines", type=int, default=320, help="drawn lines to measure on (%(default)s)")
    add("--measured", type=Path, help="a report to take the measured rates from")
    add("--images", type=int, default=Assumptions.images, help="to read (%(default)s)")
    add("--machines", type=int, nargs="+", default=Assumptions.machines, help="(%(default)s)")
    add("--cores", type=int, default=Assumptions.cores, help="of a machine (%(default)s)")
    add("--price", type=float, default=Assumptions.price, help="US$ a core and hour (%(default)s)")
    add("--network", type=float, default=Assumptions.network, help="Gbit/s (%(default)s)")
    add("--storage", type=float, default=Assumptions.storage, help="MB/s (%(default)s)")
    add("--output", type=Path, default=Path("results/billion_lines.json"), help="(%(default)s)")
    arguments = parser.parse_args()
    if arguments.measured:
        measured = json.loads(arguments.measured.read_text(encoding="utf-8"))["measured"]
    else:
        load_before = round(os.getloadavg()[0], 2)
        measured = measure_rates(arguments.lines) | {"load_average_before": load_before}
    assumed = Assumptions(
        arguments.images,
        tuple(arguments.machines),
        arguments.cores,
        arguments.price,
        arguments.network,
        arguments.storage,
    )
    report = {"measured": measured, "assumed": asdict(assumed)}
    write_json(arguments.output, report)
    page = arguments.output.with_suffix(".md")
    page.write_text(billion_lines_page(measured, assumed), encoding="utf-8")
    print(page)
