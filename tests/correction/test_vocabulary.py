"""A BERT with fewer word pieces spells the same words and computes the same of those it keeps."""

import pytest
import torch
from tiny_bert import save_tiny_bert
from transformers import AutoModel, AutoTokenizer, BertLMHeadModel

from hwr_hf.correction.vocabulary import frequent_pieces, trim_model, trim_tokenizer

WORDS = ["morning", "evening", "rain", "garden", "came"]
TEXTS = ["rain came", "the rain", "morning rain came"]  # rain 3 times, came twice, morning once
NUM_CHARACTERS = 2 * 47 + 5  # of `save_tiny_bert`, begun or gone on with, and the special tokens


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return save_tiny_bert(tmp_path_factory.mktemp("trimmed") / "bert", WORDS)


@pytest.fixture(scope="module")
def tokenizer(bert):
    return AutoTokenizer.from_pretrained(bert)


def test_the_most_frequent_pieces_stay(tokenizer):
    ids = frequent_pieces(tokenizer, TEXTS, NUM_CHARACTERS + 2)
    kept = set(tokenizer.convert_ids_to_tokens(ids))
    assert kept & set(WORDS) == {"rain", "came"}
    assert ids == sorted(ids) and len(ids) == NUM_CHARACTERS + 2


def test_pieces_that_never_occur_go_even_if_there_is_room(tokenizer):
    kept = tokenizer.convert_ids_to_tokens(frequent_pieces(tokenizer, TEXTS, 1000))
    assert set(kept) & set(WORDS) == {"rain", "came", "morning"}


def test_too_few_pieces_for_the_characters_are_refused(tokenizer):
    with pytest.raises(ValueError, match=f"50 word pieces are too few: {NUM_CHARACTERS} are"):
        frequent_pieces(tokenizer, TEXTS, 50)


def test_what_could_be_spelt_still_can(tokenizer):
    trimmed = trim_tokenizer(tokenizer, frequent_pieces(tokenizer, TEXTS, NUM_CHARACTERS + 1))
    assert trimmed.tokenize("Rain came!") == ["rain", "c", "##a", "##m", "##e", "!"]
    assert trimmed.unk_token_id not in trimmed("garden, evening (1960)").input_ids


def test_a_trimmed_tokenizer_comes_back_from_its_folder(tokenizer, tmp_path):
    trimmed = trim_tokenizer(tokenizer, frequent_pieces(tokenizer, TEXTS, NUM_CHARACTERS + 1))
    trimmed.save_pretrained(tmp_path)
    again = AutoTokenizer.from_pretrained(tmp_path)
    assert again("Rain came!").input_ids == trimmed("Rain came!").input_ids
    assert len(again) == NUM_CHARACTERS + 1


def test_a_trimmed_encoder_computes_the_same(bert, tokenizer):
    model = AutoModel.from_pretrained(bert).eval()
    ids = frequent_pieces(tokenizer, TEXTS, NUM_CHARACTERS + 3)
    trimmed = trim_model(model, ids).eval()
    assert trimmed.get_input_embeddings().num_embeddings == len(ids)
    with torch.inference_mode():
        states = [
            m(**t("morning rain came", return_tensors="pt")).last_hidden_state
            for m, t in ((model, tokenizer), (trimmed, trim_tokenizer(tokenizer, ids)))
        ]
    torch.testing.assert_close(states[1], states[0])


def test_a_trimmed_head_scores_the_kept_pieces_alike(bert, tokenizer):
    model = BertLMHeadModel.from_pretrained(bert, is_decoder=True).eval()
    ids = frequent_pieces(tokenizer, TEXTS, NUM_CHARACTERS + 3)
    trimmed = trim_model(model, ids).eval()
    with torch.inference_mode():
        logits, trimmed_logits = (
            m(**t("morning rain came", return_tensors="pt")).logits
            for m, t in ((model, tokenizer), (trimmed, trim_tokenizer(tokenizer, ids)))
        )
    torch.testing.assert_close(trimmed_logits, logits[..., ids])
