import numpy as np
import pytest
from drawing import draw_text_line

from hwr_hf.data.augmentation import Augmentation, mesh_of

NOTHING = dict(
    shear=0,
    rotation=0,
    scale_x=0,
    scale_y=0,
    elastic=0,
    stroke_width=0,
    brightness=0,
    gamma=1,
    noise=0,
    binarize=0,
    background=0,
    page=0,
)
LINE = np.asarray(draw_text_line("a quiet house by the lake").resize((480, 48)))


def darkness(image):
    return (255.0 - image).sum()


def test_the_height_stays_and_values_are_uint8():
    changed = Augmentation()(LINE, np.random.default_rng(0))
    assert changed.shape[0] == 48
    assert changed.dtype == np.uint8


def test_the_same_seed_gives_the_same_pixels_and_another_seed_others():
    change = Augmentation()
    first, same, other = (change(LINE, np.random.default_rng(seed)) for seed in (3, 3, 4))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_with_every_size_zero_the_line_stays_as_it_is():
    change = Augmentation(**NOTHING)
    assert np.abs(change(LINE, np.random.default_rng(0)).astype(int) - LINE).max() <= 1


def test_no_ink_is_lost_when_the_line_is_sheared():
    change = Augmentation(**NOTHING | {"shear": 0.5})
    for seed in range(5):
        changed = change(LINE, np.random.default_rng(seed))
        assert darkness(changed) == pytest.approx(darkness(LINE), rel=0.03)


def test_scale_changes_the_width_within_its_bound():
    change = Augmentation(**NOTHING | {"scale_x": 0.1})
    widths = [change(LINE, np.random.default_rng(seed)).shape[1] for seed in range(20)]
    assert min(widths) >= 432
    assert max(widths) <= 528
    assert len(set(widths)) > 5


@pytest.mark.parametrize("elastic", [1.0, 3.0])
def test_elastic_moves_pixels_but_keeps_the_ink(elastic):
    changed = Augmentation(**NOTHING | {"elastic": elastic})(LINE, np.random.default_rng(0))
    assert not np.array_equal(changed, LINE)
    assert darkness(changed) == pytest.approx(darkness(LINE), rel=0.05)


def test_an_elastic_field_under_a_pixel_is_refused():
    with pytest.raises(ValueError, match=r"elastic=0.5 px is too small"):
        Augmentation(elastic=0.5)


def test_stroke_width_makes_lines_thinner_and_thicker():
    change = Augmentation(**NOTHING | {"stroke_width": 1})
    inks = [darkness(change(LINE, np.random.default_rng(seed))) for seed in range(10)]
    assert min(inks) < 0.95 * darkness(LINE)
    assert max(inks) > 1.05 * darkness(LINE)


def test_binarized_faint_writing_is_still_there():
    faint = 255 - (255 - LINE) // 5
    changed = Augmentation(**NOTHING | {"binarize": 1})(faint, np.random.default_rng(0))
    assert set(np.unique(changed)) == {0, 255}
    assert 0.3 < (changed == 0).sum() / (LINE < 128).sum() < 2


def test_one_column_and_a_blank_line_survive():
    change = Augmentation()
    for image in (np.full((48, 1), 255, np.uint8), np.full((48, 200), 255, np.uint8)):
        assert change(image, np.random.default_rng(0)).shape[0] == 48


def test_mesh_corners_run_counter_clockwise_from_the_upper_left():
    rows, columns = np.array([0, 10]), np.array([0, 20])
    y, x = np.meshgrid(rows, columns, indexing="ij")
    assert mesh_of(rows, columns, y, x) == [((0, 0, 20, 10), (0, 0, 0, 10, 20, 10, 20, 0))]


def test_half_the_strength_is_half_of_every_size_but_the_elastic_floor():
    half = Augmentation(shear=0.4, noise=8.0, elastic=1.5, gamma=4.0).scaled(0.5)
    assert (half.shear, half.noise, half.elastic, half.gamma) == (0.2, 4.0, 1.0, 2.0)


def test_no_strength_is_refused():
    with pytest.raises(ValueError, match=r"strength=0 is not allowed"):
        Augmentation().scaled(0)


def test_a_page_puts_rules_or_shadows_behind_the_same_writing():
    change = Augmentation(**NOTHING | {"page": 1})
    ink = LINE < 60
    changed = [change(LINE, np.random.default_rng(seed)).astype(int) for seed in range(20)]
    assert all(line.shape == LINE.shape for line in changed)
    # Writing stays darker than what is behind it, and some pages are no longer white.
    assert all(line[ink].mean() < line[~ink].mean() - 30 for line in changed)
    assert any(np.median(line) < 250 for line in changed)
