import json

import pytest
from drawing import draw_text_line

from hwr_hf.data.labelled_folder import Fault, LabelledFolder
from hwr_hf.data.labelled_tables import read_metadata, read_tables


@pytest.fixture
def rows(tmp_path):
    """Function that writes a table beside `a.png`, `b.png` and returns its lines and faults."""

    def read(content, name="lines.csv"):
        for image in "ab":
            draw_text_line(image).save(tmp_path / f"{image}.png")
        content = content if isinstance(content, bytes) else content.encode()
        (tmp_path / name).write_bytes(content)
        reader = read_metadata if name == "metadata.jsonl" else read_tables
        found = list(reader(LabelledFolder(tmp_path)))
        faults = {line.file: line.reason for line in found if isinstance(line, Fault)}
        return [line for line in found if not isinstance(line, Fault)], faults

    return read


def texts(lines):
    return {line.id: line.text for line in lines}


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_the_delimiter_is_found_in_the_header(rows, delimiter):
    content = "file,text\na.png,one\nb.png,two words\n".replace(",", delimiter)
    assert texts(rows(content)[0]) == {"a": "one", "b": "two words"}


@pytest.mark.parametrize(
    "header", ["file_name,text", "Image,Transcription", "text,path", "filename,ground_truth,extra"]
)
def test_columns_are_found_by_name_in_any_order(rows, header):
    place = {"text": "one", "transcription": "one", "ground_truth": "one", "extra": "-"}
    row = ",".join(place.get(name.lower(), "a.png") for name in header.split(","))
    assert texts(rows(f"{header}\n{row}\n")[0]) == {"a": "one"}


def test_a_quoted_text_has_delimiters_and_quotation_marks(rows):
    lines, _ = rows('file,text\na.png,"""Well"", said he, ""no"""\n')
    assert texts(lines) == {"a": '"Well", said he, "no"'}


def test_quotation_marks_of_a_tsv_are_characters(rows):
    lines, faults = rows('file\ttext\na.png\t"Well, said he\nb.png\t"no"\n', "lines.tsv")
    assert texts(lines) == {"a": '"Well, said he', "b": '"no"'}
    assert not faults


def test_a_header_with_half_a_quotation_is_a_fault(rows):
    lines, faults = rows('"file_name" ,"text"\na.png,one\n')
    assert not lines
    assert faults["lines.csv:1"].startswith("no header: ")


def test_a_tsv_with_a_quoted_header_is_quoted(rows):
    lines, _ = rows('"file"\t"text"\n"a.png"\t"say ""no"""\n', "lines.tsv")
    assert texts(lines) == {"a": 'say "no"'}


def test_writer_page_split_and_id_are_taken_where_they_are_given(rows):
    lines, _ = rows("id,file,text,writer,page,split\n7,a.png,one,w1,p1,val\n8,b.png,two,,,\n")
    assert [(x.id, x.writer_id, x.group, x.split) for x in lines] == [
        ("7", "w1", "p1", "validation"),
        ("8", None, None, None),
    ]


def test_a_table_named_after_a_split_is_in_it(rows):
    assert rows("file,text\na.png,one\n", "test.csv")[0][0].split == "test"


@pytest.fixture(params=["lines.csv", "metadata.jsonl"])
def lines_of(request, tmp_path):
    """Function: images of a folder, with more values of their rows -> lines of the root's table."""

    def read(images, columns=(), values=()):
        for image in images:
            (tmp_path / image).parent.mkdir(parents=True, exist_ok=True)
            draw_text_line("x").save(tmp_path / image)
        more = dict(zip(columns, values, strict=True))
        rows = [{"file": image, "text": "x", **more} for image in images]
        if request.param == "metadata.jsonl":
            content, reader = "\n".join(map(json.dumps, rows)), read_metadata
        else:
            table = [list(rows[0]), *(row.values() for row in rows)]
            content, reader = "\n".join(map(",".join, table)), read_tables
        (tmp_path / request.param).write_text(content)
        return list(reader(LabelledFolder(tmp_path)))

    return read


def test_the_images_sub_folder_names_the_split(lines_of):
    lines = lines_of(["train/a.png", "val/a.png", "test/a.png", "a.png"])
    assert [line.split for line in lines] == ["train", "validation", "test", None]


