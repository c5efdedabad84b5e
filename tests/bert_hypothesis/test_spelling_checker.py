"""Words that the text does not know become their most frequent neighbours."""

import pytest

from hwr_hf.bert_hypothesis.spelling_checker import SpellingChecker

COUNTS = {"the": 50, "house": 10, "mouse": 3, "don't": 5, "London": 4}


@pytest.mark.parametrize(
    ("line", "corrected"),
    [
        ("tbe bouse", "the house"),  # house and mouse are one edit away, house is more frequent
        ("the mouse", "the mouse"),  # known words stay
        ("Tbe HCUSE, Landon!", "The HOUSE, London!"),
        ("dan't", "don't"),
        ("xylophone 1960", "xylophone 1960"),  # nothing is near
        ("  the  hcuse ", "  the  house "),
        ("", ""),
    ],
)
def test_lines(line, corrected):
    assert SpellingChecker(COUNTS, max_distance=1, min_length=3).correct(line) == corrected


def test_short_words_stay():
    assert SpellingChecker(COUNTS, max_distance=1, min_length=4).correct("tbe hcuse") == "tbe house"


def test_two_edits_are_made_only_if_allowed():
    assert SpellingChecker(COUNTS, max_distance=2).correct("hcusc") == "house"
    assert SpellingChecker(COUNTS, max_distance=1).correct("hcusc") == "hcusc"
