import json
import struct
import zlib

import numpy as np
import pytest
from drawing import draw_text_line
from PIL import Image

from hwr_hf import app_input
from hwr_hf.app_input import InputError, count_text_lines, load_drawing, load_picture


def png_of_size(width, height):
    """A PNG that claims this size and holds next to nothing."""

    def chunk(kind, content):
        checksum = struct.pack(">I", zlib.crc32(kind + content))
        return struct.pack(">I", len(content)) + kind + content + checksum

    header = struct.pack(">IIBBBBB", width, height, 8, 0, 0, 0, 0)
    data = zlib.compress(bytes(1000))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        chunk(kind, content)
        for kind, content in ((b"IHDR", header), (b"IDAT", data), (b"IEND", b""))
    )


def stacked(*texts, gap=30, angle=0.0):
    lines = [draw_text_line(text) for text in texts]
    page = Image.new("L", (max(line.width for line in lines) + 40, 40), 255)
    for line in lines:
        grown = Image.new("L", (page.width, page.height + line.height + gap), 255)
        grown.paste(page)
        grown.paste(line, (20, page.height))
        page = grown
    return np.asarray(page.rotate(angle, expand=True, fillcolor=255))


# Pictures


def test_a_picture_comes_back_as_it_is_in_grey(tmp_path):
    grey = np.arange(60, dtype=np.uint8).reshape(6, 10)
    Image.fromarray(grey).save(tmp_path / "grey.png")
    np.testing.assert_array_equal(load_picture(tmp_path / "grey.png"), grey)


def test_light_writing_on_dark_paper_stays_so(tmp_path):
    draw_text_line("night", ink=255, paper=0).save(tmp_path / "night.png")
    assert load_picture(tmp_path / "night.png")[0, 0] == 0


@pytest.mark.parametrize("suffix", ["png", "jpg", "webp", "gif", "bmp", "tiff"])
def test_the_formats_that_the_message_names_are_read(tmp_path, suffix):
    path = tmp_path / f"line.{suffix}"
    draw_text_line("any").save(path)
    assert load_picture(path).shape == draw_text_line("any").size[::-1]


def test_what_is_no_picture_is_said_kindly(tmp_path):
    (tmp_path / "text.png").write_text("This is a letter, but no picture of one.")
    with pytest.raises(InputError, match=r"not a picture that can be read\. Use PNG, JPEG"):
        load_picture(tmp_path / "text.png")


def test_a_format_that_runs_programs_is_not_opened(tmp_path):
    draw_text_line("eps").save(tmp_path / "line.eps")
    with pytest.raises(InputError, match="not a picture that can be read"):
        load_picture(tmp_path / "line.eps")


