"""Reproduce the study of Ma (2023) on IAM's words, with what it left for later.

python scripts/reproduce_ma2023.py --iam path/to/iam --jobs 2
"""

import sys

from hwr_hf.ma2023.reproduction import main

if __name__ == "__main__":
    sys.exit(main())
