"""The mean of models: their weights' mean, refused where the networks differ."""

import math
import runpy
import sys
from pathlib import Path

import pytest
import torch

import hwr_hf
from hwr_hf.model_averaging import average_models
from hwr_hf.resnet_bilstm.configuration_resnet_bilstm import ResNetBiLstmConfig
from hwr_hf.resnet_bilstm.modeling_resnet_bilstm import ResNetBiLstmForCTC

SIZES = dict(
    stem_channels=4, hidden_sizes=[4, 5, 6], depths=[1, 1, 1], lstm_hidden_size=3,
    num_lstm_layers=1, vocab_size=9,
)  # fmt: skip


SHARES_THAT_DO_NOT_FIT = [
    [1], [1, 0], [1, -1], [1, 1, 1], [1, math.nan], [math.nan, 1], [1, math.inf], [1e308, 1e308]
]  # fmt: skip


@pytest.fixture
def make(tmp_path):
    def make(name, value=None, **sizes):
        """Saves a model, all of its weights of one value if one is given; its folder."""
        model = ResNetBiLstmForCTC(ResNetBiLstmConfig(**(SIZES | sizes), temperature=1.7))
        if value is not None:
            for tensor in model.state_dict().values():
                tensor.fill_(value)
        model.save_pretrained(tmp_path / name)
        return tmp_path / name

    return make


@pytest.mark.parametrize(
    ("shares", "mean"), [(None, 5.0), ([1, 1], 5.0), ([3, 1], 3.0), ([0.5, 1.5], 7.0)]
)
def test_every_weight_and_statistic_is_the_mean(make, shares, mean):
    averaged = average_models([make("one", 1), make("nine", 9)], shares)
    for name, tensor in averaged.state_dict().items():
        expected = 1 if name.endswith("num_batches_tracked") else mean
        assert (tensor == expected).all(), name
    assert averaged.config.temperature == 1  # that of neither holds for it


def test_the_mean_of_a_model_and_itself_reads_as_it_does(make):
    folder = make("one")
    image = torch.randn(1, 1, 16, 44)
    model = ResNetBiLstmForCTC.from_pretrained(folder)
    expected = model(image).logits
    assert torch.equal(average_models([folder, folder])(image).logits, expected)


@pytest.mark.parametrize(
    "sizes", [{"lstm_hidden_size": 4}, {"depths": [1, 2, 1]}, {"ctc_shortcut_weight": 0.0}]
)
def test_different_networks_are_refused_by_name(make, sizes):
    with pytest.raises(ValueError, match=r"two and .*one are not the same network: the shape of"):
        average_models([make("one"), make("two", **sizes)])


@pytest.mark.parametrize("shares", SHARES_THAT_DO_NOT_FIT)
def test_shares_that_do_not_fit_are_refused(make, shares):
    with pytest.raises(ValueError, match="do not fit 2 models"):
        average_models([make("one"), make("two")], shares)


@pytest.fixture
def run_script(tiny_model_dir, monkeypatch):
    """Averages the tiny model with itself."""

    def run(output):
        script = Path(__file__).parents[1] / "scripts" / "average_models.py"
        models = [str(tiny_model_dir)] * 2
        monkeypatch.setattr(sys, "argv", [script.name, *models, "--output", str(output)])
        runpy.run_path(str(script), run_name="__main__")

    return run


def test_the_script_writes_a_recogniser(run_script, tmp_path):
    run_script(tmp_path / "averaged")
    hwr_hf.ResNetBiLstmForCTC.from_pretrained(tmp_path / "averaged")
    hwr_hf.ResNetBiLstmProcessor.from_pretrained(tmp_path / "averaged")


@pytest.mark.parametrize("output", ["file", "file/averaged", "file/deep/averaged"])
def test_the_script_names_an_output_that_cannot_be_a_folder(run_script, tmp_path, capsys, output):
    (tmp_path / "file").touch()
    with pytest.raises(SystemExit) as stopped:
        run_script(tmp_path / output)
    assert stopped.value.code == 2
    assert f"Cannot write the folder {tmp_path / output}" in capsys.readouterr().err
