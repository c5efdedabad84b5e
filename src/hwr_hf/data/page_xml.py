"""PAGE XML: a transcribed page as Transkribus, eScriptorium, Aletheia and OCR-D write it.

In: the root element of a file, of any version of the format since 2009. Out: `TranscribedPage`.
Format: Pletschacher and Antonacopoulos (2010), The PAGE (Page Analysis and Ground-Truth Elements)
format framework, ICPR, https://doi.org/10.1109/ICPR.2010.72
"""

import re
from xml.etree.ElementTree import Element

from .safe_xml import children, local_name
from .transcribed_page import PageLine, Points, TranscribedPage, parse_points, rank_in_order

NAMESPACE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/"

_LINE_INDEX = re.compile(r"readingOrder\s*\{[^}]*index\s*:\s*(\d+)")  # Transkribus, in `custom`


def is_page_xml(root_name: str) -> bool:
    """Whether a root element `{namespace}name` is PAGE's."""
    return root_name.startswith(f"{{{NAMESPACE}") and root_name.endswith("}PcGts")


def read_page_xml(root: Element) -> TranscribedPage:
    """The lines of a PAGE file in reading order.

    Regions follow its `ReadingOrder`, those that it does not name come last; lines in a region
    follow the index that Transkribus gives them, or else the file. A line without a text of its
    own has that of its words. Of several texts the one of the lowest index is taken.

    Raises:
        ValueError: There is no `Page` in it.
    """
    pages = children(root, "Page")
    if not pages:
        raise ValueError("has no Page element")
    page = pages[0]
    parents = {child: parent for parent in page.iter() for child in parent}
    places = _reading_order(page)
    found, faults = [], []
    for number, element in enumerate(e for e in page.iter() if local_name(e) == "TextLine"):
        regions = _regions(element, parents)
        line_id = element.get("id", "")
        try:
            line = PageLine(
                id=line_id,
                text=_text(element),
                polygon=_points(element, "Coords"),
                baseline=_points(element, "Baseline"),
                region=regions[0] if regions else "",
            )
        except ValueError as error:
            faults.append((line_id, str(error)))
            continue
        index = _LINE_INDEX.search(element.get("custom", ""))
        found.append((rank_in_order(places, regions), index and int(index.group(1)), number, line))
    return TranscribedPage(
        image_name=page.get("imageFilename", ""),
        size=_size(page),
        lines=_sorted(found),
        faults=tuple(faults),
    )


def _sorted(found: list[tuple[int, int | None, int, PageLine]]) -> tuple[PageLine, ...]:
    """Lines by the rank of their region, then by the place of the region, then by their index."""
    first_of_region: dict[str, int] = {}
    unnumbered = set()
    for _, index, number, line in found:
        first_of_region.setdefault(line.region, number)
        if index is None:
            unnumbered.add(line.region)

    def key(entry: tuple[int, int | None, int, PageLine]) -> tuple[int, int, int, int]:
        rank, index, number, line = entry
        in_region = 0 if line.region in unnumbered else index
        return rank, first_of_region[line.region], in_region, number

    return tuple(entry[-1] for entry in sorted(found, key=key))


def _reading_order(page: Element) -> dict[str, int]:
    """Places of regions by id, depth first through the groups of `ReadingOrder`."""
    places: dict[str, int] = {}
    stack = children(page, "ReadingOrder")
    while stack:
        element = stack.pop()
        if region := element.get("regionRef"):
            places.setdefault(region, len(places))
        stack += sorted(element, key=lambda member: -_integer(member.get("index")))
    return places


def _regions(line: Element, parents: dict[Element, Element]) -> list[str]:
    """Ids of the regions around a line, the innermost first."""
    regions, element = [], parents.get(line)
    while element is not None and local_name(element) != "Page":
        regions.append(element.get("id", ""))
        element = parents.get(element)
    return regions


def _text(element: Element) -> str:
    texts = sorted(children(element, "TextEquiv"), key=lambda text: _integer(text.get("index")))
    if texts:
        contents = children(texts[0], "Unicode") or children(texts[0], "PlainText")
        return "".join(content.text or "" for content in contents)
    words = [_text(word) for word in children(element, "Word")]
    return " ".join(word for word in words if word)


def _points(line: Element, name: str) -> Points:
    for element in children(line, name):
        if "points" in element.attrib:
            return parse_points(element.get("points"))
        points = children(element, "Point")  # the versions of 2009 and 2010
        return parse_points(" ".join(f"{point.get('x')},{point.get('y')}" for point in points))
    return ()


def _size(page: Element) -> tuple[float, float] | None:
    width, height = _integer(page.get("imageWidth")), _integer(page.get("imageHeight"))
    return (width, height) if width > 0 and height > 0 else None


def _integer(text: str | None) -> int:
    return int(text) if text and re.fullmatch(r"\d{1,9}", text) else 0
