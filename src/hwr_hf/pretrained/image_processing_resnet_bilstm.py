"""Image processor of ResNet-BiLSTM on torch tensors.

In and out as in `image_processing_pil_resnet_bilstm`; the geometry is the same code, normalising
and padding run in torch, on `device` where one is given.
"""

import numpy as np
import torch
from transformers.feature_extraction_utils import BatchFeature
from transformers.image_processing_backends import TorchvisionBackend

from .image_processing_pil_resnet_bilstm import MIN_STD, LineImageProcessorMixin


class ResNetBiLstmImageProcessor(LineImageProcessorMixin, TorchvisionBackend):
    """Deskews, crops, resizes, normalises and pads images of handwriting.

    Example:
        ```python
        inputs = ResNetBiLstmImageProcessor()(["line.png"], return_tensors="pt")
        inputs["pixel_values"].shape  # (1, 1, 48, 768)
        ```
    """

    def _preprocess(
        self,
        images: list[np.ndarray],
        do_normalize: bool,
        normalization: str,
        image_mean,
        image_std,
        num_channels: int,
        return_to_original: bool,
        return_tensors,
        device=None,
        **kwargs,
    ) -> BatchFeature:
        lines, to_original = self._prepare_lines(images, **kwargs)
        width = self._padded_width(lines, **kwargs)
        shape = (len(lines), num_channels, lines[0].shape[0], width)
        pixel_values = torch.zeros(shape, dtype=torch.float32, device=device)
        pixel_mask = torch.zeros((len(lines), width), dtype=torch.int64, device=device)
        for i, line in enumerate(lines):
            line = torch.from_numpy(line).to(device)[None].float().div_(255)  # (1, height, width)
            if do_normalize and normalization == "channel":
                mean, std = (
                    torch.tensor(v, device=device).reshape(-1, 1, 1)
                    for v in (image_mean, image_std)
                )
                line = (line - mean) / std
            elif do_normalize:
                line -= line.mean()
                std = line.square().mean().sqrt()
                line *= torch.where(std > MIN_STD, 1 / std, 0)
            pixel_values[i, :, :, : line.shape[2]] = line
            pixel_mask[i, : line.shape[2]] = 1
        data = {"pixel_values": pixel_values, "pixel_mask": pixel_mask}
        if return_to_original:
            data["to_original"] = torch.from_numpy(to_original).to(device)
        return BatchFeature(data, tensor_type=return_tensors)
