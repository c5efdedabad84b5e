"""What of a folder goes to the Hub, and what stays."""

import hashlib
import json
import shutil
import sys
from pathlib import Path

import pytest
import torch
from huggingface_hub import ModelCard
from locked_folder import lock
from ngram_miniature import save_ngram
from PIL import Image

import hwr_hf
from hwr_hf import ResNetBiLstmForCTC
from hwr_hf.generated_card import GENERATED_MARK
from hwr_hf.hub_files import folder_files, goes_stale, license_text, model_files
from hwr_hf.onnx_export import write_onnx
from hwr_hf.weights_files import weights_sha256

REPO = "user/reader"
SOURCE_FILES = {
    path.name for path in Path(hwr_hf.resnet_bilstm.__file__).parent.glob("*_resnet_bilstm.py")
}
MODEL = {"config.json", "model.safetensors"}
PROCESSOR = {"processor_config.json", "tokenizer.json", "tokenizer_config.json"}
ADDED = {"README.md", "LICENSE.md"}


@pytest.fixture
def folder(tiny_model_dir, tmp_path):
    """A copy of the tiny model's folder."""
    return shutil.copytree(tiny_model_dir, tmp_path / "model")


def write_report(path, folder, **changes):
    """An evaluation report of the folder's weights."""
    report = {"dataset": "drawn", "split": "own", "subset": "test", "unit": "lines", "lines": 3}
    report |= {"decoder": "greedy", "cer": 0.25, "wer": 0.5, "writers": None}
    report["model_sha256"] = weights_sha256(folder)
    path.parent.mkdir(exist_ok=True)
    path.write_text(json.dumps(report | changes))
    return path


def test_a_saved_model_goes_whole_with_card_and_licence(folder):
    content = model_files(folder, REPO)
    assert content.files.keys() == SOURCE_FILES | MODEL | PROCESSOR | ADDED
    assert content.left_out == {}
    assert content.total_size == sum(map(content.size, content.files))
    assert content.size("config.json") == (folder / "config.json").stat().st_size


def test_of_a_checkpoint_only_the_model_goes(folder):
    for name in (
        "optimizer.pt",
        "scheduler.pt",
        "rng_state.pth",
        "training_args.bin",
        "trained_weights.safetensors",
        "trainer_state.json",
    ):
        (folder / name).write_bytes(b"0")
    (folder / "trainer_state.json").write_text('{"global_step": 2, "log_history": []}')
    content = model_files(folder, REPO)
    assert content.files.keys() == SOURCE_FILES | MODEL | PROCESSOR | ADDED
    assert set(content.left_out.values()) == {"state of a training"}
    assert len(content.left_out) == 6


def test_what_is_no_part_of_a_model_is_left_out_and_named(folder):
    (folder / "runs").mkdir()
    (folder / "scans").mkdir()
    for name in ("text.txt", "worst_lines.html", "helper.py", "learning_curve.png"):
        (folder / name).write_bytes(b"0")
    left_out = model_files(folder, REPO).left_out
    assert left_out.pop("runs/") == "state of a training"
    assert left_out == dict.fromkeys(
        ["helper.py", "learning_curve.png", "scans/", "text.txt", "worst_lines.html"],
        "no part of a model's repository",
    )


def test_ngram_corrector_recipe_and_results_go_along(folder):
    save_ngram(folder / "ngram.safetensors")
    (folder / "training_recipe.json").write_text("{}")
    corrector = folder / "corrector"
    corrector.mkdir()
    shutil.copy(folder / "model.safetensors", corrector)
    for name in ("config.json", "generation_config.json", "gate.json", "vocab.txt", "optimizer.pt"):
        (corrector / name).write_text("{}")
    write_report(folder / "results" / "lines.json", folder)
    content = model_files(folder, REPO)
    assert content.files.keys() - (SOURCE_FILES | MODEL | PROCESSOR | ADDED) == {
        "ngram.safetensors",
        "training_recipe.json",
        "corrector/config.json",
        "corrector/gate.json",
        "corrector/generation_config.json",
        "corrector/model.safetensors",
        "corrector/vocab.txt",
        "results/lines.json",
    }
    assert content.left_out == {"corrector/optimizer.pt": "state of a training"}


