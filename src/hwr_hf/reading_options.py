"""Options on how to read that several commands have: what computes, and how to decode."""

import argparse

from . import DEFAULT_MODEL
from .devices import CPU_BATCH_SIZE, GPU_BATCH_SIZE
from .resnet_bilstm.pipeline_resnet_bilstm import DECODERS
from .resnet_bilstm.views_resnet_bilstm import MAX_VIEWS

BEAM_OPTIONS = ("ngram", "lm_weight", "beam_width", "min_probability")


def positive(text: str) -> int:
    """A whole number from 1."""
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"{number} is too small, use 1 or more")
    return number


def add_batch_size(parser: argparse.ArgumentParser) -> None:
    """`--batch-size`, None where it is not given."""
    parser.add_argument(
        "--batch-size",
        type=positive,
        metavar="N",
        help=f"images at once ({CPU_BATCH_SIZE}, on a GPU {GPU_BATCH_SIZE})",
    )


def add_computing_options(parser: argparse.ArgumentParser) -> None:
    """`--backend` and `--dtype`."""
    parser.add_argument(
        "--backend",
        choices=("torch", "onnx"),
        default="torch",
        help="what computes the network; onnx needs hwr_hf[onnx] (%(default)s)",
    )
    parser.add_argument(
        "--dtype",
        choices=("float32", "bfloat16"),
        default="float32",
        help="to compute in; bfloat16 is faster where the CPU or GPU has it, and changes a text "
        "now and then (%(default)s)",
    )


def add_beam_options(parser: argparse.ArgumentParser) -> None:
    """`--decoder`, the n-gram of the beam search, and how narrow the beam is."""
    parser.add_argument(
        "--decoder",
        choices=DECODERS,
        default="greedy",
        help="beam: search with the character n-gram beside the model (%(default)s)",
    )
    parser.add_argument("--ngram", metavar="FILE", help="another n-gram for the beam search")
    parser.add_argument(
        "--lm-weight", type=float, metavar="W", help="weight of the n-gram; 0: search without"
    )
    parser.add_argument("--beam-width", type=positive, metavar="N", help="texts kept at a time")
    parser.add_argument(
        "--min-probability",
        type=float,
        metavar="P",
        help="a character less probable than this in a frame is not tried there; with 0.003 and "
        "--beam-width 8 the search is fast and nearly as good",
    )


def add_model_options(parser: argparse.ArgumentParser) -> None:
    """`--model`, where and in what batches it computes, views of an image, and how to decode."""
    parser.add_argument(
        "--model", default=DEFAULT_MODEL, help="folder or Hub id (the one in the package)"
    )
    parser.add_argument("--device", help="cpu, cuda, cuda:1, ... (a GPU if there is one)")
    add_batch_size(parser)
    parser.add_argument(
        "--num-views",
        "--tta",  # its name once
        type=int,
        choices=range(1, MAX_VIEWS + 1),
        default=1,
        metavar="N",
        help=f"decode the mean of N changed views, up to {MAX_VIEWS}: takes N times as long (1)",
    )
    add_beam_options(parser)


def beam_options(arguments: argparse.Namespace) -> dict:
    """The options of the beam search that were given.

    Raises:
        ValueError: There are some without `--decoder beam`.
    """
    options = {name: getattr(arguments, name) for name in BEAM_OPTIONS}
    options = {name: value for name, value in options.items() if value is not None}
    if arguments.decoder != "beam" and (options or getattr(arguments, "n_best", 1) > 1):
        option = next(iter(options), "n_best").replace("_", "-")
        raise ValueError(f"--{option} is an option of the beam search. Add --decoder beam.")
    return options
