"""The command `hwr-hf`: read images, train a recogniser, measure one, make data sets, publish.

In: the command line. Out: text or JSON lines on standard output; progress and complaints on
standard error; the exit code 0, 1 (some image could not be read) or 2 (a mistake in the call).
"""

from __future__ import annotations

import argparse
import glob
import json
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from importlib import import_module

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError

from . import __version__
from .devices import checked_device, default_batch_size, slow_dtype_note
from .image_files import IMAGE_SUFFIXES, files_in, is_image_name, open_image
from .model_folders import checked_model
from .reading_options import add_computing_options, add_model_options, beam_options, positive

SUCCESS, SOME_FAILED, USAGE = 0, 1, 2
MANY_FILES = 20  # from here on a progress bar is worth its line
# Module with the `main(argv)` of each command but `read`. It is imported for that command alone, as
# most need libraries that reading does without.
COMMANDS = {
    "train": "training",
    "dataset": "data.packing_command",
    "transcribe": "transcription.command",
    "export": "export_command",
    "evaluate": "evaluation_command",
    "push": "push_command",
}
WITH_NOTES = ("train", "push")  # these show the libraries' notes and progress bars

DESCRIPTION = """\
Read English handwriting: an image of one text line or one word in, its text out.
A trained model is part of the package, so reading needs no network.

commands:
  read      text of images, folders of images or patterns
  train     train or fine-tune a recogniser on IAM, on your own handwriting, or on both
  evaluate  CER and WER of a model, and a page of its worst lines
  dataset   make a data set of your own images and texts, to train on and to share
  transcribe  text of any number of images, on one machine or many, to a folder of rows
  push      upload a model, a data set or a Space to the Hugging Face Hub
  export    write a model for onnxruntime
"""
EXAMPLES = """\
examples:
  hwr-hf read line.png                        print the text of one line
  hwr-hf read scans/ more/*.jpg > texts.tsv   one "file<TAB>text" a line, folders with sub-folders
  hwr-hf read --json scans/ > texts.jsonl     with scores, words and their boxes
  hwr-hf train --help                         every training option
  hwr-hf evaluate --iam iam/ --output results/validation.json
  hwr-hf dataset pack --help                  your own handwriting
  hwr-hf transcribe scans/ --output texts     a million images, resumable
  hwr-hf push runs/mine --repo user/name --dry-run
  hwr-hf export onnx --output runs/onnx --int8

An image shows one line or one word. Cut pages into lines first.
HWR_HF_TRACEBACK=1 hwr-hf ... shows where in the program an error arose.
"""
READ_EXAMPLES = """\
examples:
  hwr-hf read line.png
  hwr-hf read scans/ > texts.tsv
  hwr-hf read --json 'scans/**/*.png' > texts.jsonl
  hwr-hf read --decoder beam --n-best 5 line.png    the five best texts, "score<TAB>text" a line
  hwr-hf read --correct line.png                    corrected by the corrector beside the model
  hwr-hf read --corrector runs/corrector scans/     corrected by another one

A line of --json holds "file", "text", "score" (probability of the whole text) and "words", each
with "text", "score" and "box": [x0, y0, x1, y1] in pixels of the upright image. With --decoder beam
it has "fused_score" too, by which texts are ranked, and with --n-best the others in "alternatives".
With a corrector "text" is the corrected one, "recognised_text" the one that was read, and "edits"
what lies between; score and words are those of the text that was read.

exit code: 0 all images read; 1 some not read, each named on standard error; 2 wrong call.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        if argv and argv[0] in COMMANDS:
            return _run(argv[0], argv[1:])
        return _read(_parser().parse_args(argv))
    except BrokenPipeError:  # the reader of our output has left, as in `| head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return SOME_FAILED
    except ModuleNotFoundError as error:
        if "pip install" in str(error):
            return _complain(error)
        return _complain(f"{error.name} is not installed. Run: pip install 'hwr_hf[train]'")
    except SafetensorError as error:
        return _complain(f"The model's weights are damaged ({error}). Get the model again.")
    except (ValueError, OSError, StrictDataclassError) as error:
        return _complain(error)
    except KeyboardInterrupt:
        return 130  # 128 + SIGINT, as shells report it


def _run(command: str, argv: list[str]) -> int:
    if command not in WITH_NOTES:
        _quiet()
    module = import_module(f".{COMMANDS[command]}", __package__)
    return module.main(argv) or SUCCESS  # that of `train` returns nothing


def _complain(reason: object) -> int:
    if os.environ.get("HWR_HF_TRACEBACK"):
        raise  # the exception being handled, with its stack
    print(f"hwr-hf: error: {reason}", file=sys.stderr)
    return USAGE


def find_images(paths: Sequence[str]) -> tuple[list[str], list[tuple[str, str]]]:
    """Image files that files, folders (with sub-folders) and glob patterns name.

    Returns:
        The files in the order of `paths`, each once, a folder's sorted; and paths with why there
        is nothing of them: they name nothing, or are folders that cannot be listed. A file given by
        its name is taken whatever its suffix.
    """
    files: dict[str, None] = {}
    failures = []

    def fail(error: OSError) -> None:
        failures.append((error.filename, error.strerror))

    for path in paths:
        number_before = len(failures)
        found = list(_images_of(path, fail))
        files.update(dict.fromkeys(found))
        if not found and len(failures) == number_before:
            failures.append((path, "no such file, and no image in it or matching it"))
    return list(files), failures


def _images_of(path: str, on_unlistable: Callable[[OSError], None]) -> Iterator[str]:
    if os.path.isdir(path):
        yield from files_in(path, is_image_name, on_unlistable)
    elif os.path.exists(path):
        yield path
    else:
        for match in sorted(glob.glob(path, recursive=True)):
            if os.path.isfile(match):
                yield match


def _read(arguments: argparse.Namespace) -> int:
    files, without_images = find_images(arguments.paths)
    if not files:
        reasons = "; ".join(f"{path}: {reason}" for path, reason in without_images)
        raise ValueError(
            f"No image. {reasons}. Give image files, folders that hold some "
            f"({' '.join(IMAGE_SUFFIXES)}) or a pattern such as 'scans/*.png'."
        )
    # Of one image the text alone; a folder's lines have names, however many there are.
    with_name = len(files) > 1 or files != arguments.paths
    failures = 0

    def fail(file: str, reason: object) -> None:
        nonlocal failures
        failures += 1
        reason = " ".join(str(reason).split()) or type(reason).__name__
        print(f"hwr-hf: cannot read {file}: {reason}", file=sys.stderr)

    for path, reason in without_images:
        fail(path, reason)
    reader = _load_pipeline(arguments)

    from tqdm import tqdm

    from .careful_reading import json_record, read_each

    if hasattr(sys.stdout, "reconfigure"):
        sys.stdout.reconfigure(encoding="utf-8", errors="replace")
    with tqdm(
        total=len(files),
        unit="image",
        file=sys.stderr,
        disable=None if len(files) >= MANY_FILES else True,  # None: shown on a terminal only
    ) as bar:
        options = {
            "return_words": arguments.json,
            "num_views": arguments.num_views,
            "batch_size": arguments.batch_size or default_batch_size(arguments.device),
        }
        outcomes = read_each(reader, files, open_image, **options)
        for file, outcome in zip(files, outcomes, strict=True):
            bar.update()
            if isinstance(outcome, Exception):
                fail(file, outcome)
                continue
            if arguments.json:
                record = {"file": file} | json_record(outcome)
                lines = [json.dumps(record, ensure_ascii=False)]
            else:
                lines = [
                    (f"{file}\t" if with_name else "")
                    + (f"{reading['score']:.3f}\t" if arguments.n_best > 1 else "")
                    + reading["generated_text"]
                    for reading in outcome
                ]
            with tqdm.external_write_mode():
                print(*lines, sep="\n", flush=True)
    return SOME_FAILED if failures else SUCCESS


def _load_pipeline(arguments: argparse.Namespace):
    model = checked_model(arguments.model)
    _quiet()
    import torch
    from transformers import pipeline

    if not os.path.isdir(model):
        # All of it before any is loaded, and with errors of its own: the pipeline would bury them.
        from huggingface_hub import snapshot_download, try_to_load_from_cache
        from huggingface_hub.errors import LocalEntryNotFoundError

        wanted = ["*.json", "*.safetensors", "*.py"]
        wanted += ["*.onnx"] if arguments.backend == "onnx" else []
        try:
            model = snapshot_download(model, allow_patterns=wanted, ignore_patterns=["*/*"])
        except LocalEntryNotFoundError:  # no connection; what is here may be enough
            if not isinstance(try_to_load_from_cache(model, "config.json"), str):
                raise
    device = checked_device(arguments.device)
    if note := slow_dtype_note(arguments.dtype, device):
        print(note, file=sys.stderr)
    corrector = None
    if arguments.correct or arguments.corrector:
        from .correction import load_corrector

        corrector = load_corrector(arguments.model, arguments.corrector, device)
    return pipeline(
        "image-to-text",
        model=model,
        backend=arguments.backend,
        device=device,
        dtype=getattr(torch, arguments.dtype),
        corrector=corrector,
        decoder=arguments.decoder,
        num_return_sequences=arguments.n_best,
        **beam_options(arguments),
    )


def _quiet() -> None:
    """Keep the libraries' notes to developers away from people who only want to read."""
    from huggingface_hub.utils import disable_progress_bars
    from transformers.utils import logging

    disable_progress_bars()
    logging.set_verbosity_error()
    logging.disable_progress_bar()
    warnings.formatwarning = lambda message, *_: f"hwr-hf: warning: {message}\n"


