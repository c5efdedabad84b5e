"""The command `hwr-hf`: read images, train a recogniser, measure one, make data sets, publish.

In: the command line. Out: text or JSON lines on standard output; progress and complaints on
standard error; the exit code 0, 1 (some image could not be read) or 2 (a mistake in the call).
"""

from __future__ import annotations

import argparse
import glob
import json
import math
import os
import sys
import warnings
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from huggingface_hub.errors import StrictDataclassError
from safetensors import SafetensorError

from . import DEFAULT_MODEL, __version__
from .devices import checked_device, default_batch_size, slow_dtype_note
from .image_files import IMAGE_SUFFIXES, files_in, is_image_name, open_image
from .model_folders import checked_model
from .reading_options import (
    add_batch_size,
    add_beam_options,
    add_computing_options,
    beam_options,
    positive,
)
from .resnet_bilstm.views_resnet_bilstm import MAX_VIEWS

SUCCESS, SOME_FAILED, USAGE = 0, 1, 2
MANY_FILES = 20  # from here on a progress bar is worth its line
# Which part `evaluate` reads: option: (options of the data sets that have such parts, default)
PART_OPTIONS = {
    "unit": (["iam"], "lines"),
    "split": (["iam"], "aachen"),
    "text": (["iam"], "natural"),
    "segmentation": (["iam"], "all"),
    "subset": (["iam", "dataset"], "validation"),
    "validation_share": (["dataset"], 0.1),
}

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
EVALUATE_EXAMPLES = """\
examples:
  hwr-hf evaluate --iam iam/ --subset validation --output results/validation.json
  hwr-hf evaluate --iam iam/ --unit words --segmentation ok --output results/words.json
  hwr-hf evaluate --iam iam/ --deskew moment --deskew-passes 2 --output results/deskew_twice.json
  hwr-hf evaluate --iam iam/ --decoder beam --output results/validation_beam.json
  hwr-hf evaluate --dataset mine --model runs/mine --subset test --output results/mine.json

The JSON holds numbers only. The page of worst lines shows IAM's images, which may not be passed
on: keep it out of what you publish.
"""
PUSH_EXAMPLES = """\
examples:
  hwr-hf push runs/mine --repo user/name --dry-run         what would go, with sizes; no network
  hwr-hf push runs/mine --repo user/name --private
  hwr-hf push runs/mine/checkpoint-500 --repo user/name --revision trial
  hwr-hf push runs/mine --repo user/name --results results/mine.json
  hwr-hf push runs/space --repo user/demo --type space   # made by scripts/pack_space.py

A model's repository gets weights, processor, the code that reads without this package, a card, a
licence and the results; of a training's folder nothing else. Without README.md in the folder a card
is written from what its files know. Everything arrives as one commit: a connection that breaks
leaves the repository as it was, and the same command goes on. Log in first: hf auth login.

exit code: 0 pushed, or already there; 2 not pushed.
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command line and return its exit code."""
    argv = list(sys.argv[1:] if argv is None else argv)
    try:
        if argv[:1] == ["train"]:  # its options are the training dataclasses', not listed here
            return _train(argv[1:])
        if argv[:1] == ["dataset"]:  # needs libraries that reading does without
            return _dataset(argv[1:])
        if argv[:1] == ["transcribe"]:
            return _transcribe(argv[1:])
        if argv[:1] == ["export"]:
            return _export(argv[1:])
        arguments = _parser().parse_args(argv, argparse.Namespace(argv=argv))
        return arguments.command(arguments)
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

    from .careful_reading import read_each

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
            "num_views": arguments.tta,
            "batch_size": arguments.batch_size or default_batch_size(arguments.device),
        }
        outcomes = read_each(reader, files, open_image, **options)
        for file, outcome in zip(files, outcomes, strict=True):
            bar.update()
            if isinstance(outcome, Exception):
                fail(file, outcome)
                continue
            if arguments.json:
                lines = [json.dumps(_json_line(file, outcome), ensure_ascii=False)]
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


def _json_line(file: str, readings: list[dict]) -> dict:
    """The best reading, and in `alternatives` the others where several were asked for."""
    best, *others = [
        {"text": reading.pop("generated_text"), **reading} for reading in map(dict, readings)
    ]
    return _finite({"file": file, **best} | ({"alternatives": others} if others else {}))


def _finite(value):
    """The same with None for numbers that JSON does not have, such as a logarithm of 0."""
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


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


def _train(argv: list[str]) -> int:
    from .training import main as train

    train(argv)
    return SUCCESS


def _dataset(argv: list[str]) -> int:
    _quiet()
    from .data.packing_command import main as dataset

    return dataset(argv)


def _transcribe(argv: list[str]) -> int:
    _quiet()
    from .transcription.command import main as transcribe

    return transcribe(argv)


def _export(argv: list[str]) -> int:
    _quiet()
    from .export_command import main as export

    return export(argv)


