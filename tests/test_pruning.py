"""A recogniser cut out of a larger one: the same where nothing is lost, refused where it grows."""

import pytest
import torch

from hwr_hf.pruning import prune
from hwr_hf.resnet_bilstm.configuration_resnet_bilstm import ResNetBiLstmConfig
from hwr_hf.resnet_bilstm.modeling_resnet_bilstm import ResNetBiLstmForCTC

SIZES = dict(
    stem_channels=6, hidden_sizes=[6, 8, 10], depths=[2, 1, 2], lstm_hidden_size=7,
    num_lstm_layers=2, vocab_size=9, dropout=0.0,
)  # fmt: skip
SMALLER = dict(
    stem_channels=4, hidden_sizes=[4, 5, 6], depths=[1, 1, 1], lstm_hidden_size=3, num_lstm_layers=1
)


@pytest.fixture
def larger():
    torch.manual_seed(0)
    model = ResNetBiLstmForCTC(ResNetBiLstmConfig(**SIZES))
    with torch.no_grad():  # statistics as a training leaves them
        for _ in range(3):
            model.train()(torch.randn(2, 1, 16, 40))
    return model.eval()


@pytest.fixture
def images():
    return torch.randn(3, 1, 16, 44, generator=torch.Generator().manual_seed(1))


def config(**sizes):
    return ResNetBiLstmConfig(**(SIZES | sizes))


def test_pruned_to_its_own_sizes_a_model_reads_as_before(larger, images):
    same = prune(larger, config()).eval()
    assert torch.equal(same(images).logits, larger(images).logits)


def test_the_channels_that_nothing_reads_are_the_ones_left_out(larger, images):
    inside, entrance = larger.model.backbone.layer2[0], larger.model.backbone.layer3[0]
    with torch.no_grad():
        inside.conv2.weight[:, 1] = 0
        for conv in (entrance.conv1, entrance.downsample[0]):
            conv.weight[:, 3] = 0
    expected = larger(images).logits
    pruned = prune(larger, config(hidden_sizes=[6, 7, 10])).eval()
    assert torch.allclose(pruned(images).logits, expected, atol=1e-5)


def test_the_lstm_units_that_nothing_reads_are_the_ones_left_out(larger, images):
    # Of each layer unit 5 of the rightward LSTM and unit 2 of the leftward one.
    first, second = larger.model.bilstm
    unread = [5, SIZES["lstm_hidden_size"] + 2]
    with torch.no_grad():
        for layer in (first, second):
            layer.forward_lstm.weight_hh_l0[:, 5] = 0
            layer.backward_lstm.weight_hh_l0[:, 2] = 0
        for lstm in (second.forward_lstm, second.backward_lstm):
            lstm.weight_ih_l0[:, unread] = 0
        larger.ctc_head.weight[:, unread] = 0
    expected = larger(images).logits
    pruned = prune(larger, config(lstm_hidden_size=6)).eval()
    assert torch.allclose(pruned(images).logits, expected, atol=1e-5)


def test_every_size_can_shrink_at_once(larger, images):
    pruned = prune(larger, config(**SMALLER)).eval()
    assert pruned.config.hidden_sizes == [4, 5, 6]
    assert pruned(images).logits.shape == larger(images).logits.shape
    pruned.train()(images, labels=torch.tensor([[1, 2]] * 3)).loss.backward()
    assert all(parameter.grad is not None for parameter in pruned.parameters())


def test_the_larger_model_stays_as_it_was(larger, images):
    before = larger(images).logits
    pruned = prune(larger, config(**SMALLER))
    with torch.no_grad():
        for parameter in pruned.parameters():
            parameter.zero_()
    assert torch.equal(larger(images).logits, before)


@pytest.mark.parametrize(
    ("sizes", "named"),
    [
        ({"hidden_sizes": [6, 8, 12]}, "hidden_sizes"),
        ({"depths": [2, 2, 2]}, "depths"),
        ({"lstm_hidden_size": 8}, "lstm_hidden_size"),
        ({"num_lstm_layers": 3}, "num_lstm_layers"),
        ({"stage_strides": [[1, 1], [2, 2], [2, 2]]}, "stage_strides"),
        ({"vocab_size": 8}, "vocab_size"),
        ({"ctc_shortcut_weight": 0.1}, "ctc_shortcut_weight to 0"),
        ({"stem_channels": 4}, "layer1 .* Shrink stem_channels and hidden_sizes alike"),
        ({"hidden_sizes": [6, 8], "depths": [2, 1], "stage_strides": [[1, 1], [2, 2]]}, "stages"),
    ],
)
def test_what_cannot_be_cut_out_is_refused_by_name(larger, sizes, named):
    with pytest.raises(ValueError, match=named):
        larger.config.ctc_shortcut_weight = 0.0 if "ctc_shortcut_weight" in sizes else 0.1
        prune(larger, config(**sizes))
