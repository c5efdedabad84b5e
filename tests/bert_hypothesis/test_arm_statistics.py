"""Rates, differences and verdicts, on lines whose errors are counted by hand."""

import numpy as np
import pytest

from hwr_hf.bert_hypothesis.plan import (
    BERT_GATED,
    CHAR_NGRAM,
    COMPARISONS,
    DECISIVE,
    NONE,
    RANDOM_GATED,
)
from hwr_hf.bert_hypothesis.statistics import (
    compare_arms,
    holm,
    measure_arm,
    verdicts,
    words_right,
)

REFERENCES = ["the old house", "a red door", "two cats sat", "it rained"]  # 11 words
WRITERS = ["ann", "ann", "bob", "cid"]
RECOGNISED = ["tbe old house", "a rod door", "two cats sat", "it rained"]  # 2 words wrong


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        pytest.param("the old house", [1, 1, 1], id="all"),
        pytest.param("the cold house", [1, 0, 1], id="one-replaced"),
        pytest.param("the house", [1, 0, 1], id="one-left-out"),
        pytest.param("so the old house", [1, 1, 1], id="one-added"),
        pytest.param("theold house", [0, 0, 1], id="two-joined"),
        pytest.param("The old house", [0, 1, 1], id="case-counts"),
        pytest.param("", [0, 0, 0], id="nothing-read"),
    ],
)
def test_words_read_right(text, expected):
    assert words_right(["the old house"], [text]).tolist() == [bool(n) for n in expected]


def test_words_repaired_and_broken_are_counted_over_all_lines():
    """`the` is repaired; `cats` and `rained` are broken; `red` stays wrong."""
    texts = ["the old house", "a rid door", "two oats sat", "it ran"]
    arm = measure_arm(REFERENCES, WRITERS, RECOGNISED, [texts])
    assert (arm["words_repaired"], arm["words_broken"]) == (1, 2)
    assert arm["word_accuracy"] == pytest.approx(8 / 11)
    assert arm["wer"] == pytest.approx(3 / 11)


def test_the_uncorrected_text_repairs_and_breaks_nothing():
    arm = measure_arm(REFERENCES, WRITERS, RECOGNISED, [RECOGNISED])
    assert (arm["words_repaired"], arm["words_broken"]) == (0, 0)
    assert arm["cer"] == pytest.approx(2 / 44)  # 13 + 10 + 12 + 9 characters


def test_seeds_are_averaged_and_reported_one_by_one():
    """Word errors 0 and 2; the first seed repairs both wrong words, the second none."""
    arm = measure_arm(REFERENCES, WRITERS, RECOGNISED, [REFERENCES, RECOGNISED])
    assert arm["wer"] == pytest.approx(1 / 11)
    assert arm["words_repaired"] == 1.0
    assert arm["word_accuracy"] == pytest.approx(10 / 11)
    assert [seed["wer"] for seed in arm["seeds"]] == pytest.approx([0, 2 / 11])


def test_interval_of_two_writers_reaches_from_the_better_to_the_worse():
    """One writer has 0 of 2 words wrong, the other 1 of 2: resamples have 0, 1/4 or 1/2."""
    arm = measure_arm(["a b", "c d"], ["ann", "bob"], ["a b", "c x"], [["a b", "c x"]])
    assert arm["wer_interval"] == pytest.approx([0.0, 0.5])


def test_as_many_seeds_of_the_same_texts_change_no_interval():
    once = measure_arm(REFERENCES, WRITERS, RECOGNISED, [RECOGNISED])
    thrice = measure_arm(REFERENCES, WRITERS, RECOGNISED, [RECOGNISED] * 3)
    assert thrice["wer_interval"] == pytest.approx(once["wer_interval"])


def test_equal_arms_do_not_differ():
    assert compare_arms(REFERENCES, WRITERS, [RECOGNISED], [RECOGNISED] * 2) == {
        "difference": 0.0,
        "interval": [0.0, 0.0],
        "p_value": 1.0,
    }


def test_an_arm_that_is_better_for_every_writer_excludes_zero():
    """20 writers with one line of four words; the other arm gets one word of each wrong."""
    references = ["one two six ten"] * 20
    worse = ["one two six tan"] * 20
    compared = compare_arms(references, list(range(20)), [references], [worse])
    assert compared["difference"] == pytest.approx(-0.25)
    assert compared["interval"] == pytest.approx([-0.25, -0.25])
    assert compared["p_value"] == pytest.approx(2 / 10_001)


def test_the_other_way_round_only_the_sign_changes():
    texts, other = [RECOGNISED], [["the old house", "a red door", "two oats sat", "it rained"]]
    one, reverse = (
        compare_arms(REFERENCES, WRITERS, *arms) for arms in ((texts, other), (other, texts))
    )
    assert one["difference"] == pytest.approx(-reverse["difference"])
    assert one["interval"] == pytest.approx([-end for end in reverse["interval"][::-1]])
    assert one["p_value"] == reverse["p_value"]


def test_p_value_of_two_writers_is_that_of_all_resamples():
    """Ann gains a word, Bob loses nothing: a quarter of the resamples, Bob twice, has no gain."""
    compared = compare_arms(["a b", "c d"], ["ann", "bob"], [["a b", "c d"]], [["a x", "c d"]])
    assert compared["p_value"] == pytest.approx(2 * 0.25, abs=0.03)
    assert compared["interval"] == pytest.approx([-0.5, 0.0])


