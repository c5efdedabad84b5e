"""The network over a data set: the logits of every line, computed anew or kept in a file.

In: a model's folder (or Hub id) and a `datasets.Dataset` with a column `image`. Out: for each row
whose image can be read its logits `(frames, vocab_size)`, which the callers decode.
"""

from __future__ import annotations

import hashlib
import io
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image

from .data.code_fingerprint import code_fingerprint
from .json_files import complete_file
from .resnet_bilstm import image_transforms_resnet_bilstm, tones_resnet_bilstm
from .resnet_bilstm.ctc_resnet_bilstm import check_finite
from .resnet_bilstm.image_transforms_resnet_bilstm import UNREADABLE_IMAGE, has_ink, to_grey
from .resnet_bilstm.views_resnet_bilstm import read_views
from .weights_files import weights_sha256

if TYPE_CHECKING:
    import torch
    from datasets import Dataset


def load_recogniser(model_dir: str | Path, image_processor_options: dict):
    """Model with float32 weights, and processor with other settings than the saved ones."""
    import torch
    from transformers import AutoModelForCTC, AutoProcessor

    # The weights may be stored as float16, which a CPU computes slowly or not at all.
    model = AutoModelForCTC.from_pretrained(model_dir, dtype=torch.float32)
    model.check_weights()
    processor = AutoProcessor.from_pretrained(model_dir)
    for name, value in image_processor_options.items():
        if not hasattr(processor.image_processor, name):
            raise ValueError(
                f"{name!r} is no setting of {type(processor.image_processor).__name__}. "
                f"It has {', '.join(image_processor_settings(processor.image_processor))}."
            )
        setattr(processor.image_processor, name, value)
    return model, processor


def line_logits(
    model,
    processor,
    dataset: Dataset,
    rows: Sequence[int],
    *,
    batch_size: int = 16,
    dtype: str = "float32",
    num_workers: int = 0,
    num_views: int = 1,
    progress: bool = True,
) -> Iterator[tuple[int, torch.Tensor | None]]:
    """Row and logits `(frames, vocab_size)` of every line whose image can be read, widest first.

    A line without ink has None in place of logits: as in the pipeline it has no text, whatever the
    model says. The arguments are those of `evaluate_model`.
    """
    import torch
    from tqdm import tqdm

    images = DatasetImages(dataset)
    # Widest first: a batch too large for the memory fails at once.
    by_width = sorted(rows, key=images.relative_width, reverse=True)
    batches = [by_width[i : i + batch_size] for i in range(0, len(rows), batch_size)]
    loader = torch.utils.data.DataLoader(
        images,
        batch_sampler=batches,
        collate_fn=partial(_prepare, processor=processor),
        num_workers=num_workers,
    )
    autocast = torch.autocast(
        model.device.type, dtype=getattr(torch, dtype), enabled=dtype != "float32"
    )
    bar = tqdm(total=len(rows), unit="line", disable=not progress)
    with bar:
        for batch, (readable, has_ink, inputs) in zip(batches, loader, strict=True):
            if readable:
                inputs = inputs.to(model.device)
                with torch.inference_mode(), autocast:
                    logits = read_views(
                        model, inputs["pixel_values"], inputs["pixel_mask"], num_views
                    )  # (batch, frames, vocab_size)
                logits = logits.float().cpu()
                check_finite(logits)
                for row, ink, one in zip(readable, has_ink, logits, strict=True):
                    yield row, one if ink else None
            bar.update(len(batch))


def cached_logits(
    path: str | Path, model: str | Path, dataset, **options
) -> tuple[list[np.ndarray | None], list[str], list[int]]:
    """Logits and texts of a data set's lines, from the file at `path` or computed and kept there.

    Args:
        path: An `.npz` file. It is taken only if it was made with these weights and settings of
            the model and this code that prepares images, and of lines with these texts.
        model: Folder of the model.
        dataset: With the columns `image` and `text`.
        **options: As `line_logits`.

    Returns:
        For each line that can be read its logits `(frames, vocab_size)`, None for one without ink,
        its text, and its row in the data set.
    """
    path = Path(path)
    texts = list(dataset["text"])
    code = code_fingerprint(image_transforms_resnet_bilstm, tones_resnet_bilstm)
    key = "\n".join([weights_sha256(model) or str(model), settings_text(model), code, *texts])
    key = hashlib.sha256(key.encode()).hexdigest()
    if path.is_file():
        with np.load(path) as file:
            if file["key"] == key:
                rows = file["rows"].tolist()
                logits = [file[f"line_{row}"] for row in rows]
                logits = [line if len(line) else None for line in logits]
                return logits, [texts[row] for row in rows], rows
    recogniser, processor = load_recogniser(model, {})
    found = dict(line_logits(recogniser, processor, dataset, range(len(texts)), **options))
    rows = sorted(found)
    logits = [None if found[row] is None else found[row].numpy() for row in rows]
    arrays = {
        f"line_{row}": np.empty(0, np.float32) if line is None else line.astype(np.float32)
        for row, line in zip(rows, logits, strict=True)
    }
    with complete_file(path) as unfinished, unfinished.open("wb") as file:
        np.savez(file, key=key, rows=np.array(rows), **arrays)  # to a name it would add its suffix
    return logits, [texts[row] for row in rows], rows


def settings_text(model: str | Path) -> str:
    """What besides the weights decides a folder's logits, `""` of a model on the Hub."""
    files = (Path(model) / name for name in ("config.json", "processor_config.json"))
    return "\n".join(file.read_text(encoding="utf-8") for file in files if file.is_file())


class DatasetImages:
    """The images of a data set by row, opened without decoding until they are needed."""

    def __init__(self, dataset: Dataset):
        from datasets import Image as ImageFeature

        self.files = dataset.select_columns("image").cast_column(
            "image", ImageFeature(decode=False)
        )

    def open(self, row: int) -> Image.Image:
        file = self.files[row]["image"]
        if file is None:
            raise OSError(f"Row {row} has no image.")
        return Image.open(file["path"] if file["bytes"] is None else io.BytesIO(file["bytes"]))

    def relative_width(self, row: int) -> float:
        """Width over height, to which the prepared width is about proportional; 0.0 if broken."""
        try:
            width, height = self.open(row).size
        except UNREADABLE_IMAGE:
            return 0.0
        return width / height

    def __getitem__(self, row: int) -> tuple[int, np.ndarray | None]:
        try:
            return row, to_grey(self.open(row), correct_tones=False)
        except UNREADABLE_IMAGE:
            return row, None


def _prepare(items: list[tuple[int, np.ndarray | None]], processor):
    readable = [(row, image) for row, image in items if image is not None]
    if not readable:
        return [], [], None
    rows, images = zip(*readable, strict=True)
    inked = [has_ink(image) for image in images]
    return list(rows), inked, processor(images=list(images), return_tensors="pt")


def image_processor_settings(image_processor) -> dict:
    """The image processor's settings that JSON can hold, without the library's bookkeeping."""
    return {
        name: value
        for name, value in sorted(image_processor.to_dict().items())
        if value is not None and not name.startswith("_") and not name.endswith(("_type", "_map"))
    }
