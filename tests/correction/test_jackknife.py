"""Every training line is read by a recogniser that has not seen its writer."""

import json

import datasets
import pytest

from hwr_hf.correction import jackknife
from hwr_hf.correction.noise import ConfusionModel
from hwr_hf.training_data import load_sources


@pytest.fixture
def run(tmp_path, monkeypatch, tiny_model_dir):
    """Function that runs the jackknife with a training that only notes what it would see."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    seen = []

    def train(data, model, args):
        seen.append((args.output_dir, set(load_sources(data, 0)[0].train["form_id"])))

    monkeypatch.setattr(jackknife, "train", train)
    read = jackknife.read_lines
    monkeypatch.setattr(jackknife, "read_lines", lambda _, lines: read(tiny_model_dir, lines))

    def run(iam, *arguments, code=0):
        options = ["--iam", str(iam), "--output_dir", str(tmp_path / "out"), "--use_cpu"]
        options += ["--units", "lines", "--repeats", "1"]
        assert jackknife.main([*options, *arguments]) == code
        return seen

    return run


def test_no_recogniser_reads_a_writer_it_was_trained_on(run, make_iam, tmp_path):
    for (folder, forms_seen), fold in zip(run(make_iam()), (0, 1), strict=True):
        assert folder == str(tmp_path / "out" / f"fold-{fold}")
        left_out = jackknife.load_lines(tmp_path / "out" / f"fold-{fold}.jsonl")
        assert left_out
        assert not {line["form_id"] for line in left_out} & forms_seen


def test_every_training_line_is_read_once_and_the_confusions_counted(run, make_iam, tmp_path):
    run(make_iam())
    lines = jackknife.load_lines(tmp_path / "out" / "lines.jsonl")
    assert sorted(line["id"] for line in lines) == ["a01-000u-00", "a01-000u-01", "a01-003-00"]
    fitted = ConfusionModel.fit(
        [line["text"] for line in lines], [line["recognised"] for line in lines]
    )
    assert ConfusionModel.load(tmp_path / "out" / "confusions.json") == fitted


def test_the_validation_lines_are_read_too(run, make_iam, tmp_path):
    run(make_iam())
    lines = jackknife.load_lines(tmp_path / "out" / "validation.jsonl")
    assert [(line["id"], line["text"]) for line in lines] == [("c04-156-00", "A green - door?")]


def test_a_fold_that_was_read_is_not_trained_again(run, make_iam, tmp_path):
    seen = run(iam := make_iam())
    (tmp_path / "out" / "fold-1.jsonl").unlink()
    run(iam)
    assert [folder[-1] for folder, _ in seen] == ["0", "1", "1"]


def test_a_kill_while_the_validation_lines_are_read_loses_none(
    run, make_iam, tmp_path, monkeypatch
):
    iam, read = make_iam(), jackknife.read_lines

    def killed_at_validation(folder, lines):
        if "c04-156-00" in lines["id"][:]:
            raise KeyboardInterrupt
        return read(folder, lines)

    with monkeypatch.context() as patch:
        patch.setattr(jackknife, "read_lines", killed_at_validation)
        with pytest.raises(KeyboardInterrupt):
            run(iam)
    run(iam)
    assert jackknife.load_lines(tmp_path / "out" / "validation.jsonl")


def test_other_folds_are_not_mixed_with_those_of_before(run, make_iam, capsys):
    iam = make_iam()
    run(iam)
    run(iam, "--num_folds", "3", code=2)
    assert "was begun with num_folds 2 and not 3" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("option", "value", "difference"),
    [
        pytest.param("--augment", "0", "augment 1.0 and not 0.0", id="data"),
        pytest.param("--preset", "medium", "preset 'small' and not 'medium'", id="model"),
        pytest.param("--learning_rate", "0.01", "learning_rate 0.0012 and not 0.01", id="training"),
    ],
)
def test_folds_of_other_recognisers_are_not_mixed(run, make_iam, capsys, option, value, difference):
    iam = make_iam()
    run(iam)
    run(iam, option, value, code=2)
    assert f"was begun with {difference}. Repeat" in capsys.readouterr().err


def test_other_processes_may_prepare_the_images(run, make_iam):
    iam = make_iam()
    run(iam)
    run(iam, "--preparation_processes", "1")


def test_one_fold_is_refused(run, make_iam, capsys):
    assert run(make_iam(), "--num_folds", "1", code=2) == []
    assert "at least 2 folds" in capsys.readouterr().err


@pytest.mark.parametrize("row", ["{", "[]", '{"id": "a"}'])
def test_a_broken_row_is_named(tmp_path, row):
    good = json.dumps(dict.fromkeys(("id", "form_id", "text", "recognised"), ""))
    (tmp_path / "lines.jsonl").write_text(f"{good}\n{row}\n")
    with pytest.raises(ValueError, match=r"lines\.jsonl, line 2"):
        jackknife.load_lines(tmp_path / "lines.jsonl")
