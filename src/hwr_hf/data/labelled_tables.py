"""Tables of images and texts in a user's folder: CSV, TSV, and `metadata.jsonl` of an imagefolder.

In: `LabelledFolder`. Out: its rows as `LabelledLine`s, and a `Fault` for each that cannot be used
and for each image that no row names.
"""

import csv
import json
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from pathlib import Path

from .labelled_folder import (
    SPLIT_NAMES,
    Fault,
    LabelledFolder,
    LabelledLine,
    has_suffix,
    split_of_folder,
    stem_of,
)

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


def read_tables(folder: LabelledFolder) -> Iterator[LabelledLine | Fault]:
    """Rows of CSV and TSV files whose header names columns of `COLUMNS`.

    The delimiter is the one of `DELIMITERS` with which the header does. A `.csv` follows RFC 4180:
    a text with the delimiter or a quotation mark in it stands in quotation marks, its own doubled.
    In a `.tsv` quotation marks are characters like others, unless its header is in them.
    """
    tables = find_tables(folder)
    if not tables:
        raise ValueError(
            f"{folder.folder} has no .csv or .tsv whose header names a column of images "
            f"({', '.join(COLUMNS['image'])}) and one of texts ({', '.join(COLUMNS['text'])}). Add "
            "such a header, or choose another --format."
        )
    return _with_unused_images(folder, tables, _table_rows)


def read_metadata(folder: LabelledFolder) -> Iterator[LabelledLine | Fault]:
    """Rows of `metadata.jsonl` files, one JSON object a line with the names of `COLUMNS`."""
    files = [file for file in folder.files if Path(file).name == METADATA_FILE]
    if not files:
        raise ValueError(f"{folder.folder} has no {METADATA_FILE}. Choose another --format.")
    return _with_unused_images(folder, files, _metadata_rows)


def find_tables(folder: LabelledFolder) -> list[str]:
    """The CSV and TSV files whose header names a column of images and one of texts."""
    tables = (file for file in folder.files if has_suffix(file, TABLE_SUFFIXES))
    return [table for table in tables if _dialect(header_of(folder, table)) is not None]


def header_of(folder: LabelledFolder, table: str) -> str:
    """First line of a table; `""` if it cannot be read."""
    try:
        with folder.path(table).open("rb") as file:
            return file.readline(1 << 16).decode("utf-8-sig", "replace").strip("\r\n")
    except (ValueError, OSError):
        return ""


def _with_unused_images(
    folder: LabelledFolder,
    files: Iterable[str],
    rows_of: Callable[[LabelledFolder, str], Iterator[tuple[str, dict] | Fault]],
) -> Iterator[LabelledLine | Fault]:
    """The rows of all files as lines, then the images that no row names.

    A row without split or group has its table's split, else what its image's sub-folders say.
    """
    used = set()
    for file in files:
        try:
            folder.path(file)
        except ValueError as error:
            yield Fault(file, str(error))
            continue
        for found in rows_of(folder, file):
            if isinstance(found, Fault):
                yield found
                continue
            place, row = found
            values = _by_meaning(row)
            try:
                image = folder.find_image(_string(values, "image"), beside=file)
                used.add(image)
                yield LabelledLine(
                    id=_string(values, "id") or stem_of(image),
                    text=_string(values, "text"),
                    file=f"{place} ({image})",
                    read_image=partial(folder.read_image, image),
                    group=_string(values, "group") or folder.group_of(image),
                    writer_id=_string(values, "writer") or None,
                    split=_split(_string(values, "split"))
                    or _split_of_file(file)
                    or split_of_folder(image),
                )
            except ValueError as error:
                yield Fault(place, str(error))
    for image in folder.images:
        if image not in used:
            yield Fault(image, "no text: no row names it")


def _table_rows(folder: LabelledFolder, file: str) -> Iterator[tuple[str, dict] | Fault]:
    """Place and row, by column, or what is wrong with it."""
    delimiter, quoted = _dialect(header_of(folder, file))
    # One text that is not UTF-8 must not cost the others: its bytes become surrogates.
    with folder.path(file).open(
        encoding="utf-8-sig", errors="surrogateescape", newline=""
    ) as stream:
        reader = csv.reader(
            stream,
            delimiter=delimiter,
            quoting=csv.QUOTE_MINIMAL if quoted else csv.QUOTE_NONE,
            strict=True,
        )
        try:
            header = next(reader)
        except csv.Error as error:
            yield Fault(f"{file}:1", f"no header: {error}")
            return
        while True:
            place = f"{file}:{reader.line_num + 1}"
            try:
                row = next(reader, None)
            except csv.Error as error:
                yield Fault(place, f"no fields: {error}, in lines up to {reader.line_num}")
                continue
            if row is None:
                return
            if not row:  # a blank line
                continue
            if len(row) == len(header):
                yield place, dict(zip(header, row, strict=True))
                continue
            yield Fault(
                place,
                f"wrong number of fields: {len(row)}, the header has {len(header)}; a text with "
                f"{delimiter!r} in it needs quotation marks around it",
            )


def _metadata_rows(folder: LabelledFolder, file: str) -> Iterator[tuple[str, dict] | Fault]:
    with folder.path(file).open("rb") as stream:
        for number, content in enumerate(stream, 1):
            if not content.strip():
                continue
            place = f"{file}:{number}"
            try:
                row = json.loads(content.decode("utf-8-sig"))
            except UnicodeDecodeError:
                yield Fault(place, "not UTF-8")
            except (ValueError, RecursionError) as error:
                yield Fault(place, f"no JSON: {error}")
            else:
                if isinstance(row, dict):
                    yield place, row
                else:
                    yield Fault(place, "no JSON object with file_name and text")


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
    """The values of the columns that `COLUMNS` names."""
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
        raise ValueError(f"{meaning} is no string: {type(value).__name__}")
    return str(value)


def _split(name: str) -> str | None:
    if not name:
        return None
    if name.strip().lower() not in SPLIT_NAMES:
        raise ValueError(f"no such split: {name!r}, it may be {', '.join(SPLIT_NAMES)}")
    return SPLIT_NAMES[name.strip().lower()]


def _split_of_file(file: str) -> str | None:
    """The split that a table's name or its sub-folder stands for: `test.csv`, `test/lines.csv`."""
    return SPLIT_NAMES.get(Path(file).stem.lower()) or split_of_folder(file)
