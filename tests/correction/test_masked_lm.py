"""Pseudo-log-likelihoods, against a plain loop over transformers' own forward pass."""

import pytest
import torch
from bert_miniature import POSITIONS, VOCABULARY, make_tokenizer
from transformers import BertConfig, BertForMaskedLM, BertModel, T5Config

from hwr_hf.correction.masked_lm import MaskedLmScorer

SIZES = {
    "vocab_size": len(VOCABULARY),
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "intermediate_size": 64,
    "max_position_embeddings": POSITIONS,
    "initializer_range": 0.5,  # far from uniform
}
TEXTS = ["The house of London", "tbe house", "a cat, he said", "the letter came", "it"]


@pytest.fixture(scope="module")
def tokenizer(tmp_path_factory):
    return make_tokenizer(tmp_path_factory.mktemp("vocabulary"))


@pytest.fixture(scope="module")
def model():
    torch.manual_seed(0)
    return BertForMaskedLM(BertConfig(**SIZES)).eval()


@pytest.fixture
def scorer(model, tokenizer):
    return MaskedLmScorer(model, tokenizer)


@torch.no_grad()
def log_likelihood_piece_by_piece(model, tokenizer, text):
    tokens = ["[CLS]", *tokenizer.tokenize(text), "[SEP]"]
    total = 0.0
    for place in range(1, len(tokens) - 1):
        masked = list(tokens)
        masked[place] = "[MASK]"
        after = place + 1
        while tokens[after].startswith("##"):
            masked[after] = "[MASK]"
            after += 1
        ids = torch.tensor([tokenizer.convert_tokens_to_ids(masked)])
        probabilities = model(ids).logits[0, place].softmax(dim=-1)
        total += probabilities[tokenizer.convert_tokens_to_ids(tokens[place])].log().item()
    return total


@pytest.mark.parametrize("batch_pieces", [1, 20, 4096])
def test_every_piece_is_asked_for_with_the_rest_of_its_word_hidden(model, tokenizer, batch_pieces):
    scorer = MaskedLmScorer(model, tokenizer, batch_pieces)
    expected = [log_likelihood_piece_by_piece(model, tokenizer, text) for text in TEXTS]
    assert scorer.log_likelihoods(TEXTS) == pytest.approx(expected, abs=1e-3)


def test_a_text_has_the_same_likelihood_wherever_it_stands(scorer):
    first, second, third = scorer.log_likelihoods(["it was", "the house", "it was"])
    assert first == third != second


def test_repeated_texts_are_computed_once(scorer, monkeypatch):
    asked = []
    answers = scorer._answers
    monkeypatch.setattr(scorer, "_answers", lambda batch: asked.extend(batch) or answers(batch))
    scorer.log_likelihoods(["the house", "The House", "the house"])
    assert len(asked) == 2  # its two pieces; the vocabulary has no capitals


def test_a_text_without_pieces_is_certain(scorer):
    assert scorer.log_likelihoods(["", " "]) == [0.0, 0.0]
    assert scorer.log_likelihoods([]) == []


def test_the_name_of_a_special_piece_is_text(model, tokenizer, scorer):
    spelled = scorer.log_likelihoods(["[MASK]"])[0]
    # "[" and "]" are unknown to the vocabulary, and m a s k are four pieces.
    tokens = ["[UNK]", "m", "##a", "##s", "##k", "[UNK]"]
    total = 0.0
    for place, hidden in enumerate([[0], [1, 2, 3, 4], [2, 3, 4], [3, 4], [4], [5]]):
        masked = ["[MASK]" if i in hidden else token for i, token in enumerate(tokens)]
        ids = tokenizer.convert_tokens_to_ids(["[CLS]", *masked, "[SEP]"])
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, place + 1]
        total += logits.log_softmax(-1)[tokenizer.convert_tokens_to_ids(tokens[place])].item()
    assert spelled == pytest.approx(total, abs=1e-3)


def test_a_single_text_is_refused(scorer):
    with pytest.raises(ValueError, match="Wrap a single one"):
        scorer.log_likelihoods("the house")


def test_a_text_longer_than_the_model_reads_is_refused(scorer):
    with pytest.raises(ValueError, match=f"{POSITIONS + 1} word pieces"):
        scorer.log_likelihoods(["a " * (POSITIONS - 1)])


def test_a_saved_model_scores_as_before(scorer, model, tokenizer, tmp_path):
    model.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    loaded = MaskedLmScorer.from_pretrained(tmp_path)
    assert loaded.log_likelihoods(TEXTS) == pytest.approx(scorer.log_likelihoods(TEXTS))


def test_weights_without_a_head_are_refused(tokenizer, tmp_path):
    BertModel(BertConfig(**SIZES)).save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    with pytest.raises(ValueError, match=r"no weights for cls\.predictions.*train_masked_lm"):
        MaskedLmScorer.from_pretrained(tmp_path)


def test_a_folder_that_is_not_there_is_named(tmp_path):
    with pytest.raises(OSError, match=r"There is no folder .*nowhere"):
        MaskedLmScorer.from_pretrained(tmp_path / "nowhere")


def test_another_kind_of_model_is_refused(tmp_path):
    T5Config().save_pretrained(tmp_path)
    with pytest.raises(ValueError, match="type t5, not bert"):
        MaskedLmScorer.from_pretrained(tmp_path)


def test_a_tokenizer_of_another_model_is_refused(tokenizer):
    small = BertForMaskedLM(BertConfig(**SIZES | {"vocab_size": 20}))
    with pytest.raises(ValueError, match=f"{len(VOCABULARY)} ids and the model 20"):
        MaskedLmScorer(small, tokenizer)
