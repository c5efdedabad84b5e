import pytest
from drawing import draw_text_line
from test_evaluation import dataset_of, png

from hwr_hf.scale_comparison import compare_scales, cost_at_scale

IMAGES = [draw_text_line(text) for text in ("a house", "lost")]


def test_a_scale_is_read_and_its_cost_told(tiny_model_dir):
    lines = dataset_of([png(image) for image in IMAGES], ["a house", "lost"])
    small, wide = compare_scales(
        tiny_model_dir, {"lines": lines}, [(16, 1.0, None), (32, 1.5, None)]
    )
    assert (small["height"], small["width_scale"]) == (16, 1.0)
    # Twice the rows have twice the columns in proportion.
    assert wide["lines"]["columns"] == pytest.approx(3 * small["lines"]["columns"], rel=0.02)
    assert wide["lines"]["macs"] > 3 * small["lines"]["macs"]
    assert 0 <= small["lines"]["cer"]


def test_the_cost_is_that_of_the_mean_width(tiny_model_dir):
    options = {"size": {"height": 16}, "width_scale": 2.0}
    first, second = (cost_at_scale(tiny_model_dir, [image], options) for image in IMAGES)
    both = cost_at_scale(tiny_model_dir, IMAGES, options)
    assert both["columns"] == pytest.approx((first["columns"] + second["columns"]) / 2, abs=0.1)
    assert second["macs"] < both["macs"] < first["macs"]
