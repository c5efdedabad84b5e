from types import SimpleNamespace

import jiwer
import numpy as np
import pytest

from hwr_hf.metrics import bootstrap_interval, cer, edit_counts, make_compute_metrics, wer
from hwr_hf.resnet_bilstm.tokenization_resnet_bilstm import ResNetBiLstmTokenizer

REFERENCES = ["a house", "the cat sat", "it", "Two  spaces, here"]
PREDICTIONS = ["a mouse", "the cat", "i t", "two spaces here "]


def test_cer_pools_edits_over_characters():
    # 1 edit in 7 characters and 2 in 3: pooled 3/10, while the mean of the lines would be 0.40.
    assert cer(["a house", "cat"], ["a mouse", "hut"]) == pytest.approx(3 / 10)


def test_wer_pools_edits_over_words_split_on_spaces():
    # "house" -> "mouse" and a missing "sat": 2 edits in 5 words; the comma belongs to its word.
    assert wer(["a house", "the cat, sat"], ["a mouse", "the cat,"]) == pytest.approx(2 / 5)


def test_edit_counts_of_every_line():
    counts = edit_counts(["a house", "the cat sat"], ["a mouse", "the cat"])
    assert counts.character_edits.tolist() == [1, 4]
    assert counts.characters.tolist() == [7, 11]
    assert counts.word_edits.tolist() == [1, 1]
    assert counts.words.tolist() == [2, 3]


def test_rates_equal_jiwer():
    assert cer(REFERENCES, PREDICTIONS) == pytest.approx(jiwer.cer(REFERENCES, PREDICTIONS))
    assert wer(REFERENCES, PREDICTIONS) == pytest.approx(jiwer.wer(REFERENCES, PREDICTIONS))


def test_case_counts():
    assert cer(["It"], ["it"]) == 0.5


@pytest.mark.parametrize(
    ("reference", "prediction", "rate"),
    [
        pytest.param("", "", 0.0, id="nothing-there-nothing-read"),
        pytest.param("", "ab", 2.0, id="nothing-there-two-letters-read"),
        pytest.param("ab", "", 1.0, id="nothing-read"),
    ],
)
def test_cer_of_empty_texts(reference, prediction, rate):
    assert cer([reference], [prediction]) == rate


def test_empty_reference_adds_its_insertions_to_the_pool():
    assert cer(["", "abcd"], ["x", "abcd"]) == 0.25


def test_no_lines_give_a_rate_of_zero():
    assert cer([], []) == wer([], []) == 0.0


def test_unequal_numbers_of_texts_are_refused():
    with pytest.raises(ValueError, match="2 references cannot be compared with 1 predictions"):
        cer(["a", "b"], ["a"])


def test_single_strings_are_refused():
    with pytest.raises(ValueError, match=r"Wrap a single text: \[text\]"):
        cer("ab", "ab")


def test_bootstrap_interval_of_two_writers_spans_both():
    # With writers at 0 % and 10 %, a resample is 0, 5 or 10 % with probability 1/4, 1/2, 1/4.
    interval = bootstrap_interval(np.array([0, 0, 10]), np.array([60, 40, 100]), ["a", "a", "b"])
    assert interval == pytest.approx((0.0, 0.1))


def test_bootstrap_interval_agrees_with_the_normal_approximation():
    rng = np.random.default_rng(1)
    edits = rng.binomial(100, 0.08, size=400)
    low, high = bootstrap_interval(edits, np.full(400, 100), np.arange(400), num_resamples=4000)
    half_width = 1.96 * edits.std() / 100 / 400**0.5
    assert low == pytest.approx(edits.mean() / 100 - half_width, abs=3e-4)
    assert high == pytest.approx(edits.mean() / 100 + half_width, abs=3e-4)


def test_bootstrap_by_writer_is_wider_than_by_line_when_hands_differ():
    edits = np.repeat([0, 4, 8, 12], 25)
    totals = np.full(100, 40)
    by_writer = bootstrap_interval(edits, totals, np.repeat(np.arange(4), 25))
    by_line = bootstrap_interval(edits, totals, np.arange(100))
    assert np.ptp(by_writer) > 3 * np.ptp(by_line)


def test_bootstrap_interval_depends_on_the_seed_alone():
    arguments = (np.arange(30), np.full(30, 40), np.arange(30) // 3)
    assert bootstrap_interval(*arguments, seed=5) == bootstrap_interval(*arguments, seed=5)
    assert bootstrap_interval(*arguments, seed=5) != bootstrap_interval(*arguments, seed=6)


def test_bootstrap_interval_needs_two_writers():
    with pytest.raises(ValueError, match="at least 2 writers, not 1"):
        bootstrap_interval(np.array([1, 2]), np.array([9, 9]), ["a", "a"])


def test_bootstrap_interval_needs_a_writer_for_every_line():
    with pytest.raises(ValueError, match="2 edits, 2 totals and 1 writers"):
        bootstrap_interval(np.array([1, 2]), np.array([9, 9]), ["a"])


def test_compute_metrics_collapses_predictions_and_keeps_double_letters_of_labels():
    tokenizer = ResNetBiLstmTokenizer()
    h, e, el, o = tokenizer.convert_tokens_to_ids(list("helo"))
    evaluation = SimpleNamespace(
        # "hello" spelt with a blank between the two l; "helo", whose second l is only held.
        predictions=np.array([[h, h, e, el, 0, el, o, -100], [h, e, e, el, el, o, -100, -100]]),
        label_ids=np.array([[h, e, el, el, o], [h, e, el, o, -100]]),
    )
    assert make_compute_metrics(tokenizer)(evaluation) == {"cer": 0.0, "wer": 0.0}


def test_compute_metrics_are_pooled():
    tokenizer = ResNetBiLstmTokenizer()
    a, b, c = tokenizer.convert_tokens_to_ids(list("abc"))
    evaluation = SimpleNamespace(
        predictions=np.array([[a, b, -100], [c, 0, -100]]),
        label_ids=np.array([[a, b, c], [c, -100, -100]]),
    )
    assert make_compute_metrics(tokenizer)(evaluation) == {"cer": 1 / 4, "wer": 1 / 2}


def test_compute_metrics_count_a_character_that_the_model_lacks_as_an_error():
    tokenizer = ResNetBiLstmTokenizer()
    labels = np.array([tokenizer("café").input_ids])
    evaluation = SimpleNamespace(predictions=labels, label_ids=labels)
    assert make_compute_metrics(tokenizer)(evaluation) == {"cer": 1 / 4, "wer": 1.0}
