"""Average the weights of models that were trained one from the other.

python scripts/average_models.py runs/first runs/second --output runs/averaged

As large and as fast as each, the mean often reads better than any of them; see whether it does on
validation images: hwr-hf evaluate --iam path/to/iam --model runs/averaged --output averaged.json
"""

import argparse
from pathlib import Path

from hwr_hf.model_averaging import average_models
from hwr_hf.resnet_bilstm import ResNetBiLstmProcessor

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("models", nargs="+", help="folders; the processor is taken from the first")
    parser.add_argument(
        "--shares", nargs="+", type=float, metavar="X", help="how much each counts (all alike)"
    )
    parser.add_argument("--output", required=True, help="folder to write")
    arguments = parser.parse_args()
    try:
        average = average_models(arguments.models, arguments.shares)
        processor = ResNetBiLstmProcessor.from_pretrained(arguments.models[0])
    except (OSError, ValueError) as error:
        parser.error(str(error))
    try:
        Path(arguments.output).mkdir(parents=True, exist_ok=True)
        average.save_pretrained(arguments.output)
        processor.save_pretrained(arguments.output)
    except OSError as error:
        parser.error(f"Cannot write the folder {arguments.output}: {error}. Give another --output.")
    print(f"Wrote the mean of {len(arguments.models)} models to {arguments.output}.")
