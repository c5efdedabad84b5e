"""The files of a user's folder, and the labelled lines that its readers find in them.

In: a folder. Out: its files by kind, looked up by the names that other files give them, and read.
No file outside the folder is opened, and no image before `LabelledLine.read_image` is called.
"""

import io
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import Image

from hwr_hf.image_files import IMAGE_SUFFIXES

from .group_splits import SPLITS
from .iam_files import image_fault

MIN_GROUP_FOLDERS = 3  # fewer sub-folders with images say nothing of pages
SPLIT_NAMES = {name: name for name in SPLITS} | {
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
}


@dataclass(frozen=True)
class Fault:
    """What was left out: the file, with the row or line in it, and why."""

    file: str
    reason: str


class OutsideFolderError(ValueError):
    """A name or a link leads out of the folder; nothing is read there."""


@dataclass(frozen=True)
class LabelledLine:
    """One line before its image is read.

    Attributes:
        id: Path of the image in the folder without suffix, with the line's id on a page.
        text: As in the file; `"\\udc80"` to `"\\udcff"` are bytes that are not UTF-8.
        file: For messages: the file in the folder, with the row or line in it.
        read_image: Encoded image and its suffix; raises ValueError or OSError.
        group: Page or form that must not be divided between splits, if known.
        writer_id: If known.
        split: `"train"`, `"validation"` or `"test"` if the folder says so.
    """

    id: str
    text: str
    file: str
    read_image: Callable[[], tuple[bytes, str]]
    group: str | None = None
    writer_id: str | None = None
    split: str | None = None


class LabelledFolder:
    """The files of a folder and what they are.

    Args:
        folder: The user's folder, sub-folders included; hidden ones are not looked at.
        excluded: A folder in it that is not looked at either, such as an earlier output.

    Attributes:
        files: Their paths in the folder, sorted.
        images: Those of them that are images by their names.
        faults: Sub-folders that could not be looked through, and why.

    Raises:
        FileNotFoundError: There is no such folder.
    """

    def __init__(self, folder: str | Path, excluded: str | Path | None = None):
        self.folder = Path(folder).expanduser().resolve()
        if not self.folder.is_dir():
            raise FileNotFoundError(f"There is no folder {folder}. Give the one with your images.")
        self.faults: list[Fault] = []
        self.files = sorted(self._walk(excluded and Path(excluded).resolve()))
        self.images = [file for file in self.files if has_suffix(file, IMAGE_SUFFIXES)]
        self._has_groups = len({Path(image).parent for image in self.images}) >= MIN_GROUP_FOLDERS

    def _walk(self, excluded: Path | None) -> Iterator[str]:
        for parent, subfolders, names in os.walk(self.folder, onerror=self._note_unlistable):
            subfolders[:] = sorted(
                name
                for name in subfolders
                if not name.startswith((".", "__MACOSX")) and Path(parent, name) != excluded
            )
            for name in subfolders:
                # What is in a link to this folder or a part of it is looked through anyway.
                if not Path(parent, name).resolve().is_relative_to(self.folder):
                    self._note(
                        Path(parent, name),
                        "link to a folder outside of this one: copy that folder into it",
                    )
            for name in names:
                if not name.startswith("."):
                    yield Path(parent, name).relative_to(self.folder).as_posix()

    def _note_unlistable(self, error: OSError) -> None:
        self._note(Path(error.filename), f"folder that cannot be listed: {error.strerror}")

    def _note(self, subfolder: Path, reason: str) -> None:
        self.faults.append(Fault(f"{subfolder.relative_to(self.folder).as_posix()}/", reason))

    def path(self, file: str) -> Path:
        """Where a listed file is.

        Raises:
            ValueError: It is a link out of the folder, or a device or pipe.
        """
        path = self.folder / file
        if not path.resolve().is_relative_to(self.folder):
            raise OutsideFolderError("link out of the folder: copy the file itself into it")
        if not path.is_file():
            raise ValueError("is no file" if path.exists() else "is a link to nothing")
        return path

    def find_image(self, name: str, beside: str) -> str:
        """The listed image that a file of the folder refers to.

        Args:
            name: As it stands there, relative to that file or to the folder.
            beside: The file that names it.

        Raises:
            ValueError: The name leads out of the folder, or there is no such image.
        """
        if not name.strip():
            raise ValueError("names no image")
        name = name.strip().replace("\\", "/")
        for start in (Path(beside).parent, Path()):
            path = os.path.normpath(self.folder / start / name)
            if not Path(path).is_relative_to(self.folder):
                raise OutsideFolderError(
                    f"outside the folder: {name}, where nothing is read; copy the image into the "
                    "folder and name it by its place there"
                )
            if os.path.lexists(path):
                return Path(path).relative_to(self.folder).as_posix()
        raise ValueError(f"no such image: {name}")

    def group_of(self, image: str) -> str | None:
        """The sub-folder of an image, where images are in at least `MIN_GROUP_FOLDERS`."""
        return Path(image).parent.as_posix() if self._has_groups else None

    def read_image(self, file: str) -> tuple[bytes, str]:
        """An image file as it is stored, and its suffix; ValueError if it does not decode."""
        content = self.path(file).read_bytes()
        fault = image_fault(content)
        if fault:
            raise ValueError(fault)
        with Image.open(io.BytesIO(content)) as image:
            # A telephone's JPEG can hold a second picture, which says nothing.
            pages = image.n_frames if image.format == "TIFF" else 1
        if pages > 1:
            raise ValueError(f"several pages: {pages}, an image of a line has one")
        return content, Path(file).suffix.lower()


def stem_of(file: str) -> str:
    """A file's path without its suffix."""
    return Path(file).with_suffix("").as_posix()


def has_suffix(file: str, suffixes: tuple[str, ...]) -> bool:
    """Whether a file's name ends so, in small or capital letters."""
    return file.lower().endswith(suffixes)


def split_of_folder(file: str) -> str | None:
    """The split that a sub-folder in a file's path stands for: validation for `val/a.png`."""
    names = (part.lower() for part in Path(file).parent.parts)
    return next((SPLIT_NAMES[name] for name in names if name in SPLIT_NAMES), None)
