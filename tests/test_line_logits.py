import shutil

import numpy as np
import pytest
from drawing import draw_text_line
from test_evaluation import dataset_of, png

from hwr_hf import line_logits
from hwr_hf.line_logits import cached_logits


def test_logits_are_computed_once_for_the_same_weights(tiny_model_dir, tmp_path, monkeypatch):
    texts = ["a house", "", "lost", "it"]
    images = [png(draw_text_line(text)) for text in texts]
    images[2] = b"no image"
    dataset = dataset_of(images, texts)
    path = tmp_path / "new" / "logits.npz"
    logits, read, rows = cached_logits(path, tiny_model_dir, dataset, progress=False)
    assert read == ["a house", "", "it"] and rows == [0, 1, 3]
    assert logits[1] is None and logits[0].shape[1] == 81

    monkeypatch.setattr(line_logits, "line_logits", None)
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

    monkeypatch.setattr(line_logits, "line_logits", None)
    with pytest.raises(TypeError):
        cached_logits(path, model, dataset_of(images, ["a mouse"]))
    settings = model / "processor_config.json"
    settings.write_text(settings.read_text().replace('"line"', '"moment"'))
    with pytest.raises(TypeError):
        cached_logits(path, model, dataset_of(images, ["a house"]))
