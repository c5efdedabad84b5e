import json
import shutil

import numpy as np
import pytest
import torch
from drawing import draw_text_line
from PIL import Image
from test_evaluation import dataset_of, png
from transformers import AutoConfig

from hwr_hf.calibration import (
    TEMPERATURES,
    ReadText,
    calibrate,
    calibration_bins,
    calibration_report,
    chance_calibration_error,
    draw_calibration,
    expected_calibration_error,
    fit_temperature,
    judge_text,
    leave_writers_out,
    log_scores,
    read_texts,
    store_temperature,
    word_scores,
)
from hwr_hf.resnet_bilstm.ctc_resnet_bilstm import (
    ctc_collapse,
    ctc_log_probability,
    greedy_decode,
)
from hwr_hf.resnet_bilstm.tokenization_resnet_bilstm import ResNetBiLstmTokenizer

NUM_FRAMES, NUM_CLASSES = 4, 4


def texts_of_a_source(num_texts, overconfidence, seed=0, writer_id="ann"):
    """Texts drawn from the probabilities of logits, which are then multiplied.

    The drawn text is the true one, so the logits divided by `overconfidence` are calibrated.
    """
    rng = np.random.default_rng(seed)
    texts = []
    for _ in range(num_texts):
        logits = rng.normal(0, 2, (NUM_FRAMES, NUM_CLASSES))
        # The Gumbel trick: the argmax is a draw from the softmax.
        path = (logits + rng.gumbel(size=logits.shape)).argmax(axis=-1)
        labels = greedy_decode(logits)
        right = ctc_collapse(path) == labels
        texts.append(ReadText(logits * overconfidence, labels, right, [], [], writer_id))
    return texts


def table_of(texts):
    return np.stack([log_scores(text.logits, text.labels, TEMPERATURES) for text in texts])


@pytest.mark.parametrize(
    ("scores", "right", "num_bins", "error"),
    [
        # bins (0.2, 0.4) and (0.9, 0.9): means 0.3 and 0.9, none and all right
        pytest.param([0.9, 0.4, 0.9, 0.2], [1, 0, 1, 0], 2, (0.3 + 0.1) / 2, id="two-bins"),
        # bins of 2 and 1: |0.5 - 0.5| and |0.8 - 0|
        pytest.param([0.4, 0.6, 0.8], [0, 1, 0], 2, 0.8 / 3, id="weighted-by-count"),
        pytest.param([1.0, 1.0], [0, 0], 15, 1.0, id="sure-and-wrong"),
        pytest.param([0.25] * 4 + [0.75] * 4, [1, 0, 0, 0, 1, 1, 1, 0], 2, 0.0, id="perfect"),
    ],
)
def test_expected_calibration_error(scores, right, num_bins, error):
    assert expected_calibration_error(scores, right, num_bins) == pytest.approx(error)


def test_scores_that_are_probabilities_have_nearly_no_error():
    scores = np.random.default_rng(0).random(200_000)
    right = np.random.default_rng(1).random(200_000) < scores
    assert expected_calibration_error(scores, right) < 0.01


def test_bins_are_of_equal_count_and_never_empty():
    bins = calibration_bins(np.linspace(0, 1, 7), [0, 0, 0, 1, 1, 1, 1], num_bins=3)
    assert [part["count"] for part in bins] == [3, 2, 2]
    assert [part["right"] for part in bins] == [0.0, 1.0, 1.0]
    assert len(calibration_bins([0.5, 0.6], [0, 1], num_bins=15)) == 2


@pytest.mark.parametrize(("scores", "right"), [([], []), ([0.5], [1, 0])])
def test_scores_without_their_judgements_are_refused(scores, right):
    with pytest.raises(ValueError, match="judgements"):
        expected_calibration_error(scores, right)


def test_chance_error_is_what_few_texts_leave():
    assert chance_calibration_error([0.5]) == pytest.approx(0.5)  # right or wrong, 0.5 away
    assert chance_calibration_error([0.0, 1.0]) == 0.0
    many = np.full(3000, 0.5)  # bins of 200: mean of |share - 0.5| is sqrt(2 / pi) * sqrt(1/4/200)
    assert chance_calibration_error(many) == pytest.approx(0.0282, rel=0.05)


