"""The whole script on a drawn miniature, and what happens when it is stopped half-way."""

import json
import shutil
from pathlib import Path

import matplotlib
import pytest

from hwr_hf.ma2023 import reproduction
from hwr_hf.ma2023.report import PICTURES
from hwr_hf.ma2023.study import BUDGETS, HONEST, LEAKY, planned_runs
from hwr_hf.ma2023.words import load_words


def call_script(*options) -> int:
    return reproduction.main([str(option) for option in options])


@pytest.fixture(scope="module")
def finished(tmp_path_factory, tiny_budget, words_iam):
    """Folder of a finished study, `out` and `runs`, with pictures of drawn words."""
    folder = tmp_path_factory.mktemp("finished")
    font = Path(matplotlib.get_data_path(), "fonts", "ttf", "DejaVuSans.ttf")
    (folder / "fonts").mkdir()
    (folder / "fonts" / font.name).write_bytes(font.read_bytes())
    with pytest.MonkeyPatch.context() as patch:
        patch.setitem(BUDGETS, "cpu", tiny_budget)
        places = ["--iam", words_iam, "--output", folder / "out", "--runs", folder / "runs"]
        places += ["--jobs", "1"]
        assert call_script(*places, "--fonts", folder / "fonts", "--name", "a miniature") == 0
    return folder


@pytest.fixture
def study(finished, tmp_path, tiny_budget, monkeypatch):
    """A copy of the finished study, and the budget that it was made with."""
    monkeypatch.setitem(BUDGETS, "cpu", tiny_budget)
    for name in ("out", "runs"):
        shutil.copytree(finished / name, tmp_path / name)
    return tmp_path


@pytest.fixture
def call(study, words_iam):
    """Runs the script on the study's folders."""
    places = ["--iam", words_iam, "--output", study / "out", "--runs", study / "runs"]
    places += ["--jobs", "1"]
    return lambda *options: call_script(*places, *options)


@pytest.fixture
def trainings(monkeypatch):
    """Names of the runs that are trained or tested, as they come."""
    names = []

    def train_and_test(run, *arguments):
        names.append(run.name)
        return original(run, *arguments)

    original = reproduction.train_and_test
    monkeypatch.setattr(reproduction, "train_and_test", train_and_test)
    return names


@pytest.fixture
def no_figures(monkeypatch):
    """For tests of other things."""
    monkeypatch.setattr(reproduction, "draw_figures", lambda *arguments: None)


def test_the_script_goes_from_words_to_table_figures_and_report(finished):
    output = finished / "out"
    names = {run.name for run in planned_runs(BUDGETS["cpu"])}
    assert {path.stem for path in output.glob("*.json")} == names | {"summary"}
    assert {path.name for path in output.glob("*.png")} == set(PICTURES)
    page = (output / "README.md").read_text()
    summary = json.loads((output / "summary.json").read_text())
    for row in summary["rows"]:
        assert f"{row['cer']:.1%} (" in page
    assert "Data: a miniature; " in page
    assert all(f"]({name})" in page for name in PICTURES)


def test_pictures_and_texts_of_iam_stay_with_the_runs(study, call):
    """Without fonts no word is shown in what may be published."""
    for path in (study / "out").glob("*.png"):
        path.unlink()
    assert call() == 0
    published = {path.name for path in (study / "out").glob("*.png")}
    assert published == {"error_rates.png", "learning.png"}
    assert (study / "runs" / "figures" / "predictions.png").is_file()
    numbers = "".join(path.read_text() for path in (study / "out").glob("*.json"))
    assert "ducks" not in numbers


def test_what_is_complete_is_not_made_again(study, call, trainings, no_figures):
    before = {path: path.read_bytes() for path in (study / "out").glob("leaky*.json")}
    assert call() == 0
    assert trainings == []
    assert {path: path.read_bytes() for path in before} == before


def test_a_half_written_result_is_tested_again_and_not_trained(
    study, call, trainings, no_figures, caplog
):
    path = study / "out" / "leaky_honest-cnn.json"
    whole = json.loads(path.read_text())
    path.write_text(path.read_text()[:50])
    weights = study / "runs" / "leaky_honest-cnn" / "model.safetensors"
    saved = weights.stat().st_mtime_ns
    assert call() == 0
    assert trainings == ["leaky_honest-cnn"]
    assert "half-written" in caplog.text
    assert weights.stat().st_mtime_ns == saved
    again = json.loads(path.read_text())
    assert again["tests"] == whole["tests"]
    assert again["seconds"] is None  # nobody timed the whole of it


