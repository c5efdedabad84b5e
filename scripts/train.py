"""Train a recogniser on IAM.

python scripts/train.py --iam path/to/iam --output_dir runs/recogniser --bf16
"""

import sys

from hwr_hf.cli import main

if __name__ == "__main__":
    sys.exit(main(["train", *sys.argv[1:]]))
