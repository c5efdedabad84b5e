"""Consistency-regularised CTC: two views of a line, with other parts hidden, shall read the same.

In: a training batch, and later the logits of its two views. Out: a batch twice as large, and how
far the views disagree. A network that cannot see a letter has to guess it from the letters around,
and what it guesses from one view is taught by the other.

Source: Yao et al. (2025), "CR-CTC: Consistency regularization on CTC for improved speech
recognition", https://arxiv.org/abs/2410.05101; there the hidden parts are spans of time and
frequency, here columns and rows.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F

from hwr_hf.resnet_bilstm.ctc_resnet_bilstm import IGNORED_LABEL


@dataclass(frozen=True)
class HiddenSpans:
    """Hides random rectangles of lines; each line has its own share, position and sizes.

    Args:
        coverage: Largest share of a line's columns that are hidden, in some of their rows or all.
        max_columns: Width of the widest rectangle in pixels.
        min_rows: Height of the lowest rectangle as a share of the line's height; half of the
            rectangles have the whole height.
    """

    coverage: float = 0.3
    max_columns: int = 32
    min_rows: float = 0.3

    def __call__(self, pixel_values: torch.Tensor, widths: list[int]) -> torch.Tensor:
        """A copy of `(batch, channels, height, width)` with parts at 0, the mean of a line.

        Args:
            pixel_values: Lines with mean 0.
            widths: Columns of every line without its padding.
        """
        pixel_values = pixel_values.clone()
        height = pixel_values.shape[2]
        for line, width in zip(pixel_values, widths, strict=True):
            left_to_hide = self.coverage * width * torch.rand(()).item()
            while left_to_hide >= 1:
                size, first, share, top = torch.rand(4).tolist()
                columns = 1 + int(min(self.max_columns, int(left_to_hide)) * size)
                rows = round(height * (self.min_rows + (1 - self.min_rows) * min(1, 2 * share)))
                left = int((width - columns + 1) * first)
                above = int((height - rows + 1) * top)
                line[:, above : above + rows, left : left + columns] = 0
                left_to_hide -= columns
        return pixel_values


def two_views(batch: dict[str, torch.Tensor], hide: HiddenSpans) -> dict[str, torch.Tensor]:
    """Every line of a collated batch twice, other parts hidden: first all first views, then all
    second ones."""
    pixel_values, pixel_mask = batch["pixel_values"], batch["pixel_mask"]
    widths = pixel_mask.sum(dim=1).tolist()
    views = [hide(pixel_values, widths) for _ in range(2)]
    return {
        "pixel_values": torch.cat(views),
        "pixel_mask": torch.cat([pixel_mask, pixel_mask]),
        "labels": torch.cat([batch["labels"], batch["labels"]]),
    }


def disagreement(logits: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
    """How far two views' readings are apart: the mean over lines, per character as the CTC loss is.

    It is the Kullback-Leibler divergence summed over frames, each view's distribution as the target
    of the other, the mean of both directions. Targets get no gradient.

    Args:
        logits: `(2 * batch, frames, vocab_size)` of `two_views`, equal on padded frames.
        labels: `(2 * batch, length)`, padded with -100.
    """
    first, second = logits.float().log_softmax(-1).chunk(2)
    divergence = F.kl_div(first, second.detach(), reduction="none", log_target=True)
    divergence = divergence + F.kl_div(second, first.detach(), reduction="none", log_target=True)
    lengths = (labels != IGNORED_LABEL).sum(dim=1).chunk(2)[0].clamp(min=1)
    return (divergence.sum(dim=(1, 2)) / 2 / lengths).mean()
