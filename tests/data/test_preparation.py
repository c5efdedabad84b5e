import datasets
import numpy as np
import pytest
from drawing import draw_text_line
from PIL import ImageOps

from hwr_hf.data.augmentation import Augmentation
from hwr_hf.data.collator import LineCollator
from hwr_hf.data.preparation import PreparedLines, fitting_lines, prepare_lines
from hwr_hf.resnet_bilstm import (
    ResNetBiLstmConfig,
    ResNetBiLstmForCTC,
    ResNetBiLstmImageProcessor,
    ResNetBiLstmTokenizer,
)

TEXTS = ["a green door", "tea", "rain again tomorrow"]


@pytest.fixture
def lines(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    images = [draw_text_line(text) for text in TEXTS]
    features = datasets.Features({"image": datasets.Image(), "text": datasets.Value("string")})
    return datasets.Dataset.from_dict({"image": images, "text": TEXTS}, features=features)


@pytest.fixture
def tokenizer():
    return ResNetBiLstmTokenizer()


@pytest.fixture(scope="module")
def model():
    return ResNetBiLstmForCTC(
        ResNetBiLstmConfig(hidden_sizes=[8, 8, 8], depths=[1, 1, 1], lstm_hidden_size=8)
    )


@pytest.mark.parametrize("method", ["none", "line", "moment"])
def test_prepared_lines_are_what_the_image_processor_makes(lines, tokenizer, method):
    processor = ResNetBiLstmImageProcessor(deskew_method="line" if method == "none" else method)
    prepared = prepare_lines(lines, processor, method)
    batch = LineCollator(processor)([PreparedLines(prepared, tokenizer, 4)[i] for i in range(3)])
    expected = processor(lines["image"][:], do_deskew=method != "none", return_tensors="pt")
    assert np.allclose(batch["pixel_values"], expected["pixel_values"], atol=1e-5)
    assert np.array_equal(batch["pixel_mask"], expected["pixel_mask"])


@pytest.mark.parametrize("correct", [True, False])
def test_tones_are_corrected_where_the_processor_does(lines, tokenizer, correct):
    light = lines.map(lambda row: {"image": ImageOps.invert(row["image"].convert("L"))})
    processor = ResNetBiLstmImageProcessor(do_correct_tones=correct, do_deskew=False)
    examples = PreparedLines(prepare_lines(light, processor), tokenizer, 4)
    batch = LineCollator(processor)([examples[i] for i in range(3)])
    expected = processor(light["image"][:], return_tensors="pt")
    assert np.array_equal(batch["pixel_values"], expected["pixel_values"])


def test_the_processors_own_deskew_is_the_default(lines):
    upright = prepare_lines(lines, ResNetBiLstmImageProcessor(do_deskew=False))
    explicit = prepare_lines(lines, ResNetBiLstmImageProcessor(), "none")
    assert upright["width"][:] == explicit["width"][:]


def test_labels_are_padded_with_what_the_loss_ignores(lines, tokenizer):
    processor = ResNetBiLstmImageProcessor()
    examples = PreparedLines(prepare_lines(lines, processor), tokenizer, 4)
    labels = LineCollator(processor)([examples[0], examples[1]])["labels"]
    assert tokenizer.decode(labels[0], group_tokens=False) == "a green door"
    assert labels[1].tolist() == [*tokenizer("tea").input_ids, *[-100] * 9]


def test_augmentation_depends_on_seed_epoch_and_number_only(lines, tokenizer):
    prepared = prepare_lines(lines, ResNetBiLstmImageProcessor())
    first, again = (PreparedLines(prepared, tokenizer, 4, Augmentation(), seed=2) for _ in "ab")
    assert np.array_equal(first[1, 3]["image"], again[1, 3]["image"])
    assert not np.array_equal(first[1, 3]["image"], first[1, 4]["image"])


def test_an_augmented_line_stays_wide_enough_for_its_text(lines, tokenizer):
    prepared = prepare_lines(lines, ResNetBiLstmImageProcessor()).select([1])
    needed = 3 * 40  # 't', 'e', 'a' at 40 columns a frame
    examples = PreparedLines(prepared, tokenizer, 40, Augmentation(scale_x=0.5))
    assert all(examples[0, epoch]["image"].shape[1] >= needed for epoch in range(10))


def test_lines_that_fit_are_all_kept(lines, tokenizer, model):
    prepared = prepare_lines(lines, ResNetBiLstmImageProcessor())
    assert len(fitting_lines(prepared, tokenizer, model)) == 3


def test_a_line_too_long_is_an_error_or_left_out(lines, tokenizer, model, caplog):
    prepared = prepare_lines(lines, ResNetBiLstmImageProcessor())
    # 16 columns are 4 frames; "tea" needs 3, "teeth" 5 and a blank between its e's
    narrow = prepared.map(lambda row: {"text": "teeth" if row["text"] == "tea" else row["text"]})
    narrow = narrow.map(lambda row: {"width": 16 if row["text"] == "teeth" else row["width"]})
    with pytest.raises(ValueError, match="'teeth' needs 6 frames, its image of 16 columns has 4"):
        fitting_lines(narrow, tokenizer, model)
    kept = fitting_lines(narrow, tokenizer, model, "skip")
    assert kept["text"][:] == ["a green door", "rain again tomorrow"]
    assert "1 of 3 texts" in caplog.text
