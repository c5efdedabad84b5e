"""Which files are images, by their names: for all that looks through a user's folders."""

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
