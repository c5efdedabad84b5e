"""ALTO XML: a transcribed page as libraries, eScriptorium, kraken and Tesseract write it.

In: the root element of a file of version 1 to 4. Out: `TranscribedPage`.
Format: https://www.loc.gov/standards/alto/
"""

from xml.etree.ElementTree import Element

from .safe_xml import children, local_name
from .transcribed_page import PageLine, Points, TranscribedPage, parse_points, rank_in_order

# Version 1 is also met without a namespace.
NAMESPACES = ("http://www.loc.gov/standards/alto/", "http://schema.ccs-gmbh.com/ALTO")
SOFT_HYPHEN = "\u00ad"


def is_alto_xml(root_name: str) -> bool:
    """Whether a root element `{namespace}name` is ALTO's."""
    namespace, _, name = root_name.removeprefix("{").rpartition("}")
    return name == "alto" and (not namespace or namespace.startswith(NAMESPACES))


def read_alto_xml(root: Element) -> TranscribedPage:
    """The lines of an ALTO file, in the order of its `ReadingOrder` or else of the file.

    A line's text is what stands in it: a word broken at its end keeps its hyphen.

    Raises:
        ValueError: It has no page or several, which have one image file between them.
    """
    pages = [element for element in root.iter() if local_name(element) == "Page"]
    if len(pages) != 1:
        raise ValueError(f"has {len(pages)} Page elements, one is needed: save each page by itself")
    page = pages[0]
    places: dict[str, int] = {}
    for element in root.iter():
        if local_name(element) == "ElementRef":
            places.setdefault(element.get("REF", ""), len(places))
    found, faults = [], []
    for block in (element for element in page.iter() if children(element, "TextLine")):
        for element in children(block, "TextLine"):
            line_id, region = element.get("ID", ""), block.get("ID", "")
            try:
                line = PageLine(
                    id=line_id,
                    text=_text(element),
                    polygon=_outline(element),
                    baseline=_baseline(element),
                    region=region,
                )
            except ValueError as error:
                faults.append((line_id, str(error)))
                continue
            found.append((rank_in_order(places, (line_id, region)), line))
    units = {e.text for e in root.iter() if local_name(e) == "MeasurementUnit"}
    names = [e.text or "" for e in root.iter() if local_name(e) == "fileName"]
    return TranscribedPage(
        image_name=names[0].strip() if names else "",
        size=_size(page),
        lines=tuple(line for _, line in sorted(found, key=lambda entry: entry[0])),
        faults=tuple(faults),
        in_pixels=units.isdisjoint({"mm10", "inch1200"}),
    )


def _text(line: Element) -> str:
    parts = []
    # Some programs leave the spaces between words out.
    between = "" if children(line, "SP") else " "
    for element in line:
        name = local_name(element)
        if name == "String":
            parts.append((between if parts else "") + element.get("CONTENT", ""))
        elif name == "SP":
            parts.append(" ")
        elif name == "HYP":
            parts.append(element.get("CONTENT", "-").replace(SOFT_HYPHEN, "-"))
    return "".join(parts)


def _outline(line: Element) -> Points:
    for shape in children(line, "Shape"):
        for polygon in children(shape, "Polygon"):
            return parse_points(polygon.get("POINTS", ""))
    box = [line.get(name) for name in ("HPOS", "VPOS", "WIDTH", "HEIGHT")]
    if None in box:
        return ()
    (left, top), (width, height) = parse_points(" ".join(box))
    if min(width, height) <= 0:
        return ()
    right, bottom = left + width, top + height
    return ((left, top), (right, top), (right, bottom), (left, bottom))


def _baseline(line: Element) -> Points:
    text = line.get("BASELINE", "")
    if len(text.replace(",", " ").split()) != 1:
        return parse_points(text)
    # Before version 4.1 it was one height.
    if line.get("HPOS") is None or line.get("WIDTH") is None:
        return ()
    (left, y), (width, _) = parse_points(f"{line.get('HPOS')},{text} {line.get('WIDTH')},0")
    return ((left, y), (left + width, y))


def _size(page: Element) -> tuple[float, float] | None:
    try:
        ((width, height),) = parse_points(f"{page.get('WIDTH')},{page.get('HEIGHT')}")
    except ValueError:
        return None
    return (width, height) if width > 0 and height > 0 else None
