import json

import pytest

from hwr_hf.cli import main


def test_evaluate_reads_pen_lines_kept_out_of_training(tiny_model_dir, tmp_path, capsys):
    letters = [[x, 0, 0, 20, 10, 0, 0, -20] for x in (0, 16, 70, 86)]
    rows = [
        {"id": f"z{n:02}-01", "form": f"z{n:02}", "text": "on it", "strokes": letters}
        for n in range(20)
    ]
    (tmp_path / "strokes.jsonl").write_text("\n".join(map(json.dumps, rows)))
    output = tmp_path / "ondb.json"
    arguments = ["--iam-ondb", str(tmp_path), "--output", str(output)]
    page = ["--worst-lines", str(tmp_path / "worst.html")]
    assert main(["evaluate", "--model", str(tiny_model_dir), *arguments, *page]) == 0
    report = json.loads(output.read_text())
    assert (report["lines"], report["subset"]) == (1, "held out")
    assert "(1 lines" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("data", "option", "sources"),
    [
        (["--dataset", "x"], ["--unit", "words"], "--iam"),
        (["--iam-ondb", "x"], ["--subset", "test"], "--iam or --dataset"),
        (["--iam", "x"], ["--validation-share", "0.2"], "--dataset"),
    ],
)
def test_evaluate_refuses_an_option_that_chooses_nothing(tmp_path, capsys, data, option, sources):
    assert main(["evaluate", *data, *option, "--output", str(tmp_path / "report.json")]) == 2
    message = f"{' '.join(option)} chooses something of {sources} alone. Leave it out."
    assert message in capsys.readouterr().err


@pytest.mark.parametrize("option", ["--output", "--worst-lines"])
def test_evaluate_reads_nothing_when_it_cannot_write(
    tiny_model_dir, tmp_path, capsys, monkeypatch, option
):
    read = []
    monkeypatch.setattr("hwr_hf.evaluation_command._evaluation_data", read.append)
    files = {"--output": tmp_path / "a.json", "--worst-lines": tmp_path / "a.html"}
    files[option] = tmp_path
    paths = [str(word) for pair in files.items() for word in pair]
    assert main(["evaluate", "--model", str(tiny_model_dir), "--iam", "iam", *paths]) == 2
    assert f"Cannot write {tmp_path}: it is a folder" in capsys.readouterr().err
    assert not read and not list(tmp_path.iterdir())


@pytest.mark.parametrize("deskew", [[], ["--deskew", "line"], ["--deskew", "none"]])
def test_passes_are_of_the_moment_method_alone(deskew, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    command = ["evaluate", "--iam", ".", "--output", "out.json", "--deskew-passes", "2"]
    assert main([*command, *deskew]) == 2
    assert "Add --deskew moment" in capsys.readouterr().err
