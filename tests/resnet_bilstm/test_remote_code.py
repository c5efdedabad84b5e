"""Saved folders, read by a process in which this package cannot be imported."""

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch
from drawing import draw_text_line
from ngram_miniature import save_ngram
from transformers import AutoModelForCTC, AutoProcessor, pipeline

import hwr_hf

SOURCE_FILES = {
    file.name
    for file in Path(hwr_hf.resnet_bilstm.__file__).parent.glob("*.py")
    if file.name != "__init__.py"
}
MODEL_FILES = {"config.json", "model.safetensors"}
NGRAM_FILE = {"ngram.safetensors"}
PROCESSOR_FILES = {"processor_config.json", "tokenizer.json", "tokenizer_config.json"}

# Reads a line with each folder, once through the Auto classes and once through the pipeline, and
# saves what it loaded once more.
SCRIPT = """
import json, sys

class NoPackage:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "hwr_hf":
            raise ImportError("No module named 'hwr_hf'")

sys.meta_path.insert(0, NoPackage())
image, out, resaved, *folders = sys.argv[1:]
import torch
from transformers import (
    AutoConfig, AutoImageProcessor, AutoModel, AutoModelForCTC, AutoProcessor, AutoTokenizer,
    pipeline,
)

trust = {"trust_remote_code": True}
results = {}
for folder in folders:
    model = AutoModelForCTC.from_pretrained(folder, **trust).eval()
    processor = AutoProcessor.from_pretrained(folder, **trust)
    inputs = processor(images=image)
    with torch.no_grad():
        logits = model(**inputs).logits
    reader = pipeline("image-to-text", model=folder, device="cpu", **trust)
    parts = [
        AutoConfig.from_pretrained(folder, **trust),
        AutoModel.from_pretrained(folder, **trust),
        AutoTokenizer.from_pretrained(folder, **trust),
        AutoImageProcessor.from_pretrained(folder, **trust),
        AutoImageProcessor.from_pretrained(folder, backend="pil", **trust),
        model, processor, reader,
    ]
    results[folder] = {
        "text": processor.batch_decode(logits.argmax(-1))[0],
        "logits": logits[0].tolist(),
        "pipeline": reader(image, return_words=True),
        "untasked": pipeline(model=folder, device="cpu", **trust)(image),
        "classes": [type(part).__name__ for part in parts],
        "modules": [type(part).__module__.split(".")[0] for part in parts],
    }
# The last is a repository in the Hub's cache, with an n-gram.
results["beam"] = reader(image, decoder="beam", num_return_sequences=2)
model.save_pretrained(resaved + "/model")
processor.save_pretrained(resaved + "/processor")
reader.save_pretrained(resaved + "/pipeline")
assert "hwr_hf" not in sys.modules
json.dump(results, open(out, "w"))
"""


def files_in(folder):
    return {path.name for path in Path(folder).iterdir() if path.name != "__pycache__"}


@pytest.fixture(scope="module")
def workplace(tmp_path_factory):
    return tmp_path_factory.mktemp("remote")


@pytest.fixture(scope="module")
def folders(workplace, tiny_model_dir):
    """The same model, saved as model and processor, and as a pipeline."""
    ngram = save_ngram(workplace / "ngram.safetensors")
    reader = pipeline(
        "image-to-text", model=str(tiny_model_dir), device="cpu", decoder="beam", ngram=str(ngram)
    )
    reader.save_pretrained(workplace / "by_pipeline")
    reader.model.save_pretrained(workplace / "by_parts")
    AutoProcessor.from_pretrained(tiny_model_dir).save_pretrained(workplace / "by_parts")
    return {name: str(workplace / name) for name in ("by_parts", "by_pipeline")}


@pytest.fixture(scope="module")
def line(workplace):
    path = workplace / "line.png"
    draw_text_line("hello there").save(path)
    return str(path)


