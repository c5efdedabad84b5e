"""IAM's ASCII files in, labelled rows and running text out.

`lines.txt` and `words.txt` hold one image a row, `forms.txt` the writer of each form. IAM keeps the
tokens of the LOB corpus apart (`no|,|that|'s`); `detokenize` puts them together as they stand
on the page (`no, that's`).
Format: U. Marti and H. Bunke, The IAM-database, IJDAR 5 (2002) 39-46,
https://doi.org/10.1007/s100320200071
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

QUOTES = ('"', "'")
STOPS = (",", ".", ";", ":", "!", "?")
# The gaps between IAM's word boxes are wide on both sides of a dash, and before an ellipsis as
# narrow as before a comma: the dash stands free, the ellipsis does not.
JOINED_TO_PREVIOUS = frozenset([*STOPS, "...", ")", "]"])
JOINED_TO_NEXT = frozenset(["(", "["])
CONTRACTIONS = frozenset(["'s", "'ll", "'d", "'re", "'m", "'ve", "n't"])

_LINE_ID = re.compile(r"[a-z]\d\d-\d{3}[a-z]?-\d\d")
_WORD_ID = re.compile(r"[a-z]\d\d-\d{3}[a-z]?-\d\d-\d\d")


@dataclass(frozen=True)
class IamRow:
    """One row of `lines.txt` or `words.txt`.

    Attributes:
        id: `a01-000u-00` for a line, `a01-000u-00-00` for a word.
        segmentation_ok: False for IAM's flag `err` (`er` in some copies): the line's words were
            cut wrongly. Its transcription is right all the same.
        tokens: The transcription. A token can hold spaces (`B B C`); a word has one token.
    """

    id: str
    segmentation_ok: bool
    tokens: tuple[str, ...]


def form_id(image_id: str) -> str:
    """The form of a line or word: `a01-000u` for `a01-000u-00-03`."""
    return "-".join(image_id.split("-")[:2])


def line_id(image_id: str) -> str:
    """The line of a word: `a01-000u-00` for `a01-000u-00-03`."""
    return "-".join(image_id.split("-")[:3])


def is_image_id(name: str, unit: str) -> bool:
    """Whether `name` is the id of a line (`unit="lines"`) or of a word (`unit="words"`)."""
    return (_WORD_ID if unit == "words" else _LINE_ID).fullmatch(name) is not None


def parse_rows(text: str, unit: str) -> dict[str, IamRow]:
    """Rows of `lines.txt` or `words.txt` by id, in file order.

    The transcription is the ninth column and all that follows it. Boxes are not read: a row whose
    box is `-1 -1 -1 -1` is as good as any.

    Raises:
        ValueError: There is no row, or one with too few columns, an unknown flag, or no id of the
            unit.
    """
    rows = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if line.startswith("#") or not line.strip():
            continue
        columns = line.split(" ", 8)
        if (
            len(columns) < 9
            or not is_image_id(columns[0], unit)
            or columns[1] not in ("ok", "err", "er")
        ):
            raise ValueError(
                f"Line {number} of {unit}.txt is no row of IAM's: {line!r}. Needed: an id, 'ok' or "
                "'err', six columns and the text. Correct it or put IAM's own file back."
            )
        transcription = columns[8].strip()
        tokens = (transcription,) if unit == "words" else tuple(transcription.split("|"))
        rows[columns[0]] = IamRow(columns[0], columns[1] == "ok", tokens)
    if not rows:
        raise ValueError(f"{unit}.txt has no rows. Put IAM's own file back.")
    return rows


def parse_writers(text: str) -> dict[str, str]:
    """Writer of every form in `forms.txt`, e.g. `{"a01-000u": "000"}`."""
    rows = (line.split() for line in text.splitlines() if not line.startswith("#"))
    return {columns[0]: columns[1] for columns in rows if len(columns) > 1}


def natural_texts(rows: Iterable[IamRow]) -> dict[str, str]:
    """Detokenised text of lines by id; the lines of a form are read as one text."""
    forms: dict[str, list[IamRow]] = {}
    for row in sorted(rows, key=lambda row: row.id):
        forms.setdefault(form_id(row.id), []).append(row)
    texts = {}
    for lines in forms.values():
        ids = [line.id for line in lines]
        texts.update(zip(ids, detokenize_lines([line.tokens for line in lines]), strict=True))
    return texts


def detokenize(tokens: Sequence[str]) -> str:
    """Tokens of a single line joined as they are written.

    >>> detokenize(["no", ",", "that", "'s", "her", "hat", "."])
    "no, that's her hat."
    """
    return detokenize_lines([tokens])[0]


def detokenize_lines(lines: Sequence[Sequence[str]]) -> list[str]:
    """Consecutive lines of a text, each joined as it is written.

    Stops, closing brackets, ellipses and contractions join the word before them, opening brackets
    the word after. `"` and `'` are the same token at both ends of a quotation: they open and close
    in turn, over line ends too, except where a neighbour settles which it is. Everything else,
    dashes among it, has a space on both sides.

    Args:
        lines: Tokens of each line, in reading order.

    Returns:
        One text per line.
    """
    is_open = dict.fromkeys(QUOTES, False)
    texts = []
    last_token = None  # of the line before
    for tokens in lines:
        text = ""
        needs_space = False
        for index, token in enumerate(tokens):
            if token in is_open:
                opens = _quote_opens(tokens, index, is_open[token], last_token)
                is_open[token] = opens
                joined_to_previous, joined_to_next = not opens, opens
            else:
                joined_to_previous = token in JOINED_TO_PREVIOUS or token.lower() in CONTRACTIONS
                joined_to_next = token in JOINED_TO_NEXT
            if needs_space and not joined_to_previous:
                text += " "
            text += token
            needs_space = not joined_to_next
        texts.append(text)
        last_token = tokens[-1] if tokens else None
    return texts


def _quote_opens(
    tokens: Sequence[str], index: int, is_open: bool, last_token_of_line_before: str | None
) -> bool:
    """Whether the quotation mark `tokens[index]` opens; `is_open`: the last of its kind did."""
    at_start, at_end = index == 0, index == len(tokens) - 1
    previous_token = last_token_of_line_before if at_start else tokens[index - 1]
    next_token = None if at_end else tokens[index + 1]
    if next_token in (*STOPS, ")"):
        return False
    if previous_token in ("(", ":"):
        return True
    if at_end and not at_start and previous_token in (",", ".", "!", "?"):
        return False
    if at_start and not at_end and previous_token in (".", "!", "?"):
        return True
    return not is_open
