import io
import tarfile

import pytest

from hwr_hf.data.iam_ondb import lines_that_may_be_seen, read_iam_ondb
from hwr_hf.data.iam_ondb_files import read_rows

XML = """<?xml version="1.0" encoding="ISO-8859-1"?>
<WhiteboardCaptureSession>
  <WhiteboardDescription><SensorLocation corner="top_left"/></WhiteboardDescription>
  <StrokeSet>
    <Stroke colour="black" start_time="1.0" end_time="2.0">
      <Point x="3" y="4" time="1.0"/><Point x="5" y="9" time="1.5"/>
    </Stroke>
    <Stroke colour="black" start_time="3.0" end_time="3.0"><Point x="7" y="1" time="3.0"/></Stroke>
  </StrokeSet>
</WhiteboardCaptureSession>
"""
TEXT = """OCR:

A quet house

CSR:

A quiet house
and a garden , too .
"""


@pytest.fixture
def download(tmp_path):
    """Function that writes a miniature of IAM-OnDB's downloads: one form of two lines."""

    def write(packing="archives", xml=XML, text=TEXT):
        files = {
            "lineStrokes": {f"z01/z01-000/z01-000u-0{n}.xml": xml for n in (1, 2)},
            "ascii": {"z01/z01-000/z01-000u.txt": text},
        }
        for name, contents in files.items():
            if packing == "archives":
                with tarfile.open(tmp_path / f"{name}-all.tar.gz", "w:gz") as archive:
                    for path, content in contents.items():
                        member = tarfile.TarInfo(f"{name}/{path}")
                        member.size = len(content.encode())
                        archive.addfile(member, io.BytesIO(content.encode()))
            else:
                for path, content in contents.items():
                    file = tmp_path / name / path
                    file.parent.mkdir(parents=True, exist_ok=True)
                    file.write_text(content)
        return tmp_path

    return write


@pytest.mark.parametrize("packing", ["archives", "folders"])
def test_the_downloads_are_read_packed_or_not(download, packing):
    first, second = read_rows(download(packing))
    assert (first.id, first.form_id, first.text) == ("z01-000u-01", "z01-000u", "A quiet house")
    assert [stroke.tolist() for stroke in first.strokes] == [[[3, 4], [5, 9]], [[7, 1]]]
    assert second.text == "and a garden , too ."


def test_lines_of_the_downloads_get_their_natural_texts(download):
    assert [line.text for line in read_iam_ondb(download())] == [
        "A quiet house",
        "and a garden, too.",
    ]


@pytest.mark.parametrize(
    "xml",
    [
        pytest.param("<WhiteboardCaptureSession>", id="cut short"),
        pytest.param(XML.replace('x="3"', 'x="three"'), id="no number"),
        pytest.param(XML.replace('x="3"', ""), id="no coordinate"),
    ],
)
def test_a_broken_line_is_named_and_left_out(download, caplog, xml):
    folder = download("folders")
    (folder / "lineStrokes/z01/z01-000/z01-000u-02.xml").write_text(xml)
    (line,) = read_iam_ondb(folder)
    assert line.id == "z01-000u-01"
    assert "z01-000u-02.xml holds no strokes" in caplog.text
    assert "1 of 2 lines" in caplog.text


def test_a_broken_archive_is_named(download):
    folder = download()
    archive = folder / "lineStrokes-all.tar.gz"
    archive.write_bytes(archive.read_bytes()[:-30])
    with pytest.raises(ValueError, match=r"lineStrokes-all\.tar\.gz is broken"):
        read_iam_ondb(folder)


def test_strokes_without_texts_are_no_download(download):
    folder = download()
    (folder / "ascii-all.tar.gz").unlink()
    with pytest.raises(FileNotFoundError, match="register at https://fki"):
        read_rows(folder)


@pytest.mark.parametrize(
    ("unseen", "num_lines"),
    [
        pytest.param("she saw a quiet house and a cat", 0, id="five-words-over-a-line-break"),
        pytest.param("A QUIET house, and a", 0, id="case-and-stops-do-not-count"),
        pytest.param("a quiet house and the garden", 2, id="four-words-are-no-proof"),
    ],
)
def test_a_form_that_says_an_unseen_text_is_left_out(download, unseen, num_lines):
    assert len(lines_that_may_be_seen(read_iam_ondb(download()), [unseen])) == num_lines
