"""The command `hwr-hf dataset pack`: arguments in, one call of `pack_folder`, a summary out."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from tqdm import tqdm

from hwr_hf import DEFAULT_MODEL

from .labelled_folder import Fault
from .labelled_formats import FORMATS
from .labelled_tables import COLUMNS
from .packing import (
    ON_UNKNOWN,
    SKIPPED_FILE,
    PackingOptions,
    PackingResult,
    model_alphabet,
    pack_folder,
)
from .packing_card import list_characters
from .transcribed_page import CUTS

OPTIONAL = ("id", "writer", "group", "split")
DESCRIPTION = """\
Make a data set of your own handwriting: a folder that `hwr-hf train --dataset` and
`datasets.load_dataset` read, and that the Hub takes as it is.

DIR holds, in sub-folders too, one of these (found by itself, or named by --format):
  text      images of lines, and beside a.png its text in a.txt or a.gt.txt
  table     a .csv or .tsv whose header names a column of images and one of texts
  metadata  metadata.jsonl, as in an imagefolder of `datasets`
  page      PAGE XML beside images of pages; lines are cut out
  alto      ALTO XML beside images of pages; lines are cut out
"""
EPILOG = f"""\
columns of a table and of metadata.jsonl (small or capital letters):
  image     {", ".join(COLUMNS["image"])}: path below DIR or beside the table
  text      {", ".join(COLUMNS["text"])}
  optional  {"; ".join(", ".join(COLUMNS[name]) for name in OPTIONAL)}
The delimiter is a comma, semicolon, tab or bar. In a .tsv quotation marks are characters like
others, unless its header is in them.

texts are UTF-8; they are brought to Unicode normalisation form C, and every run of white space to
one space. An image shows one line.

splits: a column, a table's name or a sub-folder may name them, in this order (train, validation or
val, test); such lines go there, whatever their writer; the others are drawn by --seed, the same on
every machine, and of these, writers, pages and (where images are in three or more) sub-folders are
never divided. --group and --writer find them in an id, the image's path without suffix:
--group '(.*)-[0-9]+' draws page-12-03 and page-12-04 together.

What cannot be used is named on standard error and in OUT/{SKIPPED_FILE}, and left out: broken
images, empty texts, texts without image, images without text, ids that are there twice, outlines
outside the page. Nothing outside DIR is read.

exit code: 0 all packed; 1 some skipped; 2 wrong call, or stopped by --strict or --on-unknown error.

examples:
  hwr-hf dataset pack scans/ --output mine
  hwr-hf dataset pack export/ --output mine --format page --validation 0.2 --test 0
  hwr-hf dataset pack lines/ --output mine --writer '([a-z]+)_' --license cc-by-4.0
  hwr-hf train --dataset mine --model default --output_dir runs/mine
"""


def main(argv: Sequence[str] | None = None) -> int:
    """`hwr-hf dataset ...`: exit code 0, or 1 if something was skipped.

    Raises:
        ValueError, OSError: The call or the folder does not do; the message says how.
    """
    arguments = _parser().parse_args(argv)
    options = PackingOptions(
        format=arguments.format,
        cut=arguments.cut,
        validation=arguments.validation,
        test=arguments.test,
        seed=arguments.seed,
        group=arguments.group,
        writer=arguments.writer,
        on_unknown=arguments.on_unknown,
        strict=arguments.strict,
        license=arguments.license,
        language=tuple(arguments.language),
        name=arguments.name,
        max_shard_size=arguments.max_shard_size,
    )
    result = pack_folder(
        arguments.folder,
        arguments.output,
        options,
        alphabet=model_alphabet(arguments.model),
        overwrite=arguments.overwrite,
        report=_report,
        progress=None,
    )
    print(summary(result, arguments.output))
    return 1 if result.skipped else 0


def summary(result: PackingResult, output: str) -> str:
    """What was packed and what was not, for people."""
    lines = [
        f"{output}: "
        + ", ".join(f"{content.lines} {split}" for split, content in result.splits.items())
        + f" (read as {result.format})"
    ]
    if result.skipped:
        lines.append(f"skipped {result.skipped.total()}, listed in {Path(output, SKIPPED_FILE)}:")
        lines += [f"  {count:6} {reason}" for reason, count in result.skipped.most_common()]
    if result.unknown:
        named = list_characters(result.unknown, "{} {}")
        lines.append(f"characters the model does not have (see --on-unknown): {named}")
    return "\n".join(lines)


def _report(fault: Fault) -> None:
    with tqdm.external_write_mode(file=sys.stderr):
        print(f"hwr-hf: skipped {fault.file}: {fault.reason}", file=sys.stderr)


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="hwr-hf dataset",
        description="Make data sets to train on and to share.",
        epilog="hwr-hf dataset pack --help says what a folder can hold.",
    )
    commands = parser.add_subparsers(required=True, metavar="pack", dest="command")
    pack = commands.add_parser(
        "pack",
        help="a folder of images and texts -> a `datasets` folder",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=raw,
    )
    add = pack.add_argument
    add("folder", metavar="DIR", help="your images and texts")
    add("--output", required=True, metavar="OUT", help="folder to make")
    add("--overwrite", action="store_true", help="replace an OUT that this command made")
    add("--format", choices=["auto", *FORMATS], default="auto", help="what DIR holds (%(default)s)")
    add("--cut", choices=CUTS, default="polygon", help="how lines leave a page (%(default)s)")
    add("--validation", type=float, default=0.1, metavar="SHARE", help="of lines (%(default)s)")
    add("--test", type=float, default=0.1, metavar="SHARE", help="of lines (%(default)s)")
    add("--seed", type=int, default=0, help="of the draw of splits (%(default)s)")
    add("--group", metavar="REGEX", help="finds in an id what the draw never divides")
    add("--writer", metavar="REGEX", help="finds in an id who wrote it")
    add(
        "--on-unknown",
        choices=ON_UNKNOWN,
        default="keep",
        help="lines with characters the model does not have (%(default)s; counted in any case)",
    )
    add("--model", default=DEFAULT_MODEL, help="whose characters (the one in the package)")
    add("--strict", action="store_true", help="stop at the first line that would be skipped")
    add("--license", default="unknown", help="of the data, as the Hub calls it (%(default)s)")
    add("--language", nargs="+", default=["en"], help="of the texts, by code (en)")
    add("--name", help="heading of the card (DIR's name)")
    add("--max-shard-size", default="500MB", metavar="SIZE", help="of a file (%(default)s)")
    return parser
