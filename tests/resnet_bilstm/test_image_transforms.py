"""Reading, deskewing and cropping, on images with a known rotation, shear and place of ink."""

import math
import tracemalloc

import numpy as np
import pytest
import torch
from drawing import NO_EXIF, ODD_EXIF, draw_text_line
from PIL import Image, ImageDraw

from hwr_hf.resnet_bilstm.image_transforms_resnet_bilstm import (
    MIN_WIDTH,
    crop_to_ink,
    deskew_line,
    deskew_moments,
    has_ink,
    ink_mask,
    moment_shear,
    otsu,
    prepare_line,
    skew_angle,
    slant_angle,
    to_grey,
)

LINE = draw_text_line("Hamlet, Prince of Denmark", font_size=48, margin=20)
SMALL_LINE = draw_text_line("read me", font_size=24)
GREY = np.array(SMALL_LINE)


def rotated(image: Image.Image, degrees: float) -> np.ndarray:
    """Positive degrees make the line climb to the right."""
    return np.array(image.rotate(degrees, Image.Resampling.BICUBIC, expand=True, fillcolor=255))


def slanted(image: Image.Image, degrees: float) -> np.ndarray:
    """Positive degrees make the strokes lean to the right."""
    shear = math.tan(math.radians(degrees))
    margin = math.ceil(abs(shear) * image.height)
    size = (image.width + margin, image.height)
    affine = (1, shear, -margin / 2 - shear * image.height / 2, 0, 1, 0)
    return np.array(
        image.transform(
            size, Image.Transform.AFFINE, affine, Image.Resampling.BICUBIC, fillcolor=255
        )
    )


def bars(width: int = 200, height: int = 60) -> Image.Image:
    """Upright strokes on both sides of the middle, so that mu11 is zero."""
    image = Image.new("L", (width, height), 255)
    for left in range(20, width - 20, 20):
        ImageDraw.Draw(image).rectangle([left, 15, left + 3, height - 16], fill=0)
    return image


def page(
    height: int, width: int, *boxes: tuple[int, int, int, int], paper: int = 255, ink: int = 0
):
    """White page with black boxes (left, top, right, bottom), right and bottom exclusive."""
    image = np.full((height, width), paper, dtype=np.uint8)
    for left, top, right, bottom in boxes:
        image[top:bottom, left:right] = ink
    return image


# to_grey


def with_transparent_paper(mode: str, ink: int = 0) -> Image.Image:
    """Writing on transparent paper of its own colour, which only alpha tells apart."""
    alpha = Image.fromarray(255 - GREY)
    grey = Image.new("L", alpha.size, ink)
    channels = [grey, alpha] if mode == "LA" else [grey, grey, grey, alpha]
    return Image.merge(mode, channels)


RGB = np.stack([GREY] * 3, axis=-1)


