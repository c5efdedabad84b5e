from itertools import pairwise

import numpy as np
import pytest

from hwr_hf.data.iam_ondb import WritingFrame
from hwr_hf.data.pen import Pen, draw_strokes

FRAME = WritingFrame(middle=0.0, slope=0.0, x_height=1.0)


def stroke(*corners, points=20):
    """A polyline with so many points on each side."""
    sides = pairwise(corners)
    return np.concatenate([np.linspace(a, b, points) for a, b in sides]).astype(np.float32)


def draw(*strokes, height=60, **pen):
    return draw_strokes(strokes, Pen(**pen), height, np.random.default_rng(0), FRAME)


SQUARE = stroke((0, 0), (4, 0), (4, 2), (0, 2), (0, 0))


def test_a_drawing_has_the_height_asked_for_and_the_strokes_proportions():
    image = draw(SQUARE, height=60, width=0.1)
    rows, columns = (np.flatnonzero((image < 128).any(axis=axis)) for axis in (1, 0))
    assert image.shape[0] == 60
    assert image.dtype == np.uint8
    assert np.ptp(columns) / np.ptp(rows) == pytest.approx(4.1 / 2.1, rel=0.05)


def test_ink_is_dark_and_paper_white():
    image = draw(SQUARE, ink=40)
    assert image.min() == 40
    assert image.max() == 255
    assert (image[0] == 255).all()


@pytest.mark.parametrize("width", [0.1, 0.2, 0.4])
def test_the_pen_is_as_wide_as_asked(width):
    image = draw(stroke((0, 0), (0, 4)), stroke((6, 0), (6, 4)), height=100, width=width)
    scale = 96 / (4 + 2 * width)  # pixels a height of a small letter, 2 px of margin on each side
    row = (255 - image[50].astype(float)) / 255
    assert row.sum() / 2 == pytest.approx(width * scale, abs=0.8)


def test_a_full_stop_stays_small():
    image = draw(stroke((0, 0), (0.05, 0.05)), height=60, width=0.2)
    assert (image < 128).sum() < 400


def test_slant_leans_to_the_right():
    upright, slanted = (draw(stroke((0, 0), (0, 4)), height=80, slant=s) for s in (0.0, 0.5))
    assert slanted.shape[1] > upright.shape[1] + 20
    top, bottom = (np.flatnonzero(slanted[r] < 128).mean() for r in (10, 70))
    assert top > bottom


def test_stretch_widens():
    plain, wide = (draw(SQUARE, stretch=s) for s in (1.0, 1.5))
    assert wide.shape[1] / plain.shape[1] == pytest.approx(1.5, rel=0.1)


def test_a_slow_pen_draws_wider():
    slow, fast = stroke((0, 0), (0, 4), points=100), stroke((6, 0), (6, 4), points=10)
    image = draw(slow, fast, height=100, pressure=1.0)
    row = 255 - image[50].astype(float)
    middle = len(row) // 2
    assert row[:middle].sum() > 1.4 * row[middle:].sum()


def test_pressure_leaves_no_gap():
    wave = np.stack([np.linspace(0, 8, 200), np.sin(np.linspace(0, 20, 200) ** 1.2)], axis=1)
    image = draw(wave.astype(np.float32), pressure=1.0, width=0.15)
    columns = np.flatnonzero((image < 200).any(axis=0))
    assert np.diff(columns).max() == 1


def test_the_same_state_draws_the_same():
    rng = np.random.default_rng(5)
    pens = [Pen.random(np.random.default_rng(5)) for _ in range(2)]
    assert pens[0] == pens[1]
    images = [draw_strokes([SQUARE], pens[0], 60, np.random.default_rng(1)) for _ in range(2)]
    assert np.array_equal(*images)
    assert Pen.random(rng) != Pen.random(rng)


def test_random_pens_keep_the_writing_on_the_page():
    for seed in range(30):
        rng = np.random.default_rng(seed)
        image = draw_strokes([SQUARE], Pen.random(rng), 64, rng)
        assert image.shape[0] == 64
        assert (image[:, [0, -1]] == 255).all()
        assert (image < 200).any()


def test_a_frame_is_found_when_none_is_given():
    letters = [SQUARE + np.float32([6 * n, 0]) for n in range(5)]
    image = draw_strokes(letters)
    assert image.shape[0] == 64
    assert (image == 0).any()


def test_nothing_to_draw_is_an_error():
    with pytest.raises(ValueError, match="There is no stroke to draw"):
        draw_strokes([])


@pytest.mark.parametrize("num_points", [1, 2, 3])
def test_a_dot_of_a_few_points_is_drawn_with_pressure_too(num_points):
    image = draw(np.zeros((num_points, 2), dtype=np.float32), pressure=0.5)
    assert (image == 0).any()
