import pytest

from hwr_hf.bert_hypothesis.figure import draw_intervals, intervals_figure


def arm(wer):
    return {"wer": wer, "wer_interval": [wer - 0.02, wer + 0.01]}


def results(**regimes):
    return {
        "data": {"name": "IAM subset", "test_lines": 681, "test_writers": 41},
        "regimes": {name: {"arms": arms} for name, arms in regimes.items()},
    }


def test_every_arm_stands_at_its_rate_in_the_order_of_the_plan():
    (panel,) = intervals_figure(results(low={"BERT": arm(0.3), "none": arm(0.2)})).axes
    assert [label.get_text() for label in panel.get_yticklabels()] == ["none", "BERT"]
    points = [(line.get_xdata()[0], line.get_ydata()[0]) for line in panel.lines[:2]]
    assert points == [pytest.approx((20, 0)), pytest.approx((30, 1))]


def test_lines_reach_over_the_intervals():
    (panel,) = intervals_figure(results(low={"none": arm(0.2)})).axes
    (segment,) = panel.collections[0].get_segments()
    assert segment[:, 0] == pytest.approx([18, 21])


def test_oracles_look_like_no_method():
    arms = {"none": arm(0.2), "BERT": arm(0.2), "oracle: n-best": arm(0.1)}
    (panel,) = intervals_figure(results(low=arms)).axes
    without, with_bert, oracle = panel.lines[:3]
    assert len({line.get_marker() for line in (without, with_bert, oracle)}) == 3
    assert oracle.get_markerfacecolor() == "white"


def test_each_regime_has_its_panel_and_the_data_are_named():
    figure = intervals_figure(results(low={"none": arm(0.2)}, high={"none": arm(0.5)}))
    assert [panel.get_title() for panel in figure.axes] == ["low", "high"]
    assert "IAM subset, 681 test lines of 41 writers" in figure.get_suptitle()


def test_the_picture_is_written(tmp_path):
    draw_intervals(results(low={"none": arm(0.2)}), tmp_path / "intervals.png")
    assert (tmp_path / "intervals.png").read_bytes().startswith(b"\x89PNG")


def test_nothing_to_draw_is_refused():
    with pytest.raises(ValueError, match="no regime to draw"):
        intervals_figure(results())