@pytest.mark.parametrize(
    "image",
    [
        pytest.param(SMALL_LINE, id="pil-L"),
        pytest.param(SMALL_LINE.convert("RGB"), id="pil-RGB"),
        pytest.param(SMALL_LINE.convert("RGBA"), id="pil-RGBA"),
        pytest.param(SMALL_LINE.convert("LA"), id="pil-LA"),
        pytest.param(with_transparent_paper("RGBA"), id="pil-RGBA-transparent"),
        pytest.param(with_transparent_paper("LA"), id="pil-LA-transparent"),
        pytest.param(with_transparent_paper("RGBA", ink=255), id="pil-RGBA-transparent-white-ink"),
        pytest.param(with_transparent_paper("LA", ink=255), id="pil-LA-transparent-white-ink"),
        pytest.param(SMALL_LINE.convert("RGB").convert("CMYK"), id="pil-CMYK"),
        pytest.param(SMALL_LINE.convert("P"), id="pil-palette"),
        pytest.param(Image.fromarray(GREY.astype(np.uint16) * 257), id="pil-I;16"),
        pytest.param(Image.fromarray(GREY.astype(np.int32) * 257), id="pil-I"),
        pytest.param(Image.fromarray(GREY.astype(np.float32)), id="pil-F"),
        pytest.param(GREY, id="numpy-2d"),
        pytest.param(GREY[None], id="numpy-1hw"),
        pytest.param(GREY[..., None], id="numpy-hw1"),
        pytest.param(RGB, id="numpy-channels-last"),
        pytest.param(RGB.transpose(2, 0, 1), id="numpy-channels-first"),
        pytest.param(np.array(with_transparent_paper("RGBA")), id="numpy-RGBA"),
        pytest.param(GREY.astype(np.uint16) * 257, id="numpy-uint16"),
        pytest.param(GREY.astype(np.int64), id="numpy-int64"),
        pytest.param(GREY / 255, id="numpy-float-to-1"),
        pytest.param(GREY.astype(np.float32), id="numpy-float-to-255"),
        pytest.param(torch.from_numpy(GREY), id="torch-uint8"),
        pytest.param(torch.from_numpy(RGB).permute(2, 0, 1), id="torch-channels-first"),
        pytest.param(torch.from_numpy(GREY / 255).requires_grad_(), id="torch-float"),
        pytest.param((torch.from_numpy(GREY) / 255).bfloat16(), id="torch-bfloat16"),
        pytest.param(255 - GREY, id="white-on-black"),
    ],
)
def test_to_grey_of_every_kind_is_the_same_image(image):
    grey = to_grey(image)
    assert grey.dtype == np.uint8 and grey.shape == GREY.shape
    assert np.abs(grey.astype(int) - GREY).max() <= 1


def test_to_grey_takes_what_resampling_put_above_white_for_white():
    image = np.where(GREY == 255, 1.09, GREY / 255)
    assert (to_grey(image) == GREY).all()


def test_blank_paper_with_transparent_corners_stays_blank():
    alpha = np.full((40, 200), 255, dtype=np.uint8)
    alpha[:5, :5] = alpha[-5:, -5:] = 0
    paper = Image.merge("LA", [Image.new("L", (200, 40), 250), Image.fromarray(alpha)])
    assert to_grey(paper).min() >= 250


@pytest.mark.parametrize("image", [SMALL_LINE.convert("1"), np.array(SMALL_LINE.convert("1"))])
def test_to_grey_of_one_bit_is_black_and_white(image):
    assert (to_grey(image) == np.array(SMALL_LINE.convert("1")) * 255).all()


def test_to_grey_reads_a_path_and_a_str_alike(tmp_path):
    path = tmp_path / "line.png"
    SMALL_LINE.save(path)
    assert (to_grey(path) == GREY).all() and (to_grey(str(path)) == GREY).all()


def test_to_grey_turns_as_exif_says(tmp_path):
    path = tmp_path / "line.png"
    exif = Image.Exif()
    exif[0x0112] = 6  # the camera was turned: rotate by 270 degrees to see it upright
    SMALL_LINE.transpose(Image.Transpose.ROTATE_90).save(path, exif=exif)
    assert (to_grey(path) == GREY).all()


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_to_grey_reads_an_image_of_damaged_exif_as_it_is(tmp_path, suffix):
    path = tmp_path / f"line.{suffix}"
    SMALL_LINE.save(path, exif=NO_EXIF, lossless=True)
    assert (to_grey(path) == GREY).all()


def test_to_grey_turns_an_image_whose_exif_is_damaged_elsewhere(tmp_path):
    path = tmp_path / "line.png"
    SMALL_LINE.transpose(Image.Transpose.ROTATE_90).save(path, exif=ODD_EXIF)
    assert (to_grey(path) == GREY).all()


