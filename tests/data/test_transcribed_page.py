import numpy as np
import pytest

from hwr_hf.data.transcribed_page import PageLine, TranscribedPage, cut_line, with_polygons

PAPER, INK, OTHER_INK = 230, 30, 60


@pytest.fixture
def page():
    """100x60 paper with the line's ink at rows 20 to 29 and a neighbour's at rows 32 to 39."""
    grey = np.full((60, 100), PAPER, dtype=np.uint8)
    grey[20:30, 20:80] = INK
    grey[32:40, 20:80] = OTHER_INK
    return grey


def box(left, top, right, bottom):
    return PageLine("l", "x", ((left, top), (right, top), (right, bottom), (left, bottom)))


def test_a_box_is_cut_with_the_pixels_on_its_edge(page):
    crop = cut_line(page, box(20, 20, 79, 29))
    assert crop.shape == (10, 60)
    assert (crop == INK).all()


def test_what_is_outside_the_polygon_becomes_paper(page):
    # A step: below row 31 the outline is narrower than the neighbour, of which 20 columns stay in.
    points = ((10, 10), (90, 10), (90, 30), (39, 30), (39, 45), (20, 45), (20, 30), (10, 30))
    crop = cut_line(page, PageLine("l", "x", points))
    assert crop.shape == (36, 81)
    assert set(np.unique(crop)) == {INK, OTHER_INK, PAPER}
    assert (crop[10:20, 10:70] == INK).all()
    assert (crop == OTHER_INK).sum() == 8 * 20
    whole = cut_line(page, PageLine("l", "x", points), cut="box")
    assert (whole == OTHER_INK).sum() == 8 * 60


def test_on_a_dark_page_the_outside_becomes_dark(page):
    triangle = PageLine("l", "x", ((10, 10), (90, 10), (10, 50)))
    crop = cut_line(255 - page, triangle)
    assert crop[-1, -1] == 255 - PAPER


def test_coordinates_are_scaled_to_the_image(page):
    assert cut_line(page, box(10, 10, 39, 14), scale=(2.0, 2.0)).shape == (9, 59)


def test_a_polygon_over_the_edge_is_cut_at_the_edge(page):
    assert cut_line(page, box(60, -10, 120, 40)).shape == (41, 40)


@pytest.mark.parametrize(
    ("line", "message"),
    [
        pytest.param(box(200, 10, 300, 30), "outside the image", id="outside"),
        pytest.param(box(90, 10, 190, 30), "outside the image", id="mostly-outside"),
        pytest.param(box(-1e300, 0, 1e300, 30), "outside the image", id="huge"),
        pytest.param(box(10, 10, 11, 30), "outline too small: 2x21", id="narrow"),
        pytest.param(PageLine("l", "x", ((1, 1), (50, 50))), "from 2 points", id="two-points"),
        pytest.param(PageLine("l", "x"), "neither polygon nor box nor baseline", id="nothing"),
        pytest.param(
            PageLine("l", "x", baseline=((1, 5), (9, 5))), "a baseline alone", id="baseline"
        ),
    ],
)
def test_a_line_that_cannot_be_cut_is_told_why(page, line, message):
    with pytest.raises(ValueError, match=message):
        cut_line(page, line)


def test_baselines_get_a_strip_by_their_distance():
    lines = [PageLine(str(y), "x", baseline=((10, y), (60, y))) for y in (100, 140, 180, 300)]
    page = with_polygons(TranscribedPage("", None, tuple(lines)))
    # The median distance is 40: 32 above and 14 below.
    assert page.lines[1].polygon == ((10, 108), (60, 108), (60, 154), (10, 154))


def test_baselines_of_another_column_do_not_count():
    left = [PageLine("", "x", baseline=((0, y), (9, y)), region="left") for y in (100, 140)]
    right = [PageLine("", "x", baseline=((20, y), (29, y)), region="right") for y in (120, 160)]
    page = with_polygons(TranscribedPage("", None, (*left, *right)))
    assert page.lines[2].polygon[0] == (20, 88)


@pytest.mark.parametrize(
    ("size", "in_pixels", "scale"),
    [
        pytest.param((200, 100), True, (1, 1), id="same"),
        pytest.param((400, 200), True, (0.5, 0.5), id="smaller-copy"),
        pytest.param((800, 300), False, (0.25, 1 / 3), id="millimetres"),
        pytest.param(None, True, (1, 1), id="unknown"),
    ],
)
def test_the_scale_leads_from_the_file_to_the_image(size, in_pixels, scale):
    page = TranscribedPage("", size, (), in_pixels=in_pixels)
    assert page.scale(200, 100) == pytest.approx(scale)


def test_an_image_of_other_proportions_is_not_the_page():
    with pytest.raises(ValueError, match="other proportions: the coordinates are of 100x200"):
        TranscribedPage("", (100, 200), ()).scale(200, 100)
