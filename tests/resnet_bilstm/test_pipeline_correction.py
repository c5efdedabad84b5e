import sys
from dataclasses import dataclass, field

import numpy as np
import pytest
from drawing import draw_text_line
from transformers import pipeline

from hwr_hf.correction import BertCorrector, Correction, Edit
from hwr_hf.resnet_bilstm.ctc_resnet_bilstm import ctc_log_probability
from hwr_hf.resnet_bilstm.pipeline_resnet_bilstm import text_scorer


@dataclass
class Exclaimer:
    """A corrector that adds an exclamation mark, and remembers what it was asked and told."""

    calls: list[list[str]] = field(default_factory=list)
    scores: list[float] = field(default_factory=list)

    def correct(self, texts, scorers=None):
        self.calls.append(list(texts))
        self.scores += [scorer(text) for scorer, text in zip(scorers, texts, strict=True)]
        return [
            Correction(text, f"{text}!", (Edit(0, len(text), text, f"{text}!", accepted=True),))
            for text in texts
        ]


@pytest.fixture
def exclaimer():
    return Exclaimer()


@pytest.fixture(scope="module")
def reader(tiny_model_dir):
    return pipeline("image-to-text", model=str(tiny_model_dir), device="cpu")


@pytest.fixture(scope="module")
def images():
    return [draw_text_line(text) for text in ("a", "hello there", "a much longer line", "ok")]


@pytest.fixture(scope="module")
def readings(reader, images):
    """Without correction."""
    return reader(images, return_words=True)


def test_both_texts_and_the_edits_are_in_the_output(reader, images, readings, exclaimer):
    (plain,), (corrected,) = readings[1], reader(images[1], corrector=exclaimer, return_words=True)
    text = plain["generated_text"]
    assert corrected["generated_text"] == text + "!"
    assert corrected["recognised_text"] == text
    (edit,) = corrected["edits"]
    assert edit.items() >= {"start": 0, "old": text, "new": text + "!", "accepted": True}.items()
    assert corrected["score"] == pytest.approx(plain["score"], rel=1e-2)
    assert [word["text"] for word in corrected["words"]] == text.split()
    assert [word["box"] for word in corrected["words"]] == [w["box"] for w in plain["words"]]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 8])
def test_a_list_is_corrected_so_many_lines_at_a_time(
    reader, images, readings, exclaimer, batch_size
):
    corrected = reader(images, corrector=exclaimer, batch_size=batch_size)
    texts = [reading["generated_text"] for (reading,) in readings]
    assert [reading["recognised_text"] for (reading,) in corrected] == texts
    assert [reading["generated_text"] for (reading,) in corrected] == [t + "!" for t in texts]
    assert max(map(len, exclaimer.calls)) == min(batch_size, len(images))


def test_a_generator_is_corrected_too(reader, images, readings, exclaimer):
    corrected = reader((image for image in images), corrector=exclaimer, batch_size=3)
    texts = [reading["generated_text"] + "!" for (reading,) in readings]
    assert [reading["generated_text"] for (reading,) in corrected] == texts


def test_the_corrector_is_told_how_probable_a_text_is(reader, images, readings, exclaimer):
    reader(images[1:3], corrector=exclaimer, batch_size=2)
    scores = [reading["score"] for (reading,) in readings[1:3]]
    assert np.exp(exclaimer.scores) == pytest.approx(scores, rel=1e-2)


def test_every_text_of_a_beam_search_is_corrected(reader, images, exclaimer):
    options = {"decoder": "beam", "lm_weight": 0, "beam_width": 8, "num_return_sequences": 3}
    plain = reader(images[1], **options)
    corrected = reader(images[1], corrector=exclaimer, **options)
    assert [r["recognised_text"] for r in corrected] == [r["generated_text"] for r in plain]
    assert [r["fused_score"] for r in corrected] == [r["fused_score"] for r in plain]
    assert len(exclaimer.calls[0]) == 3


def test_a_blank_page_has_nothing_to_correct(reader, trained_corrector):
    page = np.full((60, 300), 255, np.uint8)
    nothing = {"generated_text": "", "recognised_text": "", "score": 1.0, "edits": []}
    assert reader(page, corrector=trained_corrector) == [nothing]


def test_a_corrector_given_at_construction_holds(tiny_model_dir, images, exclaimer):
    reader = pipeline("image-to-text", model=str(tiny_model_dir), device="cpu", corrector=exclaimer)
    assert reader(images[1])[0].keys() == {"generated_text", "recognised_text", "edits", "score"}


@pytest.mark.parametrize("place", ["beside the model", "folder", "path"])
def test_a_corrector_is_loaded_from_its_place(model_with_corrector, images, readings, place):
    folder = model_with_corrector / "corrector"
    corrector = {"beside the model": True, "folder": str(folder), "path": folder}[place]
    reader = pipeline(
        "image-to-text", model=str(model_with_corrector), device="cpu", corrector=corrector
    )
    (reading,) = reader(images[1])
    assert reading["recognised_text"] == readings[1][0]["generated_text"]
    loaded = reader._corrector(corrector)
    assert loaded("the hause") == "the house"
    assert reader._corrector(corrector) is loaded


def test_saved_with_the_pipeline_it_is_beside_the_model(
    tiny_model_dir, trained_corrector, tmp_path
):
    reader = pipeline(
        "image-to-text", model=str(tiny_model_dir), device="cpu", corrector=trained_corrector
    )
    reader.save_pretrained(tmp_path / "saved")
    loaded = BertCorrector.from_pretrained(tmp_path / "saved", subfolder="corrector")
    assert loaded("the hause") == "the house"


def test_what_cannot_correct_is_refused(reader, images):
    with pytest.raises(ValueError, match="has no method `correct`"):
        reader(images[0], corrector=str.upper)


def test_a_missing_corrector_is_named(reader, images):
    with pytest.raises(OSError, match=r"There is no folder .*/corrector"):
        reader(images[0], corrector=True)


def test_without_the_package_the_error_says_what_to_do(reader, images, monkeypatch):
    monkeypatch.setitem(sys.modules, "hwr_hf.correction", None)
    with pytest.raises(ValueError, match="Loading a corrector needs the package hwr_hf"):
        reader(images[0], corrector="some/folder")


def test_a_text_is_scored_by_all_its_alignments(reader):
    logits = np.random.default_rng(0).normal(size=(12, len(reader.tokenizer)))
    labels = reader.tokenizer("aab").input_ids
    scorer = text_scorer(logits, reader.tokenizer)
    assert scorer("aab") == ctc_log_probability(logits, labels)
    assert scorer("") == ctc_log_probability(logits, [])


@pytest.mark.parametrize("text", ["é", "a text of more characters than frames"])
def test_a_text_that_the_image_cannot_show_is_impossible(reader, text):
    logits = np.zeros((12, len(reader.tokenizer)))
    assert text_scorer(logits, reader.tokenizer)(text) == -np.inf
