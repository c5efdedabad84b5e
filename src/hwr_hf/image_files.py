"""Which files are images, by their names, and their decoding, for all that reads users' folders."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Iterator
from pathlib import Path

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")


def is_image_name(name: str) -> bool:
    """Whether a file of this name, folders before it or not, is an image and not a hidden one."""
    base = name.rsplit("/", 1)[-1]
    return base.lower().endswith(IMAGE_SUFFIXES) and not base.startswith(".")


def raise_error(error: OSError) -> None:
    """Lets nothing be passed over."""
    raise error


def files_in(
    folder: str | os.PathLike,
    is_wanted: Callable[[str], bool],
    on_unlistable: Callable[[OSError], None] = raise_error,
) -> Iterator[str]:
    """Paths of the files in a folder and its sub-folders, in an order that is always the same.

    Links to folders are followed, but not those to a folder that they are in.

    Args:
        folder: Where to look.
        is_wanted: Whether a file of this name is one of them.
        on_unlistable: Called with the error of a folder that cannot be listed, its `filename`.

    Raises:
        OSError: A folder cannot be listed, unless `on_unlistable` does something else.
    """
    for directory, subdirectories, names in os.walk(
        folder, onerror=on_unlistable, followlinks=True
    ):
        subdirectories[:] = sorted(
            name for name in subdirectories if not _leads_back(directory, name)
        )
        yield from (os.path.join(directory, name) for name in sorted(names) if is_wanted(name))


def _leads_back(directory: str, name: str) -> bool:
    """Whether an entry of a folder is a link to it or to a folder around it."""
    path = os.path.join(directory, name)
    if not os.path.islink(path):
        return False
    target = os.path.realpath(path)
    way_here = [Path(directory), *Path(directory).parents]  # which may lead over other links
    return any(Path(os.path.realpath(folder)).is_relative_to(target) for folder in way_here)


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
