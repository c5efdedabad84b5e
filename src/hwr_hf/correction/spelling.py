"""From what an uncased BERT writes back to natural text.

In: a recognised line, such as `Mr. Gaitskell's hause`, and a corrector's text of it, which has lost
case, accents and the spaces around punctuation: `mr. gaitskell ' s house`. Out: the corrector's
words in the recogniser's spelling: `Mr. Gaitskell's house`.
The two are aligned character by character without their spaces. A character takes its case from
the one it stands over, punctuation its spaces; what stands over nothing follows English rules.
Numbers are the recogniser's: a change of a word with a digit is undone.
"""

import re
import unicodedata
from dataclasses import dataclass
from itertools import pairwise

from .edits import Edit, align_characters, word_edits

# A number with what belongs to it, as in 2.30, 12th or 1,000.
NUMBER = re.compile(r"[^\W_]*\d[^\W_]*(?:[.,:/]\d+)*")
ENDINGS = {"s", "t", "d", "m", "re", "ve", "ll"}  # after an apostrophe
BEGINNINGS = {"o", "d", "l"}  # before one, as in o'clock
OPENING, CLOSING = "([{", ".,;:!?)]}%"
JOINING = "-/"
QUOTES = "\"'"
SENTENCE_END = re.compile(r"[.!?][\"')]*$")


@dataclass(frozen=True)
class _Character:
    """A character that is no space, with its combining marks.

    Attributes:
        text: As it stands.
        folded: Lower case without accents, one character.
        after_space: Whether a space or the start of the text is before it.
        word: Index of its run of letters and digits; punctuation is a run of its own.
        is_first: Whether the run starts with it.
    """

    text: str
    folded: str
    after_space: bool
    word: int
    is_first: bool


def spelling_edits(recognised: str, proposed: str, is_cased: bool = False) -> list[Edit]:
    """The edits from a recognised text to a corrector's, in natural spelling; no number changes.

    Args:
        recognised: What the recogniser read; its case, accents, spacing and numbers are kept.
        proposed: The corrector's text: lower case, spaces around punctuation.
        is_cased: The corrector keeps case and accents, so that only spacing is restored.

    Returns:
        No edits where a text is blank.

    >>> line = "Mr. Gaitskell's hause, No. 2.30"
    >>> apply_edits(line, spelling_edits(line, "mr. gaitskell ' s house, no. 2. 30"))
    "Mr. Gaitskell's house, No. 2.30"
    """
    restored = _restored(_characters(recognised), _characters(proposed), is_cased)
    return [
        edit
        for edit in word_edits(recognised, restored)
        if NUMBER.findall(edit.old) == NUMBER.findall(edit.new)
    ]


def _characters(text: str) -> list[_Character]:
    characters: list[_Character] = []
    after_space, word = True, -1
    for part in re.findall(r"\s|[^\s][\u0300-\u036f]*", text):
        if part.isspace():
            after_space = True
            continue
        bare = unicodedata.normalize("NFD", part)[0]
        folded = bare.lower()[0]
        is_first = after_space or not folded.isalnum() or not characters[-1].folded.isalnum()
        word += is_first
        characters.append(_Character(part, folded, after_space, word, is_first))
        after_space = False
    return characters


