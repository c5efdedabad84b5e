import math
from itertools import product

import pytest

from hwr_hf.correction.edits import Correction, Edit
from hwr_hf.correction.gate import GateSettings
from hwr_hf.correction.gate_fitting import fit_gate


def line(*changes, recognised="tbe hause"):
    """A line with an edit of its first word and, if given, of its second."""
    spans = [(0, 3, "tbe", "the"), (4, 9, "hause", "house")]
    edits = [
        Edit(*span, corrector_change=corrector, recogniser_change=recogniser)
        for span, (recogniser, corrector) in zip(spans, changes, strict=False)
    ]
    return Correction(recognised, recognised, tuple(edits))


def taken(settings, correction):
    return [settings.judge(edit).accepted for edit in correction.edits]


def test_good_edits_are_told_from_bad_ones():
    good, bad = line((-1.0, 4.0)), line((-6.0, 4.0))
    settings = fit_gate([good, bad], ["the hause", "tbe hause"])
    assert taken(settings, good) == [True]
    assert taken(settings, bad) == [False]


def test_the_weight_is_chosen_where_only_the_corrector_knows():
    lines = [line((-4.0, 8.0)), line((-3.0, 2.0)), line((-4.5, 9.0)), line((-1.0, 0.5))]
    references = ["the hause", "tbe hause", "the hause", "tbe hause"]
    settings = fit_gate(lines, references)
    assert [taken(settings, each) for each in lines] == [[True], [False], [True], [False]]


def test_where_every_edit_does_harm_none_is_taken():
    settings = fit_gate([line((-1.0, 4.0), (0.0, 9.0))], ["tbe hause"])
    assert settings.threshold == settings.text_threshold == math.inf


def test_without_recogniser_scores_only_the_text_threshold_is_fitted():
    settings = fit_gate([line((None, 4.0)), line((None, 1.0))], ["the hause", "tbe hause"])
    assert settings.text_threshold == 2.5  # half-way
    assert settings.threshold == math.inf


def test_no_group_may_get_worse_for_the_gain_of_another():
    lines = [line((-1.0, 4.0)), line((-1.0, 4.0)), line((-1.0, 4.0))]
    references = ["the hause", "the hause", "tbe hause"]
    together = fit_gate(lines, references)
    assert taken(together, lines[0]) == [True]
    apart = fit_gate(lines, references, groups=["high noise", "high noise", "low noise"])
    assert taken(apart, lines[0]) == [False]


def test_no_threshold_does_better():
    changes = [(-1, 3), (-2, 1), (0, 0.5), (-5, 9), (-3, 2), (-0.5, -1)]
    lines = [line(first, second) for first, second in product(changes, changes[::2])]
    references = [
        ("the" if i % 3 else "tbe") + (" house" if i % 4 else " hause") for i in range(len(lines))
    ]

    def wrong_words(settings):
        pairs = zip(lines, references, strict=True)
        return sum(
            accepted != is_right
            for each, reference in pairs
            for accepted, is_right in zip(
                taken(settings, each), ["the" in reference, "house" in reference], strict=True
            )
        )

    settings = fit_gate(lines, references, weights=[1.0])
    grid = [GateSettings(1.0, threshold / 8) for threshold in range(-60, 60)]
    assert wrong_words(settings) == min(map(wrong_words, grid))


def test_lists_of_different_lengths_are_an_error():
    with pytest.raises(ValueError, match="1 corrections, 2 references"):
        fit_gate([line((-1.0, 4.0))], ["a", "b"])