def _parser() -> argparse.ArgumentParser:
    raw = argparse.RawDescriptionHelpFormatter
    parser = argparse.ArgumentParser(
        prog="hwr-hf",
        usage="hwr-hf [-h] [--version] command ...",
        description=DESCRIPTION,
        epilog=EXAMPLES,
        formatter_class=raw,
    )
    parser.add_argument("--version", action="version", version=f"hwr-hf {__version__}")
    commands = parser.add_subparsers(
        required=True, prog="hwr-hf", metavar="command", help=argparse.SUPPRESS
    )

    read = commands.add_parser(
        "read", description="Print the text of images.", epilog=READ_EXAMPLES, formatter_class=raw
    )
    read.add_argument("paths", nargs="+", metavar="PATH", help="image, folder or quoted pattern")
    read.add_argument("--json", action="store_true", help="JSON lines with scores, words and boxes")
    read.add_argument(
        "--n-best", type=positive, default=1, metavar="N", help="texts for each image, with beam"
    )
    read.add_argument(
        "--correct", action="store_true", help="correct with the corrector beside the model"
    )
    read.add_argument(
        "--corrector", metavar="FOLDER_OR_ID", help="correct with this one; implies --correct"
    )
    add_computing_options(read)
    add_model_options(read)

    for command in COMMANDS:  # the message about a wrong one names them
        commands.add_parser(command, add_help=False)
    return parser
