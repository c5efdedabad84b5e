"""The command `hwr-hf transcribe`: arguments in, a folder of rows and a summary out."""

from __future__ import annotations

import argparse
import sys
import time
from collections.abc import Callable, Sequence

from tqdm import tqdm

from hwr_hf import DEFAULT_MODEL
from hwr_hf.devices import checked_device, slow_dtype_note
from hwr_hf.model_folders import checked_model
from hwr_hf.reading_options import (
    add_batch_size,
    add_beam_options,
    add_computing_options,
    beam_options,
    positive,
)
from hwr_hf.transcription.job import Counts, transcribe
from hwr_hf.transcription.parts import FORMATS, Parts
from hwr_hf.transcription.reading import ReaderSettings, RowReader
from hwr_hf.transcription.sources import DEFAULT_SPLIT, Source, open_source

PART_SIZE = 500
DESCRIPTION = """\
Read any number of images into a folder of rows, one row an image. Killed at any moment and started
again with the same command, it goes on: in the end each image is there exactly once.

SOURCE is one of these:
  a folder of images, with sub-folders
  an archive of images: .tar, .tar.gz, .tar.bz2, .tar.xz
  a .parquet file, or a folder of such files, with a column of images
  a data set that was saved with `datasets`' save_to_disk
  a data set on the Hub (owner/name), which is streamed; only this needs the network
"""
EPILOG = """\
OUT gets a file for each part of the source, and job.json, which says what it was made with. A row
holds "id" (the image's name in the source), "text", "score" (probability of the text), "words" with
scores and boxes, "error" (why the image could not be read; then there is no text), and "model" (the
state of the model). Read them with `datasets`:
  load_dataset("json", data_files="OUT/part-*.jsonl")
  load_dataset("parquet", data_files="OUT/part-*.parquet")   with --format parquet

Started again, the command goes through the source and the rows that are there, and reads what is
missing. An image with an error counts as done: to try again, remove the file of its part. While a
command writes to a folder, a second one for it is refused.

exit code: 0 all images read; 1 some not read, which their rows say; 2 wrong call, or stopped by
--on-error stop or a full disk; 130 interrupted.

examples:
  hwr-hf transcribe scans/ --output texts
  hwr-hf transcribe lines.tar --output texts --format parquet --decoder beam --beam-width 8
  hwr-hf transcribe scans/ --output texts --dtype bfloat16
  hwr-hf transcribe owner/lines --split test --output texts
  hwr-hf transcribe lines/ --output texts --engine ray --num-workers 8 --num-gpus-per-worker 1
"""


def main(argv: Sequence[str] | None = None) -> int:
    """`hwr-hf transcribe ...`: exit code 0, or 1 if some image could not be read.

    Raises:
        ValueError, OSError: The call, the source or the output does not do; the message says how.
    """
    arguments = _parser().parse_args(argv)
    _check_engine(arguments)
    settings = ReaderSettings(
        arguments.model,
        arguments.decoder,
        arguments.words,
        arguments.dtype,
        arguments.backend,
        arguments.batch_size,
        arguments.device,
        beam_options(arguments),
    )
    if arguments.engine == "local":  # a cluster's machines have their own folders and devices
        checked_model(arguments.model)
        device = checked_device(arguments.device)
        if note := slow_dtype_note(arguments.dtype, device):
            print(note, file=sys.stderr)
    source = open_source(
        arguments.source, arguments.image_column, arguments.split, without=arguments.output
    )
    parts = Parts(
        arguments.output,
        {
            "source": source.place,
            "image_column": arguments.image_column,
            "split": arguments.split or DEFAULT_SPLIT,
            **settings.describe(),
            "part_size": arguments.part_size,
            "format": arguments.format,
        },
    )
    start = time.perf_counter()
    # disable=None: shown on a terminal only
    with tqdm(unit="image", file=sys.stderr, disable=None) as bar:
        counts = _engine(arguments, settings)(source, parts, bar.update)
    _print_summary(counts, time.perf_counter() - start, arguments.output)
    return 1 if counts.failed else 0


def _check_engine(arguments: argparse.Namespace) -> None:
    """Raises ValueError for an option of workers where there are none."""
    for name in ("num_workers", "num_gpus_per_worker", "ray_address"):
        value = getattr(arguments, name)
        if value and arguments.engine != "ray":
            raise ValueError(
                f"--{name.replace('_', '-')} {value} is for the workers of --engine ray. Add that, "
                "or leave it out."
            )


def _share(text: str) -> float:
    """A number from 0."""
    number = float(text)
    if not number >= 0:
        raise argparse.ArgumentTypeError(f"{number} is too small, use 0 or more")
    return number


def _print_summary(counts: Counts, seconds: float, output: str) -> None:
    read = counts.images - counts.failed
    print(f"{read:,} images read, {counts.failed:,} not; {counts.resumed:,} of them before.")
    if new := counts.images - counts.resumed:
        print(f"{new / seconds:,.1f} images a second, the start of the model included.")
    print(f"rows: {output}")


def _engine(
    arguments: argparse.Namespace, settings: ReaderSettings
) -> Callable[[Source, Parts, Callable[[int], object]], Counts]:
    """Function of source, parts and progress that does the job."""
    options = {
        "part_size": arguments.part_size,
        "stop_at_error": arguments.on_error == "stop",
    }
    if arguments.engine == "ray":
        from hwr_hf.transcription.ray_engine import RayOptions, transcribe_with_ray

        ray_options = RayOptions(
            arguments.num_workers, arguments.num_gpus_per_worker, arguments.ray_address
        )
        return lambda source, parts, advance: transcribe_with_ray(
            source, parts, settings, ray_options, advance=advance, **options
        )
    reader = RowReader(settings)
    return lambda source, parts, advance: transcribe(
        source, parts, reader.rows, advance=advance, **options
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hwr-hf transcribe",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    add("source", metavar="SOURCE", help="where the images are, see above")
    add("--output", required=True, metavar="OUT", help="folder for the rows: new, or to go on with")
    add(
        "--format",
        choices=FORMATS,
        default="jsonl",
        help="JSON lines, or Parquet, which needs pyarrow (%(default)s)",
    )
    add("--model", default=DEFAULT_MODEL, help="folder or Hub id (the one in the package)")
    add_beam_options(parser)
    add(
        "--words",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="words with their scores and boxes in the rows",
    )
    add_batch_size(parser)
    add_computing_options(parser)
    add("--image-column", metavar="NAME", help="column of images, where a table has several")
    add("--split", help=f"of a data set with several ({DEFAULT_SPLIT})")
    add(
        "--on-error",
        choices=("skip", "stop"),
        default="skip",
        help="an image that cannot be read: a row with its error, or the end (%(default)s)",
    )
    add("--part-size", type=positive, default=PART_SIZE, help="images of a part (%(default)s)")
    add("--device", help="such as cuda or cpu (a GPU where there is one)")
    add(
        "--engine",
        choices=("local", "ray"),
        default="local",
        help="this process, or workers on a Ray cluster (%(default)s)",
    )
    ray = parser.add_argument_group("with --engine ray")
    ray.add_argument("--num-workers", type=positive, help="models at work (as many as fit)")
    ray.add_argument(
        "--num-gpus-per-worker", type=_share, default=0, help="may be a fraction (%(default)s)"
    )
    ray.add_argument(
        "--ray-address", help="of a running cluster, such as auto (a new one on this machine)"
    )
    return parser