def _evaluate(arguments: argparse.Namespace) -> int:
    model = checked_model(arguments.model)
    _quiet()
    from .evaluation import evaluate_model, write_report, write_worst_lines
    from .json_files import check_writable

    device = checked_device(arguments.device)
    page = arguments.worst_lines or Path("runs", Path(arguments.output).stem + "_worst_lines.html")
    for path in (arguments.output, page):  # reading takes long
        check_writable(path)
    deskewing = _deskewing(arguments)
    dataset, about = _evaluation_data(arguments)
    result = evaluate_model(
        model,
        dataset,
        batch_size=arguments.batch_size or default_batch_size(device),
        device=device,
        dtype=arguments.dtype,
        image_processor_options=deskewing,
        lowercase=arguments.lowercase,
        num_samples=arguments.num_samples,
        num_workers=arguments.num_workers,
        num_views=arguments.tta,
        decoder=arguments.decoder,
        decoder_options=beam_options(arguments),
        seed=arguments.seed,
    )
    about["command"] = ["hwr-hf", *arguments.argv]
    report = write_report(result, arguments.output, about)
    write_worst_lines(result, dataset, page, num_lines=arguments.num_worst)
    print(
        f"CER {report['cer']:.2%}  WER {report['wer']:.2%}  "
        f"({report['lines']} {about['unit']}, {report['broken_images']} broken images)\n"
        f"numbers: {arguments.output}\nworst lines: {page}"
    )
    return SUCCESS


def _push(arguments: argparse.Namespace) -> int:
    from .hub import check_name, full_name, push
    from .hub_files import folder_files, model_files

    check_name(arguments.repo)
    repo_id = arguments.repo
    if "/" not in repo_id and not arguments.dry_run:
        repo_id = full_name(repo_id)
    if arguments.type == "model":
        license = _license(arguments.license)
        content = model_files(arguments.folder, repo_id, arguments.results, license)
    elif arguments.results or arguments.license:
        raise ValueError("--results and --license are options of a model. Leave them out.")
    else:
        content = folder_files(arguments.folder, arguments.type)
    for path, reason in content.left_out.items():
        print(f"left out: {path} ({reason})", file=sys.stderr)
    if arguments.dry_run:
        for path in content.files:
            print(f"{content.size(path) / 1e3:10,.1f} kB  {path}")
        print(f"{content.total_size / 1e3:10,.1f} kB  in {len(content.files)} files")
        return SUCCESS
    pushed = push(
        content,
        repo_id,
        private=arguments.private,
        revision=arguments.revision,
        message=arguments.message,
    )
    for path in pushed.deleted:
        print(f"deleted there: {path}", file=sys.stderr)
    state = f"{len(content.files)} files" if pushed.is_new else "already there"
    print(f"{pushed.url}  ({state}, commit {pushed.commit})")
    return SUCCESS


def _license(name: str | None) -> dict[str, str] | None:
    """A licence as a card's metadata has it: an id of the Hub, or "name=link" of another one."""
    if name is None:
        return None
    name, other, link = name.partition("=")
    if other:
        return {"license": "other", "license_name": name, "license_link": link}
    return {"license": name}


def _choose_part(arguments: argparse.Namespace) -> None:
    """Puts defaults in place of what is not given of the part to read.

    Raises:
        ValueError: Something is given that chooses nothing of this data set.
    """
    for name, (sources, default) in PART_OPTIONS.items():
        if getattr(arguments, name) is None:
            setattr(arguments, name, default)
        elif all(getattr(arguments, source) is None for source in sources):
            options = " or ".join(f"--{source}" for source in sources)
            raise ValueError(
                f"--{name.replace('_', '-')} {getattr(arguments, name)} chooses something of "
                f"{options} alone. Leave it out."
            )


def _deskewing(arguments: argparse.Namespace) -> dict:
    """The image processor's settings that the options stand for."""
    settings: dict = {}
    if arguments.deskew is not None:
        settings["do_deskew"] = arguments.deskew != "none"
    if arguments.deskew in ("line", "moment"):
        settings["deskew_method"] = arguments.deskew
    if arguments.deskew_passes is not None:
        if arguments.deskew != "moment":
            raise ValueError(
                f"--deskew-passes {arguments.deskew_passes} is for the method that can take "
                "several. Add --deskew moment, or leave it out."
            )
        settings["num_deskew_passes"] = arguments.deskew_passes
    return settings


def _evaluation_data(arguments: argparse.Namespace):
    """The labelled images to read, and what a report says of them."""
    _choose_part(arguments)
    if arguments.iam_ondb is not None:
        from .data.synthetic import load_plain_pen_lines

        about = {
            "dataset": arguments.name or "IAM-OnDB, strokes drawn plainly",
            "unit": "lines",
            "split": "every twentieth form",
            "subset": "held out",
            "segmentation": "all",
            "text": "natural",
        }
        return load_plain_pen_lines(arguments.iam_ondb), about

    if arguments.dataset is not None:
        from .data.labelled_dataset import load_labelled

        splits = load_labelled(arguments.dataset, arguments.validation_share)
        about = {
            "dataset": arguments.name or Path(arguments.dataset).name,
            "unit": "lines",
            "split": "its own",
            "subset": arguments.subset,
            "segmentation": "all",
            "text": "natural",
        }
        return _subset(splits, arguments), about

    from .data.iam import load_iam

    splits = load_iam(
        arguments.iam,
        unit=arguments.unit,
        split=arguments.split,
        text=arguments.text,
        segmentation=arguments.segmentation,
    )
    about = {
        "dataset": arguments.name or "IAM",
        "unit": arguments.unit,
        "split": arguments.split,
        "subset": arguments.subset,
        "segmentation": arguments.segmentation,
        "text": arguments.text,
    }
    return _subset(splits, arguments), about


