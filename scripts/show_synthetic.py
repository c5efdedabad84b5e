"""Draw a contact sheet of synthetic training lines.

python scripts/show_synthetic.py --fonts fonts --text text.txt --iam-ondb path/to/iam-ondb

A sheet of IAM-OnDB's strokes may not be passed on; one of open fonts and free texts may.
"""

import argparse

from hwr_hf.data.corpus import TextLines
from hwr_hf.data.fonts import HandwritingFonts
from hwr_hf.data.iam_ondb import read_iam_ondb
from hwr_hf.data.synthetic import SyntheticLines
from hwr_hf.figures import contact_sheet

if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--fonts", help="folder of handwriting fonts")
    parser.add_argument("--iam-ondb", help="folder of IAM-OnDB's downloads")
    parser.add_argument("--text", nargs="+", help="files of English text, .txt or .txt.xz")
    parser.add_argument("--lines", type=int, default=40, help="(default: %(default)s)")
    parser.add_argument("--seed", type=int, default=0, help="(default: %(default)s)")
    parser.add_argument("--output", default="synthetic.png", help="(default: %(default)s)")
    arguments = parser.parse_args()
    lines = SyntheticLines(
        pen_lines=read_iam_ondb(arguments.iam_ondb) if arguments.iam_ondb else (),
        handwriting_fonts=HandwritingFonts(arguments.fonts) if arguments.fonts else None,
        texts=TextLines(arguments.text) if arguments.text else None,
        num_lines=arguments.lines,
        seed=arguments.seed,
    )
    contact_sheet([line["image"] for line in lines]).save(arguments.output)
