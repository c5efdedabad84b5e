"""Image processor of ResNet-BiLSTM in numpy and PIL, and what it shares with the torchvision one.

In: images of handwritten words or lines, anything `to_grey` takes. Out: `pixel_values` float32
`(batch, channels, height, width)` and `pixel_mask` int64 `(batch, width)`, 1 = real column.

Two set-ups: one grey channel of fixed height, width in proportion (the default), or the 224x224
squash to three channels of Ma (2023), https://doi.org/10.5220/0012801000003885, with
`size={"height": 224, "width": 224}, num_channels=3, deskew_method="moment", num_deskew_passes=2`.
"""

import math
from collections.abc import Iterator

import numpy as np
from transformers.feature_extraction_utils import BatchFeature
from transformers.image_processing_backends import PilBackend
from transformers.image_utils import SizeDict, load_image
from transformers.processing_utils import ImagesKwargs

from .image_transforms_resnet_bilstm import (
    DESKEW_METHODS,
    ON_TOO_WIDE,
    check_choice,
    prepare_line,
    to_grey,
)

NORMALIZATIONS = ("image", "channel")
MIN_STD = 1e-3  # of values in [0, 1]; less is an empty page and rounding, which normalises to zeros


class ResNetBiLstmImageProcessorKwargs(ImagesKwargs, total=False):
    """Options of the ResNet-BiLSTM image processors, beside those of every image processor.

    `size` is `{"height": int}`, width in proportion, or `{"height": int, "width": int}`, stretched
    to fit.

    Args:
        do_correct_tones: Turn light writing on dark paper into dark on light, and the paper of a
            photo in uneven or dim light into white. Bright, even scans stay as they are.
        do_deskew: Straighten the writing.
        deskew_method: `"line"` (baseline rotation and slant removal) or `"moment"` (paper 1).
        num_deskew_passes: Passes of `"moment"`; `"line"` takes one, and 0 switches both off.
        do_crop: Cut the empty margins off.
        num_channels: Copies of the grey channel.
        normalization: `"image"`, z-score by the mean and deviation of the line itself, or
            `"channel"`, by `image_mean` and `image_std`, given for values in `[0, 1]`.
        width_scale: With the width in proportion, columns are so many times as many: above 1 the
            writing is stretched.
        columns_per_stroke: With the width in proportion, squeeze wide and stretch narrow writing,
            so that a stroke has about so many columns. Most words have too few strokes to tell.
        max_width: Most columns of a line; a longer one is squashed.
        on_too_wide: `"warn"` or `"error"` when a line must be squashed.
        pad_to_multiple_of: The padded width is a multiple of this.
        return_to_original: Also return `to_original`, float32 `(batch, 2, 3)`: the affine from
            coordinates in `pixel_values` to those in the upright original image, where pixel `i`
            covers `[i, i + 1)`.
    """

    do_correct_tones: bool | None
    do_deskew: bool | None
    deskew_method: str | None
    num_deskew_passes: int | None
    do_crop: bool | None
    num_channels: int | None
    normalization: str | None
    width_scale: int | float | None
    columns_per_stroke: int | float | None
    max_width: int | None
    on_too_wide: str | None
    pad_to_multiple_of: int | None
    return_to_original: bool | None