def test_half_a_picture_is_said_to_be_damaged_without_its_path(tmp_path):
    draw_text_line("A line that is cut in two").save(tmp_path / "line.png")
    content = (tmp_path / "line.png").read_bytes()
    (tmp_path / "half.png").write_bytes(content[: len(content) // 2])
    with pytest.raises(InputError, match="damaged") as caught:
        load_picture(tmp_path / "half.png")
    assert "half" not in str(caught.value)


@pytest.mark.parametrize(
    ("size", "message"),
    [
        pytest.param(
            (5001, 5000), r"5001 x 5000 pixels; at most 25 million", id="one-row-too-many"
        ),
        pytest.param((60000, 60000), "far more pixels than a photograph", id="bomb"),
    ],
)
def test_too_many_pixels_are_refused_before_they_are_unpacked(tmp_path, size, message):
    (tmp_path / "big.png").write_bytes(png_of_size(*size))
    with pytest.raises(InputError, match=message):
        load_picture(tmp_path / "big.png")


def test_a_file_of_too_many_bytes_is_refused(tmp_path, monkeypatch):
    monkeypatch.setattr(app_input, "MAX_FILE_BYTES", 3 * 2**20)
    (tmp_path / "big.png").write_bytes(bytes(5 * 2**20))
    with pytest.raises(InputError, match="has 5 MB; at most 3 MB"):
        load_picture(tmp_path / "big.png")


def test_a_file_of_several_pages_is_refused(tmp_path):
    pages = [draw_text_line("one"), draw_text_line("two")]
    pages[0].save(tmp_path / "pages.tiff", save_all=True, append_images=pages[1:])
    with pytest.raises(InputError, match="has 2 pages"):
        load_picture(tmp_path / "pages.tiff")


def test_a_file_that_is_gone_is_said_kindly(tmp_path):
    with pytest.raises(InputError, match="no longer here"):
        load_picture(tmp_path / "gone.png")


# Drawings


def drawing_of(strokes, width=300, height=100):
    return json.dumps({"width": width, "height": height, "strokes": strokes})


def test_a_stroke_is_drawn_where_it_was_at_twice_the_size():
    grey = load_drawing(drawing_of([[20, 50, 60, 50, 100, 50, 140, 50, 280, 50]]))
    assert grey.shape == (200, 600)
    rows, columns = np.nonzero(grey < 128)
    # A pen of 3 canvas pixels around y = 50, from x = 20 to x = 280, with round ends
    assert (rows.min(), rows.max()) == (97, 102)
    assert abs(columns.min() - 37) <= 1 and abs(columns.max() - 562) <= 1


def test_strokes_outside_the_paper_are_drawn_on_its_edge():
    grey = load_drawing(drawing_of([[-1e9, 50, 1e9, 50, 5, 5, 6, 6, 7, 7]]))
    assert grey.shape == (200, 600)
    assert (grey[100] < 128).all()


@pytest.mark.parametrize("drawing", ["", None, drawing_of([]), drawing_of([[5, 5, 6, 6]])])
def test_an_empty_drawing_asks_for_a_line(drawing):
    with pytest.raises(InputError, match="Nothing is drawn yet"):
        load_drawing(drawing)


@pytest.mark.parametrize(
    "drawing",
    [
        pytest.param("{", id="no-json"),
        pytest.param("[]", id="no-object"),
        pytest.param('{"strokes": []}', id="no-size"),
        pytest.param(drawing_of([[1, 2, 3]]), id="half-a-point"),
        pytest.param(drawing_of([["a", "b"]]), id="no-numbers"),
        pytest.param(drawing_of([[1, 2]], width=10**9), id="huge-paper"),
        pytest.param(drawing_of([[1, 2]], height=0), id="no-paper"),
        pytest.param(drawing_of([[1, float("nan")]]), id="not-a-number"),
        pytest.param(drawing_of([[[1, 2], [3]]]), id="nested"),
        pytest.param("[" * 100_000, id="deep"),
    ],
)
def test_a_broken_drawing_is_said_kindly(drawing):
    with pytest.raises(InputError, match="arrived broken"):
        load_drawing(drawing)


@pytest.mark.parametrize(
    "drawing",
    [
        pytest.param(drawing_of([[1, 2] * 50_001]), id="points"),
        pytest.param(" " * 2_000_001, id="characters"),
    ],
)
def test_an_endless_drawing_is_refused(drawing):
    with pytest.raises(InputError, match="too large"):
        load_drawing(drawing)


# Lines


@pytest.mark.parametrize(
    ("texts", "angle", "count"),
    [
        pytest.param(["A quiet line by jumping foxes"], 0, 1, id="one"),
        pytest.param(["A quiet line by jumping foxes"], 4, 1, id="one-climbing"),
        pytest.param(["fit it in, tiff"], 0, 1, id="dots-and-bars-are-no-line"),
        pytest.param(["The first line goes here", "and the second one below"], 0, 2, id="two"),
        pytest.param(["The first line goes here", "and the second one below"], 4, 2, id="tilted"),
        pytest.param([f"Line {n} of a whole page" for n in range(12)], 0, 12, id="page"),
    ],
)
def test_lines_of_writing_are_counted(texts, angle, count):
    assert count_text_lines(stacked(*texts, angle=angle)) == count


def test_an_empty_picture_has_no_line():
    assert count_text_lines(np.full((50, 200), 255, dtype=np.uint8)) == 0
