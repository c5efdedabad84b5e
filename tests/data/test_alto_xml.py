from xml.etree.ElementTree import fromstring

import pytest
from page_miniature import alto_xml

from hwr_hf.data.alto_xml import is_alto_xml, read_alto_xml

BOX = 'HPOS="10" VPOS="20" WIDTH="100" HEIGHT="30"'
CORNERS = ((10, 20), (110, 20), (110, 50), (10, 50))


def read(lines, **options):
    return read_alto_xml(fromstring(alto_xml(lines, **options).encode()))


def line(content, attributes=BOX, line_id="l"):
    return f'<TextLine ID="{line_id}" {attributes}>{content}</TextLine>'


@pytest.mark.parametrize(
    "namespace",
    [
        "http://www.loc.gov/standards/alto/ns-v2#",
        "http://www.loc.gov/standards/alto/ns-v3#",
        "http://www.loc.gov/standards/alto/ns-v4#",
        "http://schema.ccs-gmbh.com/ALTO",
        "",
    ],
)
def test_every_version_of_the_namespace_is_alto(namespace):
    assert is_alto_xml(f"{{{namespace}}}alto" if namespace else "alto")
    (read_line,) = read(line('<String CONTENT="house"/>'), namespace=namespace).lines
    assert (read_line.text, read_line.polygon) == ("house", CORNERS)


@pytest.mark.parametrize(
    ("content", "text"),
    [
        ('<String CONTENT="a"/><SP/><String CONTENT="house"/>', "a house"),
        ('<String CONTENT="a"/><String CONTENT="house"/>', "a house"),
        ('<String CONTENT="a"/><SP/><String CONTENT="hou"/><HYP CONTENT="-"/>', "a hou-"),
        ('<String CONTENT="hou"/><HYP CONTENT="&#173;"/>', "hou-"),
        ('<String CONTENT="hou" SUBS_TYPE="HypPart1" SUBS_CONTENT="house"/><HYP/>', "hou-"),
        ("", ""),
    ],
)
def test_text_is_what_stands_in_the_line(content, text):
    assert read(line(content)).lines[0].text == text


@pytest.mark.parametrize("points", ["1,2 30,2 30,20", "1 2 30 2 30 20"])
def test_a_polygon_goes_before_the_box(points):
    shape = f'<Shape><Polygon POINTS="{points}"/></Shape><String CONTENT="x"/>'
    assert read(line(shape)).lines[0].polygon == ((1, 2), (30, 2), (30, 20))


@pytest.mark.parametrize("baseline", ["44", "10,44 110,44", "10 44 110 44"])
def test_a_baseline_is_points_or_one_height(baseline):
    read_line = read(line("", f'{BOX} BASELINE="{baseline}"')).lines[0]
    assert read_line.baseline == ((10, 44), (110, 44))


def test_lines_follow_the_reading_order_where_there_is_one():
    order = (
        '<ReadingOrder><OrderedGroup ID="g"><ElementRef ID="x" REF="l2"/>'
        '<ElementRef ID="y" REF="l1"/></OrderedGroup></ReadingOrder>'
    )
    lines = line("", line_id="l1") + line("", line_id="l2")
    assert [found.id for found in read(lines).lines] == ["l1", "l2"]
    with_order = alto_xml(lines).replace("<Layout>", f"{order}<Layout>")
    assert [found.id for found in read_alto_xml(fromstring(with_order.encode())).lines] == [
        "l2",
        "l1",
    ]


def test_the_image_is_the_one_named_in_the_description():
    name = "<sourceImageInformation><fileName>scan.tif</fileName></sourceImageInformation>"
    assert read("", description=name).image_name == "scan.tif"


@pytest.mark.parametrize(("unit", "in_pixels"), [("pixel", True), ("mm10", False)])
def test_the_unit_of_measurement_is_read(unit, in_pixels):
    unit = f"<MeasurementUnit>{unit}</MeasurementUnit>"
    assert read("", description=unit).in_pixels == in_pixels


def test_several_pages_in_a_file_are_refused():
    twice = alto_xml("").replace("</Layout>", "<Page/></Layout>")
    with pytest.raises(ValueError, match="has 2 Page elements"):
        read_alto_xml(fromstring(twice.encode()))
