from pathlib import Path

import matplotlib
import numpy as np
import pytest
from PIL import Image

from hwr_hf.failure_examples import (
    INK,
    LIMITS,
    PAPER,
    Limit,
    draw_line,
    faint,
    of_two_lines,
    shadow,
    try_limits,
    turned,
    upside_down,
)

FONTS = [
    Path(matplotlib.get_data_path(), "fonts", "ttf", name)
    for name in ("DejaVuSans.ttf", "DejaVuSerif.ttf")
]


class Reader:
    """A pipeline that reads everything as `texts[decoder]` and remembers the images."""

    def __init__(self, **texts):
        self.texts, self.images = texts, []

    def __call__(self, image, decoder="greedy"):
        self.images.append(np.asarray(image))
        return [{"generated_text": self.texts[decoder], "score": 0.25}]


@pytest.fixture
def line():
    return draw_line("harbour", FONTS[0])


def test_every_line_is_counted_whether_misread_or_not(tmp_path):
    reader = Reader(greedy="hat", beam="harbour")
    limits = [Limit("one", "harbour"), Limit("two: words", "hat")]
    rows = try_limits(reader, FONTS, tmp_path, limits)
    counts = [(row["tried"], row["misread"], row["misread_beam"]) for row in rows]
    assert counts == [(2, 2, 0), (2, 0, 2)]
    assert rows[0]["example"] == {
        "font": "DejaVuSans",
        "read": "hat",
        "read_beam": "harbour",
        "score": 0.25,
        "image": "one.png",
    }
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["one.png", "two.png"]


def test_what_is_read_right_has_no_example(tmp_path):
    reader = Reader(greedy="hat", beam="hat")
    (row,) = try_limits(reader, FONTS, tmp_path, [Limit("plain", "hat")])
    assert "example" not in row
    assert list(tmp_path.iterdir()) == []


def test_the_stored_image_is_the_one_that_was_read(tmp_path):
    reader = Reader(greedy="", beam="")
    try_limits(reader, FONTS[:1], tmp_path, [Limit("shadow", "harbour", shadow)])
    with Image.open(tmp_path / "shadow.png") as image:
        np.testing.assert_array_equal(np.asarray(image.convert("L")), reader.images[0])


def test_a_line_is_dark_ink_on_light_paper_with_a_margin(line):
    pixels = np.asarray(line)
    assert (pixels.min(), pixels.max()) == (INK, PAPER)
    assert (pixels[:10] == PAPER).all()


def test_the_changes_do_what_they_say(line):
    pixels = np.asarray(line)
    assert np.asarray(faint(line)).min() == PAPER - 20
    darkened = np.asarray(shadow(line))
    np.testing.assert_array_equal(darkened[:, : line.width // 4], pixels[:, : line.width // 4])
    assert darkened[:, -1].max() == int(PAPER * 0.3)
    np.testing.assert_array_equal(np.asarray(upside_down(line)), pixels[::-1, ::-1])
    assert turned(line).height > 1.5 * line.height
    assert of_two_lines(line).height > 1.5 * line.height
    assert of_two_lines(line).width < 0.7 * line.width


@pytest.mark.parametrize("limit", LIMITS, ids=lambda limit: limit.name)
def test_every_limit_can_be_drawn(limit):
    image = limit.change(draw_line(limit.text, FONTS[0]))
    assert image.mode == "L"
    assert np.asarray(image).std() > 0
