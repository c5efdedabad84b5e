import io

import datasets
import pytest
from drawing import NO_EXIF, ODD_EXIF, draw_text_line
from iam_miniature import png_bytes, write_archive, write_tree
from PIL import Image

from hwr_hf.data.iam_files import find_images, image_fault, read_ascii_files

CONTENT = b"stored bytes, not decoded here"


def test_archive_gives_stored_bytes_of_the_wanted_ids_only(tmp_path):
    files = {
        "a01/a01-000u/a01-000u-00.png": CONTENT,
        "a01/a01-000u/._a01-000u-00.png": b"macOS leaves such files",
        "a01/a01-000u/a01-000u-01.png": b"another",
        "a01-000u-00.xml": b"<form/>",
    }
    write_archive(tmp_path / "lines.tgz", files)
    images = find_images(tmp_path, "lines")
    assert list(images.read(["a01-000u-00", "a01-000u-07"])) == [("a01-000u-00", CONTENT)]


def test_image_twice_in_an_archive_is_read_once(tmp_path):
    files = {
        "lines/a01-000u-00.png": CONTENT,
        "copy/a01-000u-00.png": b"another",
        "lines/a01-000u-01.png": CONTENT,
    }
    write_archive(tmp_path / "lines.tgz", files)
    ids = [i for i, _ in find_images(tmp_path, "lines").read(["a01-000u-00", "a01-000u-01"])]
    assert ids == ["a01-000u-00", "a01-000u-01"]


def test_lines_and_words_in_one_tree_are_told_apart(tmp_path):
    write_tree(tmp_path, {"a01/a01-000u-00.png": CONTENT, "a01/a01-000u-00-00.png": b"word"})
    assert set(find_images(tmp_path, "lines").paths) == {"a01-000u-00"}
    assert set(find_images(tmp_path, "words").paths) == {"a01-000u-00-00"}


@pytest.mark.parametrize("packed", [True, False], ids=["archive", "tree"])
def test_fingerprint_is_the_same_until_an_image_changes(tmp_path, packed):
    def write(content):
        files = {"a01/a01-000u-00.png": content}
        if packed:
            write_archive(tmp_path / "lines.tgz", files)
        else:
            write_tree(tmp_path, files)

    write(CONTENT)
    before = find_images(tmp_path, "lines").fingerprint()
    assert find_images(tmp_path, "lines").fingerprint() == before
    write(bytes(range(256)))
    assert find_images(tmp_path, "lines").fingerprint() != before


def test_archive_cut_short_is_named(tmp_path):
    write_archive(tmp_path / "lines.tgz", {"a01/a01-000u-00.png": bytes(range(256)) * 99})
    content = (tmp_path / "lines.tgz").read_bytes()
    (tmp_path / "lines.tgz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"lines\.tgz is broken .* Download it again"):
        list(find_images(tmp_path, "lines").read(["a01-000u-00"]))


def test_extracted_label_file_goes_before_the_archived_one(tmp_path):
    write_archive(tmp_path / "ascii.tgz", {"lines.txt": b"packed", "forms.txt": b"forms"})
    (tmp_path / "lines.txt").write_bytes(b"edited")
    files = read_ascii_files(tmp_path, ("lines.txt", "forms.txt", "words.txt"))
    assert files == {"lines.txt": "edited", "forms.txt": "forms"}


def test_label_file_that_is_not_text_is_named(tmp_path):
    (tmp_path / "lines.txt").write_bytes(b"\xff\xfe\xff")
    with pytest.raises(ValueError, match=r"lines\.txt is not UTF-8"):
        read_ascii_files(tmp_path, ("lines.txt",))


def test_image_fault():
    content = png_bytes("hat")
    assert image_fault(content) is None
    assert image_fault(b"") == "empty file"
    assert image_fault(content[: len(content) // 2]).startswith("does not decode")
    assert image_fault(b"<html>Please log in</html>").startswith("does not decode")


@pytest.mark.parametrize(
    "exif", [pytest.param(NO_EXIF, id="no-header"), pytest.param(ODD_EXIF, id="one-tag")]
)
def test_exif_that_datasets_does_not_read_is_a_fault(exif):
    buffer = io.BytesIO()
    draw_text_line("hat").save(buffer, "PNG", exif=exif)
    with pytest.raises((SyntaxError, TypeError)):
        datasets.Image().decode_example({"path": None, "bytes": buffer.getvalue()})
    assert image_fault(buffer.getvalue()).startswith("damaged EXIF: ")


def test_an_image_that_exif_turns_has_no_fault():
    exif = Image.Exif()
    exif[0x0112] = 6
    buffer = io.BytesIO()
    draw_text_line("hat").save(buffer, "PNG", exif=exif)
    assert image_fault(buffer.getvalue()) is None
