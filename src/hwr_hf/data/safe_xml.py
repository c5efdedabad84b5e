"""XML files of unknown origin, read without what makes XML dangerous.

In: a path. Out: its root element, or the root's name alone. A document type declaration is refused:
entities that grow without bound and entities that read other files both need one, and neither PAGE
nor ALTO has any. No other check is needed: the parser of the standard library opens no file and no
address that the document names.
"""

from pathlib import Path
from xml.etree import ElementTree

MAX_BYTES = 64 * 1024**2  # a page of dense newspaper has about five


def parse_xml(path: Path) -> ElementTree.Element:
    """Root element of a file.

    Raises:
        ValueError: It is not well-formed, has a DOCTYPE, or is larger than `MAX_BYTES`.
        OSError: It cannot be read.
    """
    size = path.stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"too large: {size} bytes of XML, at most {MAX_BYTES} are read")
    return _parse(path, ElementTree.XMLParser(target=_TreeWithoutDoctype()))


def root_name(path: Path) -> str:
    """The root element's `{namespace}name`; nothing after it is read.

    Raises:
        ValueError: There is no root element, or a DOCTYPE before it.
        OSError: The file cannot be read.
    """
    try:
        _parse(path, ElementTree.XMLParser(target=_RootName()))
    except _RootFound as found:
        return found.name
    raise ValueError("no XML element in it")


def local_name(element: ElementTree.Element) -> str:
    """The element's name without its namespace, which differs from version to version."""
    return element.tag.rpartition("}")[2]


def children(element: ElementTree.Element, name: str) -> list[ElementTree.Element]:
    """The child elements of a local name."""
    return [child for child in element if local_name(child) == name]


class _TreeWithoutDoctype(ElementTree.TreeBuilder):
    def doctype(self, name: str, public_id: str | None, system_id: str | None) -> None:
        raise ValueError("DOCTYPE refused: PAGE and ALTO have none, and it can draw in other files")


class _RootFound(Exception):
    def __init__(self, name: str):
        self.name = name


class _RootName(_TreeWithoutDoctype):
    def start(self, tag: str, attributes: dict[str, str]) -> None:
        raise _RootFound(tag)


def _parse(path: Path, parser: ElementTree.XMLParser) -> ElementTree.Element:
    try:
        with path.open("rb") as file:
            while chunk := file.read(1 << 16):
                parser.feed(chunk)
        return parser.close()
    except ElementTree.ParseError as error:
        raise ValueError(f"no well-formed XML: {error}") from error
    except LookupError as error:  # the declaration names an encoding that Python does not know
        raise ValueError(f"no well-formed XML: {error}") from error
