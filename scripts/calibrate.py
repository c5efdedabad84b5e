"""Fit the temperature of a model's scores on IAM's validation split and store it in its config.

python scripts/calibrate.py runs/recogniser --iam path/to/iam

The JSON and the reliability diagram beside it hold numbers only.
"""

import argparse
from pathlib import Path

from hwr_hf.calibration import calibrate, draw_calibration
from hwr_hf.data.iam import load_iam
from hwr_hf.json_files import write_json

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="folder of the trained model")
    parser.add_argument("--iam", required=True, help="folder with IAM's downloads")
    parser.add_argument("--name", default="IAM", help="the data set's name in the report")
    parser.add_argument("--device", help="cpu, cuda, ... (a GPU if there is one)")
    parser.add_argument("--batch-size", type=int, default=16, help="(%(default)s)")
    parser.add_argument("--output", type=Path, default=Path("results/calibration.json"))
    arguments = parser.parse_args()
    validation = {
        "lines": load_iam(arguments.iam, unit="lines")["validation"],
        "words": load_iam(arguments.iam, unit="words", segmentation="ok")["validation"],
    }
    report = {
        "dataset": arguments.name,
        "split": "aachen",
        "subset": "validation",
        "text": "natural, case-sensitive",
        **calibrate(
            arguments.model, validation, batch_size=arguments.batch_size, device=arguments.device
        ),
    }
    write_json(arguments.output, report)
    draw_calibration(report, arguments.output.with_suffix(".png"))
    for name in ("all", "lines", "words", "words of lines"):
        part = report[name]
        print(f"{name}: ECE {part['ece_before']:.3f}, scaled {part['ece']:.3f}")
    print(f"temperature {report['temperature']} stored in {arguments.model}/config.json")
