from collections import Counter

import pytest

from hwr_hf.data.group_splits import draw_folds, draw_splits


def lines_by_split(group_sizes, split_of):
    counts = Counter()
    for group, size in group_sizes.items():
        counts[split_of[group]] += size
    return counts


def test_lines_drawn_one_by_one_meet_the_shares_exactly():
    sizes = {str(number): 1 for number in range(200)}
    counts = lines_by_split(sizes, draw_splits(sizes, validation=0.1, test=0.2))
    assert counts == {"train": 140, "validation": 20, "test": 40}


def test_pages_come_close_to_the_shares():
    sizes = {f"page {number}": 7 for number in range(30)}
    counts = lines_by_split(sizes, draw_splits(sizes, validation=0.1, test=0.1))
    assert counts == {"train": 168, "validation": 21, "test": 21}


def test_the_draw_depends_on_names_and_seed_alone():
    names = [f"page {number}" for number in range(50)]
    forwards = draw_splits(dict.fromkeys(names, 3), 0.2, 0.2, seed=1)
    backwards = draw_splits(dict.fromkeys(reversed(names), 3), 0.2, 0.2, seed=1)
    assert forwards == backwards
    assert forwards != draw_splits(dict.fromkeys(names, 3), 0.2, 0.2, seed=2)


def test_the_draw_is_the_same_on_every_machine():
    assert draw_splits(dict.fromkeys("abcd", 1), 0.25, 0.25, seed=0) == {
        "a": "validation",
        "b": "train",
        "c": "train",
        "d": "test",
    }


def test_a_writer_of_most_lines_stays_in_training():
    for seed in range(20):
        split_of = draw_splits({"much": 90, "b": 5, "c": 5}, 0.1, 0.1, seed)
        assert split_of["much"] == "train"


@pytest.mark.parametrize(
    ("sizes", "splits"),
    [
        ({"a": 9}, ["train"]),
        ({"a": 9, "b": 9}, ["test", "train"]),
        ({"a": 9, "b": 9, "c": 9}, ["test", "train", "validation"]),
        ({}, []),
    ],
)
def test_few_groups_fill_training_first(sizes, splits):
    assert sorted(draw_splits(sizes, 0.1, 0.1).values()) == splits


def test_a_share_of_nothing_draws_nothing():
    sizes = dict.fromkeys(map(str, range(9)), 1)
    assert set(draw_splits(sizes, validation=0, test=0).values()) == {"train"}


@pytest.mark.parametrize("shares", [(0.5, 0.5), (-0.1, 0.2), (1.0, 0.0)])
def test_shares_that_leave_no_training_are_refused(shares):
    with pytest.raises(ValueError, match="leave nothing for training"):
        draw_splits({"a": 1}, *shares)


def test_folds_are_of_about_the_same_size():
    sizes = {f"writer {number}": 1 + number % 5 for number in range(60)}  # 180 lines
    counts = lines_by_split(sizes, draw_folds(sizes, num_folds=4))
    assert sum(counts.values()) == 180
    assert set(counts) == {0, 1, 2, 3}
    assert max(counts.values()) - min(counts.values()) <= 5


def test_folds_depend_on_names_and_seed_alone():
    names = [f"writer {number}" for number in range(50)]
    forwards = draw_folds(dict.fromkeys(names, 3), 5, seed=1)
    assert forwards == draw_folds(dict.fromkeys(reversed(names), 3), 5, seed=1)
    assert forwards != draw_folds(dict.fromkeys(names, 3), 5, seed=2)


@pytest.mark.parametrize("num_folds", [0, 1, 4])
def test_a_fold_without_a_group_is_refused(num_folds):
    with pytest.raises(ValueError, match=f"{num_folds} folds of 3 writers"):
        draw_folds(dict.fromkeys("abc", 1), num_folds)