@pytest.mark.parametrize(
    ("image", "message"),
    [
        pytest.param(np.zeros((0, 5), np.uint8), "empty", id="no-rows"),
        pytest.param(np.zeros(5, np.uint8), r"shape .*got \(5,\)", id="one-dimension"),
        pytest.param(np.zeros((2, 3, 4, 5), np.uint8), "as a list", id="four-dimensions"),
        pytest.param(np.zeros((9, 9, 7), np.uint8), "1 to 4 channels", id="seven-channels"),
        pytest.param(np.full((5, 5), np.nan), "NaN", id="nan"),
        pytest.param(np.full((5, 5), np.inf), "infinite", id="infinite"),
        pytest.param(np.full((5, 5), -1.0), r"\[-1, -1\]", id="negative"),
        pytest.param(np.full((5, 5), 300.0), r"\[0, 1\] or \[0, 255\]", id="float-over-255"),
        pytest.param(np.full((5, 5), 70000), "65535", id="integer-over-16-bits"),
        pytest.param(None, "NoneType", id="none"),
        pytest.param(Image.new("L", (0, 5)), "empty", id="empty-pil"),
    ],
)
def test_to_grey_rejects(image, message):
    with pytest.raises(ValueError, match=message):
        to_grey(image)


@pytest.mark.parametrize("content", ["missing", "zero-byte", "truncated", "text"])
def test_to_grey_names_the_file_it_cannot_read(tmp_path, content):
    path = tmp_path / "scan7.png"
    SMALL_LINE.save(path)
    whole = path.read_bytes()
    path.unlink()
    if content != "missing":
        parts = {"zero-byte": b"", "truncated": whole[: len(whole) // 2], "text": b"no image"}
        path.write_bytes(parts[content])
    with pytest.raises(ValueError, match=r"scan7\.png"):
        to_grey(path)


# Ink


def test_otsu_separates_two_levels():
    threshold, ink_level, paper_level = otsu(page(10, 10, (0, 0, 5, 2), paper=200, ink=40))
    assert 40 <= threshold < 200 and ink_level == 40 and paper_level == 200


def test_otsu_of_one_level_has_no_ink():
    assert otsu(np.full((5, 5), 130, np.uint8)) == (-1, 130.0, 130.0)


def test_noise_on_an_empty_page_is_no_ink():
    noise = np.random.default_rng(0).normal(220, 5, (60, 300))
    assert not ink_mask(noise.clip(0, 255).astype(np.uint8)).any()


# Deskewing


@pytest.mark.parametrize("degrees", [-12, -5, -1, 1, 5, 12])
def test_skew_angle_finds_a_rotation(degrees):
    assert skew_angle(rotated(LINE, degrees)) == pytest.approx(degrees, abs=0.5)


@pytest.mark.parametrize("degrees", [-30, -12, -3, 3, 12, 30])
def test_slant_angle_finds_a_shear(degrees):
    assert slant_angle(slanted(LINE, degrees)) == pytest.approx(degrees, abs=0.5)


@pytest.mark.parametrize("degrees", [-12, -5, 5, 12])
def test_deskew_line_undoes_a_rotation(degrees):
    deskewed = deskew_line(rotated(LINE, degrees))
    assert skew_angle(deskewed) == pytest.approx(0, abs=0.5)
    assert slant_angle(deskewed) == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("degrees", [-30, -12, 12, 30])
def test_deskew_line_undoes_a_shear(degrees):
    deskewed = deskew_line(slanted(LINE, degrees))
    assert skew_angle(deskewed) == pytest.approx(0, abs=0.5)
    assert slant_angle(deskewed) == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("degrees", [-30, -10, -2, 2, 10, 30])
def test_moment_shear_finds_a_shear(degrees):
    found = -math.degrees(math.atan(moment_shear(slanted(bars(), degrees))))
    assert found == pytest.approx(degrees, abs=0.5)


@pytest.mark.parametrize("degrees", [-30, -10, 10, 30])
def test_deskew_moments_undoes_a_shear(degrees):
    deskewed = deskew_moments(slanted(bars(), degrees))
    assert math.degrees(math.atan(moment_shear(deskewed))) == pytest.approx(0, abs=0.5)


def test_deskew_moments_undoes_in_two_passes_what_is_too_much_for_one():
    image = slanted(bars(), 55)  # shear 1.43, and one pass takes 1
    once, twice = deskew_moments(image, 1), deskew_moments(image, 2)
    assert abs(moment_shear(once)) > 0.3
    assert abs(moment_shear(twice)) < 0.02


def test_deskew_moments_brings_the_centre_of_mass_to_the_middle():
    image = page(40, 100, (10, 10, 14, 30))
    columns = np.flatnonzero(ink_mask(deskew_moments(image)).any(axis=0))
    assert columns.mean() + 0.5 == pytest.approx(50, abs=1)


def opencv_deskew(image: np.ndarray, new_width: int) -> np.ndarray:
    """Deskewing as OpenCV's examples do it, written out: raw moments of the ink, mu11 / mu02, then
    every pixel fetched by the inverse map with linear interpolation, the centre of mass centred.
    """
    ink = 255.0 - image
    height, width = image.shape
    y, x = np.mgrid[:height, :width].astype(float)
    m00, m10, m01 = ink.sum(), (x * ink).sum(), (y * ink).sum()
    mu11 = (x * y * ink).sum() - m10 * m01 / m00
    mu02 = (y * y * ink).sum() - m01 * m01 / m00
    skew = mu11 / mu02
    deskewed = np.full((height, new_width), 255.0)
    for row in range(height):
        for column in range(new_width):
            source = column - (new_width - 1) / 2 + m10 / m00 + skew * (row - m01 / m00)
            left = math.floor(source)
            share = source - left
            ends = [image[row, i] if 0 <= i < width else 255 for i in (left, left + 1)]
            deskewed[row, column] = (1 - share) * ends[0] + share * ends[1]
    return deskewed


@pytest.mark.parametrize("lean", [-0.8, -0.25, 0.0, 0.5])
def test_deskew_moments_is_the_well_known_formula(lean):
    """Black strokes without grey edges, so that every pixel of ink counts in full."""
    image = np.full((40, 120), 255, dtype=np.uint8)
    for row in range(8, 32):
        for stroke in (30, 48, 60, 85):
            left = stroke + round(lean * (20 - row))
            image[row, left : left + 3] = 0
    deskewed = deskew_moments(image)
    expected = opencv_deskew(image, deskewed.shape[1])
    assert np.abs(deskewed - expected).max() <= 3  # grey levels: PIL interpolates in fixed point


def test_no_pass_leaves_the_image():
    assert (deskew_moments(GREY, 0) == GREY).all()


@pytest.mark.parametrize("deskew", [deskew_moments, deskew_line])
@pytest.mark.parametrize(
    "image",
    [
        pytest.param(page(40, 120), id="white"),
        pytest.param(page(40, 120, paper=0), id="black"),
        pytest.param(page(40, 120, (50, 20, 51, 21)), id="one-black-pixel"),
        pytest.param(page(1, 1, paper=90), id="one-pixel"),
        pytest.param(page(1, 50, (3, 0, 9, 1)), id="one-row"),
        pytest.param(page(50, 1, (0, 3, 1, 9)), id="one-column"),
    ],
)
def test_deskew_leaves_what_has_no_line(deskew, image):
    assert ink_mask(deskew(image)).sum() == ink_mask(image).sum()
    assert deskew(image).shape == image.shape


@pytest.mark.parametrize("deskew", [deskew_moments, deskew_line])
def test_deskew_leaves_upright_strokes_upright(deskew):
    deskewed = deskew(np.array(bars()))
    assert slant_angle(deskewed) == pytest.approx(0, abs=0.5)
    assert skew_angle(deskewed) == pytest.approx(0, abs=0.5)


@pytest.mark.parametrize("deskew", [deskew_moments, deskew_line])
@pytest.mark.parametrize("degrees", [-40, 40])
def test_deskew_cuts_no_ink_off(deskew, degrees):
    image = crop_to_ink(slanted(bars(), degrees))
    area = (255.0 - image).sum()
    assert (255.0 - deskew(image)).sum() == pytest.approx(area, rel=0.02)


@pytest.mark.parametrize(
    "word", ["if", "by", "Al", "to", "I", "/", ".", ",", "-", '"', "1961", "py"]
)
def test_a_short_word_is_hardly_turned(word):
    image = np.array(draw_text_line(word, font_size=40))
    assert abs(skew_angle(image)) < 3
    assert abs(slant_angle(image)) < 8


def test_a_warp_fills_with_the_level_of_the_paper():
    image = np.array(draw_text_line("a long line on grey paper", ink=20, paper=180))
    deskewed = deskew_line(np.array(Image.fromarray(image).rotate(4, expand=True, fillcolor=180)))
    assert deskewed.max() == 180


# Cropping


def test_crop_keeps_a_small_margin():
    cropped = crop_to_ink(page(100, 300, (50, 20, 150, 70)))  # 50 rows: a margin of 2
    assert cropped.shape == (54, 104)


@pytest.mark.parametrize("mark", [(280, 60, 283, 63), (285, 68, 287, 76), (5, 10, 8, 13)])
def test_crop_keeps_a_dot_or_comma_apart_from_the_word(mark):
    image = page(100, 300, (50, 20, 150, 70), mark)
    assert (crop_to_ink(image) == 0).sum() == (image == 0).sum()


# A small full stop in a scan of few pixels to the inch: none of them as dark as the pen's strokes
PALE_DOT = np.array([[255, 221, 221], [238, 187, 221], [255, 238, 238]], np.uint8)


def grey_bars(marks: dict[tuple[int, int], np.ndarray]) -> np.ndarray:
    """Grey strokes in rows 15 to 44 and columns 20 to 163, and a mark at each (row, column)."""
    image = np.array(bars())
    image[image == 0] = 115
    for (top, left), mark in marks.items():
        image[top : top + mark.shape[0], left : left + mark.shape[1]] = mark
    return image


@pytest.mark.parametrize("method", [None, "line", "moment"])
@pytest.mark.parametrize("left", [5, 186])
def test_crop_keeps_a_pale_full_stop_beside_the_writing(method, left):
    image = grey_bars({(42, left): PALE_DOT})
    line, to_original = prepare_line(image, deskew_method=method, do_resize=False)
    (start, _), (end, _) = (to_original @ [x, 0, 1] for x in (0, line.shape[1]))
    assert start <= left and left + 3 <= end


def test_crop_keeps_a_pale_full_stop_under_a_stroke_that_leans_over_it():
    image = Image.fromarray(grey_bars({(42, 170): PALE_DOT}))
    line, _ = prepare_line(slanted(image, 40), do_resize=False)
    upright = (line < 200).any(axis=0).nonzero()[0].max()  # the last stroke's last column
    assert (line[-12:, upright + 4 :] < 245).any()


@pytest.mark.parametrize(
    "mark",
    [
        np.zeros((1, 2), np.uint8),  # a speck of two pixels
        np.array([[255, 238, 221], [238, 221, 238]], np.uint8),  # as much ink as in one pixel
    ],
)
def test_crop_leaves_out_what_is_less_than_a_dot(mark):
    assert crop_to_ink(grey_bars({(42, 186): mark})).shape == crop_to_ink(grey_bars({})).shape


@pytest.mark.parametrize("place", [(42, 197), (2, 80), (57, 80)])
def test_a_pale_mark_above_below_or_far_from_the_writing_does_not_widen_the_crop(place):
    image = grey_bars({place: PALE_DOT})
    assert crop_to_ink(image).shape == crop_to_ink(grey_bars({})).shape


@pytest.mark.parametrize("left", [8, 174])
def test_a_pale_margin_line_is_no_dot(left):
    image = grey_bars({})
    image[:, left : left + 2] = 205
    assert crop_to_ink(image).shape == crop_to_ink(grey_bars({})).shape


def test_grain_of_the_paper_does_not_widen_the_crop():
    grain = np.random.default_rng(0).normal(0, 10, (60, 200))
    image = np.clip(np.minimum(grey_bars({}), 240) + grain, 0, 255).astype(np.uint8)
    assert crop_to_ink(image).shape == crop_to_ink(grey_bars({})).shape


def test_crop_is_not_defeated_by_isolated_specks():
    image = page(100, 300, (50, 20, 150, 70), (3, 3, 4, 4), (290, 95, 292, 96), (2, 90, 3, 92))
    assert crop_to_ink(image).shape == (54, 104)


@pytest.mark.parametrize("image", [page(30, 40), page(30, 40, (7, 7, 8, 8)), page(1, 1)])
def test_crop_leaves_a_page_without_ink(image):
    assert (crop_to_ink(image) == image).all()


# prepare_line


def test_prepared_line_has_the_height_and_the_proportions_of_the_ink():
    line, _ = prepare_line(page(300, 900, (100, 100, 700, 200)), deskew_method=None)
    # reduced by 4 (300 // 64): the box of 100 x 600 gets a margin of 8 pixels: 116 x 616
    assert line.shape == (48, round(48 * 616 / 116))


def test_prepared_line_may_be_stretched_to_a_given_width():
    line, _ = prepare_line(GREY, height=224, width=224)
    assert line.shape == (224, 224)


@pytest.mark.parametrize(
    ("size", "ink_rows"),
    [pytest.param(5, 10, id="5x5-doubles"), pytest.param(8, 16, id="8x8-doubles")],
)
def test_a_tightly_cropped_full_stop_stays_a_dot(size, ink_rows):
    dot = page(size + 2, size + 2, (1, 1, size + 1, size + 1))
    line, _ = prepare_line(dot)
    assert line.shape[0] == 48 and line.shape[1] >= MIN_WIDTH
    assert (line < 128).any(axis=1).sum() == pytest.approx(ink_rows, abs=1)


def test_the_angle_of_a_very_wide_line_takes_little_memory():
    image = page(40, 30_000, (100, 10, 29_900, 30))
    tracemalloc.start()
    angle = skew_angle(image)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert angle == pytest.approx(0, abs=0.01)
    assert peak < 120e6  # 100 bytes a pixel


@pytest.mark.parametrize("side", [1, 2, 6])
@pytest.mark.parametrize("ink", [0, 130, 200])
def test_a_crop_all_of_ink_becomes_a_dot_on_white_paper(side, ink):
    crop = to_grey(np.full((side, side), ink, np.uint8))
    line, to_original = prepare_line(crop)
    rows, columns = np.nonzero(line < (ink + 255) / 2)
    assert np.ptp(rows) + 1 == np.ptp(columns) + 1 == pytest.approx(2 * side, abs=1)
    centre = np.array([columns.mean() + 0.5, rows.mean() + 0.5, 1])
    assert to_original @ centre == pytest.approx([side / 2, side / 2], abs=0.25)
    assert line[0].min() == 255 and has_ink(crop)


@pytest.mark.parametrize("ink, paper", [(234, 250), (40, 60), (225, 245)])
def test_faint_writing_on_clean_paper_is_ink(ink, paper):
    image = np.where(np.pad(GREY, 40, constant_values=255) < 128, ink, paper)
    image = image + np.random.default_rng(0).normal(0, 1, image.shape)
    image = np.rint(image).astype(np.uint8)
    assert has_ink(image)
    assert crop_to_ink(image).size < 1.2 * GREY.size


@pytest.mark.parametrize("deviation", [1, 4, 8, 12])
@pytest.mark.parametrize("paper", [60, 245])
def test_grain_is_no_ink(deviation, paper):
    image = np.random.default_rng(1).normal(paper, deviation, (60, 400))
    assert not has_ink(np.clip(np.rint(image), 0, 255).astype(np.uint8))


@pytest.mark.parametrize(
    "box", [(0, 0, 40, 64), (0, 50, 600, 52), (100, 0, 102, 64), (0, 60, 600, 64), (2, 2, 598, 62)]
)
@pytest.mark.parametrize("ink", [225, 233])
def test_a_faint_rule_edge_or_strip_is_no_writing(box, ink):
    assert not has_ink(page(64, 600, box, paper=245, ink=ink))


@pytest.mark.parametrize("darkest", [235, 215])
def test_a_shade_is_no_ink(darkest):
    image = np.tile(np.linspace(darkest, 255, 400), (60, 1))
    assert not has_ink(np.rint(image).astype(np.uint8))


def test_a_crop_of_a_dots_size_without_ink_is_blank():
    assert not has_ink(np.full((3, 3), 240, np.uint8))
    assert (prepare_line(page(3, 3))[0] == 255).all()


@pytest.mark.parametrize("shape", [(1, 1), (1, 200), (200, 1), (48, 3), (3, 48), (2000, 30)])
@pytest.mark.parametrize("method", ["line", "moment", None])
def test_prepare_line_takes_any_shape(shape, method):
    for image in (page(*shape), page(*shape, (0, 0, 1, 1))):
        line, _ = prepare_line(image, deskew_method=method)
        assert line.shape[0] == 48 and line.shape[1] >= MIN_WIDTH


def test_a_small_line_on_a_large_photo_is_found():
    photo = np.full((2000, 3000), 230, np.uint8)
    ink = np.array(LINE)
    photo[900 : 900 + ink.shape[0], 1200 : 1200 + ink.shape[1]] = np.minimum(ink, 230)
    line, _ = prepare_line(photo)
    alone, _ = prepare_line(ink)
    assert line.shape[1] == pytest.approx(alone.shape[1], rel=0.05)


def test_a_line_of_the_right_height_passes_unchanged_without_geometry():
    image = np.random.default_rng(0).integers(0, 256, (48, 333), dtype=np.uint8)
    line, to_original = prepare_line(image, deskew_method=None, do_crop=False, do_resize=False)
    assert (line == image).all()
    assert to_original == pytest.approx(np.eye(3)[:2])


@pytest.mark.parametrize("height", [100, 131, 500])
def test_without_geometry_a_high_image_passes_unchanged_too(height):
    image = np.random.default_rng(0).integers(0, 256, (height, 77), dtype=np.uint8)
    line, _ = prepare_line(image, deskew_method=None, do_crop=False, do_resize=False)
    assert (line == image).all()


def test_num_deskew_passes_zero_switches_either_method_off():
    image = slanted(LINE, 20)
    plain, _ = prepare_line(image, deskew_method=None)
    for method in ("line", "moment"):
        line, _ = prepare_line(image, deskew_method=method, num_deskew_passes=0)
        assert (line == plain).all()


@pytest.mark.parametrize("method", ["line", "moment", None])
@pytest.mark.parametrize("do_crop", [True, False])
@pytest.mark.parametrize("do_resize", [True, False])
@pytest.mark.parametrize("enlarged", [1, 3])
def test_affine_leads_a_dot_back_to_its_place(method, do_crop, do_resize, enlarged):
    image = Image.fromarray(rotated(LINE, 4))
    image = image.resize((image.width * enlarged, image.height * enlarged))
    image = np.array(image) // 2 + 120  # writing from 120 to 247, so that the dot is the darkest
    radius = 4 * enlarged
    x, y = image.shape[1] // 2, image.shape[0] // 2
    image[y - radius : y + radius, x - radius : x + radius] = 0
    line, to_original = prepare_line(
        image, deskew_method=method, do_crop=do_crop, do_resize=do_resize
    )
    rows, columns = np.nonzero(line < 60)
    dot = np.array([columns.mean() + 0.5, rows.mean() + 0.5, 1])
    assert to_original @ dot == pytest.approx([x, y], abs=1.5 * enlarged)


def test_affine_leads_back_from_a_stretched_line():
    image = page(60, 300, (100, 20, 104, 24), (10, 10, 290, 12))
    line, to_original = prepare_line(image, height=224, width=224, deskew_method=None)
    rows, columns = np.nonzero(line[60:] < 128)
    dot = np.array([columns.mean() + 0.5, rows.mean() + 60.5, 1])
    assert to_original @ dot == pytest.approx([102, 22], abs=1)


def fence(num_strokes: int, step: int = 20) -> np.ndarray:
    """Upright strokes of 48 rows and 4 columns, one every `step` columns."""
    strokes = [(10 + step * i, 6, 14 + step * i, 54) for i in range(num_strokes)]
    return page(60, 20 + step * num_strokes, *strokes)


@pytest.mark.parametrize("step", [12, 16, 22])
def test_strokes_get_as_many_columns_as_asked(step):
    line, _ = prepare_line(fence(60, step), deskew_method=None, columns_per_stroke=14)
    # The crop is wider than the ink by a margin of 2 pixels on each side.
    ink_width = 59 * step + 4
    assert line.shape == (48, pytest.approx(14 * 60 * (ink_width + 4) / ink_width, abs=1))


@pytest.mark.parametrize(("columns_per_stroke", "stretch"), [(3, 1 / 1.5), (100, 1.5)])
def test_a_line_is_not_stretched_beyond_recognition(columns_per_stroke, stretch):
    plain, _ = prepare_line(fence(60), deskew_method=None)
    line, _ = prepare_line(fence(60), deskew_method=None, columns_per_stroke=columns_per_stroke)
    assert line.shape[1] == pytest.approx(stretch * plain.shape[1], abs=1)


@pytest.mark.parametrize("image", [fence(20), fence(1), page(40, 300)], ids=["20", "1", "none"])
def test_few_strokes_keep_their_proportions(image):
    plain, line = (
        prepare_line(image, deskew_method=None, columns_per_stroke=columns)[0]
        for columns in (None, 11)
    )
    assert np.array_equal(plain, line)


def test_a_climbing_line_has_as_many_columns_as_a_level_one():
    level = draw_text_line("the quick brown fox jumps over the lazy dog and runs on")
    widths = [
        prepare_line(rotated(level, degrees), columns_per_stroke=11)[0].shape[1]
        for degrees in (0, 4)
    ]
    assert widths[1] == pytest.approx(widths[0], rel=0.05)


def test_a_line_too_wide_is_squashed_with_a_warning_that_says_how_much():
    image = page(48, 4000, (0, 0, 4000, 48))
    image[::2] = 255
    with pytest.warns(UserWarning, match="4000 columns .* max_width is 1000: squashed to 25%"):
        line, _ = prepare_line(image, deskew_method=None, do_crop=False, max_width=1000)
    assert line.shape == (48, 1000)


def test_a_line_too_wide_raises_if_asked_to():
    with pytest.raises(ValueError, match=r"4000 columns .* max_width is 1000"):
        prepare_line(page(48, 4000), deskew_method=None, max_width=1000, on_too_wide="error")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"deskew_method": "hough"}, "deskew_method must be one of 'moment', 'line', None"),
        ({"on_too_wide": "crop"}, "on_too_wide must be one of 'warn', 'error'"),
        ({"deskew_method": "moment", "num_deskew_passes": -1}, "passes must be 0 or a positive"),
    ],
)
def test_prepare_line_rejects(options, message):
    with pytest.raises(ValueError, match=message):
        prepare_line(GREY, **options)


@pytest.mark.parametrize("image", [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 4)), [[0, 1]]])
@pytest.mark.parametrize(
    "function", [skew_angle, slant_angle, moment_shear, crop_to_ink, deskew_line]
)
def test_functions_want_a_grey_image(function, image):
    with pytest.raises(ValueError, match="Use to_grey"):
        function(image)


@pytest.mark.parametrize("bits", [8, 12, 16])
def test_integers_of_any_usual_depth_keep_their_contrast(bits):
    line = np.full((40, 80), 2**bits - 1, dtype=np.uint16)
    line[10:30, 20:24] = 0
    grey = to_grey(line)
    assert (grey.min(), grey.max()) == (0, 255)


def test_a_tiff_of_several_pages_is_refused(tmp_path):
    pages = [Image.new("L", (40, 20), 255)] * 2
    pages[0].save(tmp_path / "pages.tiff", save_all=True, append_images=pages[1:])
    with pytest.raises(ValueError, match=r"pages\.tiff.* has 2 pages"):
        to_grey(tmp_path / "pages.tiff")
