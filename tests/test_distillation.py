import math

import pytest
import torch

from hwr_hf.distillation import divergence, load_teacher
from hwr_hf.resnet_bilstm import ResNetBiLstmConfig, ResNetBiLstmForCTC

SIZES = {
    "stem_channels": 8,
    "hidden_sizes": [8, 8, 8],
    "depths": [1, 1, 1],
    "stage_strides": [[1, 1], [2, 2], [2, 1]],
    "lstm_hidden_size": 16,
    "num_lstm_layers": 1,
    "vocab_size": 12,
}


def recogniser(**changes):
    return ResNetBiLstmForCTC(ResNetBiLstmConfig(**(SIZES | changes)))


def logits_of(*probabilities):
    return torch.tensor(probabilities).log()[None]  # (one line, frames, classes)


def test_divergence_is_summed_over_frames_and_told_per_character():
    logits = logits_of([0.5, 0.5], [0.9, 0.1], [0.2, 0.8])
    targets = logits_of([0.9, 0.1], [0.5, 0.5], [0.2, 0.8])
    first = 0.9 * math.log(0.9 / 0.5) + 0.1 * math.log(0.1 / 0.5)
    second = 0.5 * math.log(0.5 / 0.9) + 0.5 * math.log(0.5 / 0.1)
    found = divergence(logits, targets, torch.tensor([[1, 1, -100]]))
    assert found.item() == pytest.approx((first + second) / 2)


def test_every_line_counts_alike_and_one_without_text_as_one_character():
    logits, targets = logits_of([0.5, 0.5]), logits_of([0.9, 0.1])
    alone = [divergence(logits, targets, torch.tensor([text])) for text in ([1, 1, 1], [-100] * 3)]
    assert alone[1].item() == pytest.approx(3 * alone[0].item())
    twice = torch.cat([logits, logits]), torch.cat([targets, targets])
    found = divergence(*twice, torch.tensor([[1, 1, 1], [-100, -100, -100]]))
    assert found.item() == pytest.approx(sum(alone).item() / 2)


def test_a_reading_is_drawn_towards_its_target_which_stays():
    # The divergence of a fixed q from p has the gradient p - q in p's logits.
    logits = logits_of([0.5, 0.5]).requires_grad_()
    targets = logits_of([0.9, 0.1]).requires_grad_()
    divergence(logits, targets, torch.tensor([[1]])).backward()
    assert torch.allclose(logits.grad, torch.tensor([[[-0.4, 0.4]]]), atol=1e-6)
    assert targets.grad is None


def test_a_teacher_may_be_larger_and_does_not_learn(tmp_path):
    recogniser(lstm_hidden_size=32, depths=[1, 2, 1]).save_pretrained(tmp_path)
    teacher = load_teacher(tmp_path, recogniser())
    assert not teacher.training
    assert not any(parameter.requires_grad for parameter in teacher.parameters())


@pytest.mark.parametrize(
    "other, said",
    [
        ({"stage_strides": [[1, 1], [2, 2], [2, 2]]}, "column_stride is 8 in the teacher"),
        ({"vocab_size": 13}, "vocab_size is 13 in the teacher"),
    ],
)
def test_a_teacher_that_writes_otherwise_is_refused(tmp_path, other, said):
    recogniser(**other).save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=f"{said} .*Cut the model out of its teacher"):
        load_teacher(tmp_path, recogniser())
