"""Which files are images, by their names, and their decoding, for all that reads users' folders."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def is_image_name(name: str) -> bool:
    """Whether a file of this name, folders before it or not, is an image and not a hidden one."""
    base = name.rsplit("/", 1)[-1]
    return base.lower().endswith(IMAGE_SUFFIXES) and not base.startswith(".")


def images_in(folder: str | os.PathLike) -> Iterator[str]:
    """Paths of the images in a folder and its sub-folders, in an order that is always the same."""
    for directory, subdirectories, names in os.walk(folder):
        subdirectories.sort()
        yield from (os.path.join(directory, name) for name in sorted(names) if is_image_name(name))


def open_image(file: str | os.PathLike | bytes):
    """The decoded image of a file, given by its path or its bytes; the file is closed again.

    Raises:
        Exception: It does not decode; Pillow's plugins raise nearly anything.
    """
    from PIL import Image

    with Image.open(io.BytesIO(file) if isinstance(file, bytes) else file) as image:
        if image.format == "TIFF":
            _ = image.n_frames  # which is not to be had of a closed file; `to_grey` asks for it
        image.load()
        return image
