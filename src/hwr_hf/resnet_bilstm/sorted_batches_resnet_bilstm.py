"""Many lines of different widths: batches of like width, read side by side, answers in order.

In: one line's model inputs after the other, each with a batch axis of 1. Out: one line's model
outputs after the other, in the same order, each with a batch axis of 1.
The narrower lines of a batch are padded to its widest, and padding costs as much time as writing;
among `BATCHES_AHEAD` batches' lines those of like width are put together.
"""

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import nullcontext
from itertools import islice
from threading import Lock

import torch
from torch.nn import functional as F

BATCHES_AHEAD = 5  # more would save little padding and keep more lines in memory
WINDOWS_AHEAD = 2  # of so many batches; with 1 the readers would now and then run out of lines
LARGE_BLOCK = 31 << 20  # bytes; glibc follows blocks of up to 32 MiB
COLUMNS_PER_LINE = 448  # most of a batch in float32, on average: its feature maps take some 6 MB


def read_in_batches(
    lines: Iterable[dict[str, torch.Tensor]],
    read_batch: Callable[[dict[str, torch.Tensor]], dict[str, torch.Tensor]],
    batch_size: int,
    num_threads: int = 1,
    columns_per_line: int = COLUMNS_PER_LINE,
) -> Iterator[dict[str, torch.Tensor]]:
    """Outputs of lines, `read_batch` called in threads while further lines are asked for.

    Args:
        lines: `pixel_values` `(1, channels, height, width)`, `pixel_mask` `(1, width)`, and tensors
            of one size with a leading axis of 1.
        read_batch: From the inputs of a batch to its outputs, batch axis first.
        batch_size: Most lines read at once, those of all threads together: memory does not grow
            with the number of threads.
        num_threads: Batches read at once, each with one of PyTorch's threads, and until the last
            output the calling thread has one too; with 1 PyTorch spreads a batch over all of its
            own.
        columns_per_line: As of `rows_of_like_width`.
    """

    def read_rows(window: list[dict[str, torch.Tensor]], rows: list[int]):
        return read_batch(collate_lines([window[row] for row in rows]))

    _let_malloc_keep_freed_memory()
    lines = iter(lines)
    batches_ahead = 1  # the first ones are few: until they are prepared nothing is read
    # What waits for work of this thread's own would else take it from the readers.
    limit, own_limit = (None, ()), nullcontext()
    if num_threads > 1:
        limit, own_limit = (torch.set_num_threads, (1,)), _ONE_THREAD
    with own_limit, ThreadPoolExecutor(num_threads, "read", *limit) as pool:
        running: deque[list[tuple[list[int], Future]]] = deque()
        try:
            while window := list(islice(lines, batches_ahead * batch_size)):
                batches_ahead = min(2 * batches_ahead, BATCHES_AHEAD)
                size = -(-min(batch_size, len(window)) // num_threads)
                batches = rows_of_like_width(window, size, columns_per_line)
                running.append([(rows, pool.submit(read_rows, window, rows)) for rows in batches])
                # The next windows are prepared while this one is read.
                if len(running) > WINDOWS_AHEAD:
                    yield from _in_order(running.popleft())
            while running:
                yield from _in_order(running.popleft())
        finally:
            pool.shutdown(cancel_futures=True)


class _OneThread:
    """Context in which PyTorch has one thread, until the last of those who entered has left it.

    Several readings may be under way, each beginning and ending when its outputs are asked for.
    What a thread sets for itself is also the start value of threads to come.
    """

    def __init__(self):
        self._lock = Lock()
        self._num_inside = 0
        self._num_before = 1

    def __enter__(self) -> None:
        with self._lock:
            if self._num_inside == 0:
                self._num_before = torch.get_num_threads()
            self._num_inside += 1
            torch.set_num_threads(1)

    def __exit__(self, *error) -> None:
        with self._lock:
            self._num_inside -= 1
            if self._num_inside == 0:
                torch.set_num_threads(self._num_before)


_ONE_THREAD = _OneThread()


def _let_malloc_keep_freed_memory() -> None:
    """Spares a page fault for every page of a batch's feature maps.

    To begin with, glibc gives freed memory back to the system at once. When a block of such a size
    has been freed it holds on to twice as much, for the next of its kind. Other allocators, and the
    block's pages, which are never touched, take no notice.
    """
    torch.empty(LARGE_BLOCK, dtype=torch.uint8)


def rows_of_like_width(
    lines: list[dict[str, torch.Tensor]],
    batch_size: int,
    columns_per_line: int = COLUMNS_PER_LINE,
) -> list[list[int]]:
    """Positions of the lines of each batch, from the widest to the narrowest.

    The widest come first so that no long batch is left to the end. Of wide lines a batch has fewer
    than `batch_size`: it has `columns_per_line` times as many columns at most, which bounds memory.
    """
    widths = [line["pixel_mask"].shape[-1] for line in lines]
    batches: list[list[int]] = []
    left = 0  # lines that the batch at hand still takes
    for row in sorted(range(len(lines)), key=lambda row: -widths[row]):
        if left == 0:
            batches.append([])
            left = max(1, min(batch_size, batch_size * columns_per_line // widths[row]))
        batches[-1].append(row)
        left -= 1
    return batches


def _in_order(batches: list[tuple[list[int], Future]]) -> Iterator[dict[str, torch.Tensor]]:
    outputs = {}
    for rows, future in batches:
        batch = future.result()
        for position, row in enumerate(rows):
            outputs[row] = {name: value[position : position + 1] for name, value in batch.items()}
    for row in sorted(outputs):
        yield outputs.pop(row)


def collate_lines(items: list[dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """One batch of items, `pixel_values` and `pixel_mask` padded with zeros to the widest."""
    width = max(item["pixel_mask"].shape[-1] for item in items)
    return {
        name: torch.cat(
            [
                F.pad(item[name], (0, width - item[name].shape[-1]))
                if name in ("pixel_values", "pixel_mask")
                else item[name]
                for item in items
            ]
        )
        for name in items[0]
    }


__all__ = ["COLUMNS_PER_LINE", "collate_lines", "read_in_batches", "rows_of_like_width"]
