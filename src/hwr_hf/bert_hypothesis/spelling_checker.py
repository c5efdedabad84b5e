"""A spelling checker for recognised lines: words that a text does not know become ones it does.

In: how often each word occurs, and a line. Out: the line, each unknown word replaced by the most
frequent of the known words nearest to it, in the case and with the punctuation that it had.
SymSpell by Garbe (2012), https://github.com/wolfgarbe/SymSpell, in the port `symspellpy`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from symspellpy import SymSpell, Verbosity

WORD = re.compile(r"[A-Za-z]+(?:'[A-Za-z]+)*")


class SpellingChecker:
    """Corrects words one by one, without their context.

    Args:
        word_counts: Of a text; case does not count.
        max_distance: Most edits between a word and what replaces it.
        min_length: Shorter words stay as they are.
    """

    def __init__(
        self, word_counts: Mapping[str, int], max_distance: int = 2, min_length: int = 4
    ) -> None:
        self.max_distance, self.min_length = max_distance, min_length
        self._dictionary = SymSpell(max_dictionary_edit_distance=max_distance)
        for word, count in word_counts.items():
            self._dictionary.create_dictionary_entry(word.lower(), count)

    def correct(self, line: str) -> str:
        """The line with its unknown words replaced, where there is a known one near enough."""
        return WORD.sub(lambda match: self._corrected(match.group()), line)

    def _corrected(self, word: str) -> str:
        if len(word) < self.min_length or word.lower() in self._dictionary.words:
            return word
        found = self._dictionary.lookup(word.lower(), Verbosity.TOP, self.max_distance)
        if not found:
            return word
        if word.isupper():
            return found[0].term.upper()
        return found[0].term.capitalize() if word[0].isupper() else found[0].term
