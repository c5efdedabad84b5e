"""Many images read as one stream, in which one that cannot be read costs no other its text.

In: a pipeline and what it is to read. Out: for each image, in order, its readings or the error.
Images are opened while others are read, so only some are in memory at a time. `json_record` makes
JSON of readings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from PIL import Image
from torch.utils.data import Dataset

ONE_BY_ONE = 128  # images read alone after a failure: the one to blame is among the next ones


def read_each(
    read: Callable[..., Any],
    images: Sequence[Any],
    open_image: Callable[[Any], Image.Image],
    **options,
) -> Iterator[list[dict] | Exception]:
    """Readings of each image, or the error for which there are none.

    Args:
        read: The pipeline.
        images: What `open_image` opens.
        open_image: May raise any error.
        options: Of the pipeline.
    """
    position = 0
    while position < len(images):
        opened = _Opened(images[position:], open_image)
        try:
            for number, readings in enumerate(read(opened, **options)):
                position += 1
                yield opened.errors.pop(number, readings)
        except Exception:  # not the image's file but what it holds, or the machine
            for image in images[position : position + ONE_BY_ONE]:
                position += 1
                yield _read_alone(read, image, open_image, options)


def json_record(readings: Sequence[dict]) -> dict:
    """What JSON says of one image: the best reading, and the others in `alternatives`, if any.

    Args:
        readings: A pipeline's, best first. Numbers that JSON does not have, such as the logarithm
            of 0, become None.
    """
    best, *others = [
        {"text": reading["generated_text"]}
        | {name: value for name, value in reading.items() if name != "generated_text"}
        for reading in readings
    ]
    return _finite(best | ({"alternatives": others} if others else {}))


def _finite(value):
    if isinstance(value, dict):
        return {name: _finite(part) for name, part in value.items()}
    if isinstance(value, (list, tuple)):
        return [_finite(part) for part in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _read_alone(
    read: Callable, image: Any, open_image: Callable, options: dict
) -> list[dict] | Exception:
    try:
        (readings,) = read([open_image(image)], **options)
    except Exception as error:  # Pillow's plugins raise nearly anything on bad files
        return error
    return readings


class _Opened(Dataset):
    """Images, with empty paper in place of those that cannot be opened and their errors beside."""

    def __init__(self, images: Sequence[Any], open_image: Callable[[Any], Image.Image]):
        self.images = images
        self.open_image = open_image
        self.errors: dict[int, Exception] = {}

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> Image.Image:
        image = self.images[index]  # an IndexError is for who iterates
        try:
            return self.open_image(image)
        except Exception as error:
            self.errors[index] = error
            return Image.new("L", (1, 1), "white")