@pytest.fixture(scope="module")
def remote(workplace, folders, line):
    """What a process without the package makes of each folder."""
    home = workplace / "home"
    # By its id, from the cache that a download would have filled; the loader then goes another way.
    repository = home / "hub" / "models--me--tiny"
    commit = "0123456789" * 4
    shutil.copytree(folders["by_pipeline"], repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit)
    sources = folders | {"by_id": "me/tiny"}
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("PYTHON")},
        "HF_HOME": str(home),
        "HF_MODULES_CACHE": str(home / "modules"),
        "HF_HUB_OFFLINE": "1",
    }
    out = workplace / "out.json"
    command = [sys.executable, "-I", "-c", SCRIPT, line, str(out), str(workplace / "resaved")]
    done = subprocess.run(
        [*command, *sources.values()],
        env=environment,
        cwd=workplace,
        stdin=subprocess.DEVNULL,  # a question whether to trust would fail instead of waiting
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    results = json.loads(out.read_text())
    return {name: results[source] for name, source in sources.items()} | {"beam": results["beam"]}


WAYS = pytest.mark.parametrize("way", ["by_parts", "by_pipeline", "by_id"])


@pytest.mark.parametrize("way", ["by_parts", "by_pipeline"])
def test_saved_folder_has_all_files(folders, way):
    ngram = NGRAM_FILE if way == "by_pipeline" else set()
    assert files_in(folders[way]) == SOURCE_FILES | MODEL_FILES | PROCESSOR_FILES | ngram


@WAYS
def test_text_and_logits_are_the_packages(tiny_model_dir, remote, line, way):
    model = AutoModelForCTC.from_pretrained(tiny_model_dir).eval()
    processor = AutoProcessor.from_pretrained(tiny_model_dir)
    with torch.no_grad():
        logits = model(**processor(images=line)).logits
    np.testing.assert_allclose(remote[way]["logits"], logits[0].numpy(), atol=1e-5)
    assert remote[way]["text"] == processor.batch_decode(logits.argmax(-1))[0] != ""


@WAYS
def test_pipeline_reads_as_the_packages_does(tiny_model_dir, remote, line, way):
    reader = pipeline("image-to-text", model=str(tiny_model_dir), device="cpu")
    (here,) = reader(line, return_words=True)
    (there,) = remote[way]["pipeline"]
    assert there["generated_text"] == here["generated_text"] == remote[way]["text"]
    assert there["score"] == pytest.approx(here["score"], rel=1e-3)
    assert [word["box"] for word in there["words"]] == [word["box"] for word in here["words"]]


def test_the_beam_finds_the_ngram_of_a_hub_repository(remote, workplace, tiny_model_dir, line):
    reader = pipeline("image-to-text", model=str(tiny_model_dir), device="cpu")
    ngram = workplace / "ngram.safetensors"
    here = reader(line, decoder="beam", ngram=ngram, num_return_sequences=2)
    there = remote["beam"]
    assert [r["generated_text"] for r in there] == [r["generated_text"] for r in here]
    assert there[0]["fused_score"] == pytest.approx(here[0]["fused_score"], rel=1e-3)


@WAYS
def test_pipeline_needs_no_task_name(remote, way):
    assert remote[way]["untasked"][0]["generated_text"] == remote[way]["text"]


@WAYS
def test_every_class_comes_from_the_folder(remote, way):
    assert remote[way]["classes"] == [
        "ResNetBiLstmConfig",
        "ResNetBiLstmModel",
        "ResNetBiLstmTokenizer",
        "ResNetBiLstmImageProcessor",
        "ResNetBiLstmImageProcessorPil",
        "ResNetBiLstmForCTC",
        "ResNetBiLstmProcessor",
        "ResNetBiLstmPipeline",
    ]
    assert set(remote[way]["modules"]) == {"transformers_modules"}


@pytest.mark.parametrize(
    ("part", "own_files"),
    [
        ("model", MODEL_FILES),
        ("processor", PROCESSOR_FILES),
        ("pipeline", MODEL_FILES | PROCESSOR_FILES | NGRAM_FILE),
    ],
)
def test_saved_again_from_the_folders_code_it_is_complete(workplace, remote, part, own_files):
    assert files_in(workplace / "resaved" / part) == SOURCE_FILES | own_files


def test_saved_again_it_names_the_same_classes(workplace, remote, folders):
    for name in ("config.json", "processor_config.json", "tokenizer_config.json"):
        first, again = (
            json.loads((Path(folder) / name).read_text(encoding="utf-8"))
            for folder in (folders["by_pipeline"], workplace / "resaved" / "pipeline")
        )
        for key in ("auto_map", "custom_pipelines"):
            assert again.get(key) == first.get(key), name


@pytest.mark.parametrize("part", ["model", "processor"])
def test_each_part_alone_brings_the_source_files(workplace, tiny_model_dir, part):
    loader = {"model": hwr_hf.ResNetBiLstmForCTC, "processor": hwr_hf.ResNetBiLstmProcessor}[part]
    folder = workplace / f"only_{part}"
    loader.from_pretrained(tiny_model_dir).save_pretrained(folder)
    assert files_in(folder) >= SOURCE_FILES


def test_only_a_ctc_model_names_a_pipeline(tmp_path):
    config = hwr_hf.ResNetBiLstmConfig(
        stem_channels=8,
        hidden_sizes=[8],
        depths=[1],
        stage_strides=[[2, 2]],
        lstm_hidden_size=8,
        num_steps=8,
    )
    hwr_hf.ResNetBiLstmForCharacterSequence(config).save_pretrained(tmp_path)
    saved = json.loads((tmp_path / "config.json").read_text(encoding="utf-8"))
    assert "custom_pipelines" not in saved
    assert set(saved["auto_map"]) == {"AutoConfig", "AutoModel", "AutoModelForTextRecognition"}


def test_another_process_of_a_parallel_run_writes_nothing(tmp_path, tiny_model_dir):
    model = hwr_hf.ResNetBiLstmForCTC.from_pretrained(tiny_model_dir)
    model.save_pretrained(tmp_path, is_main_process=False)
    assert not files_in(tmp_path) & SOURCE_FILES


def test_push_on_saving_uploads_the_complete_folder(tmp_path, tiny_model_dir, monkeypatch):
    pushed = {}

    def push_to_hub(self, repo_id, **kwargs):
        self.save_pretrained(tmp_path / "upload")
        pushed.update(kwargs, repo_id=repo_id, files=files_in(tmp_path / "upload"))

    monkeypatch.setattr(hwr_hf.ResNetBiLstmForCTC, "push_to_hub", push_to_hub)
    model = hwr_hf.ResNetBiLstmForCTC.from_pretrained(tiny_model_dir)
    model.save_pretrained(tmp_path / "mine", push_to_hub=True, repo_id="me/mine", private=True)
    assert pushed == {"repo_id": "me/mine", "private": True, "files": SOURCE_FILES | MODEL_FILES}


def test_a_copy_of_the_folder_under_another_name_loads_too(tmp_path, folders):
    """No absolute path is written into the files."""
    copy = shutil.copytree(folders["by_parts"], tmp_path / "copy")
    assert type(AutoModelForCTC.from_pretrained(copy)) is hwr_hf.ResNetBiLstmForCTC
    text = "".join(path.read_text(encoding="utf-8") for path in Path(copy).glob("*.json"))
    assert folders["by_parts"] not in text
