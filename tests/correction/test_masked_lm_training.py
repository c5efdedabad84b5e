"""One command trains a masked language model on running text."""

import json
import math
from itertools import pairwise

import numpy as np
import pytest
import torch
import transformers
from tiny_bert import save_tiny_bert
from transformers import AutoTokenizer, BertConfig, DataCollatorForTokenClassification, T5Config

from hwr_hf.correction.masked_lm import MaskedLmScorer
from hwr_hf.correction.masked_lm_training import (
    BertForMaskedLM,
    MaskedLines,
    main,
    questions,
)
from hwr_hf.data.corpus import TextLines

WORDS = ["morning", "evening", "rain", "garden", "came"]


@pytest.fixture(scope="module")
def bert(tmp_path_factory):
    """Without a masked-LM head."""
    return save_tiny_bert(tmp_path_factory.mktemp("bert") / "bert", WORDS)


@pytest.fixture
def text(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("\n".join(f"{first} {second}" for first in WORDS for second in WORDS))
    return path


@pytest.fixture
def train(tmp_path, bert, text):
    """Function that trains for a few steps and returns the exit code."""

    def run(**changes):
        options = {
            "bert": bert,
            "text": text,
            "validation_text": text,
            "validation_lines": 10,
            "output_dir": tmp_path / "run",
            "max_steps": 4,
            "eval_steps": 2,
            "save_steps": 2,
            "logging_steps": 1,
            "warmup_steps": 0,
            "per_device_train_batch_size": 8,
        } | changes
        words = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
        return main([*words, "--use_cpu", "--disable_tqdm", "true"])

    return run


def log_of(folder):
    return json.loads((folder / "trainer_state.json").read_text())["log_history"]


def batch_of(bert, text, size):
    tokenizer = AutoTokenizer.from_pretrained(bert)
    lines = MaskedLines(TextLines([text]), tokenizer, length=size)
    return DataCollatorForTokenClassification(tokenizer)([lines[i] for i in range(size)])


def test_the_loss_is_that_of_transformers(bert, text):
    batch = batch_of(bert, text, 16)
    torch.manual_seed(0)
    ours = BertForMaskedLM(BertConfig.from_pretrained(bert, initializer_range=0.5)).eval()
    theirs = transformers.BertForMaskedLM(ours.config).eval()
    theirs.load_state_dict(ours.state_dict())
    arguments = {name: batch[name] for name in ("input_ids", "attention_mask", "labels")}
    loss, expected = ours(**arguments).loss, theirs(**arguments).loss
    assert loss.item() == pytest.approx(expected.item(), rel=1e-5)
    loss.backward()
    expected.backward()
    for (name, parameter), other in zip(ours.named_parameters(), theirs.parameters(), strict=True):
        torch.testing.assert_close(parameter.grad, other.grad, rtol=1e-3, atol=1e-5, msg=name)


def test_hidden_pieces_are_asked_for_and_no_others(bert, text):
    tokenizer = AutoTokenizer.from_pretrained(bert)
    batch = batch_of(bert, text, 16)
    asked = batch["labels"] != -100
    assert (asked == (batch["input_ids"] == tokenizer.mask_token_id)).all()
    assert asked.any(dim=1).all()
    special = torch.isin(batch["labels"], torch.tensor(tokenizer.all_special_ids))
    assert not special.any()


def test_the_rest_of_a_hidden_word_is_hidden(bert, tmp_path):
    (tmp_path / "spelled.txt").write_text("abcdefgh ijklmnop\n")
    tokenizer = AutoTokenizer.from_pretrained(bert)
    lines = MaskedLines(TextLines([tmp_path / "spelled.txt"]), tokenizer, length=40)
    for index in range(len(lines)):
        tokens = tokenizer.convert_ids_to_tokens(lines[index]["input_ids"])
        for before, token in pairwise(tokens):
            assert not (before == "[MASK]" and token.startswith("##"))


def test_about_as_many_pieces_are_hidden_as_asked(bert, tmp_path):
    rng = np.random.default_rng(0)
    (tmp_path / "words.txt").write_text(" ".join(rng.choice(WORDS, 400)))  # one piece a word
    tokenizer = AutoTokenizer.from_pretrained(bert)
    lines = MaskedLines(TextLines([tmp_path / "words.txt"]), tokenizer, 300, masked_share=0.5)
    hidden, pieces = 0, 0
    for index in range(len(lines)):
        line = lines[index]
        hidden += sum(label != -100 for label in line["labels"])
        pieces += len(line["labels"]) - 2
    assert hidden / pieces == pytest.approx(0.5, abs=0.04)


def test_a_line_is_the_same_in_every_start(bert, text):
    tokenizer = AutoTokenizer.from_pretrained(bert)
    first, second, other = (
        [MaskedLines(TextLines([text]), tokenizer, 8, seed=seed)[i] for i in range(8)]
        for seed in (1, 1, 2)
    )
    assert first == second != other


def test_validation_asks_for_every_piece_once(bert, text):
    tokenizer = AutoTokenizer.from_pretrained(bert)
    asked = questions(TextLines([text]), tokenizer, 1)
    line = TextLines([text]).sample(np.random.default_rng(0))
    pieces = tokenizer(line, add_special_tokens=False).input_ids
    assert [[label for label in q["labels"] if label != -100] for q in asked] == [
        [id_] for id_ in pieces
    ]


def test_the_validation_loss_is_the_scorers_mean(train, bert, tmp_path, text):
    train(max_steps=2)
    evaluation = next(entry for entry in log_of(tmp_path / "run") if "eval_loss" in entry)
    rng = np.random.default_rng(0)
    lines = TextLines([text])
    drawn = [lines.sample(rng) for _ in range(10)]
    scorer = MaskedLmScorer.from_pretrained(tmp_path / "run")
    pieces = sum(len(scorer.tokenizer.tokenize(line)) for line in drawn)
    loss = -sum(scorer.log_likelihoods(drawn)) / pieces
    assert evaluation["eval_loss"] == pytest.approx(loss, rel=1e-4)
    assert evaluation["eval_perplexity"] == pytest.approx(math.exp(loss), rel=1e-3)


def test_training_lowers_the_loss_and_leaves_a_standard_model(train, tmp_path):
    assert train(max_steps=60, eval_steps=30, save_steps=30, learning_rate=3e-3) == 0
    losses = [entry["loss"] for entry in log_of(tmp_path / "run") if "loss" in entry]
    assert np.mean(losses[-10:]) < 0.8 * np.mean(losses[:5])
    config = BertConfig.from_pretrained(tmp_path / "run")
    assert config.architectures == ["BertForMaskedLM"]
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_a_second_start_goes_on(train, tmp_path):
    train(max_steps=2)
    assert train(max_steps=4) == 0
    assert [entry["step"] for entry in log_of(tmp_path / "run") if "loss" in entry] == [1, 2, 3, 4]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        pytest.param({"masked_share": 0}, "masked_share=0.0", id="no-share"),
        pytest.param({"validation_lines": 0}, "--validation_lines 0", id="no-validation"),
        pytest.param({"text": "none.txt"}, "none.txt", id="no-file"),
    ],
)
def test_arguments_that_do_not_fit_are_named(train, capsys, changes, message):
    assert train(**changes) == 2
    assert message in capsys.readouterr().err


def test_another_kind_of_model_is_refused(train, tmp_path, capsys):
    T5Config().save_pretrained(tmp_path / "t5")
    assert train(bert=tmp_path / "t5") == 2
    assert "is of type t5, not bert" in capsys.readouterr().err
