"""The formats that a user's folder can have, and which of them it has.

`text`: images with `.txt` or `.gt.txt` of the same name; `table`: CSV or TSV with a header;
`metadata`: `metadata.jsonl`; `page` and `alto`: XML beside page images. In: `LabelledFolder`. Out:
`LabelledLine`s one after the other, and a `Fault` in the place of whatever cannot be used.
"""

import os
from collections.abc import Iterator
from functools import partial
from itertools import chain
from pathlib import Path

from .labelled_folder import (
    Fault,
    LabelledFolder,
    LabelledLine,
    has_suffix,
    split_of_folder,
    stem_of,
)
from .labelled_pages import read_pages, xml_formats
from .labelled_tables import (
    COLUMNS,
    METADATA_FILE,
    TABLE_SUFFIXES,
    find_tables,
    header_of,
    read_metadata,
    read_tables,
)

TEXT_SUFFIXES = (".gt.txt", ".txt")
FORMATS = ("text", "table", "metadata", "page", "alto")


def read_lines(
    folder: LabelledFolder, format: str, cut: str = "polygon"
) -> Iterator[LabelledLine | Fault]:
    """What could not be looked through, then the lines as a format has them, in the files' order.

    Args:
        folder: The user's folder.
        format: One of `FORMATS`.
        cut: `"polygon"` or `"box"`, how lines are cut from pages.

    Raises:
        ValueError: The folder has no file of this format.
    """
    readers = {"text": read_text_files, "table": read_tables, "metadata": read_metadata}
    if format in ("page", "alto"):
        lines = read_pages(folder, format, cut)
    else:
        lines = readers[format](folder)
    return chain(folder.faults, lines)


def detect_format(folder: LabelledFolder) -> str:
    """The one format that the folder has files of.

    Raises:
        ValueError: It has files of none, or of several.
    """
    xml = xml_formats(folder).values()
    found = {
        "text": any(text_files(folder, image) for image in folder.images),
        "table": bool(find_tables(folder)),
        "metadata": any(Path(file).name == METADATA_FILE for file in folder.files),
        "page": "page" in xml,
        "alto": "alto" in xml,
    }
    formats = [name for name, is_there in found.items() if is_there]
    if len(formats) == 1:
        return formats[0]
    if formats:
        raise ValueError(
            f"{folder.folder} can be read as {' or '.join(formats)}. Choose one with --format."
        )
    headers = "".join(
        f" The header of {file} is {header_of(folder, file)!r}."
        for file in folder.files
        if has_suffix(file, TABLE_SUFFIXES)
    )
    raise ValueError(
        f"{folder.folder} has no text for any of its {len(folder.images)} images. Needed are "
        "images with .txt or .gt.txt files of the same name, or a .csv or .tsv whose header names "
        f"a column of images ({', '.join(COLUMNS['image'])}) and one of texts "
        f"({', '.join(COLUMNS['text'])}), or {METADATA_FILE}, or PAGE or ALTO XML with the page "
        f"images.{headers}"
    )


def read_text_files(folder: LabelledFolder) -> Iterator[LabelledLine | Fault]:
    """Images with `.gt.txt` or `.txt` of the same name; where both are there, `.gt.txt` counts.

    An image's sub-folders say its split and group.
    """
    used = set()
    for image in folder.images:
        texts = text_files(folder, image)
        used.update(texts)
        if not texts:
            stem = stem_of(image)
            yield Fault(image, f"no text: there is neither {stem}.gt.txt nor {stem}.txt")
            continue
        try:
            text = folder.path(texts[0]).read_bytes().decode("utf-8-sig")
        except UnicodeDecodeError:
            yield Fault(texts[0], "not UTF-8: save the texts in this encoding")
            continue
        except (OSError, ValueError) as error:
            yield Fault(texts[0], str(error))
            continue
        yield LabelledLine(
            id=stem_of(image),
            text=text,
            file=image,
            read_image=partial(folder.read_image, image),
            group=folder.group_of(image),
            split=split_of_folder(image),
        )
    for text_file in folder.files:
        if has_suffix(text_file, TEXT_SUFFIXES) and text_file not in used:
            yield Fault(text_file, "no image of this name beside it")


def text_files(folder: LabelledFolder, image: str) -> list[str]:
    """The text files of an image, the one that counts first."""
    names = (f"{stem_of(image)}{suffix}" for suffix in TEXT_SUFFIXES)
    return [name for name in names if os.path.lexists(folder.folder / name)]
