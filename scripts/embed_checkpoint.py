"""Make a trained model the package's default: float16 weights, processor and code in one folder.

python scripts/embed_checkpoint.py runs/recogniser
"""

import argparse

from hwr_hf import DEFAULT_MODEL
from hwr_hf.export import save_half_precision

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("model", help="folder of the trained model")
    parser.add_argument("--output", default=DEFAULT_MODEL, help="folder (default: the package's)")
    parser.add_argument(
        "--columns-per-stroke",
        type=float,
        metavar="N",
        help="that wide lines are squeezed and narrow ones stretched to (the model's own)",
    )
    arguments = parser.parse_args()
    save_half_precision(arguments.model, arguments.output, arguments.columns_per_stroke)
