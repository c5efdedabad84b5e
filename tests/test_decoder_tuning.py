import numpy as np
import pytest
from ngram_miniature import save_ngram

from hwr_hf.decoder_tuning import tune_decoder
from hwr_hf.resnet_bilstm.ngram_resnet_bilstm import CharacterNgram
from hwr_hf.resnet_bilstm.tokenization_resnet_bilstm import ResNetBiLstmTokenizer

TOKENIZER = ResNetBiLstmTokenizer()


@pytest.fixture
def ngram(tmp_path):
    return CharacterNgram.load(save_ngram(tmp_path / "ngram.safetensors"))


def blurred(text, wrong, place):
    """Logits of a line in which one character is a little more probably another."""
    ids = TOKENIZER(text).input_ids
    logits = np.zeros((2 * len(ids), len(TOKENIZER)), np.float32)
    logits[np.arange(1, 2 * len(ids), 2), 0] = 20  # a blank after each
    logits[np.arange(0, 2 * len(ids), 2), ids] = 20
    logits[2 * place, TOKENIZER.convert_tokens_to_ids(wrong)] = 20.5
    return logits


def test_the_weight_that_reads_best_is_found(ngram):
    logits = [blurred("the cat", "x", 5), blurred("a house", "n", 3), None]
    tuning = tune_decoder(
        logits,
        ["the cat", "a house", ""],
        TOKENIZER.get_vocab(),
        ngram,
        {"lm_weight": (0.0, 0.5), "length_bonus": (0.3,), "word_bonus": (0.0,)},
    )
    assert tuning["greedy"] == {"cer": round(2 / 14, 5), "wer": 0.5}
    assert tuning["best"] == {
        "lm_weight": 0.5, "length_bonus": 0.3, "word_bonus": 0.0, "cer": 0.0, "wer": 0.0
    }  # fmt: skip
    assert [row["lm_weight"] for row in tuning["rows"]] == [0.0, 0.5]
    assert tuning["rows"][0]["cer"] == tuning["greedy"]["cer"]
    assert tuning["lines"] == 3


@pytest.mark.parametrize(("logits", "texts"), [([], []), ([None], ["a", "b"])])
def test_lines_and_texts_must_go_together(ngram, logits, texts):
    with pytest.raises(ValueError, match="give one text for every line"):
        tune_decoder(logits, texts, TOKENIZER.get_vocab(), ngram)