def test_shards_go_in_the_place_of_one_file(folder):
    (folder / "model.safetensors").rename(folder / "model-00001-of-00001.safetensors")
    index = {"weight_map": {"a": "model-00001-of-00001.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    weights = {"model-00001-of-00001.safetensors", "model.safetensors.index.json"}
    assert weights <= model_files(folder, REPO).files.keys()


def test_a_graph_of_other_weights_stays_and_is_told_without_the_onnx_library(folder, monkeypatch):
    recogniser = ResNetBiLstmForCTC.from_pretrained(folder)
    graph = write_onnx(recogniser, folder / "model.onnx", int8=True)
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert model_files(folder, REPO).files["model.onnx"] == graph
    recogniser.save_pretrained(folder, max_shard_size="4KB")
    (folder / "model.safetensors").unlink()
    assert model_files(folder, REPO).files["model.onnx"] == graph
    with torch.no_grad():
        recogniser.ctc_head.bias[0] += 1
    recogniser.save_pretrained(folder)
    content = model_files(folder, REPO)
    assert "model.onnx" not in content.files
    reason = content.left_out["model.onnx"]
    assert reason == (
        "made of other weights than these; write it again: "
        f"hwr-hf export onnx {folder} --output {folder}"
    )


def test_remote_code_is_added_to_a_folder_that_lacks_it(folder):
    for path in folder.glob("*.py"):
        path.unlink()
    config = json.loads((folder / "config.json").read_text())
    del config["auto_map"], config["custom_pipelines"]
    (folder / "config.json").write_text(json.dumps(config))
    files = model_files(folder, REPO).files
    assert SOURCE_FILES <= files.keys()
    assert "AutoModelForCTC" in json.loads(files["config.json"])["auto_map"]
    assert "auto_map" not in json.loads((folder / "config.json").read_text())


def test_the_package_model_is_a_complete_repository_of_its_own():
    content = model_files(hwr_hf.DEFAULT_MODEL, REPO)
    assert content.left_out == {}
    assert {"results/test_lines.json", "results/failures/codes.png"} <= content.files.keys()
    card = content.files["README.md"].decode()
    assert 'model="user/reader", trust_remote_code=True' in card
    assert "hwr_hf.DEFAULT_MODEL" not in card


# Results


def test_results_from_elsewhere_fill_the_generated_card(folder, tmp_path):
    report = write_report(tmp_path / "reports" / "mine.json", folder)
    for given in (report, report.parent):
        content = model_files(folder, REPO, [given])
        assert content.files["results/mine.json"] == report
        (result, _) = ModelCard(content.files["README.md"].decode()).data.eval_results
        assert (result.metric_type, result.metric_value) == ("cer", 0.25)


@pytest.mark.parametrize(
    ("sha256", "reason"),
    [
        pytest.param("0" * 64, "measured on other weights than these", id="other-weights"),
        pytest.param(None, "does not say which weights it was measured on", id="none-named"),
    ],
)
def test_a_report_of_other_weights_is_neither_pushed_nor_quoted(folder, sha256, reason):
    report = write_report(folder / "results" / "old.json", folder, model_sha256=sha256)
    content = model_files(folder, REPO)
    assert "results/old.json" not in content.files
    assert content.left_out == {str(report): reason}
    assert b"25.00" not in content.files["README.md"]


def test_a_report_of_sharded_weights_goes_along(folder):
    ResNetBiLstmForCTC.from_pretrained(folder).save_pretrained(folder, max_shard_size="4KB")
    (folder / "model.safetensors").unlink()
    digest = hashlib.sha256()
    for shard in sorted(folder.glob("model-*.safetensors")):
        digest.update(shard.read_bytes())
    write_report(folder / "results" / "lines.json", folder, model_sha256=digest.hexdigest())
    content = model_files(folder, REPO)
    assert content.left_out == {}
    assert "results/lines.json" in content.files


def test_two_reports_of_one_name_are_an_error_unless_they_are_equal(folder, tmp_path):
    first = write_report(tmp_path / "a" / "test.json", folder)
    second = write_report(tmp_path / "b" / "test.json", folder)
    assert "results/test.json" in model_files(folder, REPO, [first, second]).files
    write_report(second, folder, cer=0.5)
    with pytest.raises(ValueError, match=rf"{first} and {second} .*Rename one"):
        model_files(folder, REPO, [first, second])
    write_report(second, folder, model_sha256="0" * 64)
    content = model_files(folder, REPO, [first, second])
    assert content.files["results/test.json"] == first
    assert content.left_out == {str(second): "measured on other weights than these"}


def test_results_that_are_not_there_are_an_error(folder, tmp_path):
    (tmp_path / "empty").mkdir()
    for given in (tmp_path / "empty", tmp_path / "none.json"):
        with pytest.raises(ValueError, match=f"{given.name} holds no result"):
            model_files(folder, REPO, [given])


# Card and licence


def test_a_card_of_the_folder_goes_as_it_is(folder):
    card = "---\nlicense: mit   # of my own\n---\nMy own words.\n"
    (folder / "README.md").write_text(card)
    content = model_files(folder, REPO)
    assert content.files["README.md"] == card.encode()
    assert content.files["LICENSE.md"].startswith(b"# Terms\n\n## Weights\n\nmit\n")


def test_a_generated_card_in_the_folder_is_made_anew(folder):
    (folder / "README.md").write_text(f"---\nlicense: mit\n---\n{GENERATED_MARK}\nStale.\n")
    assert b"Stale" not in model_files(folder, REPO).files["README.md"]


def test_pictures_of_the_card_go_along_and_no_others(folder):
    (folder / "README.md").write_text("![a line](shown.png) ![web](https://example.org/x.png)\n")
    for name in ("shown.png", "hidden.png"):
        Image.new("L", (2, 2)).save(folder / name)
    content = model_files(folder, REPO)
    assert content.files["shown.png"] == folder / "shown.png"
    assert content.left_out == {"hidden.png": "no part of a model's repository"}


@pytest.mark.parametrize(
    "shown",
    [
        pytest.param("./shown.png", id="from-here"),
        pytest.param("pictures/../shown.png", id="detour"),
        pytest.param('shown.png "A line (drawn)"', id="title"),
        pytest.param("./shown.png 'A line' ", id="title-in-single-quotes"),
    ],
)
def test_a_picture_has_its_plain_place_however_the_card_names_it(folder, shown):
    (folder / "README.md").write_text(f"![a line]({shown}) and (more)\n")
    (folder / "pictures").mkdir()
    Image.new("L", (2, 2)).save(folder / "shown.png")
    content = model_files(folder, REPO)
    assert [path for path in content.files if path.endswith("png")] == ["shown.png"]
    assert "shown.png" not in content.left_out


@pytest.mark.parametrize("name", ["gone.png", "../outside.png", "../model/inside.png"])
def test_a_picture_that_is_not_in_the_folder_is_an_error(folder, name):
    for path in (folder.parent / "outside.png", folder / "inside.png"):
        Image.new("L", (2, 2)).save(path)
    (folder / "README.md").write_text(f"![a line]({name})\n")
    with pytest.raises(ValueError, match=rf"shows {name}, which is not in"):
        model_files(folder, REPO)


def test_broken_metadata_is_named_with_its_file(folder):
    (folder / "README.md").write_text("---\nlicense: [mit\n---\n")
    with pytest.raises(ValueError, match=r"README\.md is broken"):
        model_files(folder, REPO)


def test_a_licence_file_of_the_folder_is_the_one_that_goes(folder):
    (folder / "LICENSE").write_text("Mine.")
    assert not {"LICENSE.md"} & model_files(folder, REPO).files.keys()


@pytest.mark.parametrize(
    ("license", "terms"),
    [
        (None, "non-commercial research only"),
        ({"license": "cc-by-4.0"}, "\n\ncc-by-4.0\n"),
        (
            {"license": "other", "license_name": "mine", "license_link": "https://example.org"},
            "\n\nmine (https://example.org)\n",
        ),
    ],
)
def test_the_licence_has_the_terms_of_weights_and_code(folder, license, terms):
    content = model_files(folder, REPO, license=license)
    text = content.files["LICENSE.md"].decode()
    assert terms in text
    assert "Apache License" in text
    metadata = ModelCard(content.files["README.md"].decode()).data.to_dict()
    assert license_text(metadata) == text


def test_weights_of_own_images_alone_have_no_terms_of_iam(folder):
    recipe = {"Data": {"iam": None, "dataset": "mine"}, "Model": {"model": None}}
    (folder / "training_recipe.json").write_text(json.dumps(recipe))
    text = model_files(folder, REPO).files["LICENSE.md"].decode()
    assert "\n\nNot stated." in text
    assert "IAM" not in text


# Folders that are no model


@pytest.mark.parametrize(
    ("missing", "message"),
    [
        ("config.json", "config.json is missing"),
        ("tokenizer.json", "tokenizer.json is missing"),
        ("model.safetensors", "model.safetensors is missing"),
    ],
)
def test_a_folder_that_lacks_a_part_is_an_error(folder, missing, message):
    (folder / missing).unlink()
    with pytest.raises(ValueError, match=message):
        model_files(folder, REPO)


def test_a_missing_shard_is_an_error(folder):
    (folder / "model.safetensors").unlink()
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    with pytest.raises(ValueError, match="holds no complete model"):
        model_files(folder, REPO)


def test_of_an_unfinished_training_the_last_checkpoint_is_named(folder, tmp_path):
    run = tmp_path / "run"
    for step in (500, 1000):
        shutil.copytree(folder, run / f"checkpoint-{step}")
    with pytest.raises(ValueError, match=r"last checkpoint is .*checkpoint-1000: push that one"):
        model_files(run, REPO)


def test_weights_cut_short_are_an_error(folder):
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"model\.safetensors is damaged"):
        model_files(folder, REPO)


def test_another_kind_of_model_is_an_error(folder):
    (folder / "config.json").write_text('{"model_type": "bert"}')
    with pytest.raises(ValueError, match="type 'bert'"):
        model_files(folder, REPO)


def test_an_incomplete_corrector_is_an_error(folder):
    (folder / "corrector").mkdir()
    (folder / "corrector" / "config.json").write_text("{}")
    with pytest.raises(ValueError, match="corrector holds no complete model"):
        model_files(folder, REPO)


def test_no_folder_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="There is no folder"):
        model_files(tmp_path / "none", REPO)


