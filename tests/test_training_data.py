import json
import re
from collections import Counter

import datasets
import pytest
from drawing import draw_text_line

from hwr_hf import training_model
from hwr_hf.cli import main
from hwr_hf.data.augmentation import Augmentation
from hwr_hf.data.iam import load_iam
from hwr_hf.training_data import (
    MAX_AUGMENT,
    DataArguments,
    load_sources,
    part_at_fold,
    unseen_texts,
)

TINY = '{"stem_channels": 8, "hidden_sizes": [8, 8], "depths": [1, 1], "stage_strides": [[2, 2], \
[2, 1]], "lstm_hidden_size": 16, "num_lstm_layers": 1}'


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def mine(tmp_path):
    """A packed data set of eight training, one validation and one test line."""
    (tmp_path / "scans").mkdir()
    for number in range(10):
        draw_text_line(f"line {number}").save(tmp_path / "scans" / f"{number}.png")
        (tmp_path / "scans" / f"{number}.txt").write_text(f"line {number}")
    assert (
        main(["dataset", "pack", str(tmp_path / "scans"), "--output", str(tmp_path / "out")]) == 0
    )
    return tmp_path / "out"


@pytest.fixture
def train(tmp_path):
    """Function that runs `hwr-hf train` for two steps and returns its exit code."""

    def run(*arguments):
        options = {
            "output_dir": tmp_path / "run",
            "max_steps": 2,
            "eval_steps": 2,
            "save_steps": 2,
            "logging_steps": 1,
            "dataloader_num_workers": 0,
            "preparation_processes": 1,
        }
        words = [str(part) for name, value in options.items() for part in (f"--{name}", value)]
        return main(["train", *words, "--use_cpu", *map(str, arguments)])

    return run


def evaluations(run):
    log = json.loads((run / "trainer_state.json").read_text())["log_history"]
    return {name for entry in log for name in entry if name.endswith("_cer")}


def test_one_can_train_and_evaluate_on_ones_own_lines_alone(mine, train, tmp_path, capsys):
    assert train("--dataset", mine, "--config_overrides", TINY) == 0
    assert evaluations(tmp_path / "run") == {"eval_dataset_cer"}
    state = json.loads((tmp_path / "run" / "trainer_state.json").read_text())
    assert state["best_metric"] is not None
    output = tmp_path / "test.json"
    page = ["--worst-lines", str(tmp_path / "worst.html")]
    options = ["--model", str(tmp_path / "run"), "--output", str(output), *page]
    assert main(["evaluate", "--dataset", str(mine), "--subset", "test", *options]) == 0
    report = json.loads(output.read_text())
    assert (report["dataset"], report["subset"], report["lines"]) == ("out", "test", 1)


def test_ones_own_lines_join_iam(mine, train, make_iam, tmp_path):
    arguments = ["--dataset", mine, "--iam", make_iam(), "--config_overrides", TINY]
    assert train(*arguments, "--units", "lines", "--repeats", "1") == 0
    assert evaluations(tmp_path / "run") == {"eval_dataset_cer", "eval_lines_cer"}


def test_the_word_default_is_the_model_in_the_package(monkeypatch, tiny_model_dir):
    monkeypatch.setattr(training_model, "DEFAULT_MODEL", str(tiny_model_dir))
    model, _ = training_model.make_model(training_model.ModelArguments(model="default"))
    assert model.config.lstm_hidden_size == 16


def test_validation_lines_are_the_same_for_every_seed(mine, tmp_path):
    saved = datasets.load_dataset(str(mine), split="train")
    saved.save_to_disk(tmp_path / "alone")
    data = DataArguments(dataset=str(tmp_path / "alone"), validation_share=0.25)
    first, second = (load_sources(data, seed)[0] for seed in (1, 2))
    assert len(first.validation) == 2
    assert first.validation["text"][:] == second.validation["text"][:]


def test_evaluate_measures_the_validation_lines_that_train_left_out(mine, tmp_path, capsys):
    saved = datasets.load_dataset(str(mine), split="train")
    saved.save_to_disk(tmp_path / "alone")
    output = tmp_path / "validation.json"
    page = ["--worst-lines", str(tmp_path / "worst.html")]
    arguments = ["--dataset", str(tmp_path / "alone"), "--validation-share", "0.25"]
    assert main(["evaluate", *arguments, "--output", str(output), *page]) == 0
    assert json.loads(output.read_text())["lines"] == 2


def test_repeats_are_those_of_the_data_set(mine):
    (source,) = load_sources(DataArguments(dataset=str(mine), dataset_repeats=5), seed=0)
    assert (source.name, source.repeats, len(source.train)) == ("dataset", 5, 8)


def test_samples_are_limited_for_a_trial(mine):
    data = DataArguments(dataset=str(mine), max_train_samples=3, max_eval_samples=1)
    (source,) = load_sources(data, seed=0)
    assert (len(source.train), len(source.validation)) == (3, 1)


def test_validation_and_test_texts_are_kept_out_of_drawn_lines(mine):
    splits = datasets.load_dataset(str(mine))
    held_out = {*splits["validation"]["text"], *splits["test"]["text"]}
    assert set(unseen_texts(DataArguments(dataset=str(mine)))) == held_out


