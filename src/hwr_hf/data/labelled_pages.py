"""Pages of a user's folder that PAGE or ALTO XML transcribes, line by line.

In: `LabelledFolder`. Out: the lines of each page as `LabelledLine`s, whose images are cut from the
page image when they are read, and a `Fault` for each file or line that cannot be used.
"""

import io
import warnings
from collections.abc import Iterator
from functools import cached_property, partial
from pathlib import Path

import numpy as np
from PIL import Image

from hwr_hf.resnet_bilstm.image_transforms_resnet_bilstm import to_grey

from .alto_xml import is_alto_xml, read_alto_xml
from .labelled_folder import (
    Fault,
    LabelledFolder,
    LabelledLine,
    OutsideFolderError,
    has_suffix,
    split_of_folder,
    stem_of,
)
from .page_xml import is_page_xml, read_page_xml
from .safe_xml import parse_xml, root_name
from .transcribed_page import PageLine, TranscribedPage, cut_line, with_polygons

READERS = {"page": read_page_xml, "alto": read_alto_xml}


def read_pages(folder: LabelledFolder, format: str, cut: str) -> Iterator[LabelledLine | Fault]:
    """Lines cut from page images, one page at a time; a page is a group.

    Args:
        folder: The user's folder.
        format: `"page"` or `"alto"`.
        cut: `"polygon"` or `"box"`, see `cut_line`.

    Raises:
        ValueError: There is no such XML in the folder.
    """
    formats = xml_formats(folder)
    if format not in formats.values():
        raise ValueError(
            f"{folder.folder} has no {format.upper()} XML. Put it beside the page images, or "
            "choose another --format."
        )
    return _lines_of_pages(folder, formats, format, cut)


def _lines_of_pages(
    folder: LabelledFolder, formats: dict[str, str | Fault], format: str, cut: str
) -> Iterator[LabelledLine | Fault]:
    by_name: dict[str, list[str]] = {}
    for image in folder.images:
        for name in {Path(image).name, Path(image).stem}:
            by_name.setdefault(name, []).append(image)
    used = set()
    for file, found in formats.items():
        if isinstance(found, Fault):
            yield found
        if found != format:
            continue
        try:
            page = with_polygons(READERS[format](parse_xml(folder.path(file))))
            image = _page_image(folder, page, file, by_name)
        except (ValueError, OSError) as error:
            yield Fault(file, str(error))
            continue
        used.add(image)
        opened = _PageImage(folder, image)
        split = split_of_folder(file)
        for line_id, reason in page.faults:
            yield Fault(f"{file}#{line_id}", reason)
        for number, line in enumerate(page.lines, 1):
            line_id = line.id or f"line-{number:04d}"
            yield LabelledLine(
                id=f"{stem_of(file)}/{line_id}",
                text=line.text,
                file=f"{file}#{line_id}",
                read_image=partial(opened.cut, page, line, cut),
                group=stem_of(file),
                split=split,
            )
    for image in folder.images:
        if image not in used:
            yield Fault(image, f"no text: no {format.upper()} XML is of this image")


def xml_formats(folder: LabelledFolder) -> dict[str, str | Fault]:
    """`"page"` or `"alto"` by file, or what is wrong with it; XML of other kinds is not listed."""
    formats: dict[str, str | Fault] = {}
    for file in folder.files:
        if not has_suffix(file, (".xml",)):
            continue
        try:
            name = root_name(folder.path(file))
        except (ValueError, OSError) as error:
            formats[file] = Fault(file, str(error))
            continue
        if is_page_xml(name):
            formats[file] = "page"
        elif is_alto_xml(name):
            formats[file] = "alto"
    return formats


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
                return to_grey(self.folder.path(self.file), correct_tones=False)
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
