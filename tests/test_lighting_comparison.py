from types import SimpleNamespace

import numpy as np
import pytest
from drawing import draw_text_line
from test_evaluation import dataset_of, png
from transformers import pipeline

import hwr_hf
from hwr_hf import lighting_comparison
from hwr_hf.lighting_comparison import LIGHTS, compare_lighting, lighting_figure, photographed

SAMPLE = "samples/line.png"
TEXT = "The letter came by the morning post."


@pytest.mark.parametrize("light", LIGHTS)
def test_a_photographed_line_is_read_like_its_scan(light):
    read = pipeline("image-to-text", model=hwr_hf.DEFAULT_MODEL)
    for photo in (photographed(SAMPLE, light), 255 - photographed(SAMPLE, light)):
        assert read(photo)[0]["generated_text"] == TEXT


def test_a_photo_has_less_light_where_the_light_has_less():
    blank = np.full((40, 200), 255, np.uint8)
    left, right = np.split(photographed(blank, "lamp on the left").astype(float), 2, axis=1)
    # The share falls from 1 to 0.4: on the left it is 0.85 on average, on the right 0.55.
    assert left.mean() == pytest.approx(255 * 0.8 * 0.85, abs=1)
    assert right.mean() == pytest.approx(255 * 0.8 * 0.55, abs=1)
    assert photographed(blank, "even").shape == (80, 240)


def test_every_light_is_measured_with_and_without_correction(tiny_model_dir, monkeypatch):
    def evaluate(model, photos, dtype, image_processor_options):
        brightness = np.mean([np.asarray(photo).mean() for photo in photos["image"]])
        return SimpleNamespace(cer=brightness + image_processor_options["do_correct_tones"])

    monkeypatch.setattr(lighting_comparison, "evaluate_model", evaluate)
    images = [draw_text_line(text) for text in ("a house", "lost")]
    rows = compare_lighting(
        tiny_model_dir, dataset_of([png(image) for image in images], ["a", "b"])
    )
    assert [row["light"] for row in rows] == list(LIGHTS)
    for row in rows:
        photos = [photographed(image, row["light"], seed) for seed, image in enumerate(images)]
        brightness = np.mean([photo.mean() for photo in photos])
        assert row["cer_uncorrected"] == pytest.approx(brightness, abs=1e-4)
        assert row["cer"] == pytest.approx(brightness + 1, abs=1e-4)


def test_the_figure_shows_each_photo_beside_what_is_made_of_it():
    figure = np.asarray(lighting_figure(draw_text_line("Hamlet, Prince", font_size=48)))
    photos, corrected = np.array_split(figure, 2, axis=1)
    shadow = np.s_[-64 - 12 : -12]  # the lowest row
    assert figure.shape[0] == 12 + len(LIGHTS) * (64 + 12)
    assert np.quantile(photos[shadow], 0.2) < 120
    assert np.quantile(corrected[shadow], 0.2) > 230
