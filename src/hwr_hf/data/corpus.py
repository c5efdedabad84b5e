"""Line-sized pieces of running text for synthetic handwriting, with IAM's mix of characters.

In: text files, a sentence or paragraph a line. Out: strings of words as long as IAM's lines (over
its Aachen training lines 45 ± 8 characters and nearly 9 words; 1 line in 10 shorter than 36). Plain
prose is poor in digits, capitals and rare punctuation, so a share of the pieces is rewritten to
hold numbers, dates, sums of money, names, abbreviations, quotations and brackets.
"""

import lzma
import re
import unicodedata
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from ..resnet_bilstm.tokenization_resnet_bilstm import DEFAULT_CHARACTERS

# NFKD takes accents off and opens ligatures and ellipses; the rest has no decomposition.
_ASCII_PLAIN = {"`": "'", "--": " - ", "[": "(", "]": ")"}
_PLAIN = str.maketrans(
    {
        **dict.fromkeys("‘’‚‛′´ʼ", "'"),
        **dict.fromkeys("“”„‟″«»", '"'),
        **dict.fromkeys("‐‑‒−", "-"),
        **dict.fromkeys("–—―", " - "),
        **dict.fromkeys("\u00ad\u200b\u200c\u200d\ufeff", ""),
        **{"æ": "ae", "Æ": "AE", "œ": "oe", "Œ": "OE"},
        **{"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "ß": "ss", "đ": "d", "ð": "d"},
    }
)
_SPACED_QUOTATION = re.compile(r'(?<!\S)" ?([^"]+?) ?"(?=[\s,.;:!?)]|$)')
_SPACED_OPENING = re.compile(r"""^(["']) """)
_SPACED_CLOSING = re.compile(r""" (["'])(?=[,.;:!?]|$)""")

NUM_SHARED_WORDS = 5  # in a row, in two texts of one source
MEAN_LENGTH, LENGTH_DEVIATION = 47.5, 9.0  # of the line's edge; words end some letters before it
SHORT_PIECES = 0.06  # share of pieces that end a paragraph
REWRITTEN_PIECES = 0.25
TRIES = 200


def plain_text(text: str) -> str:
    """Typographic characters written with those of a typewriter, single spaces between words.

    >>> plain_text("“Café”—naïve…")
    '"Cafe" - naive...'
    """
    if not text.isascii():
        text = unicodedata.normalize("NFKD", text.translate(_PLAIN)).translate(_PLAIN)
        text = "".join(c for c in text if not unicodedata.combining(c))
    for character, plain in _ASCII_PLAIN.items():
        text = text.replace(character, plain)
    text = " ".join(text.split())
    if '"' in text:
        text = _SPACED_QUOTATION.sub(r'"\1"', text)
    return _SPACED_CLOSING.sub(r"\1", _SPACED_OPENING.sub(r"\1", text))


def plain_words(text: str) -> list[str]:
    """The words in small letters, without what is not a letter or digit.

    >>> plain_words("Don't; well-known.")
    ['dont', 'well', 'known']
    """
    return re.findall(r"[^\W_]+", text.lower().replace("'", ""))


def word_runs(words: Sequence[str]) -> Iterator[tuple[str, ...]]:
    """Every five words in a row."""
    return zip(*(words[start:] for start in range(NUM_SHARED_WORDS)), strict=False)


def runs_of(texts: Iterable[str]) -> set[tuple[str, ...]]:
    """Every five words in a row of the texts, to tell what shares some with them."""
    return {run for text in texts for run in word_runs(plain_words(plain_text(text)))}


class TextLines:
    """Draws pieces of text at random from files.

    All text is held in one byte string: about 70 MB for 11 million words.

    Args:
        paths: Files `.txt` or `.txt.xz` in UTF-8, a sentence or paragraph a line.
        characters: The alphabet, by default that of the tokenizer, `DEFAULT_CHARACTERS`. A line
            with another character is dropped after `plain_text`.
        min_length, max_length: Bounds of a piece's length in characters.
        unseen_texts: A line that shares five words in a row with one of them, alone or with the
            end of the line before, is dropped.

    Attributes:
        num_lines, num_words: What is used.
        num_dropped: Lines that hold a character outside the alphabet.
        num_unseen: Lines dropped because of `unseen_texts`.
        unmapped_characters: In how many lines each of these characters stands.

    Raises:
        FileNotFoundError: There is no such file.
        ValueError: `paths` is empty, a file is no text, no line is usable, or the bounds are not in
            order.

    >>> lines = TextLines(["corpus.txt.xz"])  # doctest: +SKIP
    >>> lines.sample(np.random.default_rng(0))  # doctest: +SKIP
    'who had come down to the river in the evening'
    """

    def __init__(
        self,
        paths: Sequence[str | Path],
        characters: str | None = None,
        min_length: int = 1,
        max_length: int = 75,
        unseen_texts: Iterable[str] = (),
    ):
        if not 1 <= min_length <= max_length:
            raise ValueError(
                f"min_length={min_length} and max_length={max_length} are not allowed: needed is "
                "1 <= min_length <= max_length."
            )
        if isinstance(paths, (str, Path)):
            paths = [paths]
        if not paths:
            raise ValueError("No text file was given. Name at least one .txt or .txt.xz file.")
        self.characters = DEFAULT_CHARACTERS if characters is None else characters
        self.min_length = min_length
        self.max_length = max_length
        self.num_lines = self.num_words = self.num_dropped = self.num_unseen = 0
        self.unmapped_characters: Counter[str] = Counter()
        # One byte string: a list of as many `str` would take several times the memory.
        text = bytearray()
        for line in self._lines_that_may_be_seen(paths, runs_of(unseen_texts)):
            self.num_lines += 1
            self.num_words += 1 + line.count(" ")
            text += line.encode() + b"\n"
        if not text:
            raise ValueError(
                f"{', '.join(map(str, paths))}: no usable line. Needed is a line of text with the "
                f"characters {self.characters!r} alone and words of at most {max_length} "
                f"characters; {self.num_dropped} lines held others, most often "
                f"{' '.join(c for c, _ in self.unmapped_characters.most_common(10)) or 'none'}, "
                f"and {self.num_unseen} share five words in a row with unseen texts."
            )
        self._text = bytes(text)

    def _lines_that_may_be_seen(self, paths: Sequence[str | Path], unseen: set) -> Iterator[str]:
        """The usable lines, without those that hold a run of words that must not be seen."""
        end: list[str] = []  # of the text before: a piece may go on from line to line
        for path in paths:
            for line in self._usable_lines(Path(path)):
                if unseen:
                    words = end + plain_words(line)
                    if not unseen.isdisjoint(word_runs(words)):
                        self.num_unseen += 1
                        continue
                    end = words[1 - NUM_SHARED_WORDS :]
                yield line

    def _usable_lines(self, path: Path) -> Iterator[str]:
        outside = re.compile(f"[^{re.escape(self.characters)}]")
        too_long = re.compile(rf"\S{{{self.max_length + 1}}}")
        for line in _lines_of(path):
            line = plain_text(line)
            if not line:
                continue
            if unmapped := outside.findall(line):
                self.num_dropped += 1
                self.unmapped_characters.update(set(unmapped))
            elif not too_long.search(line):
                yield line

    def sample(self, rng: np.random.Generator) -> str:
        """A piece of text of `min_length` to `max_length` characters, single spaces between words.

        Raises:
            ValueError: No piece of these lengths was found.
        """
        for _ in range(TRIES):
            words = self._short_end(rng) if rng.random() < SHORT_PIECES else self._run(rng)
            if words and rng.random() < REWRITTEN_PIECES:
                words = self._rewritten(words, rng)
            piece = " ".join(words)
            while len(piece) > self.max_length:
                piece = piece.rpartition(" ")[0]
            if len(piece) >= self.min_length:
                return piece
        raise ValueError(
            f"Found no piece of {self.min_length} to {self.max_length} characters in {TRIES} draws "
            f"from {self.num_lines} lines. Use more text or wider bounds."
        )

    def _run(self, rng: np.random.Generator) -> list[str]:
        """Words from a random place on, across the ends of lines, as a writer fills a row."""
        edge = rng.normal(MEAN_LENGTH, LENGTH_DEVIATION)
        edge = float(np.clip(edge, self.min_length, self.max_length))
        place = int(rng.integers(len(self._text)))
        start = max(self._text.rfind(b" ", 0, place), self._text.rfind(b"\n", 0, place)) + 1
        # Four bytes a character at most; of the last word a part may be cut off.
        words = self._text[start : start + 8 * self.max_length].decode(errors="ignore").split()
        return _words_up_to(words, edge)

    def _short_end(self, rng: np.random.Generator) -> list[str]:
        """The last few words of a line of the text."""
        edge = rng.uniform(min(4, self.max_length), min(36, self.max_length))
        place = int(rng.integers(len(self._text)))
        end = self._text.index(b"\n", place)
        start = max(self._text.rfind(b"\n", 0, end) + 1, end - 8 * self.max_length)
        words = self._text[start:end].decode(errors="ignore").split()
        return _words_up_to(words[::-1], max(edge, self.min_length))[::-1]

    def _rewritten(self, words: list[str], rng: np.random.Generator) -> list[str]:
        """The words after one random change; unchanged where it needs a character we lack."""
        names = list(_REWRITES)
        weights = np.array([weight for _, weight in _REWRITES.values()])
        rewrite = _REWRITES[names[rng.choice(len(names), p=weights / weights.sum())]][0]
        changed = rewrite(list(words), rng)
        return changed if set("".join(changed)) <= set(self.characters) else words


def _lines_of(path: Path) -> Iterator[str]:
    try:
        opener = lzma.open if path.suffix == ".xz" else open
        with opener(path, "rt", encoding="utf-8") as file:
            yield from file
    except FileNotFoundError as error:
        raise FileNotFoundError(f"There is no text file {path}.") from error
    except (UnicodeDecodeError, lzma.LZMAError, EOFError) as error:
        raise ValueError(
            f"{path} cannot be read as text ({error}). Needed is UTF-8, plain (.txt) or packed "
            "with xz (.txt.xz)."
        ) from error


def _words_up_to(words: Sequence[str], edge: float) -> list[str]:
    """The first words that fit into `edge` characters with the spaces between; at least one."""
    length = -1
    for count, word in enumerate(words):
        length += 1 + len(word)
        if length > edge and count:
            return list(words[:count])
    return list(words)


# Rewrites: words in, words out. Each puts rare characters where ordinary text has them.


def _put(words: list[str], new: str, rng: np.random.Generator) -> list[str]:
    """`new` in place of a random word, keeping the punctuation after that word."""
    place = int(rng.integers(len(words)))
    stop = re.search(r"[,.;:!?]*$", words[place]).group()
    return [*words[:place], *(new + stop).split(), *words[place + 1 :]]


def _number(words: list[str], rng: np.random.Generator) -> list[str]:
    a, b, c = (int(n) for n in rng.integers(1, 100, 3))
    year = int(rng.integers(1700, 2030))
    month = _pick(_MONTHS, rng)
    forms = [
        f"{a}",
        f"{a * b}",
        f"{a:,}",
        f"{a},{int(rng.integers(1000)):03d}",
        f"{a}.{c}",
        f"{a}.{c} per cent",
        f"{a} per cent",
        f"{year}",
        f"{year}-{(year + 1) % 100:02d}",
        f"{a % 31 + 1} {month} {year}",
        f"{month} {a % 31 + 1}, {year}",
        f"{a % 31 + 1}{_pick(('st', 'nd', 'rd', 'th'), rng)} {month}",
        f"{a % 31 + 1}/{b % 12 + 1}/{year % 100:02d}",
        f"{a % 12 + 1}.{b % 60:02d} {_pick(('a.m.', 'p.m.'), rng)}",
        f"{a % 12 + 1}:{b % 60:02d}",
        f"{a}s. {b % 12}d.",
        f"{a}/-",
        f"{a}/{b % 12}d.",
        f"{a} million pounds",
        f"{a * 1000:,} pounds",
        f"{a}-{a + b}",
        f"{a % 9 + 1} 1/{b % 8 + 2}",
        f"No. {a}",
        f"pp. {a}-{a + b}",
        f"({a})",
        f"{a} + {b}",
        f"+{a}",
        f"Fig. {a % 20}",
        f"{a}th",
    ]
    return _put(words, _pick(forms, rng), rng)


def _figures(words: list[str], rng: np.random.Generator) -> list[str]:
    """Several numbers in one piece, as in tables and reports."""
    for _ in range(int(rng.integers(2, 5))):
        words = _number(words, rng)
    return words


def _title_case(words: list[str], rng: np.random.Generator) -> list[str]:
    start, end = _span(words, rng, 5)
    return [w[:1].upper() + w[1:] if start <= i < end else w for i, w in enumerate(words)]


def _upper_case(words: list[str], rng: np.random.Generator) -> list[str]:
    start, end = (0, len(words)) if rng.random() < 0.15 else _span(words, rng, 3)
    return [w.upper() if start <= i < end else w for i, w in enumerate(words)]


def _abbreviation(words: list[str], rng: np.random.Generator) -> list[str]:
    letters = _letters(rng, int(rng.integers(2, 5)))
    forms = [
        letters,
        ".".join(letters) + ".",
        " ".join(letters),
        f"{letters[0]}. {letters[1]}. {_name(rng)}",
        f"{_pick(_TITLES, rng)} {_name(rng)}",
        f"{_pick(_TITLES, rng)} {letters[0]}. {_name(rng)}",
        f"{_name(rng)} & {_name(rng)}",
        f"{_name(rng)} & Co.",
        f"{_name(rng)}, {letters[:2]},",
        f"{_name(rng)}-{_name(rng)}",
        f"{letters[:1]}-{_letters(rng, 1).lower()}{_letters(rng, 1).lower()}",
    ]
    return _put(words, _pick(forms, rng), rng)


def _enclose(words: list[str], rng: np.random.Generator) -> list[str]:
    """Quotation marks or brackets round a few words; sometimes only one of the two in the line."""
    opening, closing = _pick(('""', '""', "''", "()", "()", "**"), rng)
    start, end = _span(words, rng, 6)
    if rng.random() < 0.85:
        words[start] = opening + words[start]
    if rng.random() < 0.85:
        words[end - 1] += closing
    return words


def _stop(words: list[str], rng: np.random.Generator) -> list[str]:
    """Another stop after one or two words."""
    for _ in range(int(rng.integers(1, 3))):
        place = int(rng.integers(len(words)))
        stop = _pick(("!", "!", "?", "?", ";", ";", ":", ":", ".", ",", "...", "!!", "?!"), rng)
        words[place] = words[place].rstrip(",.;:!?") + stop
        if stop[0] in ".!?" and place + 1 < len(words):
            words[place + 1] = words[place + 1][:1].upper() + words[place + 1][1:]
    return words


def _join(words: list[str], rng: np.random.Generator) -> list[str]:
    """A sign between two words: `and/or`, `black-and`, `salt & pepper`, `this - that`."""
    if len(words) < 2:
        return words
    place = int(rng.integers(1, len(words)))
    before, after = words[place - 1], words[place]
    sign = _pick(("-", "-", " - ", " - ", "/", " & ", " & ", " + ", "*", "..."), rng)
    joined = (before.rstrip(",.;:!?") + sign + after).split()
    return [*words[: place - 1], *joined, *words[place + 1 :]]


def _crossed_out(words: list[str], rng: np.random.Generator) -> list[str]:
    """`#`, IAM's sign of a crossed-out word, somewhere in the line."""
    return list(np.insert(np.array(words, dtype=object), int(rng.integers(len(words) + 1)), "#"))


_REWRITES: dict[str, tuple[Callable[[list[str], np.random.Generator], list[str]], float]] = {
    "number": (_number, 5.0),
    "figures": (_figures, 1.5),
    "title case": (_title_case, 3.0),
    "upper case": (_upper_case, 2.5),
    "abbreviation": (_abbreviation, 3.5),
    "enclose": (_enclose, 3.0),
    "stop": (_stop, 3.0),
    "join": (_join, 2.0),
    "crossed out": (_crossed_out, 0.7),
}

_MONTHS = (
    "January February March April May June July August September October November December "
    "Jan. Feb. Aug. Sept. Oct. Nov. Dec."
).split()
_TITLES = "Mr. Mrs. Miss Dr. Sir Lord Lady Prof. Rev. Capt. St. Mme. Col.".split()
# Rare letters stand first in more names than they do in running text.
_NAMES = (
    "Adams Baker Clark Dixon Evans Foster Grant Hughes Irving Jackson Kennedy Lloyd Morris Nash "
    "Owen Parker Quinn Quentin Queen Roberts Stevens Turner Underwood Vaughan Vickers Walker "
    "Xavier Young Yates Zeller Zurich Zoe Kent Jamaica Uganda Vienna York Venice Japan Quebec "
    "Kenya Oxford"
).split()


def _pick(choices: Sequence, rng: np.random.Generator):
    return choices[int(rng.integers(len(choices)))]


def _name(rng: np.random.Generator) -> str:
    return _pick(_NAMES, rng)


def _letters(rng: np.random.Generator, count: int) -> str:
    return "".join(chr(65 + int(n)) for n in rng.integers(26, size=count))


def _span(words: list[str], rng: np.random.Generator, longest: int) -> tuple[int, int]:
    """Start and end of at least one word."""
    start = int(rng.integers(len(words)))
    return start, min(len(words), start + int(rng.integers(1, longest + 1)))
