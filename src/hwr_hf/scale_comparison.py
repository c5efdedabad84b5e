"""How a recogniser reads images at other scales than it was trained with, and at what cost.

In: images and their texts. Out: error rates, and what the network multiplies, for other rows and
columns of pixels.
"""

from collections.abc import Iterable, Mapping, Sequence

import torch
from datasets import Dataset

from .benchmark.network_profile import network_macs
from .evaluation import evaluate_model
from .line_logits import load_recogniser

COST_IMAGES = 100  # at most of every kind, spread over all, whose mean width tells the cost


def compare_scales(
    model: str,
    images: Mapping[str, Dataset],
    scales: Iterable[tuple[int, float, float | None]],
    dtype: str = "float32",
) -> list[dict]:
    """The error rates and the cost at every scale.

    Args:
        model: Folder or Hub id.
        images: Of each kind, such as `"lines"`, the columns `image` and `text`.
        scales: The image processor's `height`, `width_scale` and `columns_per_stroke`.
        dtype: As of `evaluate_model`.

    Returns:
        For each scale `height`, `width_scale`, `columns_per_stroke`, and of each kind `cer`, `wer`,
        `columns` and `macs`, the last two means of an image.
    """
    rows = []
    for height, width_scale, columns_per_stroke in scales:
        widths = {"width_scale": width_scale, "columns_per_stroke": columns_per_stroke}
        options = {"size": {"height": height}, **widths}
        row = {"height": height, **widths}
        for kind, dataset in images.items():
            result = evaluate_model(model, dataset, dtype=dtype, image_processor_options=options)
            some = dataset.select(range(0, len(dataset), -(-len(dataset) // COST_IMAGES)))["image"]
            row[kind] = {
                "cer": round(result.cer, 5),
                "wer": round(result.wer, 5),
                **cost_at_scale(model, some, options),
            }
        rows.append(row)
    return rows


def cost_at_scale(model: str, images: Sequence, options: dict) -> dict[str, float]:
    """Mean columns of images, and the network's multiplications for an image of as many.

    Args:
        model: Folder or Hub id.
        images: Anything that the image processor takes.
        options: Settings of the image processor.
    """
    recogniser, processor = load_recogniser(model, options)
    masks = [
        processor.image_processor(image, return_tensors="pt")["pixel_mask"] for image in images
    ]
    columns = sum(int(mask.sum()) for mask in masks) / len(masks)
    shape = (recogniser.config.num_channels, options["size"]["height"], round(columns))
    inputs = {
        "pixel_values": torch.zeros(1, *shape),
        "pixel_mask": torch.ones(1, shape[-1], dtype=torch.int64),
    }
    with torch.inference_mode():
        macs = network_macs(recogniser.eval(), inputs)
    return {"columns": round(columns, 1), "macs": sum(macs.values())}
