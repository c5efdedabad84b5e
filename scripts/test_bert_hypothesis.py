"""Test whether BERT helps handwriting recognition, in a low-noise and a high-noise regime.

python scripts/test_bert_hypothesis.py --iam path/to/iam --weak runs/jackknife/fold-0 ...
"""

import sys

from hwr_hf.bert_hypothesis.study import main

if __name__ == "__main__":
    sys.exit(main())
