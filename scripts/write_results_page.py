"""Write results/README.md from the JSON files and pictures beside it.

python scripts/write_results_page.py
"""

import argparse
from pathlib import Path

from hwr_hf.results_page import results_page

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--results", type=Path, default=Path("results"), help="(%(default)s)")
    arguments = parser.parse_args()
    page = arguments.results / "README.md"
    page.write_text(results_page(arguments.results), encoding="utf-8")
    print(page)
