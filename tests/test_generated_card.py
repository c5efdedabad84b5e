"""A generated card tells what the model's files hold, and invents nothing."""

import json
import re
import shutil

import pytest
from huggingface_hub import ModelCard

from hwr_hf.generated_card import GENERATED_MARK, generated_card, training_facts

REPO = "user/reader"
STATE = {
    "global_step": 40,
    "log_history": [
        {"step": 10, "loss": 3.25, "learning_rate": 0.001},
        {"step": 20, "eval_lines_cer": 0.5, "eval_lines_wer": 0.875, "eval_loss": 2.0},
        {"step": 30, "loss": 1.5},
        {"step": 40, "eval_lines_cer": 0.625, "eval_lines_wer": 0.75, "eval_loss": 2.5},
    ],
}
RECIPE = {
    "Data": {"iam": "iam", "units": ["lines", "words"], "joined_lines": 700, "fonts": None},
    "Model": {"model": "user/base", "preset": "small"},
    "Arguments": {"learning_rate": 0.0012, "bf16": False, "seed": 7},
}
OWN_RECIPE = {
    "Data": {"iam": None, "dataset": "miami", "units": ["lines"], "split": "aachen", "augment": 1},
    "Model": {"model": None, "preset": "small"},
}
REPORT = {
    "dataset": "my letters",
    "split": "own",
    "subset": "test",
    "unit": "lines",
    "segmentation": "all",
    "lines": 321,
    "writers": 4,
    "decoder": "greedy",
    "cer": 0.0725,
    "wer": 0.2225,
    "interval": "90 % bootstrap by writer",
    "cer_interval": [0.0525, 0.0925],
    "wer_interval": [0.1825, 0.2625],
}


@pytest.fixture
def folder(tiny_model_dir, tmp_path):
    """A copy of the tiny model's folder."""
    return shutil.copytree(tiny_model_dir, tmp_path / "model")


def write(folder, **files):
    for name, content in files.items():
        (folder / f"{name}.json").write_text(json.dumps(content))


def numbers_of(text):
    return set(re.findall(r"(?<![\w.])\d+(?:\.\d+)?", text))


def test_a_folder_of_a_model_alone_tells_of_the_model_alone(folder):
    card = generated_card(folder, REPO)
    assert GENERATED_MARK in card
    assert "does not say what it was trained on" in card
    assert "No report of an evaluation came with the model" in card
    assert "79 characters can be read" in card
    assert "a height of 48 pixels" in card
    data = ModelCard(card).data
    assert data.get("eval_results") is None
    assert data.license_name == "iam-non-commercial-research"
    assert (data.pipeline_tag, data.library_name) == ("image-to-text", "transformers")


def test_size_and_parameters_are_those_of_the_weights(folder, tiny_model_dir):
    from safetensors.torch import load_file

    count = sum(tensor.numel() for tensor in load_file(folder / "model.safetensors").values())
    size = (folder / "model.safetensors").stat().st_size
    card = generated_card(folder, REPO)
    assert f"{count / 1e6:.1f} million parameters, {size / 1e6:.1f} MB" in card


def test_training_state_and_recipe_become_facts(folder):
    write(folder, trainer_state=STATE, training_recipe=RECIPE)
    assert training_facts(folder) == [
        "- Data: `iam` iam, `units` lines words, `joined_lines` 700",
        "- Model: `model` user/base, `preset` small",
        "- Arguments: `learning_rate` 0.0012, `seed` 7",
        "- Steps: 40",
        "- Training loss: 1.5 at step 30",
        "- Validation CER of lines while training: lowest 50.00% at step 20, last 62.50% at step "
        "40",
        "- Validation WER of lines while training: lowest 75.00% at step 40, last 75.00% at step "
        "40",
    ]
    assert ModelCard(generated_card(folder, REPO)).data.base_model == "user/base"


def test_settings_of_iam_are_no_facts_of_a_training_without_it(folder):
    write(folder, training_recipe=OWN_RECIPE)
    assert training_facts(folder)[0] == "- Data: `dataset` miami, `augment` 1"