def test_characters_can_be_compared_instead_of_words():
    """One of the four characters `a b` and `c` is wrong."""
    compared = compare_arms(["a b", "c"], ["ann", "bob"], [["a b", "c"]], [["a b", "d"]], "cer")
    assert compared["difference"] == pytest.approx(-1 / 4)


def test_arms_without_texts_are_refused():
    with pytest.raises(ValueError, match="An arm has no texts"):
        compare_arms(REFERENCES, WRITERS, [], [RECOGNISED])


def test_one_writer_is_refused():
    with pytest.raises(ValueError, match="at least 2 writers"):
        measure_arm(["a"], ["ann"], ["a"], [["a"]])


@pytest.mark.parametrize(
    ("p_values", "adjusted"),
    [
        pytest.param([0.01, 0.04, 0.03, 0.005], [0.03, 0.06, 0.06, 0.02], id="four"),
        pytest.param([0.02, 0.015], [0.03, 0.03], id="never-below-a-smaller-one"),
        pytest.param([0.4, 0.6], [0.8, 0.8], id="never-below-when-factors-shrink"),
        pytest.param([0.9, 0.7], [1.0, 1.0], id="at-most-one"),
        pytest.param([0.03], [0.03], id="one-alone"),
        pytest.param([], [], id="none"),
    ],
)
def test_holm(p_values, adjusted):
    assert holm(p_values) == pytest.approx(adjusted)


def entry(against, points, half_width=0.2, p_holm=0.01, regime="low noise"):
    """A comparison of gated BERT, in points of WER."""
    interval = [(points - half_width) / 100, (points + half_width) / 100]
    return {
        "regime": regime,
        "arm": BERT_GATED.name,
        "against": against.name,
        "difference": points / 100,
        "interval": interval,
        "p_holm": p_holm,
    }


def decision(*comparisons):
    (verdict,) = verdicts(comparisons)
    return verdict["bert_helps"]


@pytest.mark.parametrize(
    ("random", "ngram", "helps"),
    [
        pytest.param({"points": -1}, {"points": -1}, True, id="wins-both"),
        pytest.param({"points": 1}, {"points": -1}, False, id="worse-than-random"),
        pytest.param({"points": -1}, {"points": 1}, False, id="worse-than-n-gram"),
        pytest.param({"points": -1}, {"points": -1, "half_width": 1.1}, False, id="holds-zero"),
        pytest.param({"points": -1}, {"points": -1, "p_holm": 0.05}, False, id="p-too-high"),
    ],
)
def test_bert_helps_only_if_it_wins_both(random, ngram, helps):
    assert decision(entry(RANDOM_GATED, **random), entry(CHAR_NGRAM, **ngram)) is helps


def test_a_win_over_no_correction_decides_nothing():
    assert decision(entry(NONE, -5), entry(RANDOM_GATED, 1), entry(CHAR_NGRAM, 1)) is False


def test_without_a_comparison_that_decides_there_is_no_yes():
    assert decision(entry(RANDOM_GATED, -1)) is None
    assert decision(entry(RANDOM_GATED, 1)) is False
    assert decision(entry(NONE, -1)) is None


def test_each_regime_has_its_own_verdict():
    comparisons = [
        entry(against, points, regime=regime)
        for regime, points in (("low noise", 0.1), ("high noise", -2))
        for against in (RANDOM_GATED, CHAR_NGRAM)
    ]
    assert [(v["regime"], v["bert_helps"]) for v in verdicts(comparisons)] == [
        ("low noise", False),
        ("high noise", True),
    ]


@pytest.mark.parametrize(
    ("points", "half_width", "said"),
    [
        (-1, 0.2, "BERT, gated against random init, gated: fewer word errors, -1.00 points of WER"),
        (1, 0.2, "more word errors, +1.00 points of WER (+0.80 to +1.20), p = 0.0100 after Holm"),
        (-1, 1.5, "the difference is not settled, -1.00 points of WER (-2.50 to +0.50)"),
    ],
)
def test_reasons_say_what_the_numbers_say(points, half_width, said):
    (verdict,) = verdicts([entry(RANDOM_GATED, points, half_width)])
    assert said in verdict["reasons"][0]
    assert verdict["reasons"][1] == "BERT, gated against character n-gram: not compared."


def test_the_comparisons_that_decide_are_planned_ones():
    assert set(DECISIVE) <= set(COMPARISONS)
    assert [c.against for c in DECISIVE] == [RANDOM_GATED, CHAR_NGRAM]


def test_rates_of_drawn_errors_lie_in_their_intervals():
    """Words are wrong one time in five; the interval of 60 writers holds the pooled rate."""
    rng = np.random.default_rng(0)
    references = ["one two six ten"] * 60
    texts = [
        " ".join("x" if rng.random() < 0.2 else word for word in line.split())
        for line in references
    ]
    arm = measure_arm(references, list(range(60)), texts, [texts])
    low, high = arm["wer_interval"]
    assert low < arm["wer"] < high
    assert low < 0.2 < high
