"""Pen strokes of handwritten lines: IAM-OnDB's lines in, words cut apart and put together anew out.

A stroke is an array `(points, 2)` of x (right) and y (down) in tablet units, its points equally
spaced in time. `hwr_hf.data.pen` draws them.
Data: M. Liwicki and H. Bunke, IAM-OnDB, ICDAR 2005, https://doi.org/10.1109/ICDAR.2005.132
"""

import json
import logging
import lzma
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np

from hwr_hf.resnet_bilstm.tokenization_resnet_bilstm import DEFAULT_CHARACTERS

from .iam_text import detokenize_lines

logger = logging.getLogger(__name__)

STROKES_FILES = ("strokes.jsonl.xz", "strokes.jsonl")
# A gap between words is wider than any within one; a doubtful line is not cut.
MIN_GAP_RATIO = 1.25
# Widths per character of a line's words differ by less than this, or a gap was taken wrongly.
MAX_WIDTH_RATIO = 2.5
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

    @cached_property
    def words(self) -> "list[PenWord] | None":
        """The words, cut at the widest gaps; None where the gaps leave a doubt."""
        return split_words(self)


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


NORMAL_FRAME = WritingFrame(middle=0.0, slope=0.0, x_height=1.0)  # of `PenWord`s side by side


def read_iam_ondb(path: str | Path, characters: str = DEFAULT_CHARACTERS) -> list[PenLine]:
    """Lines of IAM-OnDB from a file of one JSON object a line, packed with xz or not.

    Each object has `id`, `form`, `text` and `strokes`, a list of `[x0, y0, dx1, dy1, dx2, dy2,
    ...]`. The texts' tokens are put together as they are written (`Mr .` becomes `Mr.`); lines
    with other characters or without ink are left out and counted in a warning.

    Args:
        path: The file, or the folder that holds `strokes.jsonl.xz`.
        characters: What a text may consist of.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: A line of the file is no such object, or none is left.
    """
    path = _strokes_file(Path(path))
    rows = []
    try:
        with (lzma.open if path.suffix == ".xz" else open)(path, "rt", encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                rows.append(_parse(line, path, number))
    except (lzma.LZMAError, EOFError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is broken after {len(rows)} lines: {error}.") from error
    texts = _natural_texts(rows)
    allowed = set(characters)
    lines = [
        PenLine(row["id"], row["form"], texts[row["id"]], strokes)
        for row in rows
        if (strokes := _strokes(row["strokes"])) and texts[row["id"]]
        if allowed.issuperset(texts[row["id"]])
    ]
    if not lines:
        raise ValueError(f"{path} holds no line with ink and with a text of known characters.")
    if len(lines) < len(rows):
        logger.warning(
            "%d of %d lines of %s have no ink, no text or unknown characters and are left out.",
            *(len(rows) - len(lines), len(rows), path),
        )
    return lines


def hold_out_forms(
    lines: Sequence[PenLine], every: int = 20
) -> tuple[list[PenLine], list[PenLine]]:
    """Lines to train on and lines of other forms: every 20th form, in the order of their ids."""
    forms = sorted({line.form_id for line in lines})
    held_out = set(forms[every - 1 :: every])
    return (
        [line for line in lines if line.form_id not in held_out],
        [line for line in lines if line.form_id in held_out],
    )


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
            for word in line.words or ():
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


def _slope(x: np.ndarray, y: np.ndarray) -> float:
    """Slope of the line through the points with the least squares."""
    x = x - x.mean()
    return float(x @ y / max(x @ x, 1e-9))


def _strokes_file(path: Path) -> Path:
    if path.is_file():
        return path
    for name in STROKES_FILES:
        if (path / name).is_file():
            return path / name
    raise FileNotFoundError(
        f"{path} is no strokes file and holds none: looked for {' and '.join(STROKES_FILES)}. "
        "Each line of it is a JSON object with id, form, text and strokes."
    )


def _parse(line: str, path: Path, number: int) -> dict:
    try:
        row = json.loads(line)
        well_formed = all(isinstance(row[name], str) for name in ("id", "form", "text")) and all(
            len(stroke) >= 2 and len(stroke) % 2 == 0 for stroke in row["strokes"]
        )
    except (ValueError, TypeError, KeyError):
        well_formed = False
    if not well_formed:
        raise ValueError(
            f"Line {number} of {path} is not what is needed, a JSON object with id, form, text and "
            "strokes (lists of an even number of coordinates)."
        )
    return row


def _strokes(rows: list[list[int]]) -> list[np.ndarray]:
    return [
        np.asarray(row, dtype=np.float32).reshape(-1, 2).cumsum(axis=0, dtype=np.float32)
        for row in rows
    ]


def _natural_texts(rows: list[dict]) -> dict[str, str]:
    """Texts by id as they are written; the lines of a form are one text."""
    forms: dict[str, list[dict]] = {}
    for row in sorted(rows, key=lambda row: row["id"]):
        forms.setdefault(row["form"], []).append(row)
    texts = {}
    for lines in forms.values():
        written = detokenize_lines([line["text"].split() for line in lines])
        texts.update(zip((line["id"] for line in lines), written, strict=True))
    return texts
