"""Draw words before and after one and two passes of moment deskew (figure 2 of Ma, 2023).

python scripts/show_deskew.py word1.png word2.png --output deskew.png
"""

import argparse

from hwr_hf.figures import deskew_figure

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("images", nargs="+", help="image files of words or short lines")
    parser.add_argument("--output", default="deskew.png", help="the picture (default: %(default)s)")
    parser.add_argument(
        "--row-height", type=int, default=64, help="in pixels (default: %(default)s)"
    )
    arguments = parser.parse_args()
    deskew_figure(arguments.images, arguments.row_height).save(arguments.output)
