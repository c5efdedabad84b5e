"""Try the model's limits on drawn lines and keep examples of what it misreads, for its card.

python scripts/show_failures.py --fonts path/to/fonts

The fonts have to be free to use, and to have every character of the lines. Those of the card are
Kalam, Caveat, Patrick Hand, Indie Flower and Dancing Script (SIL Open Font License 1.1).
"""

import argparse
from pathlib import Path

from transformers import pipeline

import hwr_hf
from hwr_hf.failure_examples import try_limits
from hwr_hf.json_files import write_json
from hwr_hf.weights_files import weights_sha256

FONTS = ("kalam", "caveat", "patrick-hand", "indie-flower", "dancing-script")
IMAGE_FOLDER = "results/failures"  # in the model's repository

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fonts", type=Path, required=True, help="folder with <name>.woff2 files")
    parser.add_argument("--model", type=Path, default=hwr_hf.DEFAULT_MODEL, help="its folder")
    parser.add_argument("--output", type=Path, default="results/failures.json", help="%(default)s")
    arguments = parser.parse_args()
    reader = pipeline("image-to-text", model=str(arguments.model), device="cpu")
    files = [arguments.fonts / f"{name}.woff2" for name in FONTS]
    report = {
        "model_sha256": weights_sha256(arguments.model),
        "fonts": list(FONTS),
        "image_folder": IMAGE_FOLDER,
        "note": f"drawn in {len(FONTS)} fonts, misread by greedy decoding and by the beam search",
        "rows": try_limits(reader, files, Path(arguments.model) / IMAGE_FOLDER),
    }
    write_json(arguments.output, report)