def test_a_killed_training_goes_on_from_its_checkpoint(study, call, trainings, no_figures):
    """Its folder holds a checkpoint and no final weights; the result is that of an unbroken run."""
    name = "leaky_honest-default"
    path, folder = study / "out" / f"{name}.json", study / "runs" / name
    whole = json.loads(path.read_text())
    path.unlink()
    (folder / "trainer_state.json").unlink()
    (folder / "model.safetensors").unlink()
    assert list(folder.glob("checkpoint-*"))
    assert call() == 0
    assert trainings == [name]
    again = json.loads(path.read_text())
    assert (again["tests"], again["steps"]) == (whole["tests"], whole["steps"])


def test_trainings_side_by_side_give_the_same(study, call, no_figures, monkeypatch, words_iam):
    # The setting of this process does not reach those that it starts
    monkeypatch.setenv("HF_DATASETS_CACHE", str(Path(words_iam).parent / "cache"))
    paths = [study / "out" / f"leaky_honest-{name}.json" for name in ("cnn", "cnn_rnn_ctc")]
    tests = [json.loads(path.read_text())["tests"] for path in paths]
    for path in paths:
        path.unlink()
    assert call("--jobs", "2") == 0
    assert [json.loads(path.read_text())["tests"] for path in paths] == tests


def test_what_is_complete_is_reported_without_training(study, call, trainings):
    """Also where only the results are left, as in a fresh clone."""
    shutil.rmtree(study / "runs")
    (study / "out" / "leaky_honest-cnn_rnn-deskew1.json").unlink()
    (study / "out" / "README.md").unlink()
    assert call("--report") == 0
    assert trainings == []
    page = (study / "out" / "README.md").read_text()
    assert "still to be trained: `leaky_honest-cnn_rnn-deskew1`" in page
    assert "](predictions.png)" in page  # the picture of before


def test_a_report_of_nothing_is_refused(tmp_path, words_iam, capsys):
    places = ["--iam", words_iam, "--output", tmp_path / "out", "--runs", tmp_path / "runs"]
    assert call_script(*places, "--report") == 2
    assert "nothing to report" in capsys.readouterr().out


def test_an_interruption_says_that_nothing_is_lost(study, call, monkeypatch, capsys):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    (study / "out" / "leaky_honest-cnn.json").unlink()
    monkeypatch.setattr(reproduction, "train_and_test", interrupt)
    assert call() == 130
    assert "start it again to go on" in capsys.readouterr().out


def test_other_settings_do_not_replace_a_result(call, capsys):
    assert call("--seed", "1") == 2
    assert "was made with seed = 0, not 1" in capsys.readouterr().out


def test_restart_forgets_what_was_made(study, call, monkeypatch):
    def stop(run, *arguments):
        raise ValueError(f"trained anew: {run.name}")

    monkeypatch.setattr(reproduction, "train_and_test", stop)
    assert call("--seed", "1", "--restart") == 2
    assert not list((study / "out").glob("leaky*.json"))
    assert not list((study / "runs").glob("leaky*"))


def test_without_words_the_error_says_what_is_missing(tmp_path, words_iam, capsys):
    shutil.copytree(words_iam, tmp_path / "iam")
    (tmp_path / "iam" / "words.txt").unlink()
    assert call_script("--iam", tmp_path / "iam", "--output", tmp_path / "out") == 2
    assert "words.txt" in capsys.readouterr().out


def test_measuring_trains_nothing(study, call, trainings, words_iam):
    assert call("--measure") == 0
    cost = json.loads((study / "out" / "cost_tiny.json").read_text())
    assert trainings == []
    assert cost["networks"]["cnn"]["words_per_step"] == 64  # 4,096 columns, 64 a word
    assert cost["train_words"] == len(load_words(words_iam, (LEAKY, HONEST))["train"])


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as stop:
        reproduction.main(["--help"])
    assert stop.value.code == 0
    assert "examples:" in capsys.readouterr().out
