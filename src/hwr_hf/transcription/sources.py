"""Where images come from: a folder, an archive, Parquet files, or a data set.

In: a path or the name of a data set on the Hub. Out: `Item`s in an order that is the same every
time, one at a time, so that memory does not grow with the source.
"""

from __future__ import annotations

import re
import tarfile
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from hwr_hf.image_files import IMAGE_SUFFIXES, files_in, is_image_name

ARCHIVE_SUFFIXES = (".tar", ".tar.gz", ".tgz", ".tar.bz2", ".tar.xz")
TABLE_SUFFIX = ".parquet"
SAVED_DATASET_FILES = ("dataset_dict.json", "state.json")
DEFAULT_SPLIT = "train"
SPLIT_OF_FILES = "Give one of the files, or a folder with those of one split."
LINK_ADVICE = "Pack it with tar --hard-dereference --dereference, or read the folder instead."
ROWS_AT_ONCE = 64  # of a Parquet file
KINDS = (
    f"a folder of images ({' '.join(IMAGE_SUFFIXES)}), an archive of them "
    f"({' '.join(ARCHIVE_SUFFIXES)}), a .parquet file or a folder of such files, a data set saved "
    "with save_to_disk, or the name of a data set on the Hub (owner/name)"
)


@dataclass(frozen=True)
class Item:
    """One image of a source.

    Attributes:
        id: Its name in the source, unique there.
        image: Path of the image file, or the file's bytes; None where the source has none.
        missing: Why it has none.
    """

    id: str
    image: str | bytes | None
    missing: str = "The row has no image."


@dataclass(frozen=True)
class Source:
    """Images in a fixed order.

    Attributes:
        name: As it was given, for messages.
        place: Its absolute path, or its name on the Hub; what a resumed job must agree with.
        items: Function that starts from the first image again at each call.
    """

    name: str
    place: str
    items: Callable[[], Iterator[Item]]


def open_source(
    source: str,
    image_column: str | None = None,
    split: str | None = None,
    without: str | Path | None = None,
) -> Source:
    """What `source` names.

    Args:
        source: Folder, archive, Parquet file, saved data set or Hub name.
        image_column: Of a table: the column of images; found by itself where there is one only.
        split: Of a data set with several; "train" if none is given.
        without: A folder whose files are not the source's, though they may lie in it.

    Raises:
        FileNotFoundError: There is no such file or folder.
        ValueError: It is of no kind that images can be taken from, of two kinds at once, or of one
            that has no columns or splits to choose from.
    """
    # Absolute, since it may be read by processes that were started in other folders.
    path = Path(source).expanduser().absolute()
    if path.is_dir():
        if any((path / name).is_file() for name in SAVED_DATASET_FILES):
            return Source(
                source, str(path), lambda: _saved_dataset_items(path, image_column, split)
            )
        files = _parquet_files(path, without)
        if files:
            _check_no_images(path)
            _check_not_given("--split", split, f"{source} holds Parquet files", SPLIT_OF_FILES)
            return Source(source, str(path), lambda: _parquet_items(path, files, image_column))
        _check_not_given("--split", split, f"{source} is a folder of images")
        _check_not_given("--image-column", image_column, f"{source} is a folder of images")
        return Source(source, str(path), lambda: _folder_items(path))
    if path.is_file():
        if path.name.lower().endswith(ARCHIVE_SUFFIXES):
            _check_not_given("--split", split, f"{source} is an archive of images")
            _check_not_given("--image-column", image_column, f"{source} is an archive of images")
            return Source(source, str(path), lambda: _archive_items(path))
        if _is_table_name(path.name):
            _check_not_given("--split", split, f"{source} is one file")
            return Source(
                source, str(path), lambda: _parquet_items(path.parent, [path], image_column)
            )
        raise ValueError(f"{source} is no source of images. Give {KINDS}.")
    # A path that is mistyped must not ask the network.
    if re.fullmatch(r"[\w-][\w.-]*/[\w.-]+", source) and not path.parent.is_dir():
        return Source(source, source, lambda: _hub_items(source, image_column, split))
    raise FileNotFoundError(f"There is no {source}. Give {KINDS}.")


def _check_not_given(
    option: str, value: str | None, reason: str, advice: str = "Leave it out."
) -> None:
    if value is not None:
        raise ValueError(f"{option} {value} chooses nothing here: {reason}. {advice}")


def _folder_items(folder: Path) -> Iterator[Item]:
    def name(path: str) -> str:
        return printable(Path(path).relative_to(folder).as_posix())

    unlistable: list[OSError] = []
    for path in files_in(folder, is_image_name, unlistable.append):
        yield Item(name(path), path)
    for error in unlistable:
        reason = f"The folder cannot be listed: {error.strerror}."
        yield Item(f"{name(error.filename)}/", None, f"{reason} Let it be read, or move it away.")


def printable(name: str) -> str:
    """A name that can be written as UTF-8; bytes that are none stand as `\\xe9`."""
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


class _Member(tarfile.TarInfo):
    """Complains of an archive that is cut off, which the library takes for its end."""

    @classmethod
    def fromtarfile(cls, archive: tarfile.TarFile) -> tarfile.TarInfo:
        try:
            return super().fromtarfile(archive)
        except (tarfile.TruncatedHeaderError, tarfile.EmptyHeaderError) as error:
            raise tarfile.ReadError("its end is missing") from error


