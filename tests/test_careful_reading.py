"""Images read as one stream: what one that cannot be read costs, and what is in memory."""

import math

import pytest
from PIL import Image

from hwr_hf import careful_reading
from hwr_hf.careful_reading import json_record, read_each

BROKEN, STRANGE = 3, 5  # the one does not open, the other is no line


@pytest.fixture
def opened():
    return []


@pytest.fixture
def open_image(opened):
    def open_image(number):
        opened.append(number)
        if number == BROKEN:
            raise OSError("cut off")
        return Image.new("L", (number, 10), "white")

    return open_image


def read(images, **options):
    """The width of every image, as a pipeline reads: a list at once, anything else bit by bit."""
    readings = (reading(image) for image in images)
    return list(readings) if isinstance(images, list) else readings


def reading(image):
    if image.width == STRANGE:
        raise ValueError("no line")
    return [{"generated_text": str(image.width)}]


def shown(outcomes):
    return [str(o) if isinstance(o, Exception) else o[0]["generated_text"] for o in outcomes]


@pytest.mark.parametrize("num_alone", [1, 2, 100])
def test_each_image_has_its_text_or_its_own_error(open_image, monkeypatch, num_alone):
    monkeypatch.setattr(careful_reading, "ONE_BY_ONE", num_alone)
    outcomes = shown(read_each(read, [1, 2, 3, 4, 5, 6, 3, 5, 7], open_image))
    assert outcomes == ["1", "2", "cut off", "4", "no line", "6", "cut off", "no line", "7"]


def test_images_are_opened_as_they_are_read(open_image, opened):
    outcomes = read_each(read, range(10, 20), open_image)
    assert opened == []
    next(outcomes)
    assert opened == [10]


def test_options_reach_the_pipeline(open_image):
    asked = []

    def recording(images, **options):
        asked.append(options)
        return read(images)

    assert shown(read_each(recording, [1, 5], open_image, batch_size=7)) == ["1", "no line"]
    assert asked == [{"batch_size": 7}] * 2  # as a stream and alone


def test_a_record_has_the_other_readings_under_the_best_and_only_numbers_of_json():
    best = {"generated_text": "to", "score": 0.5, "words": [{"text": "to", "box": (0, 0, 9, 9)}]}
    other = {"generated_text": "so", "score": 0.0, "fused_score": -math.inf}
    words = [{"text": "to", "box": [0, 0, 9, 9]}]
    assert json_record([best]) == {"text": "to", "score": 0.5, "words": words}
    assert json_record([best, other]) == {
        "text": "to",
        "score": 0.5,
        "words": words,
        "alternatives": [{"text": "so", "score": 0.0, "fused_score": None}],
    }


def test_no_images_have_no_outcomes(open_image):
    assert list(read_each(read, [], open_image)) == []
