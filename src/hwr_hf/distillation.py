"""Distillation: a recogniser learns to read lines in part hidden as a larger one reads them whole.

In: a training batch and the larger recogniser, the teacher. Out: how far the smaller one's reading
is from it. Beside the text, which says only what is right, the teacher says what else it could be.

It compares frame by frame, so both have to write each character at the same place of a line: begin
with the teacher itself, cut down to size (`pruning.py`).

Source: Hinton et al. (2015), https://arxiv.org/abs/1503.02531; frame by frame with CTC: Takashima
et al. (2018), https://doi.org/10.1109/ICASSP.2018.8461995
"""

from pathlib import Path

import torch
import torch.nn.functional as F

from hwr_hf.resnet_bilstm.ctc_resnet_bilstm import IGNORED_LABEL
from hwr_hf.resnet_bilstm.modeling_resnet_bilstm import ResNetBiLstmForCTC

MUST_AGREE = ("num_channels", "column_stride", "num_steps", "vocab_size", "pad_token_id")


def load_teacher(folder: str | Path, student: ResNetBiLstmForCTC) -> ResNetBiLstmForCTC:
    """The recogniser of a model folder or of the Hub, ready to teach `student`.

    Raises:
        ValueError: What it says of a line cannot be compared with what the student says.
    """
    teacher = ResNetBiLstmForCTC.from_pretrained(folder, dtype=torch.float32)
    for name in MUST_AGREE:
        theirs, ours = getattr(teacher.config, name), getattr(student.config, name)
        if theirs != ours:
            raise ValueError(
                f"{name} is {theirs} in the teacher {folder} and {ours} in the model to be "
                "trained, so their readings cannot be compared. Cut the model out of its teacher: "
                "--model with --config_overrides."
            )
    return teacher.requires_grad_(False).eval()


def divergence(
    logits: torch.Tensor, target_logits: torch.Tensor, labels: torch.Tensor
) -> torch.Tensor:
    """How far readings are from those they shall become: the mean over lines, per character as the
    CTC loss is.

    It is the Kullback-Leibler divergence of the targets' distributions, summed over frames. Targets
    get no gradient.

    Args:
        logits: `(batch, frames, vocab_size)`.
        target_logits: Of the same shape, and equal on padded frames.
        labels: `(batch, length)`, padded with -100.
    """
    summed = F.kl_div(
        logits.float().log_softmax(-1),
        target_logits.detach().float().log_softmax(-1),
        reduction="none",
        log_target=True,
    ).sum(dim=(1, 2))
    lengths = (labels != IGNORED_LABEL).sum(dim=1).clamp(min=1)
    return (summed / lengths).mean()
