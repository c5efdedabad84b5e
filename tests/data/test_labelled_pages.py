import io

import numpy as np
import pytest
from page_miniature import alto_xml, draw_page, page_xml, text_line
from PIL import Image

from hwr_hf.data.labelled_folder import Fault, LabelledFolder
from hwr_hf.data.labelled_pages import read_pages

PAPER, INK = 230, 30
REGION = '<TextRegion id="r">{}</TextRegion>'
TWO_LINES = text_line("l1", "one") + text_line("l2", "two", "10,60 130,60 130,99 10,99")


def read(folder, format="page", cut="polygon"):
    found = list(read_pages(LabelledFolder(folder), format, cut))
    faults = [(line.file, line.reason) for line in found if isinstance(line, Fault)]
    return [line for line in found if not isinstance(line, Fault)], faults


def pixels(line):
    content, suffix = line.read_image()
    assert suffix == ".png"
    return np.asarray(Image.open(io.BytesIO(content)))


def test_lines_are_cut_from_the_page(tmp_path):
    draw_page(tmp_path / "page.png")
    (tmp_path / "page.xml").write_text(page_xml(REGION.format(TWO_LINES)))
    lines, faults = read(tmp_path)
    assert not faults
    assert [(line.id, line.text, line.group) for line in lines] == [
        ("page/l1", "one", "page"),
        ("page/l2", "two", "page"),
    ]
    assert pixels(lines[0]).shape == (41, 121)
    assert (pixels(lines[0])[10:31, 10:111] == INK).all()
    assert (pixels(lines[1])[:10] == PAPER).all()


def test_alto_boxes_are_cut_from_the_page(tmp_path):
    draw_page(tmp_path / "scan.png")
    box = 'HPOS="20" VPOS="20" WIDTH="100" HEIGHT="20"'
    line = f'<TextLine ID="l" {box}><String CONTENT="one"/></TextLine>'
    (tmp_path / "scan.xml").write_text(alto_xml(line))
    (line,), faults = read(tmp_path, "alto")
    assert not faults
    assert (line.id, line.text) == ("scan/l", "one")
    assert (pixels(line) == INK).all()


def test_millimetres_are_scaled_by_the_size_of_the_page(tmp_path):
    draw_page(tmp_path / "scan.png")
    box = 'HPOS="200" VPOS="200" WIDTH="1000" HEIGHT="200"'
    unit = "<MeasurementUnit>mm10</MeasurementUnit>"
    line = f'<TextLine ID="l" {box}/>'
    (tmp_path / "scan.xml").write_text(alto_xml(line, description=unit, size=(2000, 1200)))
    (line,), _ = read(tmp_path, "alto")
    assert pixels(line).shape == (21, 101)


@pytest.mark.parametrize(
    ("image", "name"),
    [
        pytest.param("page.png", "page.png", id="by-name"),
        pytest.param("img/scan.png", "../img/scan.png", id="by-path"),
        pytest.param("img/scan.png", "scan.png", id="elsewhere-in-the-folder"),
        pytest.param("img/scan.png", "/home/other/scan.png", id="path-on-another-machine"),
        pytest.param("img/scan.png", "C:\\\\scans\\\\scan.png", id="path-on-windows"),
        pytest.param("img/scan.png", "https://example.org/scan.png", id="address"),
        pytest.param("xml/a.png", "gone.tif", id="named-as-the-xml"),
    ],
)
def test_the_page_image_is_found(tmp_path, image, name):
    draw_page(tmp_path / image)
    (tmp_path / "xml").mkdir(exist_ok=True)
    (tmp_path / "xml" / "a.xml").write_text(page_xml(REGION.format(TWO_LINES), image=name))
    lines, faults = read(tmp_path)
    assert not faults
    assert pixels(lines[0]).shape == (41, 121)


def test_an_image_outside_the_folder_is_refused(tmp_path):
    draw_page(tmp_path / "secret.png")
    (tmp_path / "user").mkdir()
    (tmp_path / "user" / "a.xml").write_text(page_xml("", image="../secret.png"))
    lines, ((file, reason),) = read(tmp_path / "user")
    assert (lines, file) == ([], "a.xml")
    assert reason.startswith("outside the folder: ../secret.png")


def test_broken_xml_and_pages_without_image_are_faults_and_the_rest_is_read(tmp_path):
    draw_page(tmp_path / "page.png")
    draw_page(tmp_path / "unused.png")
    (tmp_path / "page.xml").write_text(page_xml(REGION.format(TWO_LINES)))
    (tmp_path / "cut.xml").write_text(page_xml("")[:-20])
    (tmp_path / "empty.xml").write_text("")
    (tmp_path / "evil.xml").write_text("<!DOCTYPE a [<!ENTITY b 'c'>]>" + page_xml("")[38:])
    (tmp_path / "gone.xml").write_text(page_xml("", image="gone.jpg"))
    lines, faults = read(tmp_path)
    assert len(lines) == 2
    assert [(file, reason.split(":")[0]) for file, reason in faults] == [
        ("cut.xml", "no well-formed XML"),
        ("empty.xml", "no well-formed XML"),
        ("evil.xml", "DOCTYPE refused"),
        ("gone.xml", "no such image"),
        ("unused.png", "no text"),
    ]


def test_a_broken_page_image_is_told_for_each_line(tmp_path):
    (tmp_path / "page.png").write_bytes(b"no image")
    (tmp_path / "page.xml").write_text(page_xml(REGION.format(TWO_LINES)))
    lines, _ = read(tmp_path)
    for line in lines:
        with pytest.raises(ValueError, match=r"page image cannot be read: page\.png"):
            line.read_image()


def test_a_page_is_decoded_once(tmp_path):
    draw_page(tmp_path / "page.png")
    (tmp_path / "page.xml").write_text(page_xml(REGION.format(TWO_LINES)))
    lines, _ = read(tmp_path)
    pixels(lines[0])
    (tmp_path / "page.png").unlink()
    assert pixels(lines[1]).shape == (40, 121)
