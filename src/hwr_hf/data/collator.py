"""From prepared lines to one batch: normalised, padded, with labels.

In: examples `{"image": uint8 (height, width), "labels": list of ids}`. Out: `pixel_values`,
`pixel_mask` and `labels`, padded with -100.
"""

from typing import Any

import torch
from torch.nn.utils.rnn import pad_sequence

from hwr_hf.resnet_bilstm.ctc_resnet_bilstm import IGNORED_LABEL


class LineCollator:
    """Collates lines whose geometry (deskew, crop, height) is already prepared."""

    def __init__(self, image_processor):
        self.image_processor = image_processor

    def __call__(self, examples: list[dict[str, Any]]) -> dict[str, torch.Tensor]:
        batch = self.image_processor(
            [example["image"] for example in examples],
            do_deskew=False,
            do_crop=False,
            do_resize=False,
            return_tensors="pt",
        )
        labels = [torch.tensor(example["labels"], dtype=torch.long) for example in examples]
        labels = pad_sequence(labels, batch_first=True, padding_value=IGNORED_LABEL)
        return {**batch, "labels": labels}
