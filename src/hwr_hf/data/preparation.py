"""From a `datasets` split of images and texts to lines ready for training, geometry done once.

In: columns `image` and `text`. Out: prepared grey lines (deskewed, cropped, of fixed height) in the
datasets cache, then, example by example, `{"image": uint8 (height, width), "labels": ids}`.
"""

import logging

import datasets
import numpy as np
import torch
from PIL import Image

from hwr_hf.data.augmentation import PAPER, Augmentation
from hwr_hf.data.code_fingerprint import code_fingerprint
from hwr_hf.resnet_bilstm import image_transforms_resnet_bilstm, tones_resnet_bilstm
from hwr_hf.resnet_bilstm.ctc_resnet_bilstm import min_ctc_frames
from hwr_hf.resnet_bilstm.image_transforms_resnet_bilstm import prepare_line, to_grey

logger = logging.getLogger(__name__)

PREPARED_FEATURES = datasets.Features(
    {"image": datasets.Image(), "text": datasets.Value("string"), "width": datasets.Value("int32")}
)


def prepare_lines(
    dataset: datasets.Dataset,
    image_processor,
    deskew_method: str | None = None,
    num_proc: int | None = None,
) -> datasets.Dataset:
    """The dataset with every image deskewed, cropped and resized as the image processor would.

    Args:
        dataset: Columns `image` and `text`; others are dropped.
        image_processor: Gives height, width and its scale, crop and number of deskew passes.
        deskew_method: `"line"`, `"moment"` or `"none"`; None takes the image processor's.
        num_proc: Processes.

    Returns:
        Columns `image` (grey, of the fixed height), `text` and `width` in pixels.
    """
    if deskew_method is None:
        deskew_method = image_processor.deskew_method if image_processor.do_deskew else "none"
    size = dict(image_processor.size)
    settings = {
        "height": size["height"],
        "width": size.get("width"),
        "width_scale": image_processor.width_scale,
        "columns_per_stroke": image_processor.columns_per_stroke,
        "deskew_method": None if deskew_method == "none" else deskew_method,
        "num_deskew_passes": image_processor.num_deskew_passes,
        "do_crop": image_processor.do_crop,
        "max_width": image_processor.max_width,
        "on_too_wide": image_processor.on_too_wide,
    }
    return dataset.map(
        _prepare_example,
        fn_kwargs={
            "correct_tones": image_processor.do_correct_tones,
            "settings": settings,
            "code": code_fingerprint(image_transforms_resnet_bilstm, tones_resnet_bilstm),
        },
        remove_columns=dataset.column_names,
        features=PREPARED_FEATURES,
        num_proc=num_proc,
        desc=f"Preparing images (deskew: {deskew_method})",
    )


def _prepare_example(example: dict, correct_tones: bool, settings: dict, code: str) -> dict:
    line, _ = prepare_line(to_grey(example["image"], correct_tones), **settings)
    return {"image": Image.fromarray(line), "text": example["text"], "width": line.shape[1]}


def fitting_lines(
    dataset: datasets.Dataset, tokenizer, model, on_too_long: str = "error"
) -> datasets.Dataset:
    """The lines whose text CTC can spell in the image's frames.

    Args:
        dataset: Columns `text` and `width`, from `prepare_lines`.
        tokenizer: Turns a text into label ids.
        model: Tells the frames of a width.
        on_too_long: `"error"` or `"skip"` (counted in a warning) for a line that does not fit.

    Raises:
        ValueError: A text does not fit and `on_too_long` is `"error"`, or it has another value.
    """
    if on_too_long not in ("error", "skip"):
        raise ValueError(f"on_too_long={on_too_long!r} is not allowed: use 'error' or 'skip'.")
    labels = tokenizer(dataset["text"][:]).input_ids
    frames = model.num_frames(torch.tensor(dataset["width"][:])).tolist()
    fits = [min_ctc_frames(ids) <= available for ids, available in zip(labels, frames, strict=True)]
    misfits = [index for index, fit in enumerate(fits) if not fit]
    if not misfits:
        return dataset
    first = misfits[0]
    message = (
        f"{len(misfits)} of {len(dataset)} texts need more frames than their image has. The first: "
        f"{dataset[first]['text']!r} needs {min_ctc_frames(labels[first])} frames, its image of "
        f"{dataset[first]['width']} columns has {frames[first]}."
    )
    if on_too_long == "error":
        raise ValueError(
            f"{message} Correct the texts, use a smaller column stride or a greater height, or "
            "leave such lines out (--on_too_long skip)."
        )
    logger.warning("%s They are left out.", message)
    return dataset.select([index for index, fit in enumerate(fits) if fit])


class PreparedLines(torch.utils.data.Dataset):
    """Prepared lines as training examples, changed anew in every epoch when augmented.

    An example is asked for by its number, or by `(number, epoch)`, which fixes its random changes:
    the same seed, epoch and number give the same pixels in any worker process.

    Args:
        dataset: From `prepare_lines`.
        tokenizer: Turns a text into label ids.
        column_stride: Image columns per frame; an augmented line is never too narrow for its text.
        augmentation: Random changes, or None for none.
        seed: Of the random changes.
    """

    def __init__(
        self,
        dataset: datasets.Dataset,
        tokenizer,
        column_stride: int,
        augmentation: Augmentation | None = None,
        seed: int = 0,
    ):
        self.dataset = dataset
        self.tokenizer = tokenizer
        self.column_stride = column_stride
        self.augmentation = augmentation
        self.seed = seed

    @property
    def widths(self) -> list[int]:
        return self.dataset["width"][:]

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, key: int | tuple[int, int]) -> dict:
        index, epoch = key if isinstance(key, tuple) else (key, 0)
        example = self.dataset[index]
        line = np.array(example["image"])
        labels = self.tokenizer(example["text"]).input_ids
        if self.augmentation is not None:
            line = self.augmentation(line, np.random.default_rng([self.seed, epoch, index]))
            missing = min_ctc_frames(labels) * self.column_stride - line.shape[1]
            if missing > 0:
                line = np.pad(line, ((0, 0), (0, missing)), constant_values=PAPER)
        return {"image": line, "labels": labels}
