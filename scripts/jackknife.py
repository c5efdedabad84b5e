"""Read every training line of IAM with a recogniser that was trained without its writer.

python scripts/jackknife.py --iam path/to/iam --units lines --repeats 1 --num_folds 2
"""

import sys

from hwr_hf.correction.jackknife import main

if __name__ == "__main__":
    sys.exit(main())
