import itertools

import pytest

from hwr_hf.data.batching import WidthBucketSampler

WIDTHS = [60, 64, 65, 500, 130, 640, 30, 64, 1200, 70]


def examples_of(batches):
    return [example for batch in batches for example, _ in batch]


def test_every_example_comes_once_an_epoch():
    batches = WidthBucketSampler(WIDTHS, max_columns=256)
    assert sorted(examples_of(batches)) == list(range(10))


def test_no_batch_has_more_padded_columns_than_allowed_unless_it_is_one_image():
    for batch in WidthBucketSampler(WIDTHS, max_columns=256):
        widest = max(-(-WIDTHS[example] // 64) * 64 for example, _ in batch)
        assert len(batch) == 1 or len(batch) * widest <= 256


def test_images_of_a_batch_are_padded_to_one_width():
    for batch in WidthBucketSampler(WIDTHS, max_columns=10_000):
        assert len({-(-WIDTHS[example] // 64) for example, _ in batch}) == 1


def test_the_number_of_batches_is_known_and_the_same_in_every_epoch():
    sampler = WidthBucketSampler(WIDTHS * 7, max_columns=256)
    counts = []
    for epoch in range(3):
        sampler.set_epoch(epoch)
        counts.append(len(list(sampler)))
    assert counts == [len(sampler)] * 3


def test_epochs_differ_and_the_same_epoch_repeats():
    sampler = WidthBucketSampler(WIDTHS * 7, max_columns=256, seed=5)
    orders = []
    for epoch in (0, 1, 0):
        sampler.set_epoch(epoch)
        orders.append(list(sampler))
    assert orders[0] == orders[2]
    assert examples_of(orders[0]) != examples_of(orders[1])


def test_examples_carry_their_epoch():
    sampler = WidthBucketSampler(WIDTHS, max_columns=256)
    sampler.set_epoch(4)
    assert {epoch for _, epoch in itertools.chain.from_iterable(sampler)} == {4}


@pytest.mark.parametrize("seed", [0, 1])
def test_an_image_wider_than_a_batch_is_alone(seed):
    batches = list(WidthBucketSampler(WIDTHS, max_columns=256, seed=seed))
    assert [(8, 0)] in batches
