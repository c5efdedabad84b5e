import pytest

from hwr_hf.bert_hypothesis.examples import MOST_SHOWN, SENTENCES, examples, sort_lines
from hwr_hf.correction.edits import Correction
from hwr_hf.correction.noise import ConfusionModel

CONFUSIONS = ConfusionModel({"e": {"c": 0.2}}, {}, cer=0.1)


class Corrector:
    """Rewrites every line in one way."""

    def __init__(self, rewrite):
        self.rewrite = rewrite

    def correct(self, texts):
        return [Correction(text, self.rewrite(text)) for text in texts]


def test_lines_are_sorted_by_what_happened_to_their_words():
    true = ["an old house"] * 4
    recognised = ["an cld house", "an old house", "an cld house", "an cld house"]
    corrected = ["an old house", "an odd house", "on old house", "an add house"]
    shown = sort_lines(true, recognised, corrected)
    assert [line["corrected"] for line in shown["repaired"]] == ["an old house"]
    assert [line["corrected"] for line in shown["broken"]] == ["an odd house", "on old house"]


def test_a_corrector_that_undoes_the_errors_only_repairs():
    by_reading = {sentence.replace("e", "c"): sentence for sentence in SENTENCES}
    shown = examples(Corrector(lambda text: by_reading[text.replace("e", "c")]), CONFUSIONS, 0.1)
    assert len(shown["repaired"]) == MOST_SHOWN
    assert shown["broken"] == []
    assert all(line["corrected"] == line["true"] in SENTENCES for line in shown["repaired"])


def test_a_corrector_that_reverses_the_words_only_breaks():
    shown = examples(Corrector(lambda text: text[::-1]), CONFUSIONS, 0.1)
    assert (len(shown["broken"]), shown["repaired"]) == (MOST_SHOWN, [])


def test_the_seed_decides_the_errors():
    seeds = (0, 0, 1)
    one, again, other = (
        examples(Corrector(str.upper), CONFUSIONS, 0.1, seed)["broken"] for seed in seeds
    )
    assert one == again != other


def test_a_trained_corrector_takes_the_sentences(trained_corrector):
    shown = examples(trained_corrector, CONFUSIONS, cer=0.0)
    assert shown["repaired"] == []


def test_sentences_are_as_long_as_lines_and_all_different():
    assert len(set(SENTENCES)) == 60
    assert all(30 <= len(sentence) <= 55 for sentence in SENTENCES)


def test_a_rate_that_is_none_is_refused():
    with pytest.raises(ValueError, match="no rate"):
        examples(Corrector(str), CONFUSIONS, cer=2)
