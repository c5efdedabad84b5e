import threading

import pytest
import torch

from hwr_hf.resnet_bilstm.sorted_batches_resnet_bilstm import (
    BATCHES_AHEAD,
    WINDOWS_AHEAD,
    collate_lines,
    read_in_batches,
    rows_of_like_width,
)

WIDTHS = [5, 3, 9, 3, 7, 1, 8, 2, 6, 4] * 5


def lines(widths=WIDTHS):
    for number, width in enumerate(widths):
        yield {
            "pixel_values": torch.ones(1, 1, 2, width),
            "pixel_mask": torch.ones(1, width),
            "number": torch.tensor([number]),
        }


def echo(batch):
    return {"number": batch["number"], "width": batch["pixel_mask"].sum(dim=1)}


@pytest.mark.parametrize("num_threads", [1, 2, 3])
@pytest.mark.parametrize("batch_size", [1, 2, 7, 100])
def test_outputs_come_in_the_order_of_the_lines(batch_size, num_threads):
    outputs = list(read_in_batches(lines(), echo, batch_size, num_threads))
    assert [int(output["number"]) for output in outputs] == list(range(len(WIDTHS)))
    assert [int(output["width"]) for output in outputs] == WIDTHS
    assert all(output["number"].shape == (1,) for output in outputs)


def test_batches_hold_lines_of_like_width():
    widths = []
    rows = [{"pixel_mask": torch.ones(1, width)} for width in [5, 3, 9, 3, 7]]
    for batch in rows_of_like_width(rows, 2):
        widths.append([rows[row]["pixel_mask"].shape[-1] for row in batch])
    assert widths == [[9, 7], [5, 3], [3]]


@pytest.mark.parametrize(
    ("widths", "expected"),
    [
        pytest.param([448, 300, 320], [[448, 320, 300]], id="narrow-enough"),
        pytest.param([640, 600, 64, 64], [[640, 600], [64, 64]], id="two-wide-ones-fill-it"),
        pytest.param([9000, 64], [[9000], [64]], id="one-is-read-however-wide"),
    ],
)
def test_the_columns_of_a_batch_of_three_are_bounded_by_three_times_448(widths, expected):
    rows = [{"pixel_mask": torch.ones(1, width)} for width in widths]
    batches = rows_of_like_width(rows, 3)
    assert [[widths[row] for row in batch] for batch in batches] == expected


def test_a_batch_may_have_more_columns():
    rows = [{"pixel_mask": torch.ones(1, width)} for width in [448] * 6]
    assert [len(batch) for batch in rows_of_like_width(rows, 2)] == [2, 2, 2]
    assert [len(batch) for batch in rows_of_like_width(rows, 4, columns_per_line=224)] == [2, 2, 2]


@pytest.mark.parametrize(("num_lines", "expected"), [(10, [5, 5]), (20, [8, 8, 2, 2])])
def test_the_lines_of_a_batch_are_shared_among_the_threads(num_lines, expected):
    sizes = []

    def read_batch(batch):
        sizes.append(len(batch["number"]))
        return echo(batch)

    few_lines = [line for line, _ in zip(lines(), range(num_lines), strict=False)]
    list(read_in_batches(few_lines, read_batch, batch_size=16, num_threads=2))
    assert sorted(sizes, reverse=True) == expected


@pytest.mark.parametrize(("num_threads", "expected"), [(1, 3), (2, 1)])
def test_beside_reading_threads_the_lines_are_prepared_with_one_thread(num_threads, expected):
    seen = []

    def prepared():
        for line in lines():
            seen.append(torch.get_num_threads())
            yield line

    before = torch.get_num_threads()
    torch.set_num_threads(3)
    try:
        list(read_in_batches(prepared(), echo, 4, num_threads))
        assert set(seen) == {expected}
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)


def test_batches_are_read_at_the_same_time():
    both = threading.Barrier(2, timeout=30)

    def read_batch(batch):
        both.wait()  # breaks, with an error, unless another batch is being read
        return echo(batch)

    four_lines = [line for line, _ in zip(lines(), range(4), strict=False)]
    assert len(list(read_in_batches(four_lines, read_batch, batch_size=2, num_threads=2))) == 4


def test_only_so_many_lines_are_asked_for_ahead():
    asked = 0

    def counted():
        nonlocal asked
        for line in lines(WIDTHS * 2):
            asked += 1
            yield line

    ahead = [asked - n for n, _ in enumerate(read_in_batches(counted(), echo, batch_size=2))]
    assert ahead[0] == 2 + 4 + 8  # a window of one batch, so that reading starts soon, and two more
    assert (
        max(ahead) == (1 + WINDOWS_AHEAD) * BATCHES_AHEAD * 2
    )  # the one that is read and the next


def test_an_error_of_a_batch_is_raised_and_pytorchs_threads_are_as_before():
    def read_batch(batch):
        raise ValueError("no memory")

    before = torch.get_num_threads()
    with pytest.raises(ValueError, match="no memory"):
        list(read_in_batches(lines(), read_batch, batch_size=2, num_threads=2))
    assert torch.get_num_threads() == before


def test_collate_pads_with_masked_zeros():
    items = [
        {"pixel_values": torch.ones(1, 1, 2, w), "pixel_mask": torch.ones(1, w), "n": torch.ones(1)}
        for w in (3, 5)
    ]
    batch = collate_lines(items)
    assert batch["pixel_values"].shape == (2, 1, 2, 5) and batch["n"].shape == (2,)
    assert batch["pixel_mask"].tolist() == [[1, 1, 1, 0, 0], [1, 1, 1, 1, 1]]
    assert batch["pixel_values"][0, :, :, 3:].abs().sum() == 0
