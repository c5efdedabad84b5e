"""The lines of a batch side by side in one strip, which is convolved without their padding.

In: `pixel_values` `(batch, channels, height, width)` and `pixel_mask` `(batch, width)`.
Out: a strip `(1, channels, height, columns)`, and from features under the strip's frames
`(1, frames, features)` those of every line, `(batch, frames, features)`.

Convolving a line's padding takes as long as convolving its writing, and to every new shape of its
input oneDNN writes code that stays in memory. A strip has a gap of few columns after each line, and
its width is one of few. Where the gaps are set to zero before every convolution a line gives what
it gives alone: its neighbours are out of reach, and a gap looks like the convolution's own padding.
"""

from dataclasses import dataclass

import torch

STEM_REACH = 3  # columns that the network's first convolution, 7 wide, sees to each side
WIDTHS_PER_OCTAVE = 8  # between a width and twice as much; more take less padding and more memory


@dataclass(frozen=True)
class Strip:
    """A batch's lines side by side.

    Attributes:
        pixel_values: `(1, channels, height, columns)`, 0 in the gaps.
        mask: `(1, columns)`, True on the lines' own columns.
        frames: `(batch, frames)`, the strip's frame that shows what each line's frame shows; for
            frames of a line's padding one in a gap.
        frame_mask: `(batch, frames)`, True on the lines' own frames.
    """

    pixel_values: torch.Tensor
    mask: torch.Tensor
    frames: torch.Tensor
    frame_mask: torch.Tensor

    def apart(self, features: torch.Tensor) -> torch.Tensor:
        """`(batch, frames, features)` of the lines from `(1, frames, features)` of the strip."""
        return features[0].index_select(0, self.frames.flatten()).unflatten(0, self.frames.shape)


def side_by_side(pixel_values: torch.Tensor, pixel_mask: torch.Tensor, column_stride: int) -> Strip:
    """The strip of a batch of lines.

    Args:
        pixel_values: `(batch, channels, height, width)`.
        pixel_mask: `(batch, width)`, True on the line's own columns, which come first.
        column_stride: Columns per frame. Every line starts at a whole frame.
    """
    widths = pixel_mask.sum(dim=1)
    num_frames = -(-widths // column_stride)
    # A gap is at least one column of the coarsest feature maps, and no narrower than the stem sees.
    ends = (num_frames + -(-STEM_REACH // column_stride)).cumsum(dim=0)
    starts = ends - ends.diff(prepend=ends.new_zeros(1))
    num_columns = rounded_up(int(ends[-1])) * column_stride
    batch_size, channels, height, width = pixel_values.shape
    strip = pixel_values.new_zeros(1, channels, height, num_columns)
    mask = torch.zeros(1, num_columns, dtype=torch.bool)
    for line, start, width_ in zip(pixel_values, starts.tolist(), widths.tolist(), strict=True):
        own = slice(start * column_stride, start * column_stride + width_)
        strip[0, :, :, own] = line[:, :, :width_]
        mask[0, own] = True
    position = torch.arange(-(-width // column_stride)).expand(batch_size, -1)
    frame_mask = position < num_frames[:, None]
    frames = starts[:, None] + torch.minimum(position, num_frames[:, None])
    return Strip(strip, mask, frames, frame_mask)


def rounded_up(number: int) -> int:
    """The next of `WIDTHS_PER_OCTAVE` numbers from one power of two to the next."""
    step = max(1, 2 ** (number.bit_length() - 1) // WIDTHS_PER_OCTAVE)
    return -(-number // step) * step
