import json
import shutil

import datasets
import pytest
import torch
from iam_miniature import png_bytes
from transformers import AutoModelForCTC, AutoProcessor

from hwr_hf.cli import main
from hwr_hf.resnet_bilstm import ResNetBiLstmConfig
from hwr_hf.training_checkpoints import checkpoints, last_complete_checkpoint
from hwr_hf.training_model import fastest_memory_format

TINY = {
    "stem_channels": 8,
    "hidden_sizes": [8, 8, 8],
    "depths": [1, 1, 1],
    "lstm_hidden_size": 16,
    "num_lstm_layers": 1,
}


@pytest.fixture
def train(tmp_path, monkeypatch):
    """Function that runs `hwr-hf train` for a few steps and returns its exit code."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")

    def run(iam, *arguments, steps=2):
        options = {
            "iam": iam,
            "output_dir": tmp_path / "run",
            "config_overrides": json.dumps(TINY),
            "max_steps": steps,
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


def state_of(run):
    return json.loads((run / "trainer_state.json").read_text())


def test_training_leaves_a_model_a_log_and_a_curve(make_iam, train, tmp_path):
    assert train(make_iam()) == 0
    run = tmp_path / "run"
    assert AutoModelForCTC.from_pretrained(run).config.hidden_sizes == [8, 8, 8]
    assert AutoProcessor.from_pretrained(run).tokenizer.pad_token_id == 0
    assert (run / "learning_curve.png").read_bytes().startswith(b"\x89PNG")
    assert list(run.glob("**/events.out.tfevents.*"))
    evaluated = {name for entry in state_of(run)["log_history"] for name in entry}
    assert {"eval_lines_cer", "eval_lines_wer", "eval_words_cer"} <= evaluated


def test_consistency_changes_what_is_learnt_and_not_how_it_is_measured(make_iam, train, tmp_path):
    iam, logs = make_iam(), []
    for weight in ("0", "0.2", "2"):
        still = ["--learning_rate", "0", "--freeze_batch_norm", "--restart"]
        assert train(iam, *still, "--consistency", weight) == 0
        history = state_of(tmp_path / "run")["log_history"]
        logs.append({name: value for entry in history for name, value in entry.items()})
    without, little, much = logs
    for logged in (little, much):
        assert logged["eval_lines_loss"] == pytest.approx(without["eval_lines_loss"])
    assert much["train_loss"] > little["train_loss"]  # the same views, which differ


def test_the_data_seed_orders_the_images_and_the_seed_does_all_else(make_iam, train, tmp_path):
    iam, losses = make_iam(), []
    for seed in ("1", "1", "2"):
        still = ["--learning_rate", "0", "--augment", "0", "--freeze_batch_norm", "--restart"]
        assert train(iam, *still, "--data_seed", seed, "--batch_columns", "64", steps=1) == 0
        losses.append(state_of(tmp_path / "run")["log_history"][0]["loss"])
    assert losses[0] == losses[1] != losses[2]


def test_frozen_batch_norm_is_estimated_once_and_then_stays(make_iam, train, tmp_path):
    assert train(make_iam(), "--freeze_batch_norm", "--augment", "0", steps=2) == 0
    two_steps = AutoModelForCTC.from_pretrained(tmp_path / "run").state_dict()
    assert train(tmp_path / "iam", "--freeze_batch_norm", "--augment", "0", "--restart") == 0
    again = AutoModelForCTC.from_pretrained(tmp_path / "run").state_dict()
    mean = "model.backbone.bn1.running_mean"
    assert two_steps[mean].abs().max() > 0
    assert torch.equal(two_steps[mean], again[mean])
    assert two_steps["model.backbone.bn1.num_batches_tracked"] <= 90


def test_frozen_batch_norm_is_not_estimated_again_when_training_goes_on(make_iam, train, tmp_path):
    assert train(make_iam(), "--freeze_batch_norm", steps=2) == 0
    assert train(tmp_path / "iam", "--freeze_batch_norm", steps=4) == 0
    before, after = (
        AutoModelForCTC.from_pretrained(tmp_path / "run" / f"checkpoint-{step}").state_dict()
        for step in (2, 4)
    )
    last_mean = "model.backbone.layer3.0.bn2.running_mean"
    assert torch.allclose(before[last_mean], after[last_mean], atol=1e-6)
    assert not torch.equal(before["ctc_head.weight"], after["ctc_head.weight"])


@pytest.mark.parametrize("is_new", [True, False])
def test_lines_are_scaled_as_asked(make_iam, train, tiny_model_dir, tmp_path, is_new):
    model = [] if is_new else ["--model", str(tiny_model_dir)]
    scale = ["--image_height", "32", "--width_scale", "2", "--columns_per_stroke", "12"]
    assert train(make_iam(), *scale, *model) == 0
    images = AutoProcessor.from_pretrained(tmp_path / "run").image_processor
    assert images.size.height == 32
    assert images.width_scale == 2
    assert images.columns_per_stroke == 12


@pytest.mark.parametrize(
    ("hidden_sizes", "expected"),
    [([16, 32], torch.channels_last), ([8, 32], torch.contiguous_format)],
)
def test_a_narrow_network_does_not_train_in_channels_last(hidden_sizes, expected):
    config = ResNetBiLstmConfig(
        stem_channels=16, hidden_sizes=hidden_sizes, depths=[1, 1], stage_strides=[[1, 1], [2, 2]]
    )
    assert fastest_memory_format(config) == expected


def test_the_best_checkpoint_is_chosen_by_the_cer_of_lines(make_iam, train, tmp_path):
    train(make_iam(), steps=4)
    state = state_of(tmp_path / "run")
    cers = [e["eval_lines_cer"] for e in state["log_history"] if "eval_lines_cer" in e]
    assert state["best_metric"] == min(cers)


def test_the_best_checkpoint_can_be_chosen_by_another_metric(make_iam, train, tmp_path):
    assert train(make_iam(), "--metric_for_best_model", "words_wer", steps=4) == 0
    state = state_of(tmp_path / "run")
    rates = [e["eval_words_wer"] for e in state["log_history"] if "eval_words_wer" in e]
    assert state["best_metric"] == min(rates)


def test_a_second_start_goes_on_where_the_first_stopped(make_iam, train, tmp_path):
    iam = make_iam()
    train(iam, steps=2)
    first = state_of(tmp_path / "run")["log_history"][0]
    train(iam, steps=4)
    state = state_of(tmp_path / "run")
    assert state["global_step"] == 4
    assert state["log_history"][0] == first


def test_a_finished_training_started_again_stays_as_it_is(make_iam, train, tmp_path):
    iam = make_iam()
    train(iam, "--learning_rate", "0.05", steps=4)
    weights = (tmp_path / "run" / "model.safetensors").read_bytes()
    state = state_of(tmp_path / "run")
    (tmp_path / "run" / "model.safetensors").unlink()  # as if killed before the end
    assert train(iam, "--learning_rate", "0.05", steps=4) == 0
    assert state_of(tmp_path / "run")["log_history"] == state["log_history"]
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == weights
    assert len(checkpoints(tmp_path / "run")) == 2


def test_a_finished_training_without_its_best_checkpoint_keeps_its_model(make_iam, train, tmp_path):
    iam = make_iam()
    train(iam, "--learning_rate", "0", steps=4)  # the first checkpoint is the best
    weights = (tmp_path / "run" / "model.safetensors").read_bytes()
    shutil.rmtree(tmp_path / "run" / "checkpoint-2")
    assert train(iam, "--learning_rate", "0", steps=4) == 0
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == weights


@pytest.mark.parametrize("steps", [4, 6], ids=["finished", "going on"])
def test_a_training_whose_folder_was_moved_keeps_its_best_checkpoint(
    make_iam, train, tmp_path, steps
):
    still = ["--learning_rate", "0"]  # the first checkpoint stays the best
    iam = make_iam()
    train(iam, *still, steps=4)
    (tmp_path / "run").rename(tmp_path / "moved")
    (tmp_path / "moved" / "model.safetensors").unlink()
    moved = ["--output_dir", str(tmp_path / "moved")]
    assert train(iam, *still, *moved, steps=steps) == 0
    state = state_of(tmp_path / "moved")
    assert state["best_model_checkpoint"] == str(tmp_path / "moved" / "checkpoint-2")
    assert (tmp_path / "moved" / "model.safetensors").is_file()


@pytest.mark.parametrize(
    "other",
    [
        ["--augment", "0.25"],
        ["--config_overrides", json.dumps(TINY | {"lstm_hidden_size": 8})],
    ],
)
def test_a_folder_of_another_training_is_refused(
    make_iam, train, tmp_path, capsys, monkeypatch, other
):
    iam = make_iam()
    train(iam, steps=2)
    weights = (tmp_path / "run" / "model.safetensors").read_bytes()
    capsys.readouterr()
    with monkeypatch.context() as patched:
        patched.setattr("hwr_hf.training.load_sources", None)  # said before any image is read
        assert train(iam, *other, steps=4) == 2
    said = capsys.readouterr().err
    assert f"{other[0][2:]} " in said and "--restart" in said
    assert (tmp_path / "run" / "model.safetensors").read_bytes() == weights
    assert train(iam, *other, "--restart", steps=2) == 0


def test_restart_begins_anew(make_iam, train, tmp_path):
    iam = make_iam()
    train(iam, steps=2)
    train(iam, "--restart", "--seed", "7", steps=2)
    steps = [entry["step"] for entry in state_of(tmp_path / "run")["log_history"]]
    assert steps[0] == 1


def test_restart_removes_the_old_checkpoints(make_iam, train, tmp_path):
    iam = make_iam()
    train(iam, steps=4)
    train(iam, "--restart", steps=2)
    assert [path.name for path in checkpoints(tmp_path / "run")] == ["checkpoint-2"]


def test_a_checkpoint_cut_short_by_a_kill_is_passed_over(tmp_path):
    for step in (500, 1000, 1500):
        (tmp_path / f"checkpoint-{step}").mkdir()
    for step in (500, 1000):
        (tmp_path / f"checkpoint-{step}" / "trainer_state.json").touch()
    assert last_complete_checkpoint(tmp_path) == str(tmp_path / "checkpoint-1000")


def test_a_trained_model_keeps_the_ngram_of_the_one_it_began_with(
    make_iam, train, tiny_model_dir, tmp_path
):
    folder = shutil.copytree(tiny_model_dir, tmp_path / "model")
    (folder / "ngram.safetensors").write_bytes(b"an n-gram")
    assert train(make_iam(), "--model", str(folder)) == 0
    assert (tmp_path / "run" / "ngram.safetensors").read_bytes() == b"an n-gram"


def test_training_goes_on_from_a_saved_model(make_iam, train, tiny_model_dir, tmp_path):
    assert train(make_iam(), "--model", str(tiny_model_dir)) == 0
    assert AutoModelForCTC.from_pretrained(tmp_path / "run").config.lstm_hidden_size == 16


def test_training_goes_on_from_what_is_cut_out_of_a_saved_model(
    make_iam, train, tiny_model_dir, tmp_path
):
    smaller = ["--config_overrides", '{"lstm_hidden_size": 12}']
    assert train(make_iam(), "--model", str(tiny_model_dir), *smaller) == 0
    assert AutoModelForCTC.from_pretrained(tmp_path / "run").config.lstm_hidden_size == 12


def test_a_larger_network_cannot_be_cut_out_of_a_saved_model(
    make_iam, train, tiny_model_dir, capsys
):
    larger = ["--config_overrides", '{"lstm_hidden_size": 32}']
    assert train(make_iam(), "--model", str(tiny_model_dir), *larger) == 2
    assert "lstm_hidden_size is 16 in the model, and 32" in capsys.readouterr().err


def test_a_text_too_long_for_its_image_is_named_before_training(make_iam, train, tmp_path, capsys):
    iam = make_iam(damage={"a01-003-00": png_bytes("T")})
    assert train(iam) == 2
    message = capsys.readouterr().err
    assert "Three ducks: Tom's." in message
    assert "frames" in message
    assert "--on_too_long skip" in message
    assert not list((tmp_path / "run").glob("checkpoint-*"))


def test_texts_too_long_are_left_out_when_asked(make_iam, train, caplog):
    iam = make_iam(damage={"a01-003-00": png_bytes("T")})
    assert train(iam, "--on_too_long", "skip") == 0
    assert "They are left out." in caplog.text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param(["--units", "lines"], "give one repeat for each unit", id="repeats"),
        pytest.param(["--preset", "huge"], "use small, medium, base", id="preset"),
        pytest.param(
            ["--preset", "medium", "--model", "default"], "has no effect", id="preset-of-a-model"
        ),
        pytest.param(["--config_overrides", "x"], "no JSON object", id="overrides"),
        pytest.param(["--config_overrides", "[]"], "no JSON object", id="list"),
        pytest.param(
            ["--config_overrides", '{"num_lstm_layer": 3}'],
            "Did you mean 'num_lstm_layers'?",
            id="typing-error",
        ),
        pytest.param(["--config_overrides", '{"dropout": 2.0}'], "dropout=2.0", id="field"),
        pytest.param(["--config_overrides", '{"vocab_size": 60}'], "vocab_size=60", id="vocab"),
        pytest.param(["--split", "random_80_20"], "no validation images", id="split"),
        pytest.param(["--consistency", "-1"], "use 0 for none", id="consistency"),
        pytest.param(["--batch_columns", "0"], "use 1 or more", id="no-columns"),
        pytest.param(["--image_height", "0"], "use 48 or 40", id="no-rows"),
        pytest.param(["--width_scale", "0"], "use 1 or 1.2", id="no-width"),
        pytest.param(["--columns_per_stroke", "0"], "use 11 or 14", id="no-stroke"),
        pytest.param(
            ["--per_device_train_batch_size", "4"], "Give --batch_columns", id="batch-size"
        ),
        pytest.param(
            ["--num_train_epochs", "5"],
            "--num_train_epochs 5.0 has no effect beside --max_steps",
            id="epochs",
        ),
        pytest.param(["--metric_for_best_model", "wer"], "lines_wer", id="metric"),
        pytest.param(["--resume_from_checkpoint", "x"], "Give --output_dir", id="checkpoint"),
        pytest.param(["--deskew", "twist"], "'moment', 'line'", id="deskew"),
        pytest.param(["--on_too_long", "x"], "use 'error' or 'skip'", id="on-too-long"),
    ],
)
def test_a_wrong_argument_ends_with_a_sentence(make_iam, train, capsys, arguments, message):
    assert train(make_iam(), *arguments) == 2
    assert message in capsys.readouterr().err


def test_epochs_say_when_to_end_where_steps_do_not(make_iam, train, tmp_path):
    assert train(make_iam(), "--num_train_epochs", "2", steps=-1) == 0
    assert state_of(tmp_path / "run")["epoch"] == 2


def test_a_wrong_folder_says_what_was_looked_for(train, tmp_path, capsys):
    assert train(tmp_path) == 2
    assert "lines.t" in capsys.readouterr().err


def test_drawn_and_joined_lines_are_trained_on_too(make_iam, train, tmp_path, capfd):
    strokes = tmp_path / "strokes.jsonl"
    letters = [[x, 0, 0, 20, 10, 0, 0, -20] for x in (0, 16, 70, 86)]
    row = {"id": "a01-001-01", "form": "a01-001", "text": "on it", "strokes": letters}
    strokes.write_text(json.dumps(row))
    drawn = ["--synthetic_lines", "5", "--iam_ondb", str(strokes), "--joined_lines", "4"]
    assert train(make_iam(), *drawn) == 0
    assert (tmp_path / "run" / "model.safetensors").is_file()


def test_lines_cannot_be_drawn_from_nothing(make_iam, train, capsys):
    assert train(make_iam(), "--synthetic_lines", "5") == 2
    assert "There is nothing to draw" in capsys.readouterr().err
