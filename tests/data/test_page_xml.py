from xml.etree.ElementTree import fromstring

import pytest
from page_miniature import page_xml, text_line

from hwr_hf.data.page_xml import NAMESPACE, is_page_xml, read_page_xml


def read(body, **options):
    return read_page_xml(fromstring(page_xml(body, **options).encode()))


def ids(page):
    return [line.id for line in page.lines]


@pytest.mark.parametrize("version", ["2009-03-16", "2013-07-15", "2017-07-15", "2019-07-15"])
def test_every_version_of_the_namespace_is_page(version):
    assert is_page_xml(f"{{{NAMESPACE}{version}}}PcGts")
    region = f'<TextRegion id="r">{text_line("l", "a house")}</TextRegion>'
    (line,) = read(region, namespace=NAMESPACE + version).lines
    assert (line.id, line.text, line.region) == ("l", "a house", "r")
    assert line.polygon == ((10, 10), (130, 10), (130, 50), (10, 50))


def test_html_is_not_page():
    assert not is_page_xml("{http://www.w3.org/1999/xhtml}html")


def test_points_of_the_first_versions_are_elements():
    points = '<Coords><Point x="1" y="2"/><Point x="30" y="2"/><Point x="30" y="20"/></Coords>'
    (line,) = read(f'<TextRegion id="r"><TextLine id="l">{points}</TextLine></TextRegion>').lines
    assert line.polygon == ((1, 2), (30, 2), (30, 20))


def test_image_and_size_are_those_of_the_page():
    page = read("", image="scan 1.jpg", size=(300, 400))
    assert (page.image_name, page.size) == ("scan 1.jpg", (300, 400))


def test_regions_follow_the_reading_order_and_others_come_last():
    regions = "".join(
        f'<TextRegion id="{region}">{text_line(line, line)}</TextRegion>'
        for region, line in [("r1", "stray"), ("r2", "second"), ("r3", "third"), ("r4", "first")]
    )
    order = (
        '<ReadingOrder><OrderedGroup id="g">'
        '<OrderedGroupIndexed id="h" index="1">'
        '<RegionRefIndexed index="1" regionRef="r3"/><RegionRefIndexed index="0" regionRef="r2"/>'
        '</OrderedGroupIndexed><RegionRefIndexed index="0" regionRef="r4"/>'
        "</OrderedGroup></ReadingOrder>"
    )
    assert ids(read(order + regions)) == ["first", "second", "third", "stray"]


def test_lines_follow_the_index_that_transkribus_gives_them():
    lines = text_line("b", "b", custom="readingOrder {index:1;}") + text_line(
        "a", "a", custom="structure {type:heading;} readingOrder {index:0;}"
    )
    assert ids(read(f'<TextRegion id="r">{lines}</TextRegion>')) == ["a", "b"]


def test_lines_of_nested_regions_and_tables_are_read():
    inner = f'<TextRegion id="inner">{text_line("a", "a")}</TextRegion>'
    table = f'<TableRegion id="t"><TableCell id="c">{text_line("b", "b")}</TableCell></TableRegion>'
    assert ids(read(f'<TextRegion id="outer">{inner}</TextRegion>{table}')) == ["a", "b"]


def test_the_text_of_lowest_index_counts():
    texts = "".join(
        f'<TextEquiv index="{index}"><Unicode>{text}</Unicode></TextEquiv>'
        for index, text in [(1, "machine"), (0, "truth")]
    )
    (line,) = read(f'<TextRegion id="r"><TextLine id="l">{texts}</TextLine></TextRegion>').lines
    assert line.text == "truth"


def test_a_line_without_text_has_that_of_its_words():
    words = "".join(
        f"<Word><TextEquiv><Unicode>{word}</Unicode></TextEquiv></Word>" for word in ("a", "house")
    )
    (line,) = read(f'<TextRegion id="r"><TextLine id="l">{words}</TextLine></TextRegion>').lines
    assert line.text == "a house"


@pytest.mark.parametrize("points", ["1,2 3", "a,b", "1,nan 2,3", "1,2 inf,3"])
def test_a_line_of_broken_points_is_a_fault_and_the_others_stay(points):
    lines = text_line("bad", "x", points) + text_line("good", "y")
    page = read(f'<TextRegion id="r">{lines}</TextRegion>')
    assert ids(page) == ["good"]
    assert page.faults == (("bad", f"no pairs of numbers: {points!r}"),)


def test_a_file_without_page_is_told():
    with pytest.raises(ValueError, match="no Page element"):
        read_page_xml(fromstring(f'<PcGts xmlns="{NAMESPACE}2019-07-15"/>'))
