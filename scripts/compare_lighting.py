"""Measure how validation lines are read when they are photographed in poor light, and draw one.

python scripts/compare_lighting.py --iam path/to/iam --num-lines 100
"""

import argparse
import json
from pathlib import Path

from hwr_hf import DEFAULT_MODEL
from hwr_hf.data.iam import load_iam
from hwr_hf.json_files import write_json
from hwr_hf.lighting_comparison import EXPOSURE, MARGIN, NOISE, compare_lighting, lighting_figure
from hwr_hf.weights_files import weights_sha256

SEED = 0  # of the lines


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--iam", required=True, help="folder with IAM's downloads")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="its folder")
    parser.add_argument("--num-lines", type=int, default=100, help="drawn at random (%(default)s)")
    parser.add_argument("--dtype", default="float32", help="float32 or bfloat16 (%(default)s)")
    parser.add_argument("--output", type=Path, default=Path("results/lighting.json"))
    parser.add_argument(
        "--image", default="samples/line.png", help="line of the picture (%(default)s)"
    )
    parser.add_argument("--picture", type=Path, default=Path("results/lighting.png"))
    parser.add_argument("--name", default="IAM", help="the data set's name in the report")
    arguments = parser.parse_args()

    lighting_figure(arguments.image).save(arguments.picture)
    validation = load_iam(arguments.iam, unit="lines")["validation"]
    num_lines = min(arguments.num_lines, len(validation))
    lines = validation.shuffle(seed=SEED).select(range(num_lines))
    rows = compare_lighting(arguments.model, lines, arguments.dtype)
    report = {
        "dataset": arguments.name,
        "split": "aachen",
        "subset": f"validation, {num_lines} lines",
        "photos": f"drawn: margins of {MARGIN} heights, white paper at {EXPOSURE:.0%}, noise of "
        f"{NOISE} grey levels",
        "text": "natural, case-sensitive",
        "seed": SEED,
        "decoder": "greedy",
        "model_sha256": weights_sha256(arguments.model),
        "dtype": arguments.dtype,
        "rows": rows,
    }
    write_json(arguments.output, report)
    print(json.dumps(rows, indent=2))


if __name__ == "__main__":
    main()
