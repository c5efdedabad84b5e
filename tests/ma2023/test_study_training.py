"""One training of the study, at sizes of seconds."""

import dataclasses

import datasets
import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file, save_file
from torchvision.models import resnet34

from hwr_hf.data.collator import LineCollator
from hwr_hf.data.preparation import PREPARED_FEATURES, PreparedLines
from hwr_hf.ma2023.study import BUDGETS, HONEST, IMAGENET, NETWORKS, Run
from hwr_hf.ma2023.training import (
    Surroundings,
    decode_frames,
    rates_of,
    read_words,
    train_and_test,
)
from hwr_hf.resnet_bilstm.image_processing_resnet_bilstm import ResNetBiLstmImageProcessor
from hwr_hf.resnet_bilstm.modeling_resnet_bilstm import ResNetBiLstmForCTC
from hwr_hf.resnet_bilstm.processing_resnet_bilstm import ResNetBiLstmProcessor
from hwr_hf.resnet_bilstm.tokenization_resnet_bilstm import ResNetBiLstmTokenizer

TOKENIZER = ResNetBiLstmTokenizer()


def ids(text: str) -> list[int]:
    return TOKENIZER(text).input_ids


def test_a_network_without_ctc_spells_double_letters_step_by_step():
    frames = np.array([[*ids("hello"), 0, 0], [*ids("a"), 0, 0, 0, 0, 0, 0]])
    assert decode_frames(frames, TOKENIZER, NETWORKS["cnn_rnn"]) == ["hello", "a"]


def test_a_network_with_ctc_merges_what_repeats():
    frames = np.array([[*ids("hell"), 0, *ids("loo")]])
    assert decode_frames(frames, TOKENIZER, NETWORKS["cnn_rnn_ctc"]) == ["hello"]


def test_rates_are_pooled_and_kept_by_writer():
    """'tea' for 'ten': one edit in 3; 'rain' right; 'on' missed: 2 in 2. In all 3 edits in 9."""
    result = rates_of(["ten", "rain", "on"], ["tea", "rain", ""], ["w1", "w2", "w1"])
    assert result["cer"] == pytest.approx(3 / 9, abs=1e-5)
    assert result["wer"] == pytest.approx(2 / 3, abs=1e-5)
    assert result["by_writer"] == {"w1": [3, 5, 2, 2], "w2": [0, 4, 0, 1]}


def test_a_word_too_narrow_for_its_text_is_read_all_the_same():
    """16 columns are 4 frames: no loss of CTC for 9 letters."""
    torch.manual_seed(0)
    config = BUDGETS["cpu"].config(NETWORKS["default"])
    config.vocab_size = len(TOKENIZER)
    model = ResNetBiLstmForCTC(config)
    processor = ResNetBiLstmProcessor(ResNetBiLstmImageProcessor(), TOKENIZER)
    images = [Image.new("L", (width, 48), 255) for width in (64, 16)]
    words = {"image": images, "text": ["tea", "narrowest"], "width": [64, 16]}
    words = datasets.Dataset.from_dict(words, PREPARED_FEATURES)
    with pytest.raises(ValueError, match="cannot spell"):
        lines = PreparedLines(words, TOKENIZER, config.column_stride)
        model(**LineCollator(processor.image_processor)([lines[1]]))
    texts = read_words(model, processor, words, NETWORKS["default"])
    assert len(texts) == 2
    assert len(texts[1]) <= 4


def test_a_pretrained_run_starts_from_the_weights_of_a_file(words_iam, tmp_path):
    """At a learning rate of 0 the backbone ends as it began."""
    torch.manual_seed(5)
    resnet = resnet34().state_dict()
    save_file(resnet, tmp_path / "resnet34.safetensors")
    sizes = {"num_steps": 16, "lstm_hidden_size": 8, "num_lstm_layers": 1}
    budget = dataclasses.replace(
        BUDGETS["full"], image_size=32, num_epochs=1, learning_rate=0.0, paper_sizes=sizes
    )
    weights = str(tmp_path / "resnet34.safetensors")
    surroundings = Surroundings(words_iam, tmp_path, weights, num_processes=1)
    run = Run((HONEST,), "cnn_rnn", initial_weights=IMAGENET)
    result = train_and_test(run, budget, surroundings)
    assert result["initial_weights"] == "imagenet"
    trained = load_file(tmp_path / run.name / "model.safetensors")
    for name in ("conv1.weight", "layer4.2.conv2.weight"):
        assert torch.equal(trained[f"model.backbone.{name}"], resnet[name])


def test_a_network_does_not_stand_for_other_settings(words_iam, tiny_budget, tmp_path):
    run = Run((HONEST,), "default")
    surroundings = Surroundings(words_iam, tmp_path, num_processes=1, seed=0)
    train_and_test(run, tiny_budget, surroundings)
    other_seed = dataclasses.replace(surroundings, seed=1)
    with pytest.raises(ValueError, match=f"{run.name} was begun with seed 0 and not 1"):
        train_and_test(run, tiny_budget, other_seed)
    longer = dataclasses.replace(tiny_budget, num_epochs=5)
    with pytest.raises(ValueError, match=r"begun with budget .*'num_epochs': 1.* and not .*: 5"):
        train_and_test(run, longer, surroundings)