def test_three_sub_folders_of_images_are_groups_and_two_are_not(lines_of):
    pages = ["p0/a.png", "p1/a.png"]
    assert [line.group for line in lines_of(pages)] == [None, None]
    assert [line.group for line in lines_of([*pages, "p2/a.png"])] == ["p0", "p1", "p2"]


def test_a_split_or_group_in_the_row_goes_before_the_sub_folders(lines_of):
    images = ["train/p0/a.png", "train/p1/a.png", "train/p2/a.png"]
    lines = lines_of(images, ("split", "page"), ("test", "letter"))
    assert [(line.split, line.group) for line in lines] == [("test", "letter")] * 3


def test_a_table_named_after_a_split_goes_before_the_images_sub_folder(rows, tmp_path):
    (tmp_path / "train").mkdir()
    draw_text_line("x").save(tmp_path / "train" / "c.png")
    (line,), _ = rows("file,text\ntrain/c.png,one\n", "test.csv")
    assert line.split == "test"


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        pytest.param("c.png,x", "no such image: c.png", id="missing"),
        pytest.param("../x.png,x", "outside the folder: ../x.png", id="traversal"),
        pytest.param("/etc/passwd,x", "outside the folder: /etc/passwd", id="absolute"),
        pytest.param("a.png,Well, no", "wrong number of fields: 3", id="too-many-fields"),
        pytest.param("a.png", "wrong number of fields: 1", id="too-few-fields"),
        pytest.param(",x", "names no image", id="no-image"),
    ],
)
def test_a_row_that_cannot_be_used_is_a_fault_with_its_place(rows, row, reason):
    lines, faults = rows(f"file,text\n{row}\nb.png,two\n")
    assert texts(lines) == {"b": "two"}
    assert faults["lines.csv:2"].startswith(reason)


def test_an_unknown_split_is_a_fault(rows):
    _, faults = rows("file,text,split\na.png,x,later\n")
    assert faults["lines.csv:2"].startswith("no such split: 'later'")


def test_a_quotation_that_never_ends_is_a_fault(rows):
    lines, faults = rows('file,text\nb.png,two\na.png,"one\n')
    assert texts(lines) == {"b": "two"}
    assert faults["lines.csv:3"].startswith("no fields: unexpected end of data")


def test_images_that_no_row_names_are_faults(rows):
    _, faults = rows("file,text\na.png,one\n")
    assert faults == {"b.png": "no text: no row names it"}


def test_one_text_that_is_not_utf_8_leaves_the_others(rows):
    lines, _ = rows(b"file,text\na.png,caf\xe9\nb.png,two\n")
    assert texts(lines) == {"a": "caf\udce9", "b": "two"}


def test_metadata_has_one_object_a_line(rows):
    content = [{"file_name": "a.png", "text": "one", "writer_id": 7}, {"file_name": "b.png"}]
    lines, faults = rows("\n".join(map(json.dumps, content)), "metadata.jsonl")
    assert [(line.id, line.text, line.writer_id) for line in lines] == [
        ("a", "one", "7"),
        ("b", "", None),
    ]
    assert not faults


def test_a_table_that_is_a_link_out_of_the_folder_is_a_fault(tmp_path):
    (tmp_path / "user" / "sub").mkdir(parents=True)
    (tmp_path / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "x"}')
    (tmp_path / "user" / "sub" / "metadata.jsonl").symlink_to(tmp_path / "metadata.jsonl")
    (fault,) = read_metadata(LabelledFolder(tmp_path / "user"))
    assert fault.file == "sub/metadata.jsonl"
    assert fault.reason.startswith("link out of the folder")


@pytest.mark.parametrize(
    ("row", "reason"),
    [
        (b"{", "no JSON: "),
        (b'"a.png"', "no JSON object"),
        (b'{"file_name": "a.png", "text": "\xe9"}', "not UTF-8"),
        (b'{"file_name": "a.png", "text": 5}', "text is no string: int"),
        (b'{"file_name": ["a.png"], "text": ""}', "image is no string: list"),
        (b'{"file_name": "../a.png", "text": ""}', "outside the folder"),
        (b"[" * 100_000, "no JSON"),
    ],
)
def test_metadata_that_cannot_be_used_is_a_fault_with_its_place(rows, row, reason):
    lines, faults = rows(row + b'\n{"file_name": "b.png", "text": "two"}', "metadata.jsonl")
    assert texts(lines) == {"b": "two"}
    assert faults["metadata.jsonl:1"].startswith(reason)
