"""Train the corrector on lines that scripts/jackknife.py has read and on noisy text.

python scripts/train_corrector.py --bert bert-base-uncased --text brown.txt.xz novels.txt.xz \
    --lines runs/jackknife/lines.jsonl --confusions runs/jackknife/confusions.json \
    --validation_lines runs/jackknife/validation.jsonl
"""

import sys

from hwr_hf.correction.training import main

if __name__ == "__main__":
    sys.exit(main())
