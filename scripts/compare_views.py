"""Measure what test-time augmentation brings on IAM's validation lines, and what it costs.

python scripts/compare_views.py --iam path/to/iam --model path/to/model
"""

import argparse
import json
from pathlib import Path

from hwr_hf import DEFAULT_MODEL
from hwr_hf.data.iam import load_iam
from hwr_hf.evaluation import evaluate_model, write_report
from hwr_hf.json_files import write_json
from hwr_hf.resnet_bilstm.views_resnet_bilstm import MAX_VIEWS

RATES = ("cer", "cer_interval", "wer", "wer_interval", "lines", "seconds")
SHARED = ("decoder", "interval", "seed", "model", "model_sha256", "dtype", "device", "date")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--iam", required=True, help="folder with IAM's downloads")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="folder or Hub name")
    parser.add_argument("--output", type=Path, default=Path("results/tta.json"))
    parser.add_argument("--name", default="IAM", help="the data set's name in the report")
    parser.add_argument("--device", help="cpu, cuda, ... (a GPU if there is one)")
    parser.add_argument("--note", help="what to know of the measurement, for the report")
    arguments = parser.parse_args()

    validation = load_iam(arguments.iam, unit="lines")["validation"]
    rows = []
    for num_views in range(1, MAX_VIEWS + 1, 2):
        result = evaluate_model(
            arguments.model, validation, num_views=num_views, device=arguments.device
        )
        report = write_report(result, arguments.output, {})
        rows.append({"views": num_views} | {name: report[name] for name in RATES})
    comparison = {
        "dataset": arguments.name,
        "split": "aachen",
        "subset": "validation",
        "unit": "lines",
        "text": "natural, case-sensitive",
        **{name: report[name] for name in SHARED},
        "note": arguments.note,
        "rows": rows,
    }
    write_json(arguments.output, comparison)
    print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
