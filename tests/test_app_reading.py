import numpy as np
import pytest
from drawing import draw_text_line
from transformers import pipeline

import hwr_hf
from hwr_hf.app_input import InputError
from hwr_hf.app_reading import NUM_ALTERNATIVES, LineReader

TEXT = "the morning post"


@pytest.fixture(scope="module")
def reader():
    return LineReader()


@pytest.fixture(scope="module")
def line():
    return np.asarray(draw_text_line(TEXT, font_size=48, margin=20))


@pytest.mark.parametrize("decoder", ["greedy", "beam"])
def test_a_line_reads_as_the_pipeline_reads_it(reader, line, decoder):
    (expected, *_) = pipeline("image-to-text", model=hwr_hf.DEFAULT_MODEL)(line, decoder=decoder)
    reading = reader.read(line, decoder)
    assert reading.text == expected["generated_text"]
    assert reading.readings[0]["score"] == pytest.approx(expected["score"])


def test_a_beam_search_gives_several_readings_best_first(reader):
    no_english = np.asarray(draw_text_line("clodd burn bum", font_size=48, margin=20))
    readings = reader.read(no_english, "beam").readings
    fused = [reading["fused_score"] for reading in readings]
    assert 1 < len(readings) <= NUM_ALTERNATIVES
    assert fused == sorted(fused, reverse=True)


def test_a_model_without_an_ngram_is_searched_without_a_language_model(tiny_model_dir, line):
    reading = LineReader(str(tiny_model_dir)).read(line, "beam")
    searched = pipeline("image-to-text", model=str(tiny_model_dir))
    (expected, *_) = searched(line, decoder="beam", lm_weight=0)
    assert reading.text == expected["generated_text"] != ""
    assert not reading.uses_ngram


def test_a_model_with_an_ngram_is_searched_with_it(reader, line):
    assert reader.has_ngram
    assert reader.read(line, "beam").uses_ngram


def test_an_unknown_decoder_is_refused(reader, line):
    with pytest.raises(ValueError, match="'best' is not one of greedy, beam"):
        reader.read(line, "best")


def test_an_empty_picture_is_said_kindly(reader):
    with pytest.raises(InputError, match="No writing stands out"):
        reader.read(np.full((60, 300), 240, dtype=np.uint8))


def test_a_line_goes_from_the_original_to_what_the_network_sees(reader, line):
    steps = reader.read(line).steps
    assert [step.caption.split(":")[0] for step in steps] == [
        "Original, in grey",
        "Not deskewed",
        "Deskewed by line",
        "What the network sees",
    ]
    assert [step.is_used for step in steps] == [True, False, True, True]
    assert steps[0].image.size == line.shape[::-1]
    np.testing.assert_array_equal(np.asarray(steps[0].image), line)
    assert steps[-1].image.height == 48


def test_a_photo_is_shown_in_even_light_too(reader, line):
    shaded = (line * np.linspace(1, 0.4, line.shape[1])).astype(np.uint8)
    reading = reader.read(shaded)
    assert reading.text == reader.read(line).text
    assert reading.steps[1].caption == "Dark on evenly light paper"
    assert reading.steps[1].is_used
    assert np.asarray(reading.steps[1].image)[:, -10:].min() > 240  # margin, in the deepest shade


def test_a_word_is_also_shown_deskewed_by_moments(reader):
    word = np.asarray(draw_text_line("word", font_size=48))
    captions = [step.caption for step in reader.read(word).steps]
    assert captions[3:5] == ["Deskewed by moments, once", "Deskewed by moments, twice"]


def test_what_the_network_sees_is_its_pixel_values(reader, line):
    processor = pipeline("image-to-text", model=hwr_hf.DEFAULT_MODEL).image_processor
    inputs = processor(line, return_tensors="np")
    values = inputs["pixel_values"][0, 0][:, inputs["pixel_mask"][0] == 1]
    seen = np.asarray(reader.read(line).steps[-1].image).astype(np.float64)
    assert seen.shape == values.shape
    assert np.corrcoef(seen.ravel(), values.ravel())[0, 1] > 0.9999


def test_a_picture_of_two_lines_gets_a_hint(reader, line):
    reading = reader.read(np.concatenate([line, line]))
    assert reading.notes == [
        "This looks like 2 lines of writing. The model reads one line at a time: "
        "cut the picture into lines and read each."
    ]


def test_a_line_that_has_to_be_squashed_gets_a_hint(reader):
    line = np.asarray(draw_text_line("a very long line of words " * 12, font_size=24))
    (note,) = reader.read(line, "greedy").notes
    assert "squashed" in note


def test_an_ordinary_line_gets_no_hint(reader, line):
    assert reader.read(line).notes == []


@pytest.fixture
def correcting(reader, monkeypatch):
    """Function that gives the reader a corrector for the time of a test."""

    def correct_with(corrector):
        monkeypatch.setattr(reader, "corrector", corrector)
        return reader

    return correct_with


def test_a_corrector_gets_the_text_and_gives_the_final_one(correcting, line):
    reader = correcting(str.upper)
    plain, corrected = reader.read(line), reader.read(line, correct=True)
    assert plain.corrected_text is None
    assert corrected.text == plain.text.upper()
    assert corrected.record()["text"] == plain.text.upper()
    assert corrected.record()["recognised_text"] == plain.text


def test_a_corrector_that_fails_leaves_the_text_as_it_was_read(correcting, line):
    def fail(text):
        raise RuntimeError("no memory left")

    reader = correcting(fail)
    reading = reader.read(line, correct=True)
    assert reading.text == reader.read(line).text
    assert reading.notes == ["The correction failed; this is the text as it was read."]