@pytest.mark.parametrize("labels", [[], [1], [1, 2], [2, 2], [1, 2, 3]])
def test_log_scores_are_ctc_probabilities_of_the_divided_logits(labels):
    logits = np.random.default_rng(3).normal(0, 3, (5, NUM_CLASSES))
    expected = [ctc_log_probability(logits / t, labels) for t in (0.5, 1.0, 3.0)]
    assert log_scores(logits, labels, [0.5, 1.0, 3.0]) == pytest.approx(expected, abs=1e-4)


def test_frames_of_padding_stay_blank_with_certainty():
    logits = np.full((3, NUM_CLASSES), -1e4, dtype=np.float32)
    logits[:, 0] = 0.0
    assert log_scores(logits, [], TEMPERATURES).tolist() == [0.0] * len(TEMPERATURES)


@pytest.mark.parametrize("overconfidence", [0.7, 1.0, 2.0, 4.0])
def test_a_known_temperature_is_found_again(overconfidence):
    texts = texts_of_a_source(3000, overconfidence)
    right = [text.right for text in texts]
    assert fit_temperature(table_of(texts), right) == pytest.approx(overconfidence, rel=0.15)


def test_no_best_temperature_is_an_error():
    texts = texts_of_a_source(50, 1.0)
    with pytest.raises(ValueError, match=r"No temperature between 0\.5 and 8 fits best"):
        fit_temperature(table_of(texts), [True] * len(texts))


def test_a_writer_left_out_has_no_say_in_its_temperature():
    ann = texts_of_a_source(600, 1.0, seed=1, writer_id="ann")
    bob = texts_of_a_source(600, 3.0, seed=2, writer_id="bob")
    right = [text.right for text in ann + bob]
    writer_ids = [text.writer_id for text in ann + bob]
    fitted = leave_writers_out(table_of(ann + bob), right, writer_ids)
    assert set(fitted[:600]) == {fit_temperature(table_of(bob), [text.right for text in bob])}
    assert set(fitted[600:]) == {fit_temperature(table_of(ann), [text.right for text in ann])}


def test_one_writer_cannot_be_left_out():
    texts = texts_of_a_source(20, 1.0)
    with pytest.raises(ValueError, match="1 writer given"):
        leave_writers_out(table_of(texts), [text.right for text in texts], ["ann"] * 20)


def test_the_report_says_that_scaling_helps_an_overconfident_model():
    texts = texts_of_a_source(1500, 3.0, seed=1) + texts_of_a_source(
        1500, 3.0, seed=2, writer_id="bob"
    )
    report = calibration_report({"short": texts[:1000], "long": texts[1000:]})
    assert report["temperature"] == pytest.approx(3.0, rel=0.15)
    assert {"short", "long", "all"} <= set(report) and "words of lines" not in report
    everything = report["all"]
    assert (everything["texts"], everything["writers"]) == (3000, 2)
    assert everything["ece_before"] > 0.15
    assert everything["ece"] < 2 * everything["ece_of_chance"]
    assert everything["ece_cross_fitted"] < 0.05
    assert sum(part["count"] for part in everything["bins"]) == 3000


# Texts and their words


def logits_that_read(tokenizer, text, sureness=20.0):
    """A frame for each letter with a blank after it."""
    logits = np.zeros((2 * len(text), len(tokenizer)))
    logits[1::2, tokenizer.pad_token_id] = sureness
    for i, label in enumerate(tokenizer(text).input_ids):
        logits[2 * i, label] = sureness
    return logits


