import pytest
from drawing import draw_text_line
from page_miniature import alto_xml, draw_page, page_xml

from hwr_hf.data.labelled_folder import Fault, LabelledFolder, LabelledLine
from hwr_hf.data.labelled_formats import detect_format, read_lines


@pytest.fixture
def folder(tmp_path):
    """Function that writes files and returns the folder; an image's content is the text drawn."""

    def make(**files):
        for name, content in files.items():
            path = tmp_path / name.replace("__", "/").replace("_", ".")
            path.parent.mkdir(parents=True, exist_ok=True)
            if path.suffix in (".png", ".jpg"):
                draw_text_line(content).save(path)
            elif isinstance(content, bytes):
                path.write_bytes(content)
            else:
                path.write_text(content, encoding="utf-8")
        return LabelledFolder(tmp_path)

    return make


def found(folder, format="text"):
    return [
        (line.file, line.reason) if isinstance(line, Fault) else (line.id, line.text)
        for line in read_lines(folder, format)
    ]


def test_images_go_with_texts_of_their_name(folder):
    files = folder(a_png="a", a_txt="one", sub__b_jpg="b", sub__b_gt_txt="two\n")
    assert found(files) == [("a", "one"), ("sub/b", "two\n")]


def test_gt_txt_goes_before_txt(folder):
    assert found(folder(a_png="a", a_txt="machine", a_gt_txt="truth")) == [("a", "truth")]


def test_a_byte_order_mark_is_no_text(folder):
    assert found(folder(a_png="a", a_txt=b"\xef\xbb\xbfone")) == [("a", "one")]


def test_images_without_text_and_texts_without_image_are_faults(folder):
    files = folder(a_png="a", b_txt="b", c_png="c", c_txt="c")
    assert found(files) == [
        ("a.png", "no text: there is neither a.gt.txt nor a.txt"),
        ("c", "c"),
        ("b.txt", "no image of this name beside it"),
    ]


def test_text_that_is_not_utf_8_is_a_fault_of_its_file(folder):
    ((file, reason),) = found(folder(a_png="a", a_txt="café".encode("latin-1")))
    assert file == "a.txt"
    assert reason.startswith("not UTF-8")


def test_three_sub_folders_are_groups_and_two_are_not(folder):
    pairs = {f"{name}__a_{suffix}": "x" for name in ("p1", "p2") for suffix in ("png", "txt")}
    assert [line.group for line in read_lines(folder(**pairs), "text")] == [None, None]
    files = folder(p3__a_png="x", p3__a_txt="x")
    assert [line.group for line in read_lines(files, "text")] == ["p1", "p2", "p3"]


@pytest.mark.parametrize(
    ("name", "split"),
    [("train", "train"), ("VAL", "validation"), ("test", "test"), ("testing ground", None)],
)
def test_a_sub_folder_names_the_split(folder, name, split):
    files = folder(**{f"{name}__a_png": "x", f"{name}__a_txt": "x"})
    (line,) = read_lines(files, "text")
    assert isinstance(line, LabelledLine)
    assert line.split == split


@pytest.mark.parametrize(
    ("files", "format"),
    [
        ({"a_png": "a", "a_txt": "a"}, "text"),
        ({"lines_csv": "file,text\n"}, "table"),
        ({"lines_tsv": "image\ttext\n"}, "table"),
        ({"train__metadata_jsonl": ""}, "metadata"),
        ({"x_xml": page_xml("")}, "page"),
        ({"x_xml": alto_xml("")}, "alto"),
        ({"x_xml": alto_xml(""), "mets_xml": "<mets/>", "notes_csv": "a,b\n"}, "alto"),
    ],
)
def test_the_format_is_told_by_the_files(folder, files, format):
    assert detect_format(folder(**files)) == format


def test_two_formats_ask_for_a_choice(folder):
    files = folder(page_png="a", page_txt="a", page_xml=page_xml(""))
    with pytest.raises(ValueError, match=r"read as text or page\. Choose one with --format"):
        detect_format(files)


def test_no_format_says_what_is_needed_and_what_the_headers_are(folder):
    files = folder(a_png="a", lines_csv="scan,words\n")
    with pytest.raises(ValueError, match=r"The header of lines\.csv is 'scan,words'"):
        detect_format(files)


@pytest.mark.parametrize("format", ["table", "metadata", "page", "alto"])
def test_a_format_that_is_not_there_is_told(folder, format):
    with pytest.raises(ValueError, match=r"(c|C)hoose another --format"):
        list(read_lines(folder(a_png="a"), format))


def test_lines_of_a_page_are_read_and_cut(tmp_path):
    draw_page(tmp_path / "page.png")
    line = '<TextLine id="l1"><Coords points="10,10 130,10 130,50 10,50"/></TextLine>'
    (tmp_path / "page.xml").write_text(page_xml(f'<TextRegion id="r">{line}</TextRegion>'))
    (line,) = read_lines(LabelledFolder(tmp_path), "page")
    assert (line.id, line.file, line.group) == ("page/l1", "page.xml#l1", "page")
