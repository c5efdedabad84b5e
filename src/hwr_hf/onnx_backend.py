"""A recogniser that onnxruntime computes, in the place of the PyTorch model of a pipeline.

In: a loaded `ResNetBiLstmForCTC`. Out: `OnnxForCTC`, which takes the same inputs to the same
outputs on the CPU. Its graph is `model.onnx` beside the weights (`hwr-hf export onnx`); where there
is none, it is made once and kept in the cache of Hugging Face, under the hash of the weights.
"""

import sys
from pathlib import Path

import torch
from huggingface_hub import constants
from transformers.utils import cached_file

from .onnx_export import ONNX_FILE, WEIGHTS_KEY, import_onnx, weights_key, write_onnx
from .resnet_bilstm import ResNetBiLstmForCTC
from .resnet_bilstm.modeling_resnet_bilstm import ResNetBiLstmOutput


class OnnxForCTC:
    """What a pipeline needs of a recogniser, computed by onnxruntime.

    Args:
        recogniser: The model in PyTorch; only its configuration and names are kept.
        path: Its graph; None finds or makes it.

    Raises:
        ValueError: The graph is damaged, or was made of other weights.
        ModuleNotFoundError: onnx or onnxruntime is not installed.
    """

    device = torch.device("cpu")
    dtype = torch.float32
    input_modalities = ("image",)

    def __init__(self, recogniser: ResNetBiLstmForCTC, path: str | Path | None = None):
        import_onnx()
        recogniser.check_weights()
        key = weights_key(recogniser)
        path = path or find_onnx(recogniser) or cached_onnx(recogniser, key)
        self.session = _session(path)
        if self.session.get_modelmeta().custom_metadata_map.get(WEIGHTS_KEY) != key:
            raise ValueError(
                f"{path} was made of other weights than those beside it. Take it away, or write it "
                "again: hwr-hf export onnx MODEL --output FOLDER"
            )
        self.config = recogniser.config
        self.name_or_path = recogniser.name_or_path
        self.revision = recogniser.revision

    def __call__(self, pixel_values: torch.Tensor, pixel_mask: torch.Tensor) -> ResNetBiLstmOutput:
        """Logits as of `ResNetBiLstmForCTC.forward`."""
        inputs = {"pixel_values": pixel_values.numpy(), "pixel_mask": pixel_mask.numpy()}
        (logits,) = self.session.run(["logits"], inputs)
        return ResNetBiLstmOutput(logits=torch.from_numpy(logits))

    def can_generate(self) -> bool:
        return False

    def save_pretrained(self, *args, **kwargs):
        raise ValueError(
            "A pipeline with backend='onnx' has no weights to save. Write its folder with: "
            "hwr-hf export onnx MODEL --output FOLDER"
        )


def find_onnx(recogniser: ResNetBiLstmForCTC) -> str | None:
    """The graph in a recogniser's folder or repository; None if there is none."""
    if not recogniser.name_or_path:
        return None
    try:
        return cached_file(
            recogniser.name_or_path,
            ONNX_FILE,
            revision=recogniser.revision,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
    except OSError:  # no such folder or repository
        return None


def cached_onnx(recogniser: ResNetBiLstmForCTC, key: str) -> Path:
    """The graph of weights with this hash in the cache, made if it is not there."""
    path = Path(constants.HF_HOME, "hwr_hf", "onnx", key, ONNX_FILE)
    if not path.is_file():
        name = recogniser.name_or_path or "the model"
        print(f"hwr_hf: exporting {name} for onnxruntime, once, to {path}", file=sys.stderr)
        write_onnx(recogniser, path)
    return path


def _session(path: str | Path):
    import onnxruntime
    from onnxruntime.capi import onnxruntime_pybind11_state as errors

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = torch.get_num_threads()
    options.log_severity_level = 3  # errors; its warnings are to those who write graphs
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except (errors.Fail, errors.InvalidProtobuf, errors.InvalidGraph, errors.NoSuchFile) as error:
        reason = " ".join(str(error).split())
        raise ValueError(f"{path} is no graph that onnxruntime reads ({reason}).") from error
