"""Fetch open-licensed handwriting fonts and their licences from their npm packages.

python scripts/get_fonts.py path/to/fonts
python scripts/get_fonts.py path/to/fonts --fonts caveat kalam

npm's setting of the registry is respected (npm_config_registry, .npmrc).
"""

import argparse
from pathlib import Path

from hwr_hf.data.font_download import FONTS, download_fonts


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("output_dir", type=Path, help="folder to put them into")
    parser.add_argument(
        "--fonts", nargs="+", metavar="NAME", default=FONTS, help=f"default: all {len(FONTS)}"
    )
    arguments = parser.parse_args()
    try:
        fonts = download_fonts(arguments.output_dir, arguments.fonts)
    except (OSError, ValueError) as error:
        parser.exit(1, f"Error: {error}\n")
    print(f"{len(fonts)} fonts in {arguments.output_dir}")


if __name__ == "__main__":
    main()
