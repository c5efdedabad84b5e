"""Handwritten lines as pen strokes: IAM-OnDB's files in, lines with their texts out.

A stroke is an array `(points, 2)` of x (right) and y (down) in tablet units, its points equally
spaced in time. `hwr_hf.data.pen` draws them, `hwr_hf.data.pen_words` makes other lines of them.
Data: M. Liwicki and H. Bunke, IAM-OnDB, ICDAR 2005, https://doi.org/10.1109/ICDAR.2005.132
"""

import logging
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TypeVar

import numpy as np

from hwr_hf.resnet_bilstm.tokenization_resnet_bilstm import DEFAULT_CHARACTERS

from .corpus import plain_words, runs_of, word_runs
from .iam_ondb_files import OndbRow, read_rows
from .iam_text import detokenize_lines

logger = logging.getLogger(__name__)

# Forms that share a text with a validation or test line of the IAM subset. They were away where
# every 20th form was first held out of training; counted now, they would change which ones are.
NOT_COUNTED = frozenset({"b02-116z", "d10-684z", "f03-174", "g01-016z", "k04-247z"})
MAX_FRAME_POINTS = 500  # more do not change where a line lies


@dataclass(frozen=True)
class PenLine:
    """A line of handwriting as it was written.

    Attributes:
        id: `a01-000u-01`.
        form_id: The page, which one person wrote: `a01-000u`.
        text: What is written.
        strokes: Arrays `(points, 2)`, float32.
    """

    id: str
    form_id: str
    text: str
    strokes: list[np.ndarray]

    @cached_property
    def frame(self) -> "WritingFrame":
        """Where the writing lies: its middle, slope and size."""
        return WritingFrame.of(self.strokes)


Line = TypeVar("Line", PenLine, OndbRow)


@dataclass(frozen=True)
class WritingFrame:
    """The middle of the small letters, `y = middle + slope * x`, and their height, in tablet units.

    Most of a pen's way lies among the small letters; ascenders and descenders are few. So the
    middle is a robust line through the points and the height comes from their quartiles.
    """

    middle: float
    slope: float
    x_height: float

    @classmethod
    def of(cls, strokes: Sequence[np.ndarray]) -> "WritingFrame":
        """The frame of strokes that stand side by side."""
        points = np.concatenate(strokes)
        x, y = points[:: 1 + len(points) // MAX_FRAME_POINTS].T.astype(np.float64)
        slope = 0.0
        if np.ptp(x) > 4 * np.ptp(y):  # a short word has no slope to speak of
            slope = _slope(x, y)
            distance = np.abs(y - slope * x - np.median(y - slope * x))
            near = distance <= np.quantile(distance, 0.8)  # no ascenders, no descenders
            slope = _slope(x[near], y[near])
        low, middle, high = np.quantile(y - slope * x, [0.25, 0.5, 0.75])
        # The quartiles of points spread evenly over the small letters are half their height apart;
        # with ascenders and descenders it is a little more.
        return cls(float(middle), float(slope), float(max(1.6 * (high - low), 1.0)))

    def normalize(self, stroke: np.ndarray, left: float) -> np.ndarray:
        """The stroke in units of this frame, `left` becoming x = 0."""
        x, y = stroke.T
        columns = (x - left) / self.x_height, (y - self.middle - self.slope * x) / self.x_height
        return np.stack(columns, axis=1).astype(np.float32)


def read_iam_ondb(path: str | Path, characters: str = DEFAULT_CHARACTERS) -> list[PenLine]:
    """Lines of IAM-OnDB, from its own downloads or from one file.

    The texts' tokens are put together as they are written (`Mr .` becomes `Mr.`). Left out, and
    counted in a warning, are lines without ink or with other characters.

    Args:
        path: Folder of the downloads, or file; see `hwr_hf.data.iam_ondb_files`.
        characters: What a text may consist of.

    Raises:
        FileNotFoundError: There are no such files.
        ValueError: A file is broken, or no line is left.
    """
    rows = list(read_rows(Path(path)))
    texts = _natural_texts(rows)
    allowed = set(characters)
    lines = [
        PenLine(row.id, row.form_id, texts[row.id], row.strokes)
        for row in rows
        if row.strokes and texts[row.id]
        if allowed.issuperset(texts[row.id])
    ]
    if not lines:
        raise ValueError(
            f"{path} holds no line that can be used, with ink and with a text of known characters."
        )
    if len(lines) < len(rows):
        logger.warning(
            "%d of %d lines of %s have no ink, no text or unknown characters, and are left out.",
            *(len(rows) - len(lines), len(rows), path),
        )
    return lines


def lines_that_may_be_seen(lines: Sequence[PenLine], unseen_texts: Iterable[str]) -> list[PenLine]:
    """The lines but those of forms that share five words in a row with one of the texts.

    The two IAM databases draw on the same texts: give those of IAM's validation and test lines.
    """
    seen = _forms_that_share(lines, unseen_texts)
    return [line for line in lines if line.form_id not in seen]


def hold_out_forms(
    lines: Sequence[PenLine], every: int = 20
) -> tuple[list[PenLine], list[PenLine]]:
    """Lines to train on and lines of other forms: every 20th form, in the order of their ids.

    Args:
        lines: All lines, those that must not be seen too: one form less and the next ones held out
            would be others, which a model may have been trained on.
        every: So many forms for one that is held out; `NOT_COUNTED` are none of them.
    """
    forms = sorted({line.form_id for line in lines} - NOT_COUNTED)
    held_out = set(forms[every - 1 :: every])
    return (
        [line for line in lines if line.form_id not in held_out],
        [line for line in lines if line.form_id in held_out],
    )


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    """Slope of the line through the points with the least squares."""
    x = x - x.mean()
    return float(x @ y / max(x @ x, 1e-9))


def _natural_texts(rows: list[OndbRow]) -> dict[str, str]:
    """Texts by id as they are written; the lines of a form are one text."""
    texts = {}
    for lines in _by_form(rows).values():
        written = detokenize_lines([line.text.split() for line in lines])
        texts.update(zip((line.id for line in lines), written, strict=True))
    return texts


def _forms_that_share(lines: Sequence[PenLine], texts: Iterable[str]) -> set[str]:
    """Forms that have five words in a row in common with one of the texts."""
    unseen = runs_of(texts)
    if not unseen:
        return set()
    return {
        form_id
        for form_id, of_form in _by_form(lines).items()
        if not unseen.isdisjoint(word_runs(plain_words(" ".join(line.text for line in of_form))))
    }


def _by_form(lines: Sequence[Line]) -> dict[str, list[Line]]:
    forms: dict[str, list[Line]] = {}
    for line in sorted(lines, key=lambda line: line.id):
        forms.setdefault(line.form_id, []).append(line)
    return forms