def test_texts_of_the_left_out_fold_are_kept_out_of_drawn_lines(make_iam):
    iam = str(make_iam())
    data = DataArguments(iam=iam, num_folds=2, left_out_fold=1)
    _, left_out = part_at_fold(load_iam(iam)["train"], data)
    more = Counter(unseen_texts(data)) - Counter(unseen_texts(DataArguments(iam=iam)))
    assert more == Counter(left_out["text"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "There is nothing to train on: give --iam", id="nothing"),
        pytest.param(["--dataset", "no/where/near"], "There is no folder no/where", id="nowhere"),
        pytest.param(["--dataset", "{mine}", "--joined_lines", "5"], "give --iam too", id="joined"),
        pytest.param(["--dataset", "{mine}", "--units", "lines"], "one repeat", id="repeats"),
    ],
)
def test_a_wrong_argument_ends_with_a_sentence(mine, train, capsys, arguments, message):
    assert train(*(argument.replace("{mine}", str(mine)) for argument in arguments)) == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"dataset_repeats": 0}, "--dataset_repeats 0 is not allowed: use 1 or more"),
        ({"max_train_samples": 0}, "--max_train_samples 0 is not allowed: use 1 or more"),
        ({"max_eval_samples": -1}, "--max_eval_samples -1 is not allowed: use 1 or more"),
        ({"synthetic_lines": -3}, "--synthetic_lines -3 is not allowed: use 0 or more"),
        ({"joined_lines": -3}, "--joined_lines -3 is not allowed: use 0 or more"),
        ({"num_folds": -2}, "--num_folds -2 is not allowed: use 0 or more"),
        ({"augment": -0.5}, "--augment -0.5 is not allowed: use 0 to 3"),
        ({"augment": 3.1}, "--augment 3.1 is not allowed: use 0 to 3"),
        ({"augment": float("nan")}, "--augment nan is not allowed: use 0 to 3"),
        ({"left_out_fold": 3}, "--left_out_fold 3 is of no folds: give --num_folds"),
        ({"fonts": "no/fonts"}, "There is no folder no/fonts, which --fonts names"),
    ],
)
def test_an_argument_that_makes_no_sense_is_refused(options, message):
    with pytest.raises(ValueError, match=re.escape(message)):
        DataArguments(iam="iam", **options)


def test_the_strongest_augmentation_mirrors_no_line():
    strongest = Augmentation().scaled(MAX_AUGMENT)
    assert strongest.scale_x < 1 and strongest.scale_y < 1


def test_a_data_set_without_training_lines_is_told(mine, train, tmp_path, capsys):
    splits = datasets.load_dataset(str(mine))
    del splits["train"]
    splits.save_to_disk(tmp_path / "saved")
    assert train("--dataset", tmp_path / "saved") == 2
    assert "has no train lines (it has: 1 validation, 1 test)" in capsys.readouterr().err


def test_no_validation_lines_are_told(mine, train, tmp_path, capsys):
    datasets.load_dataset(str(mine), split="train").save_to_disk(tmp_path / "saved")
    assert train("--dataset", tmp_path / "saved", "--validation_share", "0") == 2
    assert "--validation_share 0.1" in capsys.readouterr().err


def test_evaluate_names_the_subsets_there_are(mine, tmp_path, capsys):
    splits = datasets.load_dataset(str(mine))
    del splits["test"]
    splits.save_to_disk(tmp_path / "saved")
    arguments = ["--dataset", str(tmp_path / "saved"), "--output", str(tmp_path / "x.json")]
    assert main(["evaluate", *arguments, "--subset", "test"]) == 2
    assert "has no 'test'. Choose --subset from train, validation" in capsys.readouterr().err


def test_words_of_a_fold_are_those_of_its_lines(make_iam):
    iam = str(make_iam())
    for fold in (0, 1):
        data = DataArguments(iam=iam, num_folds=2, left_out_fold=fold)
        lines, words = (source.train for source in load_sources(data, seed=0))
        assert len(set(lines["form_id"])) == 1  # of the two writers with a form each
        assert set(words["form_id"]) == set(lines["form_id"])


def test_every_training_line_is_left_out_of_one_fold(make_iam):
    iam = str(make_iam())
    lines = load_iam(iam)["train"]
    left_out = [
        part_at_fold(lines, DataArguments(iam=iam, num_folds=2, left_out_fold=fold))[1]["id"]
        for fold in (0, 1)
    ]
    assert sorted(line for part in left_out for line in part) == sorted(lines["id"])


def test_joined_lines_are_made_without_the_fold(make_iam):
    data = DataArguments(iam=str(make_iam()), num_folds=2, left_out_fold=0, joined_lines=20)
    _, words, joined = (" ".join(source.train["text"]) for source in load_sources(data, seed=0))
    assert set(re.findall(r"\w+", joined)) <= set(re.findall(r"\w+", words))


def test_words_are_joined_without_the_list_of_writers(make_iam):
    iam = make_iam()
    (iam / "ascii" / "forms.txt").unlink()
    joined = load_sources(DataArguments(iam=str(iam), joined_lines=5), seed=0)[-1]
    assert (joined.name, len(joined.train)) == ("joined", 5)


def test_an_unknown_fold_is_refused(make_iam):
    with pytest.raises(ValueError, match="--left_out_fold 2 is none of the 2 folds: give 0 to 1"):
        load_sources(DataArguments(iam=str(make_iam()), num_folds=2, left_out_fold=2), seed=0)
