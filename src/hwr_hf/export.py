"""From a trained model's folder to the folder that gets published: half the size, complete.

In: what training saved. Out: `model.safetensors` in float16, configuration, processor and the
source files that `trust_remote_code=True` needs; anything else in the folder, such as its card,
stays.
"""

from pathlib import Path

import torch

from hwr_hf.model_folders import edit_config
from hwr_hf.resnet_bilstm import ResNetBiLstmForCTC, ResNetBiLstmProcessor


def save_half_precision(
    model: str | Path, output: str | Path, columns_per_stroke: float | None = None
) -> None:
    """Saves a recogniser with float16 weights that load as float32.

    Args:
        model: Folder of a `ResNetBiLstmForCTC` and its processor.
        output: Folder to write.
        columns_per_stroke: Of the image processor; None for the model's own.

    Raises:
        ValueError: The weights do not fit their configuration.
    """
    output = Path(output)
    recogniser = ResNetBiLstmForCTC.from_pretrained(model, dtype=torch.float32)
    recogniser.check_weights()
    recogniser.half().save_pretrained(output)
    processor = ResNetBiLstmProcessor.from_pretrained(model)
    if columns_per_stroke is not None:
        processor.image_processor.columns_per_stroke = columns_per_stroke
    processor.save_pretrained(output)
    # The weights are float16 for their size only; a CPU computes it slowly or not at all.
    edit_config(output, dtype="float32")
