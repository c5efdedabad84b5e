"""IAM's files on disk, as archives or extracted: label files and image bytes.

Images are read as they are stored, an archive in one pass from front to back, and each is decoded
once to see that it can be.
"""

import hashlib
import io
import os
import tarfile
import zlib
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from PIL import ExifTags, Image, ImageOps

from hwr_hf.resnet_bilstm.image_transforms_resnet_bilstm import UNREADABLE_IMAGE

from .iam_text import is_image_id

ARCHIVE_SUFFIXES = (".tgz", ".tar.gz", ".tar")
IMAGE_SUFFIXES = (".png", ".jpg", ".jpeg", ".tif", ".tiff")
HOW_TO_GET_IAM = (
    "IAM is free for research: register at https://fki.tic.heia-fr.ch/databases/"
    "iam-handwriting-database and put ascii.tgz with lines.tgz or words.tgz into one folder, "
    "as they are or extracted."
)


def find_archive(data_dir: Path, name: str) -> Path | None:
    """`name.tgz`, `name.tar.gz` or `name.tar` in `data_dir`, if there is one."""
    paths = (data_dir / f"{name}{suffix}" for suffix in ARCHIVE_SUFFIXES)
    return next((path for path in paths if path.is_file()), None)


def read_ascii_files(data_dir: Path, names: Collection[str]) -> dict[str, str]:
    """Text of those of `names` that are in `data_dir`, `data_dir/ascii/` or `ascii.tgz`.

    An extracted file goes before the one in the archive: it is the one a user edits.

    Raises:
        ValueError: The archive is broken, or a file is not text.
    """
    contents = {}
    for name in names:
        for path in (data_dir / name, data_dir / "ascii" / name):
            if name not in contents and path.is_file():
                contents[name] = path.read_bytes()
    archive = find_archive(data_dir, "ascii")
    if archive is not None:
        missing = set(names) - set(contents)
        for path, content in read_archive(archive, lambda path: path.name in missing):
            contents[path.name] = content
    return {name: _decode_text(content, name) for name, content in contents.items()}


@dataclass(frozen=True)
class ImageFiles:
    """Where the images of a unit are: one archive, or the files of an extracted tree by id."""

    archive: Path | None
    paths: dict[str, Path]

    def fingerprint(self) -> str:
        """Changes when the archive or a file of the tree does (name, size or time)."""
        paths = [self.archive] if self.archive else sorted(self.paths.values())
        digest = hashlib.sha256()
        for path in paths:
            status = path.stat()
            digest.update(f"{path} {status.st_size} {status.st_mtime_ns}\n".encode())
        return digest.hexdigest()

    def read(self, ids: Collection[str]) -> Iterator[tuple[str, bytes]]:
        """Stored bytes of the images in `ids` that are there; archives keep their own order.

        Raises:
            ValueError: The archive is broken or cut short.
        """
        if self.archive is None:
            for image_id in ids:
                if image_id in self.paths:
                    yield image_id, self.paths[image_id].read_bytes()
            return
        wanted = set(ids)
        for path, content in read_archive(
            self.archive, lambda path: path.stem in wanted and _is_image_file(path)
        ):
            wanted.remove(path.stem)
            yield path.stem, content
            if not wanted:
                return


def find_images(data_dir: Path, unit: str) -> ImageFiles | None:
    """`lines.tgz` or `words.tgz`, else a tree under `data_dir/<unit>` or `data_dir` itself.

    Ids tell lines from words, so one tree may hold both. `None` where there is no image.
    """
    archive = find_archive(data_dir, unit)
    if archive is not None:
        return ImageFiles(archive, {})
    for root in (data_dir / unit, data_dir):
        paths = {
            path.stem: path
            for folder, _, file_names in sorted(os.walk(root))
            for path in (Path(folder, file_name) for file_name in sorted(file_names))
            if is_image_id(path.stem, unit) and _is_image_file(path)
        }
        if paths:
            return ImageFiles(None, paths)
    return None


def image_fault(content: bytes) -> str | None:
    """Why `datasets` cannot read the bytes as an image, in words, or `None` if it can."""
    if not content:
        return "empty file"
    try:
        with Image.open(io.BytesIO(content)) as image:
            image.load()
            return _exif_fault(image)
    except UNREADABLE_IMAGE as error:
        return f"does not decode: {_in_one_line(error)}"


def _exif_fault(image: Image.Image) -> str | None:
    """Why `datasets`, which turns an image as its EXIF says, cannot: it ends with the error."""
    try:
        if image.getexif().get(ExifTags.Base.Orientation) is not None:
            ImageOps.exif_transpose(image)
    except Exception as error:  # whatever Pillow raises on tags that it cannot write
        return f"damaged EXIF: {_in_one_line(error)}; save the image without it"
    return None


def _in_one_line(error: Exception) -> str:
    return " ".join(str(error).split())


def _is_image_file(path: Path) -> bool:
    return path.suffix.lower() in IMAGE_SUFFIXES


def read_archive(archive: Path, is_wanted: Callable[[Path], bool]) -> Iterator[tuple[Path, bytes]]:
    """Path and content of the wanted files of an archive, in its order."""
    num_files = 0
    try:
        with tarfile.open(archive, "r|*") as tar:  # "|": forwards only
            for member in tar:
                tar.members = []  # tarfile keeps every header it has read: 115,320 for the words
                if member.isfile() and is_wanted(Path(member.name)):
                    yield Path(member.name), tar.extractfile(member).read()
                num_files += 1
    except (tarfile.TarError, EOFError, OSError, zlib.error) as error:
        raise ValueError(
            f"{archive} is broken after {num_files} files ({error}). Download it again."
        ) from error


def _decode_text(content: bytes, name: str) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(f"{name} is not UTF-8 text ({error}). Put IAM's own file back.") from error
