import numpy as np
import pytest
import torch
from drawing import draw_text_line
from transformers import pipeline

from hwr_hf.resnet_bilstm.views_resnet_bilstm import (
    MAX_VIEWS,
    VIEWS,
    changed_view,
    read_views,
)

PAPER, INK = 0.5, -2.0


def line_of(picture):
    """`pixel_values` and a full mask of a picture drawn in rows: `#` is ink."""
    rows = [[INK if cell == "#" else PAPER for cell in row] for row in picture.split()]
    pixel_values = torch.tensor(rows)[None, None]
    return pixel_values, torch.ones(1, pixel_values.shape[-1], dtype=torch.long)


def picture_of(pixel_values):
    threshold = (PAPER + INK) / 2
    rows = pixel_values[0, 0] < threshold
    return " ".join("".join("#" if cell else "." for cell in row) for row in rows.tolist())


@pytest.mark.parametrize(
    ("change", "before", "after"),
    [
        pytest.param({"shear": 1.0}, "..#.. ..#.. ..#..", "...#. ..#.. .#...", id="shear"),
        pytest.param({"shear": -1.0}, "..#.. ..#.. ..#..", ".#... ..#.. ...#.", id="shear-back"),
        pytest.param({"shear": 2.0}, "...# ...# ...#", ".... ...# .#..", id="sheared-out"),
        pytest.param(
            {"scale": 2.0}, "... ... ### ... ...", "... ... ### ... ...", id="scale-keeps-middle"
        ),
        pytest.param({"scale": 3.0}, "... ... ### ... ...", "... ### ### ### ...", id="taller"),
        pytest.param({"scale": 0.5}, "##. ##. ##. ##. ##.", "... ##. ##. ##. ...", id="lower"),
        pytest.param({"stroke": 1.0}, ".... .... ...# ....", ".... ..## ..## ..##", id="thicker"),
        pytest.param(
            {"stroke": -1.0}, "..... .###. .###. .###.", "..... ..... ..#.. .....", id="thinner"
        ),
        pytest.param({}, "..#. #...", "..#. #...", id="nothing"),
    ],
)
def test_what_a_change_does(change, before, after):
    assert picture_of(changed_view(*line_of(before), **change)) == after


def test_half_a_column_is_interpolated():
    # Three rows, sheared by half a column per row: the upper one moves right by half a column.
    view = changed_view(*line_of(".#. .#. .#."), shear=0.5)
    middle = (PAPER + INK) / 2
    assert view[0, 0].tolist() == [
        [PAPER, middle, middle],
        [PAPER, INK, PAPER],
        [middle, middle, PAPER],
    ]


def test_a_part_of_the_way_to_thicker_strokes():
    view = changed_view(*line_of("..... ..#.. ....."), stroke=0.25)
    assert view[0, 0, 1].tolist() == pytest.approx(
        [PAPER, PAPER + 0.25 * (INK - PAPER), INK, PAPER + 0.25 * (INK - PAPER), PAPER]
    )


@pytest.fixture(scope="module")
def reader(tiny_model_dir):
    return pipeline("image-to-text", model=str(tiny_model_dir), device="cpu")


@pytest.fixture(scope="module")
def inputs(reader):
    return reader.preprocess(draw_text_line("a long enough line"))


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_a_view_does_not_depend_on_padding(inputs, view):
    # The line's own columns only: cut, then padded by 40 columns.
    width = int(inputs["pixel_mask"].sum())
    cut = inputs["pixel_values"][..., :width], inputs["pixel_mask"][:, :width]
    padded = [torch.nn.functional.pad(tensor, (0, 40)) for tensor in cut]
    narrow, wide = changed_view(*cut, **view), changed_view(*padded, **view)
    assert torch.equal(narrow, wide[..., :width])
    assert wide[..., width:].abs().sum() == 0


@pytest.mark.parametrize("view", VIEWS, ids=str)
def test_a_view_keeps_the_line_nearly_as_it_is(inputs, view):
    pixel_values, pixel_mask = inputs["pixel_values"], inputs["pixel_mask"]
    changed = changed_view(pixel_values, pixel_mask, **view)
    correlation = np.corrcoef(pixel_values.flatten(), changed.flatten())[0, 1]
    assert correlation > 0.8
    assert torch.allclose(changed, pixel_values, atol=1e-6) == (view == {})


def test_an_empty_line_stays_empty(reader):
    inputs = reader.preprocess(np.full((40, 200), 255, np.uint8))
    for view in VIEWS:
        assert changed_view(inputs["pixel_values"], inputs["pixel_mask"], **view).abs().sum() == 0


def test_one_view_is_the_line_as_it_is(reader, inputs):
    model = reader.model
    expected = model(inputs["pixel_values"], inputs["pixel_mask"]).logits
    assert torch.equal(read_views(model, inputs["pixel_values"], inputs["pixel_mask"]), expected)


def test_padded_frames_stay_blank_with_certainty(reader, inputs):
    padded = [
        torch.nn.functional.pad(inputs[name], (0, 64)) for name in ("pixel_values", "pixel_mask")
    ]
    log_probabilities = read_views(reader.model, *padded, num_views=3)
    assert log_probabilities[0, -16:, 0].tolist() == pytest.approx([0.0] * 16, abs=1e-6)


@pytest.mark.parametrize("num_views", [0, MAX_VIEWS + 1, 2.0, "3"])
def test_another_number_of_views_is_refused(reader, num_views):
    with pytest.raises(ValueError, match="use an integer from 1"):
        reader(draw_text_line("a"), num_views=num_views)


def test_the_pipeline_reads_views_the_same_in_any_batch(reader):
    images = [draw_text_line(text) for text in ("a", "some words", "a longer line of them", "it")]
    one_by_one = [reader(image, num_views=3) for image in images]
    batched = reader(images, num_views=3, batch_size=4)
    for (one,), (other,) in zip(one_by_one, batched, strict=True):
        assert one["generated_text"] == other["generated_text"]
        assert np.log(one["score"]) == pytest.approx(np.log(other["score"]), rel=1e-3)
    scores = [one["score"] for (one,) in one_by_one]
    assert scores != [reader(image)[0]["score"] for image in images]
