"""Trainer(push_to_hub=True): what arrives, when, and what happens when it cannot."""

import json

import datasets
import pytest
from hub_server import Fault
from huggingface_hub import ModelCard
from transformers import AutoModelForCTC

from hwr_hf.cli import main
from hwr_hf.hub_trainer import training_recipe
from hwr_hf.training import RecognitionTrainingArguments
from hwr_hf.training_data import DataArguments
from hwr_hf.training_model import ModelArguments

REPO = "user/trained"
TINY = {
    "stem_channels": 8,
    "hidden_sizes": [8, 8, 8],
    "depths": [1, 1, 1],
    "lstm_hidden_size": 16,
    "num_lstm_layers": 1,
}


@pytest.fixture
def train(make_iam, tmp_path, monkeypatch):
    """Function that trains for four steps and returns the exit code."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    iam = make_iam()

    def run(*arguments):
        options = {
            "iam": iam,
            "output_dir": tmp_path / "trained",
            "config_overrides": json.dumps(TINY),
            "max_steps": 4,
            "eval_steps": 2,
            "save_steps": 2,
            "logging_steps": 1,
            "batch_columns": 512,
            "dataloader_num_workers": 0,
            "preparation_processes": 1,
        }
        words = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
        return main(["train", *words, "--use_cpu", *arguments])

    return run


def test_every_checkpoint_and_the_end_arrive_complete_each_as_one_commit(hub, train, tmp_path):
    assert train("--push_to_hub", "--hub_model_id", REPO, "--hub_private_repo", "True") == 0
    repository = hub.repository(REPO)
    assert repository.private
    assert repository.messages == [
        "initial commit",
        "Training in progress, step 2",
        "Training in progress, step 4",
        "End of training",
    ]
    for files in list(repository.commits.values())[1:]:
        assert {"model.safetensors", "tokenizer.json", "README.md", "LICENSE.md"} <= files.keys()
        assert "modeling_resnet_bilstm.py" in files
        assert not [name for name in files if name.endswith((".pt", ".pth", ".bin"))]
        assert not {"trained_weights.safetensors", "trainer_state.json"} & files.keys()
    files = repository.files()
    assert files["model.safetensors"] == (tmp_path / "trained" / "model.safetensors").read_bytes()
    card = files["README.md"].decode()
    assert "- Steps: 4" in card
    assert "`batch_columns` 512" in card
    assert str(tmp_path) not in card + files["training_recipe.json"].decode()
    ModelCard(card).validate()
    assert AutoModelForCTC.from_pretrained(REPO).config.hidden_sizes == [8, 8, 8]


def test_a_token_that_is_missing_is_said_before_the_first_step(hub, train, monkeypatch, capsys):
    monkeypatch.delenv("HF_TOKEN")
    assert train("--push_to_hub") == 2
    assert "There is no token of the Hugging Face Hub" in capsys.readouterr().err


def test_nothing_is_made_on_the_hub_before_there_is_a_model(hub, train):
    assert train("--push_to_hub", "--units", "lines") == 2  # one unit, two repeats
    assert hub.repositories == {}


def test_a_strategy_that_uploads_optimizer_states_is_refused(hub, train, capsys):
    assert train("--push_to_hub", "--hub_strategy", "checkpoint") == 2
    assert "hub_strategy='checkpoint' would publish" in capsys.readouterr().err


def test_a_checkpoint_that_cannot_be_pushed_does_not_end_the_training(hub, train):
    hub.fail(Fault("POST", "/commit/", 500, times=4))  # the first push gives up after four
    assert train("--push_to_hub") == 0  # to a repository with the name of the output folder
    assert hub.repository(REPO).messages[1:] == ["Training in progress, step 4", "End of training"]


def test_a_last_push_that_fails_leaves_the_model_to_be_pushed_by_hand(hub, train, tmp_path, capsys):
    hub.fail(Fault("POST", "/commit/", 500, times=99))
    assert train("--push_to_hub", "--hub_strategy", "end") == 2
    assert "Nothing was published" in capsys.readouterr().err
    assert hub.repository(REPO).files() == {}
    hub.faults.clear()
    assert main(["push", str(tmp_path / "trained"), "--repo", REPO]) == 0
    assert "model.safetensors" in hub.repository(REPO).files()


def test_a_training_that_does_not_push_asks_the_hub_nothing(hub, train, tmp_path):
    assert train() == 0
    assert hub.requests == []
    recipe = json.loads(
        (tmp_path / "trained" / "checkpoint-4" / "training_recipe.json").read_text()
    )
    assert recipe["Data"]["iam"] == "iam"
    assert recipe["Arguments"]["max_steps"] == 4


def test_a_recipe_keeps_of_paths_the_last_part_and_of_arguments_those_that_matter(tmp_path):
    (tmp_path / "text.txt").touch()
    recipe = training_recipe(
        Data=DataArguments(iam=str(tmp_path), text=[str(tmp_path / "text.txt")]),
        Model=ModelArguments(model="user/base"),
        Arguments=RecognitionTrainingArguments(output_dir=str(tmp_path), use_cpu=True, seed=7),
    )
    assert recipe["Data"]["iam"] == tmp_path.name
    assert recipe["Data"]["text"] == ["text.txt"]
    assert recipe["Model"]["model"] == "user/base"
    assert recipe["Arguments"]["seed"] == 7
    assert "output_dir" not in recipe["Arguments"]
    assert json.loads(json.dumps(recipe)) == recipe
