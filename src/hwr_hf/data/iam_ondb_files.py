"""IAM-OnDB's files in, rows of text and strokes out.

Two forms are read. IAM-OnDB's own downloads, as archives or extracted, side by side in a folder:
`lineStrokes-all.tar.gz` (`lineStrokes/a01/a01-000/a01-000u-01.xml`) and `ascii-all.tar.gz`
(`ascii/a01/a01-000/a01-000u.txt`, whose lines after `CSR:` are the texts of -01, -02 and so on).
Or one file, `strokes.jsonl` or `strokes.jsonl.xz`, each line of it a JSON object with `id`, `form`,
`text` and `strokes`, a list of `[x0, y0, dx1, dy1, dx2, dy2, ...]`.
"""

import json
import logging
import lzma
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from xml.etree import ElementTree

import numpy as np

from .iam_files import read_archive

logger = logging.getLogger(__name__)

STROKES_FILES = ("strokes.jsonl.xz", "strokes.jsonl")
ARCHIVES = {"lineStrokes": "lineStrokes-all.tar.gz", "ascii": "ascii-all.tar.gz"}
HOW_TO_GET_IAM_ONDB = (
    "IAM-OnDB is free for research: register at https://fki.tic.heia-fr.ch/databases/"
    "iam-on-line-handwriting-database and put lineStrokes-all.tar.gz and ascii-all.tar.gz into one "
    "folder, as they are or extracted."
)


@dataclass(frozen=True)
class OndbRow:
    """A line as it is stored: its text in tokens, its strokes as arrays `(points, 2)`, float32."""

    id: str
    form_id: str
    text: str
    strokes: list[np.ndarray]


def read_rows(path: Path) -> Iterator[OndbRow]:
    """Lines of the file, or of the downloads in the folder.

    Raises:
        FileNotFoundError: There are no such files.
        ValueError: A file is broken.
    """
    files = [path] if path.is_file() else [path / name for name in STROKES_FILES]
    for file in files:
        if file.is_file():
            return _read_json_lines(file)
    if _has(path, "lineStrokes") and _has(path, "ascii"):
        return _read_downloads(path)
    raise FileNotFoundError(
        f"{path} holds no IAM-OnDB: looked for {' and '.join(ARCHIVES.values())} (or the folders "
        f"{' and '.join(ARCHIVES)}), and for {' or '.join(STROKES_FILES)}. {HOW_TO_GET_IAM_ONDB}"
    )


def _has(folder: Path, name: str) -> bool:
    return (folder / name).is_dir() or (folder / ARCHIVES[name]).is_file()


def _read_downloads(folder: Path) -> Iterator[OndbRow]:
    texts = {}
    for path, content in _files(folder, "ascii", ".txt"):
        # ISO 8859-1 decodes any byte, and these files are older than UTF-8 was common.
        _, _, transcription = content.decode("latin-1").partition("CSR:")
        lines = [line.strip() for line in transcription.splitlines() if line.strip()]
        texts |= {f"{path.stem}-{number:02}": line for number, line in enumerate(lines, start=1)}
    for path, content in _files(folder, "lineStrokes", ".xml"):
        strokes = _strokes_of_xml(path, content)
        yield OndbRow(path.stem, path.stem.rpartition("-")[0], texts.get(path.stem, ""), strokes)


def _files(folder: Path, name: str, suffix: str) -> Iterator[tuple[Path, bytes]]:
    """Files of a download; an extracted folder goes before its archive."""
    if (folder / name).is_dir():
        for path in sorted((folder / name).rglob(f"*{suffix}")):
            yield path, path.read_bytes()
    else:
        yield from read_archive(folder / ARCHIVES[name], lambda path: path.suffix == suffix)


def _strokes_of_xml(path: Path, content: bytes) -> list[np.ndarray]:
    """The strokes of one XML file; none, with a warning, if it is broken."""
    try:
        strokes = [
            [(float(point.get("x")), float(point.get("y"))) for point in stroke.iter("Point")]
            for stroke in ElementTree.fromstring(content).iter("Stroke")
        ]
        return [np.array(stroke, dtype=np.float32) for stroke in strokes if stroke]
    except (ElementTree.ParseError, ValueError, TypeError) as error:
        logger.warning("%s holds no strokes (%s) and is left out.", path, error)
        return []


def _read_json_lines(path: Path) -> Iterator[OndbRow]:
    number = 0
    try:
        with (lzma.open if path.suffix == ".xz" else open)(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                yield _parse(line, path, number)
    except (lzma.LZMAError, EOFError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is broken after {number} lines: {error}.") from error


def _parse(line: str, path: Path, number: int) -> OndbRow:
    try:
        row = json.loads(line)
        well_formed = all(isinstance(row[name], str) for name in ("id", "form", "text")) and all(
            len(stroke) >= 2 and len(stroke) % 2 == 0 for stroke in row["strokes"]
        )
    except (ValueError, TypeError, KeyError):
        well_formed = False
    if not well_formed:
        raise ValueError(
            f"Line {number} of {path} is not what is needed, a JSON object with id, form, text and "
            "strokes (lists of an even number of coordinates)."
        )
    return OndbRow(row["id"], row["form"], row["text"], _strokes_of_steps(row["strokes"]))


def _strokes_of_steps(rows: list[list[int]]) -> list[np.ndarray]:
    return [
        np.asarray(row, dtype=np.float32).reshape(-1, 2).cumsum(axis=0, dtype=np.float32)
        for row in rows
    ]
