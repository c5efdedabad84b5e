"""Which side is ink, and paper in the shade, on images with known tones."""

import numpy as np
import pytest
from drawing import draw_text_line
from PIL import Image, ImageDraw

from hwr_hf.resnet_bilstm.image_transforms_resnet_bilstm import prepare_line, to_grey
from hwr_hf.resnet_bilstm.tones_resnet_bilstm import (
    closed,
    even_lighting,
    is_light_on_dark,
    normalise_tones,
    opened,
)

LINE = np.array(draw_text_line("Hamlet, Prince of Denmark", font_size=48, margin=20))
WORD = np.array(draw_text_line("HMWB", font_size=40, margin=1).resize((90, 31)))
BOLD_WORD = np.minimum(WORD, np.roll(WORD, 2, axis=1))
BLANK = np.full((40, 60), 255, np.uint8)


def light_on(shape: tuple[int, int], kind: str) -> np.ndarray:
    """Share of the light that reaches each pixel of a photo."""
    y, x = (np.linspace(-1, 1, size) for size in shape)
    y = y[:, None]
    return {
        "even": np.ones(shape),
        "from-the-left": 1 - 0.25 * (x + 1) + 0 * y,
        "from-above": 1 - 0.25 * (y + 1) + 0 * x,
        "corners-dark": 1 - 0.3 * (x**2 + y**2),
        "shadow": np.where(x + 0.1 * y > 0.2, 0.5, 1.0),
    }[kind]


LIGHTS = ["even", "from-the-left", "from-above", "corners-dark", "shadow"]


def photo(image: np.ndarray, light: str, margin: float, paper: int = 220) -> np.ndarray:
    """The image on a sheet with margins, in parts of its height, in this light, with noise."""
    sheet = np.pad(image, round(margin * image.shape[0]), constant_values=255)
    noise = np.random.default_rng(0).normal(0, 2, sheet.shape)
    lit = sheet * (paper / 255) * light_on(sheet.shape, light) + noise
    return np.rint(lit).clip(0, 255).astype(np.uint8)


# Polarity


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(LINE, id="line"),
        pytest.param(np.array(draw_text_line("go", margin=0)), id="tight-word"),
        pytest.param(np.array(draw_text_line(".", font_size=80, margin=0)), id="full-stop"),
        pytest.param(np.array(draw_text_line("grey", ink=60, paper=170)), id="grey-paper"),
        pytest.param(np.array(draw_text_line("faint", ink=190, paper=230)), id="faint-ink"),
        pytest.param(np.array(draw_text_line("dim", ink=10, paper=90)), id="dim-light"),
        pytest.param(BOLD_WORD, id="bold-word"),
        pytest.param(BLANK, id="blank"),
    ],
)
def test_polarity(image):
    assert not is_light_on_dark(image)
    assert is_light_on_dark(255 - image)


@pytest.mark.parametrize("margin", [0, 0.5, 2])
@pytest.mark.parametrize("light", LIGHTS)
@pytest.mark.parametrize("paper", [220, 110])
def test_polarity_does_not_depend_on_the_light(light, margin, paper):
    image = photo(LINE, light, margin, paper)
    assert not is_light_on_dark(image)
    assert is_light_on_dark(255 - image)


@pytest.mark.parametrize("sides", [60, ((0, 60), (60, 0))], ids=["around", "two-sides"])
@pytest.mark.parametrize("table", [10, 60, 110])
def test_a_dark_table_about_the_sheet_is_no_dark_paper(table, sides):
    assert not is_light_on_dark(np.pad(photo(LINE, "even", 1), sides, constant_values=table))


