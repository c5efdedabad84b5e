"""Groups of lines in, the split or fold of each group out: no page or writer is ever in two.

The draw is by hash, so it is the same on every machine and in every order of the groups.
"""

import hashlib
from collections.abc import Mapping

SPLITS = ("train", "validation", "test")


def draw_splits(
    group_sizes: Mapping[str, int], validation: float, test: float, seed: int = 0
) -> dict[str, str]:
    """Deal groups out so that validation and test get about their share of the lines.

    The groups come in the order of a hash of seed and name. Test and then validation take those
    that still fit into their share; where none fits, the smallest. Each gets one as long as one is
    left for training.

    Args:
        group_sizes: Lines of every group.
        validation: Share of the lines, 0 to 1.
        test: Share of the lines, 0 to 1; less than 1 together with `validation`.
        seed: Of the hash.

    Returns:
        `"train"`, `"validation"` or `"test"` by group.

    Raises:
        ValueError: A share is out of range, or nothing would be left for training.

    >>> draw_splits({"a": 5, "b": 5}, validation=0.5, test=0)
    {'a': 'validation', 'b': 'train'}
    """
    check_shares(validation, test)
    remaining = sorted(group_sizes, key=lambda group: _hash(seed, group))
    total = sum(group_sizes.values())
    split_of = {}
    for split, share in (("test", test), ("validation", validation)):
        wanted = round(share * total)
        taken: list[str] = []
        for group in remaining:
            fits = group_sizes[group] <= wanted
            if fits and len(taken) + 1 < len(remaining):
                taken.append(group)
                wanted -= group_sizes[group]
        if share > 0 and not taken and len(remaining) > 1:
            taken.append(min(remaining, key=group_sizes.__getitem__))
        split_of |= dict.fromkeys(taken, split)
        remaining = [group for group in remaining if group not in split_of]
    return split_of | dict.fromkeys(remaining, "train")


def draw_folds(group_sizes: Mapping[str, int], num_folds: int, seed: int = 0) -> dict[str, int]:
    """Deal groups out to folds of about the same number of lines.

    In the order of a hash of seed and name, each group goes to the fold with the fewest lines.

    Args:
        group_sizes: Lines of every group.
        num_folds: From 2 to the number of groups.
        seed: Of the hash.

    Returns:
        The fold, 0 to `num_folds - 1`, by group.

    Raises:
        ValueError: There are fewer groups than folds, or fewer than 2 folds.

    >>> draw_folds({"a": 5, "b": 4, "c": 1}, num_folds=2)
    {'a': 0, 'b': 1, 'c': 1}
    """
    if not 2 <= num_folds <= len(group_sizes):
        raise ValueError(
            f"{num_folds} folds of {len(group_sizes)} writers or pages cannot be made. "
            "Needed are at least 2 folds, and a writer or page for each."
        )
    sizes = [0] * num_folds
    fold_of = {}
    for group in sorted(group_sizes, key=lambda group: _hash(seed, group)):
        fold_of[group] = sizes.index(min(sizes))
        sizes[fold_of[group]] += group_sizes[group]
    return fold_of


def check_shares(validation: float, test: float) -> None:
    """Raises ValueError unless both are shares and leave something for training."""
    if not (0 <= validation <= 1 and 0 <= test <= 1 and validation + test < 1):
        raise ValueError(
            f"validation={validation} and test={test} leave nothing for training, or are no "
            "shares. Give numbers from 0 to 1 whose sum is less than 1, such as 0.1."
        )


def _hash(seed: int, group: str) -> bytes:
    return hashlib.sha256(f"{seed}\n{group}".encode("utf-8", "surrogatepass")).digest()