def _subset(splits, arguments: argparse.Namespace):
    if arguments.subset not in splits:
        raise ValueError(
            f"{arguments.dataset or arguments.split} has no {arguments.subset!r}. "
            f"Choose --subset from {', '.join(splits)}."
        )
    return splits[arguments.subset]


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
    read.set_defaults(command=_read)
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
    _add_model_arguments(read)

    commands.add_parser("train", add_help=False)
    commands.add_parser("dataset", add_help=False)
    commands.add_parser("transcribe", add_help=False)
    commands.add_parser("export", add_help=False)

    evaluate = commands.add_parser(
        "evaluate",
        description="Measure CER and WER on IAM or on a data set of your own.",
        epilog=EVALUATE_EXAMPLES,
        formatter_class=raw,
    )
    evaluate.set_defaults(command=_evaluate)
    add = evaluate.add_argument
    source = evaluate.add_mutually_exclusive_group(required=True)
    source.add_argument("--iam", metavar="DIR", help="folder of IAM's downloads, packed or not")
    source.add_argument(
        "--iam-ondb", metavar="DIR", help="of IAM-OnDB's: reads lines kept out of training"
    )
    source.add_argument(
        "--dataset",
        metavar="DIR_OR_NAME",
        help="made by `hwr-hf dataset pack`, another folder that `datasets` loads, or owner/name "
        "on the Hub",
    )
    add("--output", required=True, metavar="FILE", help="JSON file to write")
    add("--name", help="data set's name in the report")
    add(
        "--validation-share",
        type=float,
        metavar="SHARE",
        help="of the training lines of --dataset, where it has no validation split: as `train` "
        "draws it (0.1)",
    )
    add(
        "--subset",
        choices=["train", "validation", "test"],
        help="part of --iam or --dataset (validation)",
    )
    add("--unit", choices=["lines", "words"], help="of --iam (lines)")
    add(
        "--split",
        choices=["aachen", "aachen_b", "large_writer_independent", "random_80_20"],
        help="protocol of --iam (aachen)",
    )
    add("--text", choices=["natural", "tokens"], help="of --iam: it's (natural), or it 's")
    add("--segmentation", choices=["all", "ok"], help="of --iam: ok are the well cut ones (all)")
    add("--lowercase", action="store_true", help="compare without regard to case")
    add("--deskew", choices=["none", "line", "moment"], help="instead of the model's own setting")
    add("--deskew-passes", type=int, choices=[0, 1, 2], help="of --deskew moment (the model's own)")
    add("--num-samples", type=positive, metavar="N", help="read N lines drawn at random")
    add("--seed", type=int, default=0, help="of the drawn lines and the intervals (%(default)s)")
    add("--worst-lines", metavar="FILE", help="HTML page (runs/OUTPUT_worst_lines.html)")
    add("--num-worst", type=positive, default=100, metavar="N", help="lines on it (%(default)s)")
    add(
        "--dtype",
        choices=["float32", "bfloat16", "float16"],
        default="float32",
        help="to compute in, %(default)s by default",
    )
    add("--num-workers", type=int, default=0, metavar="N", help="processes that prepare images")
    _add_model_arguments(evaluate)

    push = commands.add_parser(
        "push",
        description="Upload a model, or a Space or a data set, to the Hugging Face Hub.",
        epilog=PUSH_EXAMPLES,
        formatter_class=raw,
    )
    push.set_defaults(command=_push)
    add = push.add_argument
    add("folder", metavar="FOLDER", help="a model's folder, a training's, or a checkpoint of one")
    add("--repo", required=True, metavar="USER/NAME", help="where to; made if it is not there")
    add("--private", action="store_true", help="make the repository private")
    add("--revision", metavar="BRANCH", help="made if it is not there (main)")
    add("--dry-run", action="store_true", help="list files and sizes, touch no network")
    add(
        "--type",
        choices=["model", "space", "dataset"],
        default="model",
        help="what the folder holds (%(default)s)",
    )
    add(
        "--results",
        nargs="+",
        default=[],
        metavar="PATH",
        help="reports of `hwr-hf evaluate` on these weights, or folders of them",
    )
    add("--license", metavar="ID", help="for a card that is made: an id of the Hub, or NAME=LINK")
    add("--message", metavar="TEXT", help="of the commit")
    return parser


def _add_model_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, help="folder or Hub id (the one in the package)"
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ... (a GPU if there is one)")
    add_batch_size(parser)
    parser.add_argument(
        "--tta",
        type=int,
        choices=range(1, MAX_VIEWS + 1),
        default=1,
        metavar="N",
        help=f"decode the mean of N changed views, up to {MAX_VIEWS}: takes N times as long (1)",
    )
    add_beam_options(parser)
