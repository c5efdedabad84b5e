"""One command trains a corrector, from recognised lines and running text."""

import json

import pytest
from tiny_bert import save_tiny_bert
from transformers import AutoTokenizer, EncoderDecoderModel, T5Config

from hwr_hf.correction.noise import ConfusionModel
from hwr_hf.correction.training import CorrectorArguments, main, make_model

WORDS = ["morning", "evening", "rain", "garden", "came"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    return save_tiny_bert(tmp_path_factory.mktemp("bert") / "bert", WORDS)


@pytest.fixture
def train(tmp_path, bert):
    """Function that trains for a few steps and returns the exit code."""
    texts = [f"{first} {second}" for first in WORDS for second in WORDS]
    lines = [
        {"id": str(n), "form_id": "f", "text": text, "recognised": text.replace("a", "o")}
        for n, text in enumerate(texts)
    ]
    (tmp_path / "lines.jsonl").write_text("\n".join(map(json.dumps, lines)))
    (tmp_path / "text.txt").write_text("\n".join(texts))
    ConfusionModel({"a": {"o": 0.5}}, {}, cer=0.1).save(tmp_path / "confusions.json")

    def run(*arguments, **changes):
        options = {
            "bert": bert,
            "text": tmp_path / "text.txt",
            "lines": tmp_path / "lines.jsonl",
            "validation_lines": tmp_path / "lines.jsonl",
            "confusions": tmp_path / "confusions.json",
            "output_dir": tmp_path / "run",
            "max_steps": 4,
            "eval_steps": 2,
            "save_steps": 2,
            "logging_steps": 1,
            "per_device_train_batch_size": 8,
        } | changes
        words = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
        return main([*words, "--use_cpu", *arguments])

    return run


def log_of(folder):
    return json.loads((folder / "trainer_state.json").read_text())["log_history"]


def test_training_leaves_a_model_and_its_tokenizer(train, tmp_path):
    assert train() == 0
    model = EncoderDecoderModel.from_pretrained(tmp_path / "run")
    tokenizer = AutoTokenizer.from_pretrained(tmp_path / "run")
    assert model.generation_config.eos_token_id == tokenizer.sep_token_id
    assert model.generation_config.decoder_start_token_id == tokenizer.cls_token_id
    assert {"eval_cer", "eval_recognised_cer"} <= {
        name for e in log_of(tmp_path / "run") for name in e
    }


def test_recognised_lines_are_measured_beside_the_corrected_ones(train, tmp_path):
    train()
    rates = [e["eval_recognised_cer"] for e in log_of(tmp_path / "run") if "eval_cer" in e]
    # "a" read as "o": once in rain and came, and in garden, of 7 + 7 + 4 + 6 + 4 letters; each word
    # stands 10 times, with 25 spaces. BERT spells what it does not know letter by letter.
    assert rates == pytest.approx([30 / (10 * 28 + 25)] * 2)


def test_a_second_start_goes_on(train, tmp_path):
    train(max_steps=2)
    assert train(max_steps=4) == 0
    assert [entry["step"] for entry in log_of(tmp_path / "run") if "loss" in entry] == [1, 2, 3, 4]


def test_bert_begins_both_sides_and_random_weights_neither(bert):
    tokenizer = AutoTokenizer.from_pretrained(bert)
    first, second = (make_model(CorrectorArguments(str(bert)), tokenizer) for _ in range(2))
    random = make_model(CorrectorArguments(str(bert), random_init=True), tokenizer)
    name = "layer.0.attention.self.query.weight"
    weights = [
        {key: value for key, value in model.state_dict().items() if key.endswith(name)}
        for model in (first, second, random)
    ]
    assert len(weights[0]) == 2  # encoder and decoder
    for key in weights[0]:
        assert weights[0][key].equal(weights[1][key])
        assert not weights[0][key].equal(weights[2][key])
    assert first.num_parameters() == random.num_parameters()


def test_layers_can_be_left_out(bert):
    tokenizer = AutoTokenizer.from_pretrained(bert)
    model = make_model(CorrectorArguments(str(bert), decoder_layers=1), tokenizer)
    assert model.config.encoder.num_hidden_layers == 2
    assert model.config.decoder.num_hidden_layers == 1


def test_too_many_layers_are_refused(train, capsys):
    assert train("--decoder_layers", "3") == 2
    assert "--decoder_layers 3" in capsys.readouterr().err


def test_another_kind_of_model_is_refused(train, tmp_path, capsys, bert):
    T5Config().save_pretrained(tmp_path / "t5")
    AutoTokenizer.from_pretrained(bert).save_pretrained(tmp_path / "t5")
    assert train(bert=tmp_path / "t5") == 2
    assert "is of type t5, not bert" in capsys.readouterr().err


def test_a_missing_file_is_named(train, tmp_path, capsys):
    assert train(lines=tmp_path / "none.jsonl") == 2
    assert "none.jsonl" in capsys.readouterr().err


def test_the_cross_attention_begins_as_the_self_attention(bert):
    layer = make_model(
        CorrectorArguments(bert=str(bert)), AutoTokenizer.from_pretrained(bert)
    ).decoder.bert.encoder.layer[1]
    copied, own = layer.crossattention.state_dict(), layer.attention.state_dict()
    assert all((copied[name] == tensor).all() for name, tensor in own.items())


def test_only_so_many_word_pieces_are_kept_in_model_and_tokenizer(train, tmp_path):
    assert train("--word_pieces", "101") == 0
    model = EncoderDecoderModel.from_pretrained(tmp_path / "run")
    assert model.config.encoder.vocab_size == model.config.decoder.vocab_size == 101
    assert len(AutoTokenizer.from_pretrained(tmp_path / "run")) == 101
