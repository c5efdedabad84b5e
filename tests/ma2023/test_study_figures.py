"""The figures show what they are given."""

import numpy as np
import pytest
from drawing import draw_text_line

from hwr_hf.ma2023.figures import (
    NUM_CHANNELS,
    error_rates_figure,
    feature_map_figure,
    learning_figure,
    predictions_figure,
    samples_figure,
)
from hwr_hf.ma2023.study import HONEST, LEAKY, Run

WORDS = ["tea", "rain", "$5"]
IMAGES = [draw_text_line(word) for word in WORDS]


def texts_of(axes) -> list[tuple[str, str]]:
    """Text and colour of everything written in the axes."""
    return [(text.get_text(), text.get_color()) for axis in axes for text in axis.texts]


def test_every_sample_has_its_text():
    titles = [axis.get_title() for axis in samples_figure(IMAGES, WORDS, num_columns=2).axes]
    assert titles == ["tea", "rain", r"\$5", ""]


def test_predictions_are_green_where_right_but_for_case_and_red_where_wrong():
    figure = predictions_figure(IMAGES[:2], WORDS[:2], {"CNN": ["Tea", "ran"]})
    assert texts_of(figure.axes) == [
        ("tea", "black"),
        ("Tea", "tab:green"),
        ("rain", "black"),
        ("ran", "tab:red"),
    ]


def test_feature_maps_are_the_busiest_channels_of_each_stage():
    rng = np.random.default_rng(0)
    quiet, busy = np.zeros((20, 4, 6)), rng.normal(size=(NUM_CHANNELS, 4, 6))
    stages = [np.concatenate([quiet, busy]), busy[:3]]
    axes = np.array(feature_map_figure(IMAGES[0], stages).axes).reshape(2, -1)
    shown = [axis.images[0].get_array() for axis in axes[0, 1:]]
    assert len(shown) == NUM_CHANNELS
    assert all(maps.std() > 0 for maps in shown)
    assert sum(bool(axis.images) for axis in axes[1]) == 3
    assert axes[1, 0].get_ylabel() == "R1\n4x6"


def test_bars_have_the_height_of_the_rates_and_the_reach_of_their_intervals():
    def test(rate):
        return {"cer": rate, "cer_interval": [rate - 0.05, rate + 0.1]} | {
            "wer": rate,
            "wer_interval": None,
        }

    results = {
        Run((LEAKY, HONEST), "cnn"): {"tests": {LEAKY: test(0.2), HONEST: test(0.4)}},
        Run((LEAKY, HONEST), "cnn_rnn"): {"tests": {LEAKY: test(0.1), HONEST: test(0.3)}},
        Run((LEAKY, HONEST), "cnn_rnn", 0): {"tests": {LEAKY: test(0.9), HONEST: test(0.9)}},
    }
    cer_axis, wer_axis = error_rates_figure(results).axes
    heights = [[bar.get_height() for bar in bars] for bars in cer_axis.containers[::2]]
    assert heights == [pytest.approx([20, 10]), pytest.approx([40, 30])]
    whiskers = [line.get_segments()[0] for line in cer_axis.containers[1].lines[2]]
    assert whiskers[0][:, 1] == pytest.approx([15, 30])
    assert [bar.get_height() for bar in wer_axis.containers[0]] == pytest.approx([20, 10])


def test_learning_curves_are_the_losses_over_the_steps():
    (axis,) = learning_figure({"CNN": [(1, 3.0), (5, 0.5)], "CNN-RNN": [(1, 4.0)]}).axes
    assert [line.get_label() for line in axis.lines] == ["CNN", "CNN-RNN"]
    assert axis.lines[0].get_xydata() == pytest.approx(np.array([[1, 3.0], [5, 0.5]]))
