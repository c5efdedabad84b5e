"""What each arm makes of lines whose logits are made by hand."""

import numpy as np
import pytest

from hwr_hf.bert_hypothesis import arms
from hwr_hf.correction.edits import Correction, Edit
from hwr_hf.correction.readings import Readings
from hwr_hf.language_model import clean_corpus, estimate_ngram
from hwr_hf.resnet_bilstm.tokenization_resnet_bilstm import ResNetBiLstmTokenizer

TOKENIZER = ResNetBiLstmTokenizer()
IDS = TOKENIZER.get_vocab()


def logits_of(text: str, second: str) -> np.ndarray:
    """A frame for each character and a blank after it; where `second` differs it is nearly as
    probable."""
    probabilities = np.full((2 * len(text), len(IDS)), 1e-9)
    for place, (character, other) in enumerate(zip(text, second, strict=True)):
        probabilities[2 * place, IDS[other]] = 0.45
        probabilities[2 * place, IDS[character]] = 0.55 if other != character else 1.0
        probabilities[2 * place + 1, TOKENIZER.pad_token_id] = 1.0
    return np.log(probabilities)


def readings(*lines: tuple[str, str, str]) -> Readings:
    """Lines as (most probable text, second text, reference)."""
    logits = [logits_of(first, second) for first, second, _ in lines]
    return Readings([reference for _, _, reference in lines], ["a", "b"], logits, TOKENIZER)


@pytest.fixture
def lines():
    return readings(("the hcuse", "the house", "the house"), ("a mouse", "a mcuse", "a mouse"))


@pytest.fixture
def ngram():
    return estimate_ngram([clean_corpus("text", "the house and a mouse in the house. " * 5)])


def test_greedy_takes_the_most_probable_characters(lines):
    assert arms.greedy_arm().read(lines) == ["the hcuse", "a mouse"]


def test_the_beam_without_a_language_model_agrees_where_no_alignments_compete(lines):
    assert arms.beam_arm().read(lines) == ["the hcuse", "a mouse"]


def test_the_ngram_knows_the_house(lines, ngram):
    assert arms.ngram_arm(lines, ngram).read(lines) == ["the house", "a mouse"]


def test_the_lexicon_knows_the_house_without_an_ngram(lines, ngram):
    fitted = arms.lexicon_arm(lines, ngram)
    assert fitted.read(lines) == ["the house", "a mouse"]
    assert fitted.settings["lm_weight"] == 0 and fitted.settings["word_bonus"] > 0


def test_the_spelling_checker_is_fitted_on_validation_lines(lines):
    fitted = arms.spelling_arm(lines, {"the": 5, "house": 5, "a": 3, "mouse": 2})
    assert fitted.read(lines) == ["the house", "a mouse"]
    assert fitted.settings == {"max_distance": 1, "min_length": 3}


def test_the_oracle_picks_the_right_text_of_the_beam(lines):
    assert arms.n_best_oracle().read(lines) == ["the house", "a mouse"]


def test_the_masked_lm_ranks_the_beams_texts(lines):
    class KnowsHouse:
        def log_likelihoods(self, texts):
            return [0.0 if "house" in text or "mouse" in text else -10.0 for text in texts]

    fitted = arms.masked_lm_arm(lines, KnowsHouse())
    assert fitted.read(lines) == ["the house", "a mouse"]
    assert fitted.settings["weight"] > 0


PROPOSED = [
    Correction(
        "tbe old hcuse",
        "",
        (
            Edit(0, 3, "tbe", "the", corrector_change=4.0, recogniser_change=-1.0),
            Edit(4, 7, "old", "odd", corrector_change=2.0, recogniser_change=-9.0),
            Edit(8, 13, "hcuse", "horse", corrector_change=1.0, recogniser_change=-2.0),
        ),
    )
]


def test_every_edit_is_taken_without_a_gate():
    assert arms.all_edits(PROPOSED) == ["the odd horse"]


def test_a_perfect_detector_lets_edits_through_where_the_text_is_wrong():
    assert arms.edits_of_wrong_words(PROPOSED, ["the old house"]) == ["the old horse"]


def test_an_edit_of_two_words_passes_if_one_is_wrong():
    joined = [Correction("the mor ning", "", (Edit(4, 12, "mor ning", "morning"),))]
    assert arms.edits_of_wrong_words(joined, ["the morning"]) == ["the morning"]


def test_the_corrector_is_asked_with_the_image(lines, trained_corrector):
    first, _ = arms.corrections(lines, ["the hause", "a mouse"], trained_corrector)
    assert first.recognised == "the hause"
    edit = next(edit for edit in first.edits if edit.new == "house")
    assert edit.recogniser_change is not None and edit.corrector_change > 0
