"""Word crops in, lines of one writer's words in another order out.

A crop ends where its ink does, so the baseline is worked out from the letters: a word with
descenders stands lower than its lower edge, by what descenders are long. Words keep their size;
crops of one writer come from one scan.
"""

from collections.abc import Iterator

import datasets
import numpy as np
from PIL import Image

from hwr_hf.resnet_bilstm import image_transforms_resnet_bilstm
from hwr_hf.resnet_bilstm.image_transforms_resnet_bilstm import (
    UNREADABLE_IMAGE,
    crop_to_ink,
    to_grey,
)

from .code_fingerprint import code_fingerprint
from .iam import writers_of
from .iam_text import STOPS
from .pen import PAPER
from .synthetic import NUM_SHARDS, ranges_of

# What a character reaches above and below the baseline, in heights of the small letters.
ASCENT, DESCENT = 1.8, 0.8
ASCENDING = frozenset("bdfhklABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789!?()/&\"'")
HALF_ASCENDING = frozenset("ti;:")  # 1.4
DESCENDING = frozenset("gjpqyf,;()Q")
MIN_WORDS, MAX_WORDS = 3, 9


def extent(text: str) -> tuple[float, float]:
    """What a word reaches above and below its baseline, in heights of the small letters.

    >>> extent("no"), extent("day")
    ((1.0, 0.0), (1.8, 0.8))
    """
    if set(text) <= set("-+*"):
        return 0.7, -0.4
    if set(text) <= set("\"'"):
        return ASCENT, -1.0
    if set(text) <= set(".,"):
        return 0.3, 0.4 if "," in text else 0.0
    above = 1.0
    if not ASCENDING.isdisjoint(text):
        above = ASCENT
    elif not HALF_ASCENDING.isdisjoint(text):
        above = 1.4
    return above, 0.0 if DESCENDING.isdisjoint(text) else DESCENT


def join_words(
    crops: list[np.ndarray], texts: list[str], rng: np.random.Generator
) -> tuple[np.ndarray, str]:
    """Crops side by side on a common baseline, and what they say.

    Args:
        crops: Words cropped to their ink, uint8 `(height, width)`, 0 = ink, 255 = paper.
        texts: One for each; a stop follows the word before it without a space.
        rng: Of the gaps and of the small errors of the baseline.

    Returns:
        uint8 `(height, width)` and the text.

    Raises:
        ValueError: There is no word, or the numbers differ.
    """
    if not crops or len(crops) != len(texts):
        raise ValueError(
            f"{len(crops)} crops and {len(texts)} texts given. Give one text for each of at least "
            "one crop."
        )
    extents = [extent(text) for text in texts]
    x_height = float(
        np.median(
            [len(c) / (above + below) for c, (above, below) in zip(crops, extents, strict=True)]
        )
    )
    gap = x_height * rng.uniform(0.5, 1.3)
    tops, lefts, pen, text = [], [], 0.0, ""
    for crop, word, (above, below) in zip(crops, texts, extents, strict=True):
        joined = word in STOPS
        if text:
            pen += 0.2 * x_height if joined else gap * rng.uniform(0.75, 1.25)
            text += "" if joined else " "
        text += word
        lefts.append(round(pen))
        # The middle of the crop is the middle of what its letters reach.
        middle = -(above - below) / 2 * x_height
        tops.append(round(middle - len(crop) / 2 + 0.05 * x_height * rng.standard_normal()))
        pen += crop.shape[1]
    top = min(tops)
    bottom = max(y + len(crop) for y, crop in zip(tops, crops, strict=True))
    line = np.full((bottom - top, lefts[-1] + crops[-1].shape[1]), PAPER, dtype=np.uint8)
    for crop, x, y in zip(crops, lefts, tops, strict=True):
        place = line[y - top : y - top + len(crop), x : x + crop.shape[1]]
        np.minimum(place, crop, out=place)
    return line, text


def load_joined_words(
    words: datasets.Dataset, num_lines: int, seed: int = 0, num_proc: int | None = None
) -> datasets.Dataset:
    """So many lines of joined words as a cached data set.

    Args:
        words: Columns `image`, `text` and `writer_id` or, where that is not known, `form_id`, such
            as the training words of `load_iam`.
        num_lines: Lines to make.
        seed: Of their choice.
        num_proc: Processes.

    Returns:
        Columns `image` and `text`.

    Raises:
        ValueError: There is no word, or nothing says whose one is, or none of the images can be
            read.
    """
    if len(words) == 0:
        raise ValueError("There is no word to join. Give a data set of word images.")
    writers_of(words)  # what it raises is said here and not by a worker process
    return datasets.Dataset.from_generator(
        _examples,
        features=datasets.Features({"image": datasets.Image(), "text": datasets.Value("string")}),
        gen_kwargs={
            "ranges": ranges_of(num_lines, NUM_SHARDS),
            "words": words,
            "seed": seed,
            "code": code_fingerprint(join_words, image_transforms_resnet_bilstm),
        },
        num_proc=num_proc,
    )


def _examples(
    ranges: list[tuple[int, int]], words: datasets.Dataset, seed: int, code: str
) -> Iterator[dict]:
    """Joined lines; `code` is in the key of the cache only."""
    writers = np.array(writers_of(words))
    rows_of = {writer: np.flatnonzero(writers == writer) for writer in np.unique(writers)}
    texts = words["text"][:]
    for number in (number for start, end in ranges for number in range(start, end)):
        rng = np.random.default_rng([seed, number])
        rows = rows_of[writers[rng.integers(len(writers))]]  # who wrote more comes more often
        count = min(len(rows), int(rng.integers(MIN_WORDS, MAX_WORDS + 1)))
        crops, said = [], []
        for row in rng.choice(rows, size=count, replace=False).tolist():
            try:
                crops.append(crop_to_ink(to_grey(words[row]["image"])))
            except UNREADABLE_IMAGE:
                continue
            said.append(texts[row])
        if crops:
            line, text = join_words(crops, said, rng)
            yield {"image": Image.fromarray(line), "text": text}
