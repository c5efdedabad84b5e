"""Batches of images of like width, each at most a given number of columns.

A batch is padded to its widest image, so images of like width waste little, and one of many narrow
words costs about as much as one of a few long lines.
"""

from collections.abc import Iterator, Sequence

import numpy as np
from torch.utils.data import Sampler


class WidthBucketSampler(Sampler[list[tuple[int, int]]]):
    """Shuffled batches of `(example number, epoch)`; the same for the same seed and epoch.

    The number of batches is the same in every epoch, so that schedules and resuming can count.

    Args:
        widths: Columns of every example.
        max_columns: Columns of a batch, padding included. An example wider than this is a batch of
            its own.
        bucket_columns: Widths are padded to a multiple of this.
        seed: Of the shuffling.
    """

    def __init__(
        self, widths: Sequence[int], max_columns: int, bucket_columns: int = 64, seed: int = 0
    ):
        self.seed = seed
        self.epoch = 0
        padded = -(-np.asarray(widths) // bucket_columns) * bucket_columns
        self.buckets = [
            (np.flatnonzero(padded == width), max(1, max_columns // width))
            for width in np.unique(padded).tolist()
        ]

    def set_epoch(self, epoch: int) -> None:
        """Chooses the epoch's order; a training loop calls this before every epoch."""
        self.epoch = epoch

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        rng = np.random.default_rng([self.seed, self.epoch])
        batches = []
        for examples, batch_size in self.buckets:
            shuffled = rng.permutation(examples)
            batches += [
                shuffled[start : start + batch_size].tolist()
                for start in range(0, len(shuffled), batch_size)
            ]
        for index in rng.permutation(len(batches)):
            yield [(example, self.epoch) for example in batches[index]]

    def __len__(self) -> int:
        return sum(-(-len(examples) // batch_size) for examples, batch_size in self.buckets)
