"""`pipeline("image-to-text", backend=...)`: what computes the network, PyTorch or onnxruntime.

In and out as of `ResNetBiLstmPipeline`; the back ends differ in speed, not in what they read.
"""

import torch

from .onnx_backend import OnnxForCTC
from .resnet_bilstm import ResNetBiLstmPipeline

BACKENDS = ("torch", "onnx")


class BackendPipeline(ResNetBiLstmPipeline):
    """`ResNetBiLstmPipeline` with a choice of what computes the network.

    Args:
        backend: `"torch"`, or `"onnx"` for onnxruntime on the CPU: with the model's `model.onnx`,
            or one made of its weights and kept in the cache.

    Raises:
        ValueError: There is no such back end, or it does not compute on `device` or in the
            model's `dtype`.
        ModuleNotFoundError: With `"onnx"`: onnx or onnxruntime is not installed.
    """

    def __init__(self, model, *args, backend: str = "torch", device=None, **kwargs):
        if backend not in BACKENDS:
            raise ValueError(f"backend={backend!r} is not one of {', '.join(BACKENDS)}.")
        if backend == "onnx":
            if device not in (None, -1) and torch.device(device).type != "cpu":
                raise ValueError(f"backend='onnx' computes on the CPU, not on {device}.")
            device = "cpu"
            if model.dtype not in (torch.float32, torch.float16):
                raise ValueError(
                    f"backend='onnx' computes in float32, not in {model.dtype}. Leave dtype out; "
                    "for 8-bit integers: hwr-hf export onnx MODEL --output FOLDER --int8"
                )
            model = OnnxForCTC(model.float())
        super().__init__(model, *args, device=device, **kwargs)


__all__ = ["BACKENDS", "BackendPipeline"]