# Spaces and data sets


def test_a_space_without_sdk_or_app_is_an_error(tmp_path):
    (tmp_path / "README.md").write_text("---\ntitle: Demo\n---\n")
    with pytest.raises(ValueError, match="names no sdk"):
        folder_files(tmp_path, "space")
    (tmp_path / "README.md").write_text("---\nsdk: gradio\napp_file: main.py\n---\n")
    with pytest.raises(ValueError, match=r"has no main\.py"):
        folder_files(tmp_path, "space")


def test_an_empty_folder_is_an_error(tmp_path):
    with pytest.raises(ValueError, match="holds no file to push"):
        folder_files(tmp_path, "dataset")


def test_hidden_files_of_a_folder_stay(tmp_path):
    (tmp_path / ".git").mkdir()
    for name in ("data.csv", ".env", ".git/config"):
        (tmp_path / name).touch()
    content = folder_files(tmp_path, "dataset")
    assert content.files == {"data.csv": tmp_path / "data.csv"}
    assert content.left_out == {".env": "hidden", ".git/config": "hidden"}


def test_a_linked_folder_stays_and_is_named(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "lines").mkdir()
    (tmp_path / "lines" / "a.parquet").touch()
    (tmp_path / "lines" / "more").symlink_to(tmp_path / "disk")
    content = folder_files(tmp_path / "lines", "dataset")
    assert content.files.keys() == {"a.parquet"}
    assert content.left_out == {"more/": "link to a folder"}


def test_a_folder_that_cannot_be_listed_is_an_error(tmp_path, monkeypatch):
    (tmp_path / "a.parquet").touch()
    (tmp_path / "locked").mkdir()
    lock(tmp_path / "locked", monkeypatch)
    with pytest.raises(PermissionError, match="locked"):
        folder_files(tmp_path, "dataset")


@pytest.mark.parametrize(
    ("path", "stale"),
    [
        ("model.safetensors", True),
        ("model-00001-of-00002.safetensors", True),
        ("model.safetensors.index.json", True),
        ("beam_resnet_bilstm.py", True),
        ("results/lines.json", True),
        ("ngram.safetensors", False),
        ("corrector/model.safetensors", False),
        ("README.md", False),
        ("notes.json", False),
    ],
)
def test_what_other_weights_left_is_stale(path, stale):
    assert goes_stale(path) == stale
