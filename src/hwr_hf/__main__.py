"""`python -m hwr_hf` is the command `hwr-hf`."""

import sys

from .cli import main

if __name__ == "__main__":
    sys.exit(main())
