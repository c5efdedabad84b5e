"""Test-time augmentation: one line read in several slightly changed views, decoded once.

In: `pixel_values` `(batch, channels, height, width)` and `pixel_mask` `(batch, width)`.
Out: log-probabilities `(batch, frames, vocab_size)` of the mean over the views, frame by frame.
For that the frames of all views must show the same columns, so no view changes the width, and none
moves ink by more than a few pixels. Nothing is drawn at random. A view of a line depends neither on
its batch nor on its padding.

Method: Krizhevsky et al. (2012), section 4.1, average over changed copies of an image; Dutta et al.
(2018), "Improving CNN-RNN hybrid networks for handwriting recognition", ICFHR, do so with words.
"""

import math

import torch
import torch.nn.functional as F

# After the line as it is, in pairs of opposites, those first that helped most on IAM's validation
# lines; each is well within what training showed.
VIEWS = (
    {},
    {"scale": 1.08},
    {"scale": 0.92},
    {"shear": 0.1},
    {"shear": -0.1},
    {"stroke": 0.3},
    {"stroke": -0.3},
)
MAX_VIEWS = len(VIEWS)


def check_num_views(num_views: int) -> None:
    """Raises ValueError unless there are so many views."""
    if not isinstance(num_views, int) or not 1 <= num_views <= MAX_VIEWS:
        raise ValueError(
            f"num_views={num_views!r} is not allowed: use an integer from 1 (the line as it is) "
            f"to {MAX_VIEWS}."
        )


def read_views(
    model, pixel_values: torch.Tensor, pixel_mask: torch.Tensor, num_views: int = 1
) -> torch.Tensor:
    """Frame scores of lines, averaged over their first `num_views` views.

    Args:
        model: A `ResNetBiLstmForCTC`.
        pixel_values: `(batch, channels, height, width)`.
        pixel_mask: `(batch, width)`, 1 on the line's own columns.
        num_views: How many of `VIEWS`; 1 reads the line as it is.

    Returns:
        `(batch, frames, vocab_size)`: the model's logits for one view, else the logarithm of the
        views' mean probabilities. Padded frames stay blank with certainty.

    Raises:
        ValueError: There are not so many views.
    """
    check_num_views(num_views)
    if num_views == 1:
        return model(pixel_values=pixel_values, pixel_mask=pixel_mask).logits
    log_probabilities = [
        model(pixel_values=changed_view(pixel_values, pixel_mask, **view), pixel_mask=pixel_mask)
        .logits.float()
        .log_softmax(dim=-1)
        for view in VIEWS[:num_views]
    ]  # each (batch, frames, vocab_size)
    return torch.stack(log_probabilities).logsumexp(dim=0) - math.log(num_views)


def changed_view(
    pixel_values: torch.Tensor,
    pixel_mask: torch.Tensor,
    shear: float = 0.0,
    scale: float = 1.0,
    stroke: float = 0.0,
) -> torch.Tensor:
    """The lines, changed within their width.

    Args:
        pixel_values: `(batch, channels, height, width)`, ink lower than paper.
        pixel_mask: `(batch, width)`, 1 on the line's own columns.
        shear: Columns that a row moves to the right for each row above the middle.
        scale: Factor of the writing's height, about the middle.
        stroke: Part of the way to strokes that are a pixel wider on each side; negative: thinner.

    Returns:
        As `pixel_values`; padding stays zero.
    """
    is_line = pixel_mask.bool()[:, None, None, :]  # (batch, 1, 1, width)
    paper = pixel_values.masked_fill(~is_line, -torch.inf).amax(dim=(1, 2, 3), keepdim=True)
    # Paper and padding are both 0 here, so what a change brings in from outside is paper.
    ink = (paper - pixel_values).masked_fill(~is_line, 0.0)
    if stroke:
        ink = torch.lerp(ink, _grow(ink) if stroke > 0 else -_grow(-ink), abs(stroke))
    if scale != 1.0:
        ink = torch.einsum("yr,bcrx->bcyx", _row_weights(ink, scale), ink)
    if shear:
        ink = _shift_rows(ink, shear)
    return (paper - ink).masked_fill(~is_line, 0.0)


def _grow(ink: torch.Tensor) -> torch.Tensor:
    """Every pixel as the largest among it and its eight neighbours."""
    # Zeros around it, as the padding of a line in a wider batch is.
    return F.max_pool2d(F.pad(ink, (1, 1, 1, 1)), 3, stride=1)


def _row_weights(ink: torch.Tensor, scale: float) -> torch.Tensor:
    """Linear interpolation `(height, height)` from the old rows to those of the scaled line."""
    height = ink.shape[2]
    rows = torch.arange(height, dtype=ink.dtype, device=ink.device)
    middle = (height - 1) / 2
    source = (rows - middle) / scale + middle
    return (1 - (source[:, None] - rows[None, :]).abs()).clamp(min=0)


def _shift_rows(ink: torch.Tensor, shear: float) -> torch.Tensor:
    """Each row moved to the right by `shear` columns per row above the middle, interpolated."""
    height, width = ink.shape[2:]
    margin = int(abs(shear) * height / 2) + 1
    padded = F.pad(ink, (margin, margin))
    sheared = []
    for row in range(height):
        start = margin - shear * ((height - 1) / 2 - row)
        left = math.floor(start)
        part = padded[:, :, row, left : left + width + 1]
        sheared.append(torch.lerp(part[..., :-1], part[..., 1:], start - left))
    return torch.stack(sheared, dim=2)


__all__ = ["MAX_VIEWS", "VIEWS", "changed_view", "check_num_views", "read_views"]