@pytest.mark.parametrize(
    ("true", "read", "right", "right_words"),
    [
        pytest.param("a cat", "a cat", True, [True, True], id="right"),
        pytest.param(" a cat ", "a cat", True, [True, True], id="outer-spaces-do-not-count"),
        pytest.param("a cat sat", "a cot sat", False, [True, False, True], id="one-wrong"),
        pytest.param("a cat", "a big cat", False, [True, False, True], id="one-invented"),
        pytest.param("the cat sat", "cat sat", False, [True, True], id="one-missed"),
        pytest.param("a cat", "acat", False, [False], id="joined"),
    ],
)
def test_which_words_are_right(true, read, right, right_words):
    tokenizer = ResNetBiLstmTokenizer()
    text = judge_text(logits_that_read(tokenizer, read), true, "ann", tokenizer)
    assert (text.right, text.right_words) == (right, right_words)
    assert len(text.words) == len(right_words)


def test_the_only_word_of_a_line_has_the_score_of_the_line():
    tokenizer = ResNetBiLstmTokenizer()
    line = judge_text(logits_that_read(tokenizer, "cat", sureness=5.0), "cat", "ann", tokenizer)
    (score,) = word_scores([line], temperature=2.0)
    assert score == pytest.approx(np.exp(ctc_log_probability(line.logits / 2, line.labels)))


# Models


@pytest.fixture
def model_dir(tiny_model_dir, tmp_path):
    return shutil.copytree(tiny_model_dir, tmp_path / "model")


def test_a_stored_temperature_is_loaded_and_nothing_else_changes(model_dir):
    before = AutoConfig.from_pretrained(model_dir)
    weights = (model_dir / "model.safetensors").read_bytes()
    store_temperature(model_dir, 1.7)
    after = AutoConfig.from_pretrained(model_dir)
    assert (before.temperature, after.temperature) == (1.0, 1.7)
    assert after.to_dict() == before.to_dict() | {"temperature": 1.7}
    assert (model_dir / "model.safetensors").read_bytes() == weights


@pytest.mark.parametrize("work", [store_temperature, calibrate])
def test_a_folder_without_a_model_is_refused(tmp_path, work):
    with pytest.raises(ValueError, match=r"config\.json is missing"):
        work(tmp_path, {})


def test_an_image_without_ink_is_surely_empty_and_a_broken_one_left_out(model_dir):
    from transformers import pipeline

    reader = pipeline("image-to-text", model=str(model_dir), device="cpu")
    files = [png(Image.new("L", (200, 40), 255)), b"no image", png(draw_text_line("cat"))]
    dataset = dataset_of(files, ["", "x", "cat"], writer_id=["ann", "bob", "bob"])
    blank, word = read_texts(reader, dataset)
    assert (blank.labels, blank.right, word.right) == ([], True, False)
    assert log_scores(blank.logits, [], [1.0, 8.0]).tolist() == [0.0, 0.0]
    (reading,) = reader(draw_text_line("cat"))
    assert log_scores(word.logits, word.labels, [1.0])[0] == pytest.approx(
        np.log(reading["score"]), rel=1e-4
    )


def test_calibrate_stores_what_it_reports(model_dir, tmp_path):
    from transformers import pipeline

    # Random weights are sure of nothing; larger ones are, of nonsense.
    reader = pipeline("image-to-text", model=str(model_dir), device="cpu")
    with torch.no_grad():
        reader.model.ctc_head.weight *= 64
    reader.model.save_pretrained(model_dir)
    words = ["house", "cat", "mat", "Once", "more", "seven", "duck", "it"]
    images = [draw_text_line(word, font_size=20 + 4 * size) for word in words for size in range(4)]
    read = [one[0]["generated_text"] for one in reader(images)]
    # Every other pair of texts is said to be wrong, however sure the model is of them.
    texts = [text if i % 4 < 2 else "?" for i, text in enumerate(read)]
    files = [png(image) for image in images] + [b"no image"]
    dataset = dataset_of(files, [*texts, "x"], writer_id=["ann", "bob"] * 16 + ["ann"])
    report = calibrate(model_dir, {"lines": dataset}, device="cpu")
    assert (report["lines"]["texts"], report["lines"]["right"]) == (32, 0.5)
    assert 1 < report["temperature"] == AutoConfig.from_pretrained(model_dir).temperature
    assert not any(text in json.dumps(report) for text in texts if len(text) > 3)
    draw_calibration(report, tmp_path / "calibration.png")
    assert (tmp_path / "calibration.png").stat().st_size > 1000