@pytest.mark.parametrize("paper", [200, 120])
def test_a_bright_rim_about_the_sheet_is_no_light_writing(paper):
    sheet = photo(LINE, "even", 0.5, paper)
    strip = np.pad(sheet, ((0, 0), (0, sheet.shape[1] // 4)), constant_values=255)
    rim = np.pad(sheet, 8, constant_values=255)
    for image in (strip, rim):
        assert not is_light_on_dark(image)


def test_a_few_white_pixels_are_no_light_writing():
    image = np.array(draw_text_line("faint", ink=188, paper=215, margin=20))
    image[3, 5:8] = 255
    assert not is_light_on_dark(image)


def test_bold_word_of_the_polarity_test_is_nearly_half_ink():
    assert (BOLD_WORD < 128).mean() > 0.45


@pytest.mark.parametrize("size", [(1, 1), (2, 3), (5, 8)], ids=str)
def test_a_dot_without_paper_around_it_is_no_light_writing(size):
    dot = np.full(size, 90, np.uint8)
    dot[0, 0] = 200
    assert not is_light_on_dark(dot)
    assert is_light_on_dark(np.zeros((9, 40), np.uint8))


@pytest.mark.parametrize("margin", [0, 60])
@pytest.mark.parametrize(("ink", "paper"), [(50, 120), (20, 110), (90, 140)])
def test_a_dim_photo_of_thin_writing_keeps_its_sides(ink, paper, margin):
    line = Image.new("L", (900 + 2 * margin, 60 + 2 * margin), paper)
    drawing = ImageDraw.Draw(line)
    for x in range(margin, 900 + margin, 12):  # strokes one pixel wide
        drawing.line([(x, margin + 10), (x + 8, margin + 50)], fill=ink)
    noise = np.random.default_rng(0).normal(0, 2, (line.height, line.width))
    image = np.rint(np.asarray(line) + noise).clip(0, 255).astype(np.uint8)
    assert not is_light_on_dark(image)
    assert is_light_on_dark(255 - image)


# Lighting


@pytest.mark.parametrize("margin", [0, 0.5, 2])
@pytest.mark.parametrize("light", LIGHTS[1:])
def test_paper_in_the_shade_becomes_white_and_ink_stays_dark(light, margin):
    image = photo(LINE, light, margin)
    sheet = np.pad(LINE, round(margin * LINE.shape[0]), constant_values=255)
    even = even_lighting(image).astype(float)
    assert image[sheet == 255].min() < 150
    assert np.quantile(even[sheet == 255], 0.01) > 225
    assert np.quantile(even[sheet == 0], 0.99) < 30


@pytest.mark.parametrize("share", [0.08, 0.15, 0.9])
def test_a_shadow_on_a_part_of_the_line_goes(share):
    image = photo(LINE, "even", 0.3)
    image[:, -round(share * image.shape[1]) :] //= 3
    assert np.quantile(even_lighting(image)[:5, -40:], 0.05) > 225


@pytest.mark.parametrize("shape", [(960, 1280), (640, 1280), (1280, 960)], ids=str)
def test_a_whole_photo_is_lit_too(shape):
    sheet = np.full(shape, 255, np.uint8)
    sheet[400 : 400 + LINE.shape[0], 100 : 100 + LINE.shape[1]] = LINE
    even = even_lighting(photo(sheet, "from-the-left", 0))
    assert np.quantile(even[sheet == 255], 0.01) > 225


def test_paper_in_dim_light_becomes_white():
    even = even_lighting(photo(LINE, "even", 0.5, paper=70))
    assert np.median(even) > 230
    assert even.min() < 30


@pytest.mark.parametrize("margin", [0.5, 2])
@pytest.mark.parametrize("light", LIGHTS[1:])
def test_a_line_in_the_shade_is_cut_out_like_one_in_even_light(light, margin):
    plain, _ = prepare_line(to_grey(photo(LINE, "even", margin)))
    shaded, _ = prepare_line(to_grey(photo(LINE, light, margin)))
    assert shaded.shape[1] == pytest.approx(plain.shape[1], abs=6)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(LINE, id="line"),
        pytest.param(BOLD_WORD, id="bold-word"),
        pytest.param(photo(LINE, "even", 0.5, paper=200), id="noise"),
        pytest.param(np.full((6, 8), 40, np.uint8), id="dot"),
        pytest.param(BLANK, id="blank"),
    ],
)
def test_a_scan_keeps_its_tones(image):
    assert np.array_equal(normalise_tones(image), image)


@pytest.mark.parametrize(
    "shape", [(1, 1), (1, 9), (9, 1), (1, 3000), (3000, 1), (20, 100)], ids=str
)
@pytest.mark.parametrize("level", [0, 128, 255])
def test_images_of_one_tone_and_any_shape_go_through(shape, level):
    assert len(np.unique(normalise_tones(np.full(shape, level, np.uint8)))) == 1


def test_a_crop_of_ink_in_several_tones_does_not_become_paper():
    dash = np.random.default_rng(0).integers(20, 100, (16, 60)).astype(np.uint8)
    assert np.array_equal(even_lighting(dash), dash)


def test_a_black_table_around_the_sheet_gets_at_most_four_times_the_light():
    image = np.pad(photo(LINE, "even", 1), 60, constant_values=10)
    assert even_lighting(image)[:60].max() <= 45
    assert even_lighting(image).shape == image.shape


# Morphology


def test_closing_fills_what_is_narrower_than_the_image_is_high():
    image = np.full((5, 40), 200, np.uint8)
    image[:, 10:12] = 30  # a stroke
    image[:, 30:] = 90  # a shadow
    without_stroke = image.copy()
    without_stroke[:, 10:12] = 200
    assert np.array_equal(closed(image), without_stroke)
    assert np.array_equal(opened(255 - image), 255 - without_stroke)


@pytest.mark.parametrize("beyond_border", [True, False])
@pytest.mark.parametrize("shape", [(1, 1), (1, 9), (3, 3), (5, 31), (11, 20)], ids=str)
def test_closing_is_the_lowest_of_the_highest_values_of_all_squares_on_a_pixel(
    shape, beyond_border
):
    image = np.random.default_rng(0).integers(0, 256, shape).astype(np.uint8)
    height, width = shape
    reach = 0 if not beyond_border else height // 2  # of the squares' middles beyond the border
    expected = np.full(shape, 255)
    for y in range(-reach, height + reach):
        for x in range(-reach, width + reach):
            top, left = y - height // 2, x - height // 2
            on_it = np.s_[max(0, top) : top + height, max(0, left) : left + height]
            expected[on_it] = np.minimum(expected[on_it], image[on_it].max())
    assert np.array_equal(closed(image, beyond_border), expected)