def test_a_rate_without_a_unit_is_told_too(folder):
    history = [{"step": 5, "eval_cer": 0.25}]
    write(folder, trainer_state={"global_step": 5, "log_history": history})
    assert training_facts(folder)[-1] == (
        "- Validation CER while training: lowest 25.00% at step 5, last 25.00% at step 5"
    )


def test_reports_are_the_results_with_protocol_and_interval(folder):
    card = generated_card(folder, REPO, {"mine": REPORT})
    assert (
        "| my letters | own | test, 321 lines | 4 | greedy | 7.25 % (5.2 to 9.2) | "
        "22.25 % (18.2 to 26.2) | [mine.json](results/mine.json) |"
    ) in card
    results = ModelCard(card).data.eval_results
    assert [(r.metric_type, r.metric_value) for r in results] == [("cer", 0.0725), ("wer", 0.2225)]
    assert "in brackets the interval (90 % bootstrap by writer)" in card
    assert "No report" not in card


def test_every_number_is_in_a_file_or_in_the_text_of_every_card(folder):
    plain = numbers_of(generated_card(folder, REPO))
    write(folder, trainer_state=STATE, training_recipe=RECIPE)
    card = generated_card(folder, REPO, {"mine": REPORT})
    known = numbers_of(json.dumps([STATE, RECIPE, REPORT]))
    shown = {f"{100 * float(value):.{d}f}" for value in known for d in (1, 2)}
    assert numbers_of(card) - plain - known - shown == set()


def test_its_five_lines_name_the_repository(folder):
    (code,) = re.findall(r"```python\n(.*?)```", generated_card(folder, REPO), flags=re.S)
    assert code.splitlines() == [
        "from transformers import pipeline",
        "",
        'read = pipeline("image-to-text", model="user/reader", trust_remote_code=True)',
        'print(read("line.png")[0]["generated_text"])',
    ]


def test_another_licence_is_its_authors_word(folder):
    card = generated_card(folder, REPO, license={"license": "cc-by-4.0"})
    assert "**Terms**: cc-by-4.0, as its author states" in card
    assert ModelCard(card).data.license == "cc-by-4.0"


def test_weights_of_own_images_alone_have_no_terms_of_iam(folder):
    write(folder, training_recipe=OWN_RECIPE)
    card = generated_card(folder, REPO)
    assert "IAM" not in card.replace("--iam path/to/iam", "")
    assert "**Terms**: not stated" in card
    assert ModelCard(card).data.license == "unknown"


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"Data": {"iam": "iam", "dataset": "mine"}}, id="iam"),
        pytest.param({"Data": {"iam_ondb": "iam-ondb", "dataset": "mine"}}, id="iam-ondb"),
        pytest.param({"Data": {"dataset": "Teklia/IAM-line"}}, id="iam-on-the-hub"),
        pytest.param({"Data": {"dataset": "iam_packed"}}, id="iam-packed"),
        pytest.param({"Model": {"model": "default"}}, id="default-model"),
        pytest.param({"Model": {"model": "checkpoint-500"}}, id="unknown-model"),
        pytest.param({"Data": {}}, id="unknown-data"),
        pytest.param({"Model": {}}, id="no-word-of-a-model"),
    ],
)
def test_weights_that_iam_may_be_in_have_its_terms(folder, changes):
    write(folder, training_recipe=OWN_RECIPE | changes)
    card = generated_card(folder, REPO)
    assert "**Terms**: those of the IAM Handwriting Database" in card
    assert ModelCard(card).data.license_name == "iam-non-commercial-research"


@pytest.mark.parametrize("recipe", [RECIPE, OWN_RECIPE])
def test_the_hubs_validator_takes_the_card(folder, hub, recipe):
    write(folder, trainer_state=STATE, training_recipe=recipe)
    ModelCard(generated_card(folder, REPO, {"mine": REPORT})).validate()


def test_a_model_without_ctc_head_needs_a_card_of_its_own(folder):
    config = json.loads((folder / "config.json").read_text())
    write(folder, config=config | {"architectures": ["ResNetForCharacterSequence"]})
    with pytest.raises(ValueError, match=r"Write its card into README\.md"):
        generated_card(folder, REPO)