def _restored(old: list[_Character], new: list[_Character], is_cased: bool) -> str:
    places: list[int | None] = [None] * len(new)  # index of what each new character stands over
    pairs = align_characters(*("".join(c.folded for c in text) for text in (old, new)))
    for old_index, new_index in pairs:
        if new_index is not None:
            places[new_index] = old_index

    starts = [index for index, character in enumerate(new) if character.is_first]
    spans = list(pairwise([*starts, len(new)]))
    words = ["".join(c.text for c in new[start:end]) for start, end in spans]
    line = ""
    begun: set[int] = set()  # recognised words that some new word has begun with
    for number, (start, end) in enumerate(spans):
        word = words[number]
        sources = [None if place is None else old[place] for place in places[start:end]]
        if not is_cased:
            begin = _begin(sources, old, begun)
            word = _with_case(new[start:end], sources, begin, SENTENCE_END.search(line) is not None)
            if (
                word == "i"
                and words[number + 1 : number + 2] != ["."]
                and "i" not in _texts(sources)
            ):
                word = "I"  # the pronoun; in i.e. it is none
        if number and _has_space(words, number, places[start - 1], places[start], old):
            line += " "
        line += word
    letters = [c.text for c in old if c.text.isalpha()]
    is_all_capitals = not is_cased and len(letters) > 1 and all(map(str.isupper, letters))
    return line.upper() if is_all_capitals else line


def _texts(characters: list[_Character | None]) -> list[str]:
    return [character.text for character in characters if character is not None]


def _begin(
    sources: list[_Character | None], old: list[_Character], begun: set[int]
) -> _Character | None:
    """First character of the recognised word that a new word replaces.

    None where it replaces none, or goes on with one whose beginning another has.
    """
    words = [source.word for source in sources if source is not None]
    if not words or words[0] in begun:
        return None
    begun.update(words)
    return next(character for character in old if character.word == words[0])


def _with_case(
    new: list[_Character],
    sources: list[_Character | None],
    begin: _Character | None,
    after_sentence: bool,
) -> str:
    """A new word in the case of what it stands over."""
    is_same = [s is not None and s.folded == n.folded for s, n in zip(sources, new, strict=True)]
    spelt = [s.text if same else n.text for s, n, same in zip(sources, new, is_same, strict=True)]
    letters = [text for text in _texts(sources) if text.isalpha()]
    if len(letters) > 1 and all(map(str.isupper, letters)):
        return "".join(spelt).upper()
    if begin is None:
        return "".join(spelt)
    is_capital = begin.text.isupper()
    if not is_same[0]:
        # A stroke without a dot is l and I alike, and says nothing of the case.
        if begin.text == "I" and spelt[0] == "l":
            is_capital = False
        if begin.text == "l" and spelt[0] == "i":
            is_capital = after_sentence
        if begin in sources:  # its capital goes to the front
            place = sources.index(begin)
            spelt[place] = spelt[place].lower()
    return (spelt[0].upper() if is_capital else spelt[0]) + "".join(spelt[1:])


def _has_space(
    words: list[str],
    number: int,
    before: int | None,
    after: int | None,
    old: list[_Character],
) -> bool:
    """Whether a word is set apart from the one before it.

    Args:
        words: All new words, punctuation apart.
        number: Index of the word.
        before: Index in `old` of what the last character before the word stands over.
        after: The same of its first character.
        old: The recognised characters.
    """
    left, right = words[number - 1], words[number]
    if left.isalnum() and right.isalnum():
        return True
    # Punctuation that was recognised keeps its spaces.
    if not right.isalnum() and after:
        return old[after].after_space
    if not left.isalnum() and before is not None and before + 1 < len(old):
        return old[before + 1].after_space
    if left in JOINING or right in JOINING:
        return False
    if right in QUOTES:
        return not _is_apostrophe(words, number) and _opens(words, number)
    if left in QUOTES:
        return not (_is_apostrophe(words, number - 1) or _opens(words, number - 1))
    return right not in CLOSING and left not in OPENING


def _is_apostrophe(words: list[str], number: int) -> bool:
    if words[number] != "'" or not 0 < number < len(words) - 1:
        return False
    return words[number - 1].lower() in BEGINNINGS or words[number + 1].lower() in ENDINGS


def _opens(words: list[str], number: int) -> bool:
    """Whether a quotation mark opens, which every other one does; the last word closes."""
    before = [
        other
        for other in range(number)
        if words[other] == words[number] and not _is_apostrophe(words, other)
    ]
    return len(before) % 2 == 0 and number < len(words) - 1
