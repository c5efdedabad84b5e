"""Measure the validation CER of one model without deskewing, with moments, and with lines.

python scripts/compare_deskew.py --iam path/to/iam --model path/to/model

The comparison is fair to a method as far as the model was trained on images prepared with it.
"""

import argparse
import json
from pathlib import Path

from hwr_hf import DEFAULT_MODEL
from hwr_hf.data.iam import load_iam
from hwr_hf.evaluation import evaluate_model
from hwr_hf.json_files import write_json

VARIANTS = {
    "none": {"do_deskew": False},
    "moment, 1 pass": {"do_deskew": True, "deskew_method": "moment", "num_deskew_passes": 1},
    "moment, 2 passes": {"do_deskew": True, "deskew_method": "moment", "num_deskew_passes": 2},
    "line": {"do_deskew": True, "deskew_method": "line", "num_deskew_passes": 1},
}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--iam", required=True, help="folder with IAM's downloads")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="folder or Hub name")
    parser.add_argument("--output", type=Path, default=Path("results/deskew.json"))
    parser.add_argument("--name", default="IAM", help="the data set's name in the report")
    parser.add_argument("--note", help="what to know of the model, for the report")
    arguments = parser.parse_args()

    measured = {}
    for unit, segmentation in (("lines", "all"), ("words", "ok")):
        validation = load_iam(arguments.iam, unit=unit, segmentation=segmentation)["validation"]
        for name, options in VARIANTS.items():
            result = evaluate_model(
                arguments.model, validation, image_processor_options=options, dtype="bfloat16"
            )
            measured.setdefault(unit, {"images": len(result.rows)})[name] = {
                "cer": round(result.cer, 5),
                "cer_interval": [round(end, 5) for end in result.cer_interval],
                "wer": round(result.wer, 5),
            }
    report = {
        "dataset": arguments.name,
        "split": "aachen",
        "subset": "validation",
        "decoder": "greedy",
        "text": "natural, case-sensitive",
        "interval": "95 % bootstrap by writer",
        "seed": 0,
        "note": arguments.note,
        **measured,
    }
    write_json(arguments.output, report)
    print(json.dumps(report, indent=2))


if __name__ == "__main__":
    main()
