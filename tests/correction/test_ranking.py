"""Choosing among the candidates of a line, by hand-made scores."""

import math

import pytest

from hwr_hf.correction.ranking import Candidate, best_candidate, fit_ranking


def test_without_weight_the_recogniser_decides():
    candidates = [Candidate("tbe", -1.0, -9.0), Candidate("the", -1.5, -2.0)]
    assert best_candidate(candidates, weight=0.0) == 0


def test_the_weight_turns_the_choice_where_both_sums_are_equal():
    # -1 - 9 w = -1.5 - 2 w at w = 1/14
    candidates = [Candidate("tbe", -1.0, -9.0), Candidate("the", -1.5, -2.0)]
    assert best_candidate(candidates, weight=0.07) == 0
    assert best_candidate(candidates, weight=0.08) == 1


def test_the_bonus_is_for_each_character():
    # 5 characters more, 2.0 less: from 0.4 a character on
    candidates = [Candidate("house", -1.0, -3.0), Candidate("house here", -3.0, -3.0)]
    assert best_candidate(candidates, weight=1.0, length_bonus=0.39) == 0
    assert best_candidate(candidates, weight=1.0, length_bonus=0.41) == 1


def test_of_equal_candidates_the_first_is_taken():
    equal = Candidate("a", -1.0, -2.0)
    assert best_candidate([Candidate("b", -3.0, -2.0), equal, equal], weight=0.5) == 1


def test_an_impossible_candidate_is_not_taken():
    candidates = [Candidate("a", -math.inf, -1.0), Candidate("b", -50.0, -9.0)]
    assert best_candidate(candidates, weight=0.5) == 1


def test_no_candidate_is_refused():
    with pytest.raises(ValueError, match="no candidate"):
        best_candidate([], weight=1.0)


def test_a_score_that_is_no_number_is_refused():
    with pytest.raises(ValueError, match="'a'"):
        best_candidate([Candidate("a", math.nan, -1.0)], weight=1.0)


# "the cat" is right from a weight of 1/7 on; "a hat" up to 1/4.
LINES = [
    [Candidate("tbe cat", -1.0, -9.0), Candidate("the cat", -2.0, -2.0)],
    [Candidate("a hat", -1.0, -8.0), Candidate("a cat", -2.0, -4.0)],
]
REFERENCES = ["the cat", "a hat"]


def test_the_weight_with_fewest_word_errors_is_found():
    assert fit_ranking(LINES, REFERENCES, weights=(0.0, 0.1, 0.2, 0.3), length_bonuses=(0.0,)) == (
        0.2,
        0.0,
    )


def test_the_length_bonus_is_found():
    lines = [[Candidate("a", -1.0, -1.0), Candidate("a house", -2.0, -1.0)]]
    # 6 characters have to be worth more than 1.0.
    assert fit_ranking(lines, ["a house"], weights=(0.0,), length_bonuses=(0.0, 0.1, 0.2)) == (
        0.0,
        0.2,
    )


def test_equal_word_errors_are_decided_by_characters():
    lines = [[Candidate("hxxxe", -1.0, -9.0), Candidate("hxuse", -2.0, -1.0)]]
    weight, _ = fit_ranking(lines, ["house"], weights=(0.0, 1.0), length_bonuses=(0.0,))
    assert weight == 1.0


def test_of_equally_good_settings_the_first_is_taken():
    lines = [[Candidate("house", -1.0, -1.0), Candidate("mouse", -2.0, -5.0)]]
    assert fit_ranking(lines, ["house"]) == (0.0, 0.0)


def test_a_reference_is_needed_for_every_line():
    with pytest.raises(ValueError, match="2 lines and 1 references"):
        fit_ranking(LINES, REFERENCES[:1])
