"""Measure CER and WER of a model on IAM.

python scripts/evaluate.py --iam path/to/iam --model path/to/model --output results/validation.json
"""

import sys

from hwr_hf.cli import main

if __name__ == "__main__":
    sys.exit(main(["evaluate", *sys.argv[1:]]))
