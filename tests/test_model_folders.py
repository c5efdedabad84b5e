import json
import shutil

import pytest
from PIL import Image

from hwr_hf.cli import main
from hwr_hf.model_folders import checked_model, last_checkpoint


@pytest.mark.parametrize("model", ["user/name", "name"])
def test_a_hub_id_and_a_model_are_left_as_they_are(model, tiny_model_dir):
    assert checked_model(model) == model
    assert checked_model(str(tiny_model_dir)) == str(tiny_model_dir)


def test_a_name_beside_other_folders_is_not_asked_of_the_hub(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert checked_model("runs/mine") == "runs/mine"
    (tmp_path / "runs").mkdir()
    with pytest.raises(ValueError, match="There is no model folder runs/mine"):
        checked_model("runs/mine")


def test_the_folder_of_a_training_that_runs_names_its_last_checkpoint(tmp_path):
    for step in (900, 1000):
        (tmp_path / f"checkpoint-{step}").mkdir()
        (tmp_path / f"checkpoint-{step}" / "model.safetensors").touch()
    (tmp_path / "checkpoint-1100").mkdir()  # is being written
    with pytest.raises(ValueError, match=r"config\.json is missing.*checkpoint-1000"):
        checked_model(str(tmp_path))


def test_a_checkpoint_of_shards_is_one_too_and_another_folder_is_none(tmp_path):
    for name in ("checkpoint-900", "checkpoint-1000", "checkpoint-of-mine"):
        (tmp_path / name).mkdir()
    for name in ("checkpoint-900", "checkpoint-of-mine"):
        (tmp_path / name / "model.safetensors").touch()
    shard = tmp_path / "checkpoint-1000" / "model-00001-of-00001.safetensors"
    shard.touch()
    index = {"weight_map": {"weight": shard.name}}
    (shard.parent / "model.safetensors.index.json").write_text(json.dumps(index))
    assert last_checkpoint(tmp_path) == shard.parent
    shard.unlink()
    assert last_checkpoint(tmp_path) == tmp_path / "checkpoint-900"


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("model.safetensors", None, "lacks its weights: there is no model.safetensors"),
        ("config.json", "{", "config.json is damaged"),
        ("config.json", "[]", "config.json is damaged"),
        ("config.json", '{"model_type": "bert"}', "is 'bert', and needed is 'resnet_bilstm'"),
        ("config.json", "{}", "is None, and needed is 'resnet_bilstm'"),
    ],
)
def test_an_incomplete_or_other_model_is_told(tiny_model_dir, tmp_path, file, content, message):
    folder = shutil.copytree(tiny_model_dir, tmp_path / "model")
    if content is None:
        (folder / file).unlink()
    else:
        (folder / file).write_text(content)
    with pytest.raises(ValueError, match=message):
        checked_model(str(folder))


@pytest.mark.parametrize(
    "index", ["{", "[]", "{}", '{"weight_map": []}', '{"weight_map": {"a": 1}}']
)
def test_a_damaged_index_of_the_weights_is_told(tiny_model_dir, tmp_path, index):
    folder = shutil.copytree(tiny_model_dir, tmp_path / "model")
    (folder / "model.safetensors").unlink()
    (folder / "model.safetensors.index.json").write_text(index)
    with pytest.raises(ValueError, match=r"model\.safetensors\.index\.json is damaged"):
        checked_model(str(folder))


@pytest.mark.parametrize(
    "command",
    [
        ["read", "one.png", "--model", "./no-model"],
        ["evaluate", "--iam", ".", "--output", "out.json", "--model", "./no-model"],
        ["transcribe", "one.png", "--output", "out", "--model", "./no-model"],
        ["export", "onnx", "./no-model", "--output", "out"],
        ["train", "--iam", ".", "--output_dir", "out", "--use_cpu", "--model", "./no-model"],
    ],
    ids=lambda command: command[0],
)
def test_every_command_says_that_there_is_no_such_model(command, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    Image.new("L", (200, 40), 255).save("one.png")
    assert main(command) == 2
    assert "There is no model folder ./no-model" in capsys.readouterr().err
