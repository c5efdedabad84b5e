import pytest
import torch

from hwr_hf import ResNetBiLstmConfig, ResNetBiLstmForCTC
from hwr_hf.benchmark import network_profile
from hwr_hf.benchmark.lines import draw_lines
from hwr_hf.benchmark.network_profile import (
    STEPS,
    cost_per_line,
    matrix_ceiling,
    network_macs,
    profile,
)


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    return draw_lines(3, tmp_path_factory.mktemp("lines"))


def test_multiplications_are_those_counted_by_hand():
    config = ResNetBiLstmConfig(
        stem_channels=4,
        hidden_sizes=[6],
        depths=[1],
        stage_strides=[[1, 1]],
        lstm_hidden_size=5,
        num_lstm_layers=1,
        vocab_size=7,
    )
    inputs = {
        "pixel_values": torch.zeros(2, 1, 8, 16),
        "pixel_mask": torch.ones(2, 16, dtype=torch.int64),
    }
    macs = network_macs(ResNetBiLstmForCTC(config).eval(), inputs)
    positions, frames = 2 * 4 * 8, 2 * 8  # the stem halves both sides
    kernels = (
        7 * 7 * 1 * 4 + 3 * 3 * 4 * 6 + 3 * 3 * 6 * 6 + 4 * 6
    )  # stem, two of a block, shortcut
    assert macs["convolutions"] == positions * kernels
    assert macs["LSTM"] == frames * 2 * 4 * 5 * (6 + 5)  # directions, gates, units, inputs
    assert macs["head"] == frames * 10 * 7


def test_the_ceiling_is_the_operations_of_the_fastest_product(monkeypatch):
    durations = iter([4.0, 2.0, 5.0])
    monkeypatch.setattr(network_profile, "_seconds", lambda work: next(durations))
    assert matrix_ceiling(torch.float32, size=10, repeats=3) == 2 * 10**3 / 2.0


def test_a_profile_shares_out_all_the_time(tiny_model_dir, lines, monkeypatch):
    monkeypatch.setattr(network_profile, "matrix_ceiling", lambda dtype: 2e9)
    found = profile(lines, str(tiny_model_dir), torch.float32)
    assert list(found["shares"]) == list(STEPS)
    assert sum(found["shares"].values()) == pytest.approx(1)
    assert min(found["shares"].values()) > 0
    assert sum(found["seconds_per_line"].values()) == pytest.approx(1 / found["lines_per_second"])
    assert found["convolution_share"] == pytest.approx(found["convolution_flops"] / 2e9)


def test_the_cost_of_a_line_is_a_mean_over_lines(tiny_model_dir, lines):
    alone = [cost_per_line([line], str(tiny_model_dir)) for line in lines]
    together = cost_per_line(lines, str(tiny_model_dir))
    for name in ("columns", "activation_bytes"):
        assert together[name] == pytest.approx(sum(cost[name] for cost in alone) / 3)
    parts = [cost["macs"]["convolutions"] for cost in alone]
    assert together["macs"]["convolutions"] == pytest.approx(sum(parts) / 3)
