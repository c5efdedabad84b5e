"""From a trained recogniser to `model.onnx`, which onnxruntime computes without PyTorch's kernels.

In: a `ResNetBiLstmForCTC`. Out: a graph from `pixel_values` float32 `(batch, channels, height,
width)` and `pixel_mask` int64 `(batch, width)` to `logits` float32 `(batch, frames, vocab_size)`,
batch and width free. The mask is in the graph, so a line's logits do not depend on its batch.
With `int8` the weights of LSTMs and matrix products are stored as 8-bit integers and their inputs
are quantised as they come (dynamic quantisation). Convolutions stay float32: quantised the same
way they cost accuracy.
"""

import logging
import os
import shutil
import tempfile
import warnings
from pathlib import Path

import torch
from torch import nn

from .resnet_bilstm import ResNetBiLstmConfig, ResNetBiLstmForCTC, ResNetBiLstmProcessor
from .resnet_bilstm.ngram_resnet_bilstm import NGRAM_FILE, find_beside, find_ngram
from .weights_files import stored_tensors_sha256, tensors_sha256

ONNX_FILE = "model.onnx"
WEIGHTS_KEY = "weights_sha256"  # in the file's metadata: which weights it was made of
INT8_OPERATORS = ["LSTM", "MatMul", "Gemm"]
OPSET = 17
LICENSE = "LICENSE.md"


def export_onnx(model: str | Path, output: str | Path, int8: bool = False) -> Path:
    """Writes a folder that reads with `backend="onnx"`, and with PyTorch as before.

    Args:
        model: Folder or Hub id of a `ResNetBiLstmForCTC` with its processor.
        output: Folder to write, new or empty; or the model's own, which then gets `model.onnx`.
        int8: Quantise LSTMs and matrix products.

    Returns:
        Path of `model.onnx`.

    Raises:
        ValueError: The model has no CTC head or fixed steps, or `output` is in use.
        ModuleNotFoundError: onnx or onnxruntime is not installed.
    """
    import_onnx()
    output = Path(output)
    is_own_folder = Path(model).is_dir() and output.resolve() == Path(model).resolve()
    if output.exists() and not is_own_folder and (output.is_file() or any(output.iterdir())):
        raise ValueError(
            f"{output} is not empty. Give a new folder, or the model's own to add {ONNX_FILE}."
        )
    architectures = ResNetBiLstmConfig.from_pretrained(model).architectures or []
    if architectures != [ResNetBiLstmForCTC.__name__]:
        raise ValueError(
            f"{model} holds {', '.join(architectures) or 'no known architecture'}. Only "
            f"{ResNetBiLstmForCTC.__name__} can be exported, the head that the pipeline decodes."
        )
    recogniser = ResNetBiLstmForCTC.from_pretrained(model, dtype=torch.float32)
    recogniser.check_weights()
    if not is_own_folder:
        processor = ResNetBiLstmProcessor.from_pretrained(model)
        recogniser.save_pretrained(output)
        processor.save_pretrained(output)
        ngram = find_ngram(model)
        if ngram:
            shutil.copyfile(ngram, output / NGRAM_FILE)
        license_file = find_beside(model, LICENSE)
        if license_file:  # the terms of the weights go where they go
            shutil.copyfile(license_file, output / LICENSE)
    return write_onnx(recogniser, output / ONNX_FILE, int8)


def write_onnx(recogniser: ResNetBiLstmForCTC, path: str | Path, int8: bool = False) -> Path:
    """Writes a recogniser's graph and weights; the file is there whole or not at all.

    Args:
        recogniser: With float32 weights, on the CPU.
        path: File to write; its folder is made.
        int8: As in `export_onnx`.

    Raises:
        ValueError: The recogniser has a fixed number of steps.
        ModuleNotFoundError: onnx or onnxruntime is not installed.
    """
    onnx = import_onnx()
    if recogniser.config.num_steps is not None:
        raise ValueError(
            f"num_steps={recogniser.config.num_steps}: the width is not free in such a model, so "
            "it cannot be exported. Use one with num_steps=None, as the default has."
        )
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=path.parent) as folder:
        file = Path(folder, "float32.onnx")
        _trace(recogniser, file)
        if int8:
            file = _quantised(file)
        graph = onnx.load(file)
        graph.metadata_props.add(key=WEIGHTS_KEY, value=weights_key(recogniser))
        onnx.save(graph, file)
        os.replace(file, path)
    return path


def weights_key(recogniser: nn.Module) -> str:
    """What tells a recogniser's weights from others: the hash of their values."""
    return tensors_sha256(sorted(recogniser.state_dict().items()))


def is_made_of(path: str | Path, folder: str | Path) -> bool:
    """Whether a written graph is one of the weights saved in a folder; needs no onnx library."""
    key = stored_tensors_sha256(folder)
    # As protobuf stores a key and its value: each after its tag and its length.
    entry = b"\x0a%c%b\x12%c%b" % (len(WEIGHTS_KEY), WEIGHTS_KEY.encode(), len(key), key.encode())
    return entry in Path(path).read_bytes()


def import_onnx():
    """The onnx library, where onnxruntime is there too.

    Raises:
        ModuleNotFoundError: One of them is missing; the message says how to install it.
    """
    try:
        import onnx
        import onnxruntime  # noqa: F401
    except ModuleNotFoundError as error:
        raise ModuleNotFoundError(
            f"{error.name} is not installed. Run: pip install 'hwr_hf[onnx]'", name=error.name
        ) from error
    return onnx


class _Logits(nn.Module):
    """A recogniser that takes and returns plain tensors."""

    def __init__(self, recogniser: ResNetBiLstmForCTC):
        super().__init__()
        self.recogniser = recogniser

    def forward(self, pixel_values: torch.Tensor, pixel_mask: torch.Tensor) -> torch.Tensor:
        return self.recogniser(pixel_values=pixel_values, pixel_mask=pixel_mask).logits


def _trace(recogniser: ResNetBiLstmForCTC, path: Path) -> None:
    """Writes the float32 graph."""
    was_training = recogniser.training
    width = 16 * recogniser.config.column_stride
    pixel_values = torch.zeros(2, recogniser.config.num_channels, 48, width)
    pixel_mask = torch.ones(2, width, dtype=torch.int64)
    with warnings.catch_warnings():
        # Of tracing: the shape checks hold for every batch, the LSTM's batch is free.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            _Logits(recogniser).eval(),
            (pixel_values, pixel_mask),
            path,
            input_names=["pixel_values", "pixel_mask"],
            output_names=["logits"],
            dynamic_axes={
                "pixel_values": {0: "batch", 2: "height", 3: "width"},
                "pixel_mask": {0: "batch", 1: "width"},
                "logits": {0: "batch", 1: "frames"},
            },
            opset_version=OPSET,
            # The exporter built on torch.export fixes an LSTM's frames to those traced, keeps its
            # weights out of the quantiser's reach, and takes 20 seconds instead of one.
            dynamo=False,
        )
    recogniser.train(was_training)


def _quantised(path: Path) -> Path:
    from onnxruntime.quantization import QuantType, quantize_dynamic

    output = path.with_name("int8.onnx")
    logger = logging.getLogger()
    level = logger.level
    logger.setLevel(logging.ERROR)  # it advises a preparation that changes nothing here
    try:
        quantize_dynamic(
            path, output, op_types_to_quantize=INT8_OPERATORS, weight_type=QuantType.QInt8
        )
    finally:
        logger.setLevel(level)
    return output
