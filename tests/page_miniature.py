"""Page images with PAGE and ALTO XML of the tests' own."""

from pathlib import Path

from PIL import Image, ImageDraw

PAGE_NAMESPACE = "http://schema.primaresearch.org/PAGE/gts/pagecontent/2019-07-15"
ALTO_NAMESPACE = "http://www.loc.gov/standards/alto/ns-v4#"


def draw_page(path: Path, size=(200, 120), ink=((20, 20, 120, 40), (20, 70, 120, 90))) -> None:
    """A grey page of paper 230 with rectangles of ink 30."""
    page = Image.new("L", size, 230)
    for box in ink:
        ImageDraw.Draw(page).rectangle(box, fill=30)
    path.parent.mkdir(parents=True, exist_ok=True)
    page.save(path)


def page_xml(body: str, image="page.png", size=(200, 120), namespace=PAGE_NAMESPACE) -> str:
    """A PAGE file around the content of its `Page` element."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><PcGts xmlns="{namespace}">'
        f'<Page imageFilename="{image}" imageWidth="{size[0]}" imageHeight="{size[1]}">'
        f"{body}</Page></PcGts>"
    )


def text_line(line_id: str, text: str, points="10,10 130,10 130,50 10,50", custom="") -> str:
    """A PAGE text line."""
    return (
        f'<TextLine id="{line_id}" custom="{custom}"><Coords points="{points}"/>'
        f"<TextEquiv><Unicode>{text}</Unicode></TextEquiv></TextLine>"
    )


def alto_xml(lines: str, description="", size=(200, 120), namespace=ALTO_NAMESPACE) -> str:
    """An ALTO file around the lines of its one block."""
    return (
        f'<?xml version="1.0" encoding="UTF-8"?><alto xmlns="{namespace}">'
        f"<Description>{description}</Description>"
        f'<Layout><Page WIDTH="{size[0]}" HEIGHT="{size[1]}"><PrintSpace>'
        f'<TextBlock ID="b1">{lines}</TextBlock></PrintSpace></Page></Layout></alto>'
    )
