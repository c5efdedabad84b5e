"""Which lines and words of IAM are for training, validation and test.

In: the line ids of a published protocol, from the package or the user's folder. Out: ids by split.
Sources of the protocols: see `hwr_hf.data.iam`. The random division of words is that of Ma (2023),
https://doi.org/10.5220/0012801000003885
"""

import hashlib
from collections.abc import Iterable
from importlib import resources
from pathlib import Path

from .iam_text import line_id

SPLIT_FILES = {
    "train": ("tr.lst",),
    "validation": ("va.lst", "va1.lst", "va2.lst"),
    "test": ("te.lst",),
}
RANDOM_TRAIN_SHARE = 0.8
RANDOM_SEED = 0


def read_split_lists(data_dir: Path, split: str) -> dict[str, list[str]]:
    """Line ids of a protocol as `{"train": [...], "validation": [...], "test": [...]}`.

    Lists in `data_dir/splits/<split>/` (one id a line; `tr.lst`, `va.lst` or `va1.lst` and
    `va2.lst`, `te.lst`) are taken before the package's own, which are the published ones.

    Raises:
        ValueError: A list is missing, or an id is in two splits.
    """
    folder = data_dir / "splits" / split
    if not folder.is_dir():
        folder = resources.files(__package__) / "splits" / split
    lists = {}
    split_of_line = {}
    for name, file_names in SPLIT_FILES.items():
        files = [folder / file_name for file_name in file_names if (folder / file_name).is_file()]
        if not files:
            raise ValueError(
                f"{folder} has no {' or '.join(file_names)}. Put it there, or remove the folder "
                "to use the lists that come with hwr_hf."
            )
        ids = (line.strip() for file in files for line in file.read_text("utf-8").splitlines())
        lists[name] = list(dict.fromkeys(filter(None, ids)))
        for line in lists[name]:
            if split_of_line.setdefault(line, name) != name:
                raise ValueError(
                    f"{folder}: {line} is in {split_of_line[line]} and in {name}. "
                    "Take it out of one of them."
                )
    return lists


def words_of_lines(
    word_ids: Iterable[str], lines_by_split: dict[str, list[str]]
) -> dict[str, list[str]]:
    """Word ids by split: a word goes where its line is, or nowhere if its line is in no list."""
    split_of_line = {line: name for name, lines in lines_by_split.items() for line in lines}
    words_by_split = {name: [] for name in lines_by_split}
    for word_id in word_ids:
        if line_id(word_id) in split_of_line:
            words_by_split[split_of_line[line_id(word_id)]].append(word_id)
    return words_by_split


def random_split(ids: Iterable[str]) -> dict[str, list[str]]:
    """About 80 % `train` and 20 % `test`.

    Each id is drawn by its own hash, so it falls on the same side in every copy of IAM, however
    incomplete, and whatever is filtered out.
    """
    ids_by_split = {"train": [], "test": []}
    for image_id in ids:
        digest = hashlib.sha256(f"{RANDOM_SEED}:{image_id}".encode()).digest()
        share = int.from_bytes(digest[:8], "big") / 2**64
        ids_by_split["train" if share < RANDOM_TRAIN_SHARE else "test"].append(image_id)
    return ids_by_split