class LineImageProcessorMixin:
    """What both backends share: defaults, checks, reading, and the geometry of the lines."""

    valid_kwargs = ResNetBiLstmImageProcessorKwargs
    model_input_names = ["pixel_values", "pixel_mask"]

    do_correct_tones = True
    do_deskew = True
    deskew_method = "line"
    num_deskew_passes = 1
    do_crop = True
    do_resize = True
    size = {"height": 48}
    width_scale = 1.0
    columns_per_stroke = None
    max_width = 2560
    on_too_wide = "warn"
    num_channels = 1
    do_normalize = True
    normalization = "image"
    do_pad = True
    pad_to_multiple_of = 64
    return_to_original = False
    rescale_factor = None  # z-scores of both kinds start from values in [0, 1]

    def _standardize_kwargs(self, size=None, **kwargs) -> dict:
        if isinstance(size, int):
            size = {"height": size}
        elif isinstance(size, (list, tuple)):
            size = dict(zip(("height", "width"), size, strict=False))
        sides = dict(size)
        if not {"height"} <= set(sides) <= {"height", "width"} or not all(
            isinstance(side, int) and side > 0 for side in sides.values()
        ):
            raise ValueError(
                'size must be {"height": int} or {"height": int, "width": int} with positive '
                f"numbers, got {sides}."
            )
        kwargs = super()._standardize_kwargs(**kwargs)
        kwargs["size"] = SizeDict(**sides)
        self._check_options(**kwargs)
        return kwargs

    def _check_options(
        self,
        deskew_method: str,
        num_deskew_passes: int,
        normalization: str,
        on_too_wide: str,
        num_channels: int,
        width_scale: float,
        columns_per_stroke: float | None,
        max_width: int,
        pad_to_multiple_of: int,
        image_mean: tuple[float, ...] | float | None,
        image_std: tuple[float, ...] | float | None,
        **_,
    ) -> None:
        check_choice("deskew_method", deskew_method, DESKEW_METHODS)
        check_choice("normalization", normalization, NORMALIZATIONS)
        check_choice("on_too_wide", on_too_wide, ON_TOO_WIDE)
        for name, value, least in (
            ("num_deskew_passes", num_deskew_passes, 0),
            ("num_channels", num_channels, 1),
            ("max_width", max_width, 1),
            ("pad_to_multiple_of", pad_to_multiple_of, 1),
        ):
            if not isinstance(value, int) or value < least:
                raise ValueError(f"{name} must be an integer of at least {least}, got {value!r}.")
        for name, value in (
            ("width_scale", width_scale),
            ("columns_per_stroke", 1 if columns_per_stroke is None else columns_per_stroke),
        ):
            if not 0 < value < math.inf:
                raise ValueError(f"{name} must be a positive number, got {value!r}.")
        if normalization == "channel":
            for name, value in (("image_mean", image_mean), ("image_std", image_std)):
                if np.size(value) not in (1, num_channels) or value is None:
                    raise ValueError(
                        f'normalization="channel" needs {name} with one number for each of '
                        f"{num_channels} channels, got {value!r}."
                    )
            if np.min(image_std) <= 0:
                raise ValueError(f"image_std must be positive, got {image_std!r}.")

    def _validate_preprocess_kwargs(self, **kwargs) -> None:
        """Nothing is left to check after `_standardize_kwargs`."""

    def _prepare_image_like_inputs(self, images, **kwargs) -> list[np.ndarray]:
        """Grey images; a line prepared before (no deskew, crop or resize) keeps its tones."""
        is_prepared = not (kwargs["do_deskew"] or kwargs["do_crop"] or kwargs["do_resize"])
        correct_tones = kwargs["do_correct_tones"] and not is_prepared
        return [self.process_image(image, correct_tones) for image in _flatten(images)]

    def process_image(self, image, correct_tones: bool = True, **kwargs) -> np.ndarray:
        """Grey image from a path, URL, PIL image, array or tensor; see `to_grey`."""
        if isinstance(image, str) and image.startswith(("http://", "https://")):
            image = load_image(image)
        return to_grey(image, correct_tones)

    def _prepare_lines(
        self,
        images: list[np.ndarray],
        do_deskew: bool,
        deskew_method: str,
        num_deskew_passes: int,
        do_crop: bool,
        do_resize: bool,
        size: SizeDict,
        width_scale: float,
        columns_per_stroke: float | None,
        max_width: int,
        on_too_wide: str,
        **_,
    ) -> tuple[list[np.ndarray], np.ndarray]:
        """uint8 lines of one height, and the affines `(batch, 2, 3)` to the original images."""
        if not images:
            raise ValueError("There is no image to process: the list is empty.")
        lines, to_original = [], []
        for image in images:
            line, affine = prepare_line(
                image,
                height=size.height,
                width=size.width,
                width_scale=width_scale,
                columns_per_stroke=columns_per_stroke,
                deskew_method=deskew_method if do_deskew else None,
                num_deskew_passes=num_deskew_passes,
                do_crop=do_crop,
                do_resize=do_resize,
                max_width=max_width,
                on_too_wide=on_too_wide,
            )
            if line.shape[0] != size.height:
                raise ValueError(
                    f"With do_resize=False an image must have {size.height} rows, "
                    f"got {line.shape[0]}. Resize it before, or pass do_resize=True."
                )
            lines.append(line)
            to_original.append(affine)
        return lines, np.stack(to_original).astype(np.float32)

    def _padded_width(
        self, lines: list[np.ndarray], size: SizeDict, do_pad: bool, pad_to_multiple_of: int, **_
    ) -> int:
        widths = [line.shape[1] for line in lines]
        if size.width is not None and set(widths) == {size.width}:
            return size.width
        if do_pad:
            return -(-max(widths) // pad_to_multiple_of) * pad_to_multiple_of
        if len(set(widths)) > 1:
            raise ValueError(
                f"Lines of different widths {widths} make a batch only with do_pad=True."
            )
        return widths[0]


class ResNetBiLstmImageProcessorPil(LineImageProcessorMixin, PilBackend):
    """Deskews, crops, resizes, normalises and pads images of handwriting, in numpy and PIL.

    Example:
        ```python
        inputs = ResNetBiLstmImageProcessorPil()(["line.png"], return_tensors="np")
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
        **kwargs,
    ) -> BatchFeature:
        lines, to_original = self._prepare_lines(images, **kwargs)
        width = self._padded_width(lines, **kwargs)
        pixel_values = np.zeros(
            (len(lines), num_channels, lines[0].shape[0], width), dtype=np.float32
        )
        pixel_mask = np.zeros((len(lines), width), dtype=np.int64)
        for i, line in enumerate(lines):
            line = line[None].astype(np.float32) / 255  # (1, height, width)
            if do_normalize and normalization == "channel":
                mean, std = (
                    np.reshape(v, (-1, 1, 1)).astype(np.float32) for v in (image_mean, image_std)
                )
                line = (line - mean) / std
            elif do_normalize:
                std = line.std()
                line = (line - line.mean()) / std if std > MIN_STD else np.zeros_like(line)
            pixel_values[i, :, :, : line.shape[2]] = line
            pixel_mask[i, : line.shape[2]] = 1
        data = {"pixel_values": pixel_values, "pixel_mask": pixel_mask}
        if return_to_original:
            data["to_original"] = to_original
        return BatchFeature(data, tensor_type=return_tensors)


def _flatten(images) -> Iterator:
    """Single images out of one image, an array of four dimensions, or a list, nested or not."""
    if isinstance(images, (list, tuple)) or getattr(images, "ndim", 0) == 4:
        for image in images:
            yield from _flatten(image)
    else:
        yield images
