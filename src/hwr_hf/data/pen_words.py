"""Pen strokes of lines in, other lines of the same words out.

A line is cut into words at its widest gaps, or not at all where they leave a doubt. Words are kept
in units of their line's writing, so that those of different hands fit beside each other.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from .iam_ondb import PenLine, WritingFrame

NORMAL_FRAME = WritingFrame(middle=0.0, slope=0.0, x_height=1.0)  # of `PenWord`s side by side
# A gap between words is wider than any within one; a doubtful line is not cut.
MIN_GAP_RATIO = 1.25
# Widths per character of a line's words differ by less than this, or a gap was taken wrongly.
MAX_WIDTH_RATIO = 2.5


@dataclass(frozen=True)
class PenWord:
    """A word in units of its line's writing: x from 0, y from the middle of the small letters.

    Attributes:
        text: What is written.
        strokes: Arrays `(points, 2)`; 1.0 is the height of the small letters.
        form_id: The page it is from.
    """

    text: str
    strokes: list[np.ndarray]
    form_id: str

    @cached_property
    def width(self) -> float:
        """Extent along the line, in heights of the small letters."""
        return max(float(stroke[:, 0].max()) for stroke in self.strokes)


def split_words(line: PenLine) -> list[PenWord] | None:
    """The words of a line, cut at its widest gaps.

    Returns:
        One `PenWord` for each word of the text, or None where the gaps leave a doubt: one within a
        word is about as wide as one between two, or a word would be far too wide for its text.
    """
    texts = line.text.split()
    frame = line.frame
    strokes = sorted(line.strokes, key=lambda stroke: stroke[:, 0].min())
    starts = np.array([stroke[:, 0].min() for stroke in strokes])
    ends = np.maximum.accumulate([stroke[:, 0].max() for stroke in strokes])
    gaps = starts[1:] - ends[:-1]  # below 0 where a stroke overlaps those before it
    if len(gaps) < len(texts) - 1:
        return None
    by_width = np.sort(gaps)[::-1]
    num_cuts = len(texts) - 1
    if num_cuts:
        widest_within = by_width[num_cuts] if len(by_width) > num_cuts else 0.0
        if by_width[num_cuts - 1] < MIN_GAP_RATIO * max(widest_within, 0.1 * frame.x_height):
            return None
    cuts = np.sort(np.argsort(-gaps, kind="stable")[:num_cuts]) + 1
    groups = [
        strokes[start:end] for start, end in zip([0, *cuts], [*cuts, len(strokes)], strict=True)
    ]
    words = []
    for text, group in zip(texts, groups, strict=True):
        left = min(float(stroke[:, 0].min()) for stroke in group)
        words.append(
            PenWord(text, [frame.normalize(stroke, left) for stroke in group], line.form_id)
        )
    per_character = np.array([word.width / len(word.text) for word in words if len(word.text) > 2])
    if len(per_character) and per_character.max() > MAX_WIDTH_RATIO * per_character.min():
        return None
    return words


class PenWords:
    """Words of many lines by their text, to write other sentences with.

    Args:
        lines: Lines to take words from; those whose words cannot be told apart give none.

    Raises:
        ValueError: No line gives a word.
    """

    def __init__(self, lines: Iterable[PenLine]):
        self.by_text: dict[str, list[PenWord]] = {}
        self.by_form: dict[str, list[PenWord]] = {}
        for line in lines:
            for word in split_words(line) or ():
                self.by_text.setdefault(word.text, []).append(word)
                self.by_form.setdefault(word.form_id, []).append(word)
        if not self.by_text:
            raise ValueError("No line could be cut into words. Give more lines, or drawn ones.")
        self.forms = sorted(self.by_form)

    def compose(
        self, texts: Sequence[str], rng: np.random.Generator
    ) -> tuple[str, list[np.ndarray]] | None:
        """Strokes of these words side by side, each from whoever wrote it.

        Returns:
            The text and its strokes, or None if a word was never written.
        """
        choices = [self.by_text.get(text) for text in texts]
        if not texts or any(choice is None for choice in choices):
            return None
        words = [choice[rng.integers(len(choice))] for choice in choices]
        return side_by_side(words, rng)

    def known_run(self, texts: Sequence[str]) -> list[str]:
        """The longest run of these words of which each was written at least once."""
        runs, start = [[]], 0
        for end, text in enumerate([*texts, None]):
            if text not in self.by_text:
                runs.append(list(texts[start:end]))
                start = end + 1
        return max(runs, key=len)

    def shuffle(self, num_words: int, rng: np.random.Generator) -> tuple[str, list[np.ndarray]]:
        """Strokes of words of one form in another order: one hand, and no sense."""
        words = self.by_form[self.forms[rng.integers(len(self.forms))]]
        count = min(num_words, len(words))
        chosen = rng.choice(len(words), size=count, replace=False)
        return side_by_side([words[index] for index in chosen], rng)


def side_by_side(
    words: Sequence[PenWord], rng: np.random.Generator
) -> tuple[str, list[np.ndarray]]:
    """Words put on one line, about the height of a small letter apart."""
    strokes, left = [], 0.0
    spacing = rng.uniform(0.8, 1.8)
    for word in words:
        shift = np.array([left, rng.normal(0.0, 0.06)], dtype=np.float32)
        strokes += [stroke + shift for stroke in word.strokes]
        left += word.width + spacing * rng.uniform(0.75, 1.25)
    return " ".join(word.text for word in words), strokes
