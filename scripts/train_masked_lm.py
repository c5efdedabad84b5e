"""Train a BERT as a masked language model on line-sized pieces of text.

python scripts/train_masked_lm.py --bert bert-base-uncased --text brown.txt.xz novels.txt.xz \
    --validation_text held_back.txt --output_dir runs/masked-lm --use_cpu --bf16
"""

import sys

from hwr_hf.correction.masked_lm_training import main

if __name__ == "__main__":
    sys.exit(main())
