"""The pictures, on words drawn with a known slant."""

import numpy as np
import pytest
from drawing import draw_text_line

from hwr_hf.figures import GAP, ROW_NAMES, contact_sheet, deskew_figure, reading_figure

WORD = draw_text_line("illit")


def rows_of(figure, row_height):
    image = np.array(figure)
    tops = [GAP + i * (row_height + GAP) for i in range(len(ROW_NAMES))]
    return [image[top : top + row_height] for top in tops]


def test_figure_has_a_row_for_each_number_of_passes():
    figure = deskew_figure([WORD, WORD], row_height=40)
    assert figure.height == GAP + 3 * (40 + GAP)
    assert all((row < 128).any() for row in rows_of(figure, 40))


def test_another_image_is_another_column():
    one, two = deskew_figure([WORD]), deskew_figure([WORD, WORD])
    assert two.width - one.width >= WORD.width


def test_deskewed_rows_stand_upright():
    slanted = WORD.transform(
        (WORD.width + 30, WORD.height), 0, (1, 0.5, -20, 0, 1, 0), fillcolor=255
    )
    original, once, twice = rows_of(
        deskew_figure([slanted], row_height=slanted.height), slanted.height
    )
    name_width = original.shape[1] - slanted.width - GAP

    def sharpness(row):
        profile = (row[:, name_width:] < 128).sum(axis=0).astype(float)
        return profile @ profile

    assert sharpness(once) > 1.2 * sharpness(original)
    assert sharpness(twice) > 1.2 * sharpness(original)


def test_reads_files(tmp_path):
    WORD.save(tmp_path / "word.png")
    assert deskew_figure([str(tmp_path / "word.png")]).size == deskew_figure([WORD]).size


def test_no_image_raises():
    with pytest.raises(ValueError, match="at least one image"):
        deskew_figure([])


def test_an_unreadable_file_is_named(tmp_path):
    with pytest.raises(ValueError, match="nowhere"):
        deskew_figure([tmp_path / "nowhere.png"])


def test_reading_figure_boxes_and_names_every_word():
    image = draw_text_line("ab cd")
    words = [
        {"text": "ab", "score": 1.0, "box": [5, 5, 30, 30]},
        {"text": "cd", "score": 0.0, "box": [40, 5, 70, 30]},
    ]
    figure = reading_figure(image, {"words": words})
    assert figure.width == image.width
    assert figure.getpixel((5, 5)) == (0, 140, 60)  # sure: green
    assert figure.getpixel((40, 5)) == (190, 0, 60)  # unsure: red
    below = figure.crop((0, image.height, figure.width, figure.height))
    assert below.getextrema()[0][0] < 250  # the words are written there


def test_a_contact_sheet_fills_its_rows_from_the_left():
    # Lines of 200 x 48 at a row height of 48: three fit beside each other in 700 pixels.
    sheet = np.asarray(contact_sheet([np.zeros((48, 200), np.uint8)] * 4, width=700))
    assert sheet.shape == (12 + 2 * (48 + 12), 700)
    assert [int((sheet[row] == 0).sum()) for row in (30, 90)] == [600, 200]


def test_a_line_too_wide_for_the_sheet_is_made_narrower():
    sheet = np.asarray(contact_sheet([np.zeros((48, 2000), np.uint8)], width=300))
    assert sheet.shape[1] == 300
    assert (sheet[:, -12:] == 255).all()


def test_a_contact_sheet_needs_an_image():
    with pytest.raises(ValueError, match="at least one image"):
        contact_sheet([])
