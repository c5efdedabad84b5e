"""The command `hwr-hf evaluate`: arguments in, report, page of worst lines and rates out."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from .devices import checked_device, default_batch_size
from .json_files import check_writable
from .model_folders import checked_model
from .reading_options import add_model_options, beam_options, positive

# Which part is read: option: (options of the data sets that have such parts, default)
PART_OPTIONS = {
    "unit": (["iam"], "lines"),
    "split": (["iam"], "aachen"),
    "text": (["iam"], "natural"),
    "segmentation": (["iam"], "all"),
    "subset": (["iam", "dataset"], "validation"),
    "validation_share": (["dataset"], 0.1),
}
EXAMPLES = """\
examples:
  hwr-hf evaluate --iam iam/ --subset validation --output results/validation.json
  hwr-hf evaluate --iam iam/ --unit words --segmentation ok --output results/words.json
  hwr-hf evaluate --iam iam/ --deskew moment --deskew-passes 2 --output results/deskew_twice.json
  hwr-hf evaluate --iam iam/ --decoder beam --output results/validation_beam.json
  hwr-hf evaluate --dataset mine --model runs/mine --subset test --output results/mine.json

The JSON holds numbers only. The page of worst lines shows IAM's images, which may not be passed
on: keep it out of what you publish.
"""


def main(argv: Sequence[str]) -> int:
    """`hwr-hf evaluate ...`: exit code 0.

    Raises:
        ValueError, OSError: The call, the model or the data set does not do; the message says how.
    """
    arguments = _parser().parse_args(argv)
    model = checked_model(arguments.model)
    # Here, so that --help and a mistake in the call need no further library.
    from .evaluation import evaluate_model, write_report
    from .worst_lines_page import write_worst_lines

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
        num_views=arguments.num_views,
        decoder=arguments.decoder,
        decoder_options=beam_options(arguments),
        seed=arguments.seed,
    )
    about["command"] = ["hwr-hf", "evaluate", *argv]
    report = write_report(result, arguments.output, about)
    write_worst_lines(result, dataset, page, num_lines=arguments.num_worst)
    print(
        f"CER {report['cer']:.2%}  WER {report['wer']:.2%}  "
        f"({report['lines']} {about['unit']}, {report['broken_images']} broken images)\n"
        f"numbers: {arguments.output}\nworst lines: {page}"
    )
    return 0


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


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hwr-hf evaluate",
        description="Measure CER and WER on IAM or on a data set of your own.",
        epilog=EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = parser.add_argument
    source = parser.add_mutually_exclusive_group(required=True)
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
    add_model_options(parser)
    return parser
