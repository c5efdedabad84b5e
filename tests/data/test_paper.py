from dataclasses import fields, replace

import numpy as np
import pytest
from drawing import draw_text_line

from hwr_hf.data.paper import Paper

LINE = np.asarray(draw_text_line("a quiet house by the lake").resize((640, 64)))
BLANK = np.full((64, 640), 255, dtype=np.uint8)
NOTHING = Paper(**{field.name: 0.0 for field in fields(Paper)})
EFFECTS = [field.name for field in fields(Paper) if field.name != "clean"]


def on_paper(line, seed=0, **probabilities):
    return replace(NOTHING, **probabilities)(line, np.random.default_rng(seed))


def test_with_no_effect_the_line_stays_as_it_is():
    assert np.array_equal(on_paper(LINE), LINE)


@pytest.mark.parametrize("effect", EFFECTS)
def test_each_effect_changes_the_line_but_not_its_shape(effect):
    for seed in range(10):
        changed = on_paper(LINE, seed, **{effect: 1.0})
        assert changed.shape == LINE.shape
        assert changed.dtype == np.uint8
        assert not np.array_equal(changed, LINE)


@pytest.mark.parametrize("effect", EFFECTS)
def test_ink_stays_darker_than_the_paper_round_it(effect):
    ink, paper = LINE < 80, LINE > 250
    for seed in range(20):
        changed = on_paper(LINE, seed, **{effect: 1.0}).astype(float)
        assert changed[ink].mean() < 0.7 * changed[paper].mean()


@pytest.mark.parametrize("shape", [(1, 1), (5, 3), (64, 20), (300, 5000)])
def test_all_effects_together_work_on_any_size(shape):
    paper = Paper(**{field.name: 1.0 for field in fields(Paper)} | {"clean": 0, "binarize": 0})
    line = np.full(shape, 255, dtype=np.uint8)
    line[shape[0] // 2 :, shape[1] // 2 :] = 0
    assert paper(line, np.random.default_rng(0)).shape == shape
    assert Paper(clean=0, binarize=1)(line, np.random.default_rng(0)).shape == shape


def test_half_the_lines_stay_clean():
    rng = np.random.default_rng(0)
    paper = Paper()
    clean = sum(np.array_equal(paper(LINE, rng), LINE) for _ in range(400))
    # 200, and of the other 200 those on which no effect falls: 8 %
    assert 0.45 * 400 < clean < 0.65 * 400


def test_the_same_seed_gives_the_same_paper_and_another_seed_another():
    everything = {name: 0.5 for name in EFFECTS}
    first, same, other = (on_paper(LINE, seed, **everything) for seed in (5, 5, 6))
    assert np.array_equal(first, same)
    assert not np.array_equal(first, other)


def test_the_input_is_not_written_to():
    line = LINE.copy()
    for effect in EFFECTS:
        on_paper(line, **{effect: 1.0})
    on_paper(line, clean=1.0)[:] = 0
    assert np.array_equal(line, LINE)


def test_binarised_lines_are_black_and_white_with_ink_where_it_was():
    for seed in range(10):
        changed = on_paper(LINE, seed, binarize=1.0)
        assert set(np.unique(changed)) == {0, 255}
        assert (changed[LINE < 20] == 0).mean() > 0.9
        assert (changed[LINE == 255] == 255).all()


@pytest.mark.parametrize("effect", ["binarize", "word_boxes", "bleed"])
def test_a_blank_line_has_no_ink_to_work_on(effect):
    assert np.array_equal(on_paper(BLANK, **{effect: 1.0}), BLANK)


def test_a_ruled_line_runs_along_the_baseline():
    line = BLANK.copy()
    line[20:40, 50:600:10] = 0  # the writing ends at row 40
    rows = []
    for seed in range(40):
        page = on_paper(line, seed, ruled=1.0)
        darkness = 255.0 - page[:, :50].mean(axis=1)
        nearest = np.flatnonzero(darkness > 0.5 * darkness.max())
        rows.append(nearest[np.abs(nearest - 40).argmin()])
    assert abs(np.median(rows) - 41) <= 3


def test_squared_paper_has_lines_in_both_directions():
    page = on_paper(BLANK, squared=1.0)
    columns, rows = page.min(axis=0), page.min(axis=1)
    level = np.median(page, axis=0)
    dark_columns = np.flatnonzero(level < 253)
    steps = np.diff(dark_columns)[np.diff(dark_columns) > 2]
    assert columns.max() < 255 and rows.max() <= 255
    assert len(steps) > 10 and steps.max() - steps.min() <= 2  # evenly spaced


def test_bleed_touches_only_the_edges():
    for seed in range(10):
        changed = on_paper(LINE, seed, bleed=1.0)
        rows = np.flatnonzero((changed != LINE).any(axis=1))
        assert all(row < 64 / 5 or row >= 64 - 64 / 5 for row in rows)


def test_a_shadow_darkens_one_side_more_than_the_other():
    levels = [on_paper(BLANK, seed, shadow=1.0) for seed in range(10)]
    assert all(np.ptp(level) > 10 for level in levels)
    assert all(level.min() >= 255 * 0.5 for level in levels)


@pytest.mark.parametrize("probability", [-0.1, 1.5])
def test_a_probability_outside_0_to_1_is_refused(probability):
    with pytest.raises(ValueError, match=f"stain={probability} is no probability"):
        Paper(stain=probability)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param(np.zeros((4, 4, 3), np.uint8), id="colour"),
        pytest.param(np.zeros((4, 4)), id="float"),
        pytest.param(np.zeros((0, 4), np.uint8), id="empty"),
    ],
)
def test_what_is_no_grey_line_is_refused(line):
    with pytest.raises(ValueError, match="needed is uint8"):
        Paper()(line, np.random.default_rng(0))