def _archive_items(path: Path) -> Iterator[Item]:
    count = 0
    try:
        # As a stream, and without the list of members that the library keeps.
        with tarfile.open(path, "r|*", tarinfo=_Member) as archive:
            for member in archive:
                if not is_image_name(member.name) or member.isdir():
                    continue
                if member.isfile():
                    yield Item(printable(member.name), archive.extractfile(member).read())
                else:  # how tar stores the second of two names of one file
                    link = f"The archive has a link to {printable(member.linkname)} here."
                    yield Item(printable(member.name), None, f"{link} {LINK_ADVICE}")
                count += 1
                archive.members = []
    except (tarfile.TarError, EOFError, OSError) as error:
        raise ValueError(
            f"{path} is damaged after {count} images: {error}. Get the archive again and start the "
            "same command; what is complete is kept."
        ) from error


def _parquet_files(folder: Path, without: str | Path | None) -> list[Path]:
    """The Parquet files in a folder and its sub-folders, in order.

    Raises:
        OSError: There are some, and a sub-folder that may hold more cannot be listed.
    """
    unlistable: list[OSError] = []
    files = sorted(map(Path, files_in(folder, _is_table_name, unlistable.append)))
    if without is not None:
        left_out = Path(without).expanduser().resolve()
        files = [file for file in files if left_out not in file.resolve().parents]
    if files and unlistable:
        raise unlistable[0]
    return files


def _is_table_name(name: str) -> bool:
    return name.lower().endswith(TABLE_SUFFIX) and not name.startswith(".")


def _check_no_images(folder: Path) -> None:
    """Raises ValueError for a folder of tables with images between them: which are meant?"""
    image = next((item for item in _folder_items(folder) if item.image), None)
    if image is not None:
        raise ValueError(
            f"{folder} holds Parquet files and images ({image.id}). Give a folder that holds only "
            "the ones to read, or one file."
        )


def _parquet_items(folder: Path, files: Sequence[Path], image_column: str | None) -> Iterator[Item]:
    parquet = _library("pyarrow.parquet", "pyarrow")
    for file in files:
        name = file.relative_to(folder).as_posix()
        try:
            table = parquet.ParquetFile(file)
        except (OSError, ValueError) as error:
            raise ValueError(f"{file} is no Parquet file: {error}. Get it again.") from error
        with table:
            column = _image_column(table.schema_arrow, image_column, file)
            row = 0
            for batch in table.iter_batches(batch_size=ROWS_AT_ONCE, columns=[column]):
                for value in batch.column(0).to_pylist():
                    yield Item(f"{name}#{row}", _image_of(value))
                    row += 1


def _image_column(schema, asked: str | None, file: Path) -> str:
    """The column that holds image files, as bytes or as `datasets` stores them."""
    types = _library("pyarrow.types", "pyarrow")

    def holds_images(field) -> bool:
        if types.is_struct(field.type):
            return any(child.name == "bytes" for child in field.type)
        return types.is_binary(field.type) or types.is_large_binary(field.type)

    fitting = [field.name for field in schema if holds_images(field)]
    if asked in fitting or (asked is None and len(fitting) == 1):
        return asked or fitting[0]
    if asked is None and "image" in fitting:
        return "image"
    wanted = "no single column of images" if asked is None else f"no column of images {asked!r}"
    raise ValueError(
        f"{file} has {wanted}. Its columns are {', '.join(schema.names)}; of these "
        f"{', '.join(fitting) or 'none'} hold image files. Name one with --image-column."
    )


def _saved_dataset_items(
    folder: Path, image_column: str | None, split: str | None
) -> Iterator[Item]:
    datasets = _library("datasets")
    dataset = datasets.load_from_disk(str(folder))
    if isinstance(dataset, datasets.DatasetDict):
        split = split or DEFAULT_SPLIT
        if split not in dataset:
            raise ValueError(
                f"{folder} has no split {split!r}. Choose --split from {', '.join(dataset)}."
            )
        dataset = dataset[split]
    else:
        _check_not_given("--split", split, f"{folder} is a data set of one split")
    yield from _rows(dataset, image_column, str(folder))


def _hub_items(name: str, image_column: str | None, split: str | None) -> Iterator[Item]:
    datasets = _library("datasets")
    dataset = datasets.load_dataset(name, split=split or DEFAULT_SPLIT, streaming=True)
    yield from _rows(dataset, image_column, name)


def _rows(dataset, image_column: str | None, name: str) -> Iterator[Item]:
    """The images of a data set, as files: decoding is the reader's work."""
    datasets = _library("datasets")
    features = dataset.features or {}
    fitting = [key for key, value in features.items() if isinstance(value, datasets.Image)]
    column = image_column or (fitting[0] if len(fitting) == 1 else "image")
    if column not in fitting:
        raise ValueError(
            f"{name} has no column of images {column!r}, only {', '.join(features) or 'none'}; of "
            f"these {', '.join(fitting) or 'none'} hold images. Name one with --image-column."
        )
    dataset = dataset.select_columns([column]).cast_column(column, datasets.Image(decode=False))
    for row, example in enumerate(dataset):
        yield Item(str(row), _image_of(example[column]))


def _image_of(value: bytes | dict | None) -> str | bytes | None:
    """The file of a cell: bytes, or `datasets`' `{"bytes", "path"}`."""
    if isinstance(value, dict):
        return value["bytes"] if value["bytes"] is not None else value.get("path")
    return value


def _library(module: str, name: str | None = None):
    import importlib

    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        message = f"This source needs {name or module}. Run: pip install 'hwr_hf[train]'"
        raise ValueError(message) from error
