import hashlib
import json
import re
from pathlib import Path

import pytest
from PIL import Image
from transformers import (
    AutoConfig,
    AutoImageProcessor,
    AutoModelForCTC,
    AutoProcessor,
    AutoTokenizer,
    pipeline,
)

import hwr_hf
from hwr_hf.metrics import cer
from hwr_hf.model_card import card_values, fill_card, quoted_results

ROOT = Path(__file__).parents[1]
MODEL = Path(hwr_hf.DEFAULT_MODEL)
SAMPLES = [
    ("line.png", "The letter came by the morning post."),
    ("climbing.png", "We walked along the river until dark"),
    ("word.png", "handwriting"),
]


@pytest.fixture(scope="module")
def reader():
    return pipeline("image-to-text", model=hwr_hf.DEFAULT_MODEL)


@pytest.mark.parametrize(("sample", "text"), SAMPLES)
def test_samples_are_read_with_at_most_one_edit_in_ten(reader, sample, text):
    reading = reader(str(ROOT / "samples" / sample))[0]
    assert cer([text], [reading["generated_text"]]) <= 0.1
    assert 0 < reading["score"] <= 1


@pytest.mark.parametrize(("ink", "paper"), [(232, 250), (40, 60)])
def test_faint_writing_on_clean_paper_is_read_as_dark_writing_is(reader, ink, paper):
    line = Image.open(ROOT / "samples" / "line.png").convert("L")
    faint = line.point([round(ink + (paper - ink) * level / 255) for level in range(256)])
    assert reader(faint)[0]["generated_text"] == reader(line)[0]["generated_text"]


def test_the_beam_search_reads_the_samples_with_the_ngram_beside_the_weights(reader):
    for sample, text in SAMPLES:
        (reading,) = reader(str(ROOT / "samples" / sample), decoder="beam")
        assert cer([text], [reading["generated_text"]]) <= 0.1
    assert (MODEL / "ngram.safetensors").stat().st_size <= 10e6


def test_all_auto_classes_load_the_default_model():
    assert AutoConfig.from_pretrained(MODEL).model_type == "resnet_bilstm"
    assert isinstance(AutoModelForCTC.from_pretrained(MODEL), hwr_hf.ResNetBiLstmForCTC)
    processor = AutoImageProcessor.from_pretrained(MODEL)
    assert isinstance(processor, hwr_hf.ResNetBiLstmImageProcessor)
    assert isinstance(AutoTokenizer.from_pretrained(MODEL), hwr_hf.ResNetBiLstmTokenizer)
    assert isinstance(AutoProcessor.from_pretrained(MODEL), hwr_hf.ResNetBiLstmProcessor)


def test_words_and_boxes_cover_the_line_from_left_to_right(reader):
    words = reader(str(ROOT / "samples" / "line.png"), return_words=True)[0]["words"]
    assert len(words) == 7
    lefts = [word["box"][0] for word in words]
    assert lefts == sorted(lefts)
    assert all(0 < word["score"] <= 1 for word in words)


def test_the_weights_fit_the_wheel_and_nothing_is_pickled():
    assert (MODEL / "model.safetensors").stat().st_size <= 25e6
    assert {path.suffix for path in MODEL.iterdir() if path.is_file()} <= {
        ".json",
        ".md",
        ".py",
        ".safetensors",
    }


def test_the_folder_carries_the_code_of_the_package():
    sources = MODEL.parent / "resnet_bilstm"
    copies = {path.name: path.read_text() for path in MODEL.glob("*.py")}
    assert copies == {path.name: path.read_text() for path in sources.glob("*_resnet_bilstm.py")}


def test_the_card_is_the_template_filled_from_the_results():
    template = (ROOT / "model_cards/resnet-bilstm-small-iam.template.md").read_text()
    for path, repository in (
        (ROOT / "model_cards/resnet-bilstm-small-iam.md", "../src/hwr_hf/pretrained/"),
        (MODEL / "README.md", ""),
    ):
        values = card_values(ROOT / "results", MODEL, "resnet-bilstm-small-iam", repository)
        assert path.read_text() == fill_card(template, values)


def test_the_results_beside_the_weights_are_those_that_the_card_quotes():
    template = (ROOT / "model_cards/resnet-bilstm-small-iam.template.md").read_text()
    quoted = quoted_results(template, ROOT / "results", MODEL)
    assert {p.name for p in quoted} == {p.name for p in (MODEL / "results").glob("*.json")}
    for path in quoted:
        assert path.read_bytes() == (MODEL / "results" / path.name).read_bytes(), path.name


def test_the_results_were_measured_on_the_default_weights():
    sha256 = hashlib.sha256((MODEL / "model.safetensors").read_bytes()).hexdigest()
    for name in ("validation_lines", "validation_words", "test_lines", "test_words"):
        report = json.loads((ROOT / "results" / f"{name}.json").read_text())
        assert report["model_sha256"] == sha256, name


def test_a_card_that_names_a_missing_result_is_refused():
    with pytest.raises(ValueError, match=re.escape("needs 'other_lines'")):
        fill_card("CER {other_lines[cer]:.1%}", {"test_lines": {"cer": 0.1}})
