"""The lines of a batch side by side in strips, which are convolved without the lines' padding.

In: `pixel_values` `(batch, channels, height, width)` and `pixel_mask` `(batch, width)`.
Out: strips `(1, channels, height, columns)`, and from features under a strip's frames
`(1, frames, features)` those of its lines, `(lines, frames, features)`.

Convolving a line's padding takes as long as convolving its writing, and on a CPU a process holds
more memory the more shapes of input it has convolved. A strip has a gap of few columns after each
line, and its width is one of few. Where the gaps are set to zero before every convolution a line
gives what it gives alone: its neighbours are out of reach, and a gap looks like the convolution's
own padding.
Feature maps take much memory and an LSTM little, which is faster the more lines it reads at once.
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass

import torch

STEM_REACH = 3  # columns that the network's first convolution, 7 wide, sees to each side
MAX_COLUMNS = 3584  # of a strip of several lines in float32; of half as large numbers twice as many
WIDTHS_PER_OCTAVE = 8  # between a width and twice as much; more take less padding and more memory


@dataclass(frozen=True)
class Strip:
    """Some lines side by side.

    Attributes:
        pixel_values: `(1, channels, height, columns)`, 0 in the gaps.
        mask: `(1, columns)`, True on the lines' own columns.
        frames: `(lines, frames)`, the strip's frame that shows what each line's frame shows; for
            frames of a line's padding one in a gap.
    """

    pixel_values: torch.Tensor
    mask: torch.Tensor
    frames: torch.Tensor

    def apart(self, features: torch.Tensor) -> torch.Tensor:
        """`(lines, frames, features)` of the lines from `(1, frames, features)` of the strip."""
        return features[0].index_select(0, self.frames.flatten()).unflatten(0, self.frames.shape)


def strips_of(
    pixel_values: torch.Tensor, pixel_mask: torch.Tensor, column_stride: int
) -> Iterator[Strip]:
    """The strips of a batch, its lines in their order.

    Args:
        pixel_values: `(batch, channels, height, width)`.
        pixel_mask: `(batch, width)`, True on the line's own columns, which come first.
        column_stride: Columns per frame. Every line starts at a whole frame.
    """
    widths = pixel_mask.sum(dim=1).tolist()
    # A gap is at least one column of the coarsest feature maps, and no narrower than the stem sees.
    gap = -(-STEM_REACH // column_stride)
    max_columns = MAX_COLUMNS * torch.float32.itemsize // pixel_values.dtype.itemsize
    first, end = 0, 0  # frame at which the next line would start
    for row, width in enumerate(widths):
        num_frames = -(-width // column_stride) + gap
        if first < row and (end + num_frames) * column_stride > max_columns:
            yield side_by_side(pixel_values[first:row], widths[first:row], column_stride, gap)
            first, end = row, 0
        end += num_frames
    yield side_by_side(pixel_values[first:], widths[first:], column_stride, gap)


def side_by_side(
    pixel_values: torch.Tensor, widths: list[int], column_stride: int, gap: int
) -> Strip:
    """The strip of lines with `gap` frames after each."""
    num_frames = [-(-width // column_stride) for width in widths]
    starts = [0, *itertools.accumulate(number + gap for number in num_frames)]
    num_columns = rounded_up(starts.pop()) * column_stride
    _, channels, height, padded_width = pixel_values.shape
    strip = pixel_values.new_zeros(1, channels, height, num_columns)
    mask = torch.zeros(1, num_columns, dtype=torch.bool)
    for line, start, width in zip(pixel_values, starts, widths, strict=True):
        own = slice(start * column_stride, start * column_stride + width)
        strip[0, :, :, own] = line[:, :, :width]
        mask[0, own] = True
    position = torch.arange(-(-padded_width // column_stride)).expand(len(widths), -1)
    frames = torch.minimum(position, torch.tensor(num_frames)[:, None])
    return Strip(strip, mask, torch.tensor(starts)[:, None] + frames)


def rounded_up(number: int) -> int:
    """The next of `WIDTHS_PER_OCTAVE` numbers from one power of two to the next."""
    step = max(1, 2 ** (number.bit_length() - 1) // WIDTHS_PER_OCTAVE)
    return -(-number // step) * step
