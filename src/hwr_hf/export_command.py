"""The command `hwr-hf export onnx`: arguments in, a call of `export_onnx`, the file's path out."""

import argparse
from collections.abc import Sequence

from . import DEFAULT_MODEL
from .model_folders import checked_model
from .onnx_export import export_onnx

DESCRIPTION = """\
Write a model for onnxruntime: FOLDER gets model.onnx and all else that reading needs, so that
`hwr-hf read --backend onnx --model FOLDER` and pipeline(..., model=FOLDER, backend="onnx") read
with it. Needs: pip install 'hwr_hf[onnx]'
"""
EPILOG = """\
examples:
  hwr-hf export onnx --output runs/onnx              the model in the package
  hwr-hf export onnx runs/mine --output runs/onnx --int8
  hwr-hf export onnx runs/mine --output runs/mine    adds model.onnx to the model's own folder
"""


def main(argv: Sequence[str]) -> int:
    """Run the command and return its exit code."""
    arguments = _parser().parse_args(argv)
    path = export_onnx(checked_model(arguments.model), arguments.output, arguments.int8)
    print(f"{path}  ({path.stat().st_size / 1e6:.1f} MB)")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="hwr-hf export",
        description="Write a model in another format.",
        epilog="hwr-hf export onnx --help says more.",
    )
    commands = parser.add_subparsers(required=True, metavar="onnx", dest="format")
    onnx = commands.add_parser(
        "onnx",
        help="a model -> a folder that onnxruntime reads with",
        description=DESCRIPTION,
        epilog=EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add = onnx.add_argument
    add("model", nargs="?", default=DEFAULT_MODEL, metavar="MODEL", help="folder or Hub id")
    add("--output", required=True, metavar="FOLDER", help="new folder, or the model's own")
    add("--int8", action="store_true", help="LSTMs and matrix products in 8-bit integers")
    return parser
