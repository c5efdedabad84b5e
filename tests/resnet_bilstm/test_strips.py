import pytest
import torch

from hwr_hf.resnet_bilstm.strips_resnet_bilstm import MAX_COLUMNS, rounded_up, strips_of


def lines_of(widths, height=2):
    """Lines whose pixels are their own number from 1, padded with -1, and their mask."""
    pixel_values = torch.full((len(widths), 1, height, max(widths)), -1.0)
    pixel_mask = torch.zeros(len(widths), max(widths), dtype=torch.long)
    for number, width in enumerate(widths):
        pixel_values[number, ..., :width] = number + 1
        pixel_mask[number, :width] = 1
    return pixel_values, pixel_mask


def test_lines_stand_side_by_side_with_a_frame_between_them_and_no_padding():
    (strip,) = strips_of(*lines_of([5, 8, 1]), column_stride=4)
    columns = [1] * 5 + [0] * 7 + [2] * 8 + [0] * 4 + [3] + [0] * 7  # 2, 2 and 1 frames, gaps of 1
    assert strip.pixel_values[0, 0].tolist() == [columns] * 2
    assert strip.mask[0].tolist() == [column > 0 for column in columns]


def test_features_under_the_strip_go_back_to_their_lines():
    (strip,) = strips_of(*lines_of([5, 8, 1]), column_stride=4)
    features = torch.arange(8.0).reshape(1, 8, 1)  # frame 2, 5 and 7 are gaps
    assert strip.apart(features)[..., 0].tolist() == [[0, 1], [3, 4], [6, 7]]


@pytest.mark.parametrize(("column_stride", "gap"), [(1, 3), (2, 4), (4, 4), (8, 8)])
def test_no_gap_is_narrower_than_the_stem_sees(column_stride, gap):
    (strip,) = strips_of(*lines_of([8, 8]), column_stride)
    assert strip.pixel_values[0, 0, 0, : 16 + gap].tolist() == [1] * 8 + [0] * gap + [2] * 8


def test_a_line_without_columns_of_its_own_is_all_padding():
    pixel_values, pixel_mask = lines_of([4, 4])
    pixel_mask[0] = 0
    (strip,) = strips_of(pixel_values, pixel_mask, column_stride=4)
    columns = [0] * 4 + [2] * 4 + [0] * 4
    assert strip.pixel_values[0, 0, 0].tolist() == columns
    assert strip.frames.tolist() == [[0], [1]]  # a gap, and the line


def test_a_strip_has_as_many_lines_as_fit_and_at_least_one():
    third = MAX_COLUMNS // 3  # with the gaps two fit and three do not
    widths = [third, third, third, MAX_COLUMNS + 8, 20, 30]
    strips = list(strips_of(*lines_of(widths), column_stride=4))
    assert [strip.pixel_values.unique().tolist() for strip in strips] == [
        [0, 1, 2], [0, 3], [0, 4], [0, 5, 6]
    ]  # fmt: skip
    apart = torch.cat([strip.apart(strip.pixel_values[:, 0, :1, ::4].mT) for strip in strips])
    assert apart.shape == (6, MAX_COLUMNS // 4 + 2, 1)
    assert (apart > 0).sum(dim=(1, 2)).tolist() == [-(-width // 4) for width in widths]


def test_a_strip_has_one_of_few_widths():
    assert [rounded_up(n) for n in (1, 7, 15, 16, 17, 31, 850, 896, 897)] == [
        1, 7, 15, 16, 18, 32, 896, 896, 960
    ]  # fmt: skip
    assert len({rounded_up(number) for number in range(1024, 2048)}) <= 9
