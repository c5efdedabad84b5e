"""Where two texts differ, as spans of words.

In: a recognised line and a proposed text of it. Out: edits, each a run of words of the recognised
line and what stands in its place. Words are what stands between spaces; a run that is split into
more words or joined to fewer is one edit.
Alignment: Levenshtein distance by dynamic programming, Wagner & Fischer (1974),
https://doi.org/10.1145/321796.321811
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np

OTHER_KIND = 3  # of a substitution, against 1 within a kind; a deletion and an insertion are 2


@dataclass(frozen=True)
class Edit:
    """A run of words of the recognised text, and what is proposed in its place.

    Attributes:
        start: First character in the recognised text.
        end: Character after the last one.
        old: The recognised words, `recognised[start:end]`; never empty.
        new: The proposed words; never empty.
        corrector_change: Natural logarithm of how much more probable the corrector finds the line
            with this edit than without; None if it was not scored.
        recogniser_change: The same of the recogniser, given the image; None if there is no image.
        score: What the gate made of both; None if it was not scored.
        accepted: Whether the gate took it.
    """

    start: int
    end: int
    old: str
    new: str
    corrector_change: float | None = None
    recogniser_change: float | None = None
    score: float | None = None
    accepted: bool = False


@dataclass(frozen=True)
class Correction:
    """A line before and after its correction.

    Attributes:
        recognised: The text as it was read.
        corrected: The same with the accepted edits made.
        edits: All that were proposed, left to right, also those that were not accepted.
    """

    recognised: str
    corrected: str
    edits: tuple[Edit, ...] = ()


def word_edits(recognised: str, proposed: str) -> list[Edit]:
    """The smallest runs of words in which the texts differ, left to right.

    Numbers of spaces between words do not count. A word that is put in or taken out makes one edit
    with a neighbour. There is none where either text is blank.

    >>> [(edit.old, edit.new) for edit in word_edits("the hause of the re", "the house of there")]
    [('hause', 'house'), ('the re', 'there')]
    """
    old_words = [(match.start(), match.end()) for match in re.finditer(r"\S+", recognised)]
    new_words = proposed.split()
    if not old_words or not new_words:
        return []
    old_line = " ".join(recognised[start:end] for start, end in old_words)
    new_line = " ".join(new_words)
    pairs = align_characters(old_line, new_line)
    # Lines come apart where a space stands over a space.
    cuts = [pair for pair in pairs if None not in pair and old_line[pair[0]] == " "]
    edits = []
    old_start = new_start = 0  # in words
    for old_cut, new_cut in [*cuts, (len(old_line), len(new_line))]:
        old_end = old_line.count(" ", 0, old_cut) + 1
        new_end = new_line.count(" ", 0, new_cut) + 1
        start, end = old_words[old_start][0], old_words[old_end - 1][1]
        new = " ".join(new_words[new_start:new_end])
        if recognised[start:end].split() != new.split():
            edits.append(Edit(start, end, recognised[start:end], new))
        old_start, new_start = old_end, new_end
    return edits


def apply_edits(text: str, edits: Iterable[Edit]) -> str:
    """The text with these edits made; they may not overlap."""
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        text = text[: edit.start] + edit.new + text[edit.end :]
    return text


def edit_distance(old: str, new: str) -> int:
    """Insertions, deletions and substitutions between two texts, as aligned below."""
    return sum(None in pair or old[pair[0]] != new[pair[1]] for pair in align_characters(old, new))


def align_characters(old: str, new: str) -> list[tuple[int | None, int | None]]:
    """Indices of both texts side by side, at the least number of edits.

    Letters and digits, spaces, and all other characters are three kinds, of which none stands over
    another.

    Returns:
        `(old index, new index)` left to right; None where the other text has nothing.
    """
    old_characters, new_characters = np.array(list(old)), np.array(list(new))
    old_kinds, new_kinds = (np.array([_kind(c) for c in text], dtype=int) for text in (old, new))
    steps = np.arange(len(new) + 1)
    costs = np.empty((len(old) + 1, len(new) + 1), dtype=int)
    costs[0] = steps
    for row in range(1, len(old) + 1):
        substitutions = np.where(new_kinds == old_kinds[row - 1], 1, OTHER_KIND)
        substitutions[new_characters == old_characters[row - 1]] = 0
        best = costs[row - 1] + 1  # a deletion
        best[1:] = np.minimum(best[1:], costs[row - 1, :-1] + substitutions)
        costs[row] = np.minimum.accumulate(best - steps) + steps  # then any number of insertions

    pairs: list[tuple[int | None, int | None]] = []
    row, column = len(old), len(new)
    while row or column:
        if row and costs[row, column] == costs[row - 1, column] + 1:
            row -= 1
            pairs.append((row, None))
        elif column and costs[row, column] == costs[row, column - 1] + 1:
            column -= 1
            pairs.append((None, column))
        else:
            row, column = row - 1, column - 1
            pairs.append((row, column))
    return pairs[::-1]


def _kind(character: str) -> int:
    if character.isspace():
        return 0
    return 1 if character.isalnum() else 2
