"""Measure how validation lines and words are read at other scales than the model was trained with.

python scripts/compare_scales.py --iam path/to/iam
python scripts/compare_scales.py --iam path/to/iam --scales 48x1 48x1@12 40x1.15
"""

import argparse
import math
from pathlib import Path

from hwr_hf import DEFAULT_MODEL
from hwr_hf.data.iam import load_iam
from hwr_hf.data.synthetic import load_plain_pen_lines
from hwr_hf.json_files import write_json
from hwr_hf.model_folders import checked_model
from hwr_hf.scale_comparison import compare_scales
from hwr_hf.weights_files import weights_sha256

SCALES = [
    *("48x1", "48x1.2", "48x1@14", "48x1@13", "48x1@12.5", "48x1@12", "48x1@11"),
    *("40x1", "40x1.15"),
]


def scale(text: str) -> tuple[int, float, float | None]:
    """Rows, columns as a share of what keeps the proportions, and columns per stroke if any."""
    size, _, stroke = text.partition("@")
    height, width_scale = size.split("x")
    numbers = [int(height), float(width_scale), *([float(stroke)] if stroke else [])]
    if not all(0 < number < math.inf for number in numbers):
        raise ValueError("It has neither pixels nor a shape.")
    return numbers[0], numbers[1], numbers[2] if stroke else None


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--iam", required=True, help="folder with IAM's downloads")
    parser.add_argument("--iam-ondb", help="folder of IAM-OnDB's downloads: its held-out lines")
    parser.add_argument("--model", default=DEFAULT_MODEL, help="its folder")
    parser.add_argument(
        "--scales",
        type=scale,
        nargs="+",
        default=[scale(text) for text in SCALES],
        metavar="ROWSxSCALE[@COLUMNS]",
        help="rows of pixels, columns as a share of what keeps the proportions, and columns that a "
        f"stroke is stretched or squeezed to ({' '.join(SCALES)})",
    )
    parser.add_argument("--dtype", default="float32", help="float32 or bfloat16 (%(default)s)")
    parser.add_argument("--name", default="IAM", help="the data set's name in the report")
    parser.add_argument("--output", type=Path, default=Path("results/scales/validation.json"))
    arguments = parser.parse_args()

    try:
        model = checked_model(arguments.model)
        images = {
            "lines": load_iam(arguments.iam, unit="lines")["validation"],
            "words": load_iam(arguments.iam, unit="words", segmentation="ok")["validation"],
        }
        if arguments.iam_ondb:
            images["pen lines"] = load_plain_pen_lines(arguments.iam_ondb)
    except (ValueError, OSError) as error:
        parser.error(str(error))
    rows = compare_scales(model, images, arguments.scales, arguments.dtype)
    report = {
        "dataset": arguments.name,
        "split": "aachen",
        "subset": "validation, "
        + ", ".join(f"{len(dataset):,} {kind}" for kind, dataset in images.items()),
        "text": "natural, case-sensitive",
        "decoder": "greedy",
        "model_sha256": weights_sha256(model),
        "dtype": arguments.dtype,
        "rows": rows,
    }
    write_json(arguments.output, report)
    for row in rows:
        print(
            f"{row['height']} rows, columns x {row['width_scale']:g}, "
            f"{row['columns_per_stroke'] or 'any'} per stroke: "
            + ", ".join(
                f"{kind} {row[kind]['cer']:.2%} / {row[kind]['wer']:.1%}, "
                f"{row[kind]['macs'] / 1e6:.0f} million multiplications"
                for kind in images
            )
        )


if __name__ == "__main__":
    main()
