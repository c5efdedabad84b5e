"""A folder of a user's own images and texts in, labelled lines out, one after the other.

Formats: `text` (images with `.txt` or `.gt.txt` of the same name), `table` (CSV or TSV with a
header), `metadata` (`metadata.jsonl`, as in an imagefolder of `datasets`), `page` and `alto` (XML
beside page images). Whatever cannot be used comes out as a `Fault` in its place. No image is opened
before `LabelledLine.read_image` is called, and no file outside the folder is.
"""

import csv
import io
import json
import os
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from PIL import Image

from hwr_hf.resnet_bilstm.image_transforms_resnet_bilstm import to_grey

from .alto_xml import is_alto_xml, read_alto_xml
from .group_splits import SPLITS
from .iam_files import image_fault
from .page_xml import is_page_xml, read_page_xml
from .safe_xml import parse_xml, root_name
from .transcribed_page import PageLine, TranscribedPage, cut_line, with_polygons

IMAGE_SUFFIXES = (".bmp", ".gif", ".jpeg", ".jpg", ".pgm", ".png", ".ppm", ".tif", ".tiff", ".webp")
TEXT_SUFFIXES = (".gt.txt", ".txt")
TABLE_SUFFIXES = (".csv", ".tsv")
METADATA_FILE = "metadata.jsonl"
DELIMITERS = ",;\t|"
# Names of columns, in small letters, by what they hold; the first that a table has is taken.
COLUMNS = {
    "image": ("file_name", "filename", "file", "image", "image_path", "path"),
    "text": ("text", "transcription", "transcript", "ground_truth", "label"),
    "id": ("id", "line_id"),
    "writer": ("writer_id", "writer"),
    "group": ("page_id", "page", "form_id", "form", "document", "group"),
    "split": ("split", "subset"),
}
SPLIT_NAMES = {name: name for name in SPLITS} | {
    "training": "train",
    "val": "validation",
    "valid": "validation",
    "dev": "validation",
}
MIN_GROUP_FOLDERS = 3  # fewer sub-folders with images say nothing of pages


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

    Raises:
        FileNotFoundError: There is no such folder.
    """

    def __init__(self, folder: str | Path, excluded: str | Path | None = None):
        self.folder = Path(folder).expanduser().resolve()
        if not self.folder.is_dir():
            raise FileNotFoundError(f"There is no folder {folder}. Give the one with your images.")
        self.files = sorted(_walk(self.folder, excluded and Path(excluded).resolve()))
        self.images = [file for file in self.files if _has_suffix(file, IMAGE_SUFFIXES)]

    def lines(self, format: str, cut: str = "polygon") -> Iterator[LabelledLine | Fault]:
        """The folder's lines as a format has them, in the order of the files.

        Args:
            format: One of `FORMATS`.
            cut: `"polygon"` or `"box"`, how lines are cut from pages.
        """
        if format in ("page", "alto"):
            return _page_lines(self, format, cut)
        return READERS[format](self)

    def detect_format(self) -> str:
        """The one format that the folder has files of.

        Raises:
            ValueError: It has files of none, or of several.
        """
        found = {
            "metadata": any(Path(file).name == METADATA_FILE for file in self.files),
            "table": bool(self.tables),
            "page": "page" in self.xml_formats.values(),
            "alto": "alto" in self.xml_formats.values(),
            "text": any(_text_files(self, image) for image in self.images),
        }
        formats = [name for name, is_there in found.items() if is_there]
        if len(formats) == 1:
            return formats[0]
        if formats:
            raise ValueError(
                f"{self.folder} can be read as {' or '.join(formats)}. Choose with --format."
            )
        headers = "".join(
            f" The header of {file} is: {self._header(file)!r}."
            for file in self.files
            if _has_suffix(file, TABLE_SUFFIXES)
        )
        raise ValueError(
            f"{self.folder} has no text for any of its {len(self.images)} images. Needed are "
            "images with .txt or .gt.txt files of the same name, or a .csv or .tsv whose header "
            f"names {_names('image')} and {_names('text')}, or {METADATA_FILE}, or PAGE or ALTO "
            f"XML with the page images.{headers}"
        )

    @cached_property
    def tables(self) -> dict[str, tuple[str, bool]]:
        """Tables with a column of images and one of texts: delimiter, and whether it has quotes."""
        dialects = {}
        for file in self.files:
            if _has_suffix(file, TABLE_SUFFIXES):
                dialect = _dialect(self._header(file))
                if dialect is not None:
                    dialects[file] = dialect
        return dialects

    def _header(self, table: str) -> str:
        """First line of a table; "" if it cannot be read."""
        try:
            with self.path(table).open("rb") as file:
                return file.readline(1 << 16).decode("utf-8-sig", "replace").strip("\r\n")
        except (ValueError, OSError):
            return ""

    @cached_property
    def xml_formats(self) -> dict[str, str | Fault]:
        """`"page"` or `"alto"` by file, or what is wrong with it; other XML is not listed."""
        formats: dict[str, str | Fault] = {}
        for file in self.files:
            if not _has_suffix(file, (".xml",)):
                continue
            try:
                name = root_name(self.path(file))
            except (ValueError, OSError) as error:
                formats[file] = Fault(file, str(error))
                continue
            if is_page_xml(name):
                formats[file] = "page"
            elif is_alto_xml(name):
                formats[file] = "alto"
        return formats

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

    def read_image(self, file: str) -> tuple[bytes, str]:
        """An image file as it is stored, and its suffix; ValueError if it does not decode."""
        content = self.path(file).read_bytes()
        fault = image_fault(content)
        if fault:
            raise ValueError(fault)
        with Image.open(io.BytesIO(content)) as image:
            frames = getattr(image, "n_frames", 1)
        if frames > 1:
            raise ValueError(f"has {frames} pages, an image of a line has one")
        return content, Path(file).suffix.lower()


def read_text_files(folder: LabelledFolder) -> Iterator[LabelledLine | Fault]:
    """Images with `.gt.txt` or `.txt` of the same name; where both are there, `.gt.txt` counts.

    Images in at least `MIN_GROUP_FOLDERS` different sub-folders are grouped by them.
    """
    parents = {Path(image).parent for image in folder.images}
    used = set()
    for image in folder.images:
        texts = _text_files(folder, image)
        used.update(texts)
        if not texts:
            stem = _stem(image)
            yield Fault(image, f"no text: there is neither {stem}.gt.txt nor {stem}.txt")
            continue
        try:
            text = folder.path(texts[0]).read_bytes().decode("utf-8-sig", "surrogateescape")
        except (OSError, ValueError) as error:
            yield Fault(texts[0], str(error))
            continue
        yield LabelledLine(
            id=_stem(image),
            text=text,
            file=image,
            read_image=partial(folder.read_image, image),
            group=Path(image).parent.as_posix() if len(parents) >= MIN_GROUP_FOLDERS else None,
            split=_split_of_path(image),
        )
    for text_file in folder.files:
        if _has_suffix(text_file, TEXT_SUFFIXES) and text_file not in used:
            yield Fault(text_file, "no image of this name beside it")


def read_tables(folder: LabelledFolder) -> Iterator[LabelledLine | Fault]:
    """Rows of CSV and TSV files whose header names columns of `COLUMNS`.

    The delimiter is the one of `DELIMITERS` with which the header does. A `.csv` follows RFC 4180:
    a text with the delimiter or a quotation mark in it stands in quotation marks, its own doubled.
    In a `.tsv` quotation marks are characters like others, unless its header is in them.
    """
    if not folder.tables:
        raise ValueError(
            f"{folder.folder} has no .csv or .tsv whose header names {_names('image')} and "
            f"{_names('text')}. Add such a header, or choose another --format."
        )
    yield from _with_unused_images(folder, folder.tables, _table_rows)


def read_metadata(folder: LabelledFolder) -> Iterator[LabelledLine | Fault]:
    """Rows of `metadata.jsonl` files, one JSON object a line with the names of `COLUMNS`."""
    files = [file for file in folder.files if Path(file).name == METADATA_FILE]
    if not files:
        raise ValueError(f"{folder.folder} has no {METADATA_FILE}. Choose another --format.")
    yield from _with_unused_images(folder, files, _metadata_rows)


READERS = {"text": read_text_files, "table": read_tables, "metadata": read_metadata}
FORMATS = (*READERS, "page", "alto")


def _with_unused_images(
    folder: LabelledFolder,
    files: Iterable[str],
    rows_of: Callable[[LabelledFolder, str], Iterator[tuple[str, dict | str]]],
) -> Iterator[LabelledLine | Fault]:
    """The rows of all files as lines, then the images that no row names."""
    used = set()
    for file in files:
        for place, row in rows_of(folder, file):
            if isinstance(row, str):
                yield Fault(place, row)
                continue
            values = _by_meaning(row)
            try:
                image = folder.find_image(_string(values, "image"), beside=file)
                used.add(image)
                yield LabelledLine(
                    id=_string(values, "id") or _stem(image),
                    text=_string(values, "text"),
                    file=f"{place} ({image})",
                    read_image=partial(folder.read_image, image),
                    group=_string(values, "group") or None,
                    writer_id=_string(values, "writer") or None,
                    split=_split(_string(values, "split")) or _split_of_path(file),
                )
            except ValueError as error:
                yield Fault(place, str(error))
    for image in folder.images:
        if image not in used:
            yield Fault(image, "no text: no row names it")


def _table_rows(folder: LabelledFolder, file: str) -> Iterator[tuple[str, dict | str]]:
    """Place and row, by column, or what is wrong with it."""
    delimiter, quoted = folder.tables[file]
    with folder.path(file).open(
        encoding="utf-8-sig", errors="surrogateescape", newline=""
    ) as stream:
        reader = csv.reader(
            stream,
            delimiter=delimiter,
            quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
            strict=True,
        )
        header = next(reader)
        while True:
            place = f"{file}:{reader.line_num + 1}"
            try:
                row = next(reader, None)
            except csv.Error as error:
                yield place, f"cannot be split into fields: {error} (line {reader.line_num})"
                continue
            if row is None:
                return
            if not row:  # a blank line
                continue
            if len(row) != len(header):
                yield (
                    place,
                    f"wrong number of fields: {len(row)}, the header has {len(header)}; a text "
                    f"with {delimiter!r} in it needs quotation marks around it",
                )
                continue
            yield place, dict(zip(header, row, strict=True))


def _metadata_rows(folder: LabelledFolder, file: str) -> Iterator[tuple[str, dict | str]]:
    with folder.path(file).open("rb") as stream:
        for number, content in enumerate(stream, 1):
            if not content.strip():
                continue
            try:
                row = json.loads(content.decode("utf-8-sig"))
            except UnicodeDecodeError:
                row = "is not UTF-8"
            except (ValueError, RecursionError) as error:
                row = f"is no JSON: {error}"
            if not isinstance(row, (dict, str)):
                row = "is no JSON object with file_name and text"
            yield f"{file}:{number}", row


def _page_lines(folder: LabelledFolder, format: str, cut: str) -> Iterator[LabelledLine | Fault]:
    """Lines cut from page images, one page at a time; a page is a group."""
    read = {"page": read_page_xml, "alto": read_alto_xml}[format]
    if format not in folder.xml_formats.values():
        raise ValueError(
            f"{folder.folder} has no {format.upper()} XML. Choose another --format "
            f"({', '.join(FORMATS)})."
        )
    by_name: dict[str, list[str]] = {}
    for image in folder.images:
        for name in {Path(image).name, Path(image).stem}:
            by_name.setdefault(name, []).append(image)
    used = set()
    for file, found in folder.xml_formats.items():
        if isinstance(found, Fault):
            yield found
        if found != format:
            continue
        try:
            page = with_polygons(read(parse_xml(folder.path(file))))
            image = _page_image(folder, page, file, by_name)
        except (ValueError, OSError) as error:
            yield Fault(file, str(error))
            continue
        used.add(image)
        opened = _PageImage(folder, image)
        split = _split_of_path(file)
        for line_id, reason in page.faults:
            yield Fault(f"{file}#{line_id}", reason)
        for number, line in enumerate(page.lines, 1):
            line_id = line.id or f"line-{number:04d}"
            yield LabelledLine(
                id=f"{_stem(file)}/{line_id}",
                text=line.text,
                file=f"{file}#{line_id}",
                read_image=partial(opened.cut, page, line, cut),
                group=_stem(file),
                split=split,
            )
    for image in folder.images:
        if image not in used:
            yield Fault(image, f"no text: no {format.upper()} XML is of this image")


class _PageImage:
    """A page that is decoded when its first line is cut."""

    def __init__(self, folder: LabelledFolder, file: str):
        self.folder = folder
        self.file = file

    @cached_property
    def grey(self) -> np.ndarray | str:
        """The page, or what is wrong with it, which must not be tried for every line anew."""
        try:
            with warnings.catch_warnings():
                # A scan in 600 dpi is larger than Pillow expects; twice that much it refuses.
                warnings.simplefilter("ignore", Image.DecompressionBombWarning)
                return to_grey(self.folder.path(self.file), correct_polarity=False)
        except (ValueError, OSError) as error:
            return f"page image cannot be read: {self.file}: {error}"

    def cut(self, page: TranscribedPage, line: PageLine, cut: str) -> tuple[bytes, str]:
        """The line as PNG."""
        if isinstance(self.grey, str):
            raise ValueError(self.grey)
        height, width = self.grey.shape
        crop = cut_line(self.grey, line, page.scale(width, height), cut)
        png = io.BytesIO()
        Image.fromarray(crop).save(png, "PNG")
        return png.getvalue(), ".png"


def _page_image(
    folder: LabelledFolder, page: TranscribedPage, file: str, by_name: dict[str, list[str]]
) -> str:
    """The image of a page: where its XML says, else one of that name, else one named as the XML.

    Of a path on the machine where the XML was made only the last part is looked at.
    """
    name = page.image_name.replace("\\", "/")
    if name and "://" not in name and not name.startswith("/") and name[1:2] != ":":
        try:
            return folder.find_image(name, beside=file)
        except OutsideFolderError:
            raise
        except ValueError:
            pass
    for key in (name.rpartition("/")[2], Path(file).stem):
        candidates = by_name.get(key, [])
        beside = [image for image in candidates if Path(image).parent == Path(file).parent]
        if len(beside) == 1 or len(candidates) == 1:
            return (beside or candidates)[0]
    raise ValueError(f"no such image: {page.image_name or Path(file).stem}, which it describes")


def _walk(folder: Path, excluded: Path | None) -> Iterator[str]:
    for parent, subfolders, names in os.walk(folder):
        subfolders[:] = sorted(
            name
            for name in subfolders
            if not name.startswith((".", "__MACOSX")) and Path(parent, name) != excluded
        )
        for name in names:
            if not name.startswith("."):
                yield Path(parent, name).relative_to(folder).as_posix()


def _has_suffix(file: str, suffixes: tuple[str, ...]) -> bool:
    return file.lower().endswith(suffixes)


def _stem(file: str) -> str:
    return Path(file).with_suffix("").as_posix()


def _text_files(folder: LabelledFolder, image: str) -> list[str]:
    """The text files of an image, the one that counts first."""
    names = (f"{_stem(image)}{suffix}" for suffix in TEXT_SUFFIXES)
    return [name for name in names if os.path.lexists(folder.folder / name)]


def _dialect(header: str) -> tuple[str, bool] | None:
    """Delimiter and whether quotation marks are quotation marks; None without the columns."""
    for delimiter in DELIMITERS:
        quoted = delimiter != "\t" or header.startswith('"')
        quoting = csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE
        try:
            names = next(csv.reader([header], delimiter=delimiter, quoting=quoting), [])
        except csv.Error:  # binary content under the name of a table
            continue
        if {"image", "text"} <= _by_meaning(dict.fromkeys(names)).keys():
            return delimiter, quoted
    return None


def _by_meaning(row: dict) -> dict:
    """The values of the columns that `COLUMNS` knows."""
    by_name = {str(name).strip().lower(): value for name, value in row.items()}
    return {
        meaning: next(by_name[name] for name in names if name in by_name)
        for meaning, names in COLUMNS.items()
        if any(name in by_name for name in names)
    }


def _string(values: dict, meaning: str) -> str:
    value = values.get(meaning)
    if value is None:
        return ""
    if meaning in ("image", "text") and not isinstance(value, str):
        raise ValueError(f"its {meaning} is no string but {type(value).__name__}")
    return str(value)


def _split(name: str) -> str | None:
    if not name:
        return None
    if name.strip().lower() not in SPLIT_NAMES:
        raise ValueError(f"the split {name!r} is not one of {', '.join(SPLIT_NAMES)}")
    return SPLIT_NAMES[name.strip().lower()]


def _split_of_path(file: str) -> str | None:
    """The split that a sub-folder, or a table's own name, stands for: `val/a.png`, `test.csv`."""
    parts = list(Path(file).parent.parts)
    if _has_suffix(file, TABLE_SUFFIXES):
        parts.append(Path(file).stem)
    return next((SPLIT_NAMES[part.lower()] for part in parts if part.lower() in SPLIT_NAMES), None)


def _names(meaning: str) -> str:
    return " or ".join(COLUMNS[meaning][:4])
