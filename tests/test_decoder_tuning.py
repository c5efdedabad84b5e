import shutil

import numpy as np
import pytest
from drawing import draw_text_line
from ngram_miniature import save_ngram
from test_evaluation import dataset_of, png

from hwr_hf import decoder_tuning
from hwr_hf.decoder_tuning import cached_logits, tune_decoder
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


def test_logits_are_computed_once_for_the_same_weights(tiny_model_dir, tmp_path, monkeypatch):
    texts = ["a house", "", "lost", "it"]
    images = [png(draw_text_line(text)) for text in texts]
    images[2] = b"no image"
    dataset = dataset_of(images, texts)
    path = tmp_path / "new" / "logits.npz"
    logits, read, rows = cached_logits(path, tiny_model_dir, dataset, progress=False)
    assert read == ["a house", "", "it"] and rows == [0, 1, 3]
    assert logits[1] is None and logits[0].shape[1] == 81

    monkeypatch.setattr(decoder_tuning, "line_logits", None)
    again, read_again, rows_again = cached_logits(path, tiny_model_dir, dataset)
    assert read_again == read and rows_again == rows and again[1] is None
    np.testing.assert_array_equal(again[0], logits[0])

    with pytest.raises(TypeError):  # other lines: computed again
        cached_logits(path, tiny_model_dir, dataset.select([0, 1]))


def test_other_texts_or_settings_of_the_model_are_another_file(
    tiny_model_dir, tmp_path, monkeypatch
):
    model = shutil.copytree(tiny_model_dir, tmp_path / "model")
    images = [png(draw_text_line("a house"))]
    path = tmp_path / "logits.npz"
    cached_logits(path, model, dataset_of(images, ["a house"]), progress=False)
    assert [file.name for file in tmp_path.glob("*.npz")] == ["logits.npz"]

    monkeypatch.setattr(decoder_tuning, "line_logits", None)
    with pytest.raises(TypeError):
        cached_logits(path, model, dataset_of(images, ["a mouse"]))
    settings = model / "processor_config.json"
    settings.write_text(settings.read_text().replace('"line"', '"moment"'))
    with pytest.raises(TypeError):
        cached_logits(path, model, dataset_of(images, ["a house"]))
