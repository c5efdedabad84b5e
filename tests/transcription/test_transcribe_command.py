"""`hwr-hf transcribe`: the texts of `hwr-hf read`, for any number of images."""

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest
from drawing import draw_text_line
from ngram_miniature import save_ngram

from hwr_hf import DEFAULT_MODEL
from hwr_hf.cli import main
from hwr_hf.resnet_bilstm.ngram_resnet_bilstm import CharacterNgram


@pytest.fixture
def lines(tmp_path):
    folder = tmp_path / "lines"
    folder.mkdir()
    for text in ("the morning post", "rain", "a garden of her own"):
        draw_text_line(text, font_size=48, margin=20).save(folder / f"{text}.png")
    (folder / "broken.png").write_text("no image")
    return folder


def rows_in(output):
    return [
        json.loads(line)
        for part in sorted(output.glob("part-*"))
        for line in part.read_text(encoding="utf-8").splitlines()
    ]


def test_texts_scores_and_words_are_those_of_read(lines, tmp_path, capsys):
    assert main(["read", "--json", str(lines)]) == 1
    read = {row["file"]: row for row in map(json.loads, capsys.readouterr().out.splitlines())}
    assert main(["transcribe", str(lines), "--output", str(tmp_path / "out")]) == 1
    assert "3 images read, 1 not" in capsys.readouterr().out
    rows = rows_in(tmp_path / "out")
    assert [row["id"] for row in rows] == sorted(file.name for file in lines.iterdir())
    for row in rows:
        if row["id"] == "broken.png":
            assert row["text"] is None
            assert "cannot identify image" in row["error"]
            continue
        of_read = read[str(lines / row["id"])]
        assert row["text"] == of_read["text"]
        assert row["score"] == pytest.approx(of_read["score"], abs=1e-4)
        assert [word["text"] for word in row["words"]] == row["text"].split()
        assert row["error"] is None
        assert len(row["model"]) == 16


def test_the_same_command_goes_on_and_another_is_refused(lines, tmp_path, capsys):
    command = ["transcribe", str(lines), "--output", str(tmp_path / "out"), "--no-words"]
    assert main(command) == 1
    assert main(command) == 1
    first, second = capsys.readouterr().out.split("rows:")[:2]
    assert "images a second" in first
    assert "4 of them before" in second
    assert "a second" not in second  # nothing was read
    assert main([*command, "--decoder", "beam"]) == 2
    assert "'greedy' and not 'beam'" in capsys.readouterr().err
    assert rows_in(tmp_path / "out")[1]["words"] is None


def test_a_source_is_told_by_its_place(lines, tmp_path, monkeypatch, capsys):
    output = tmp_path / "out"
    shutil.copytree(lines, tmp_path / "later" / "lines")
    monkeypatch.chdir(tmp_path)
    command = ["--output", str(output), "--no-words"]
    assert main(["transcribe", "lines", *command]) == 1
    assert main(["transcribe", "lines/", *command]) == 1
    assert main(["transcribe", str(lines), *command]) == 1
    assert "images a second" not in capsys.readouterr().out.split("rows:", 1)[1]
    monkeypatch.chdir(tmp_path / "later")
    assert main(["transcribe", "lines", *command]) == 2
    assert f"{lines}' and not '{tmp_path / 'later' / 'lines'}'" in capsys.readouterr().err


def test_a_narrow_beam_belongs_to_the_job(lines, tmp_path, capsys):
    command = ["transcribe", str(lines), "--output", str(tmp_path / "out"), "--no-words"]
    assert main([*command, "--beam-width", "8"]) == 2
    assert "--beam-width is an option of the beam search" in capsys.readouterr().err
    command += ["--decoder", "beam", "--beam-width", "8", "--min-probability"]
    assert main([*command, "0.003"]) == 1
    assert rows_in(tmp_path / "out")[3]["text"] == "the morning post"
    assert main([*command, "0.1"]) == 2
    assert "min_probability 0.003 and not 0.1" in capsys.readouterr().err


def test_another_ngram_belongs_to_the_job(lines, tmp_path, capsys):
    ngram = save_ngram(tmp_path / "mine.safetensors")
    command = ["transcribe", str(lines), "--output", str(tmp_path / "out"), "--no-words"]
    command += ["--decoder", "beam", "--lm-weight", "0.1", "--ngram", str(ngram)]
    assert main(command) == 1
    moved = shutil.move(ngram, tmp_path / "same.safetensors")
    assert main([*command[:-1], str(moved)]) == 1
    assert "a second" not in capsys.readouterr().out.split("rows:", 1)[1]  # all was there
    save_ngram(moved, {"lm_weight": 0.2})
    assert main([*command[:-1], str(moved)]) == 2
    assert "ngram" in capsys.readouterr().err
    assert main(command) == 2
    assert f"There is no character n-gram {ngram}" in capsys.readouterr().err


@pytest.mark.parametrize("changed", ["config.json", "ngram.safetensors"])
def test_it_does_not_go_on_with_a_changed_model_of_the_same_weights(
    lines, tmp_path, capsys, changed
):
    model = shutil.copytree(DEFAULT_MODEL, tmp_path / "model")
    command = ["transcribe", str(lines), "--output", str(tmp_path / "out"), "--no-words"]
    command += ["--model", str(model), "--decoder", "beam"]
    assert main(command) == 1
    if changed == "config.json":
        config = json.loads((model / changed).read_text())
        (model / changed).write_text(json.dumps(config | {"temperature": 2.0}))
    else:
        ngram = CharacterNgram.load(model / changed)
        ngram.settings |= {"lm_weight": 0.1}
        ngram.save(model / changed)
    assert main(command) == 2
    assert "model_settings" in capsys.readouterr().err


def test_it_reads_in_bfloat16_and_with_onnxruntime(lines, tmp_path):
    for name, options in {"b": ["--dtype", "bfloat16"], "o": ["--backend", "onnx"]}.items():
        output = tmp_path / name
        assert main(["transcribe", str(lines), "--output", str(output), *options]) == 1
        assert rows_in(output)[3]["text"] == "the morning post"
        assert json.loads((output / "job.json").read_text())[options[0][2:]] == options[1]


def test_the_command_killed_while_it_writes_goes_on(tmp_path, capsys):
    (tmp_path / "words").mkdir()
    for number in range(60):
        draw_text_line(f"word {number}").save(tmp_path / "words" / f"{number:02}.png")
    command = ["transcribe", str(tmp_path / "words"), "--output", str(tmp_path / "out")]
    command += ["--part-size", "1"]
    job = subprocess.Popen([sys.executable, "-m", "hwr_hf", *command])
    while job.poll() is None and len(rows_in(tmp_path / "out")) < 7:
        time.sleep(0.001)
    job.kill()
    assert job.wait() == -signal.SIGKILL
    written = len(rows_in(tmp_path / "out"))
    assert 7 <= written < 60
    assert main(command) == 0
    assert f"60 images read, 0 not; {written} of them before." in capsys.readouterr().out
    assert [row["id"] for row in rows_in(tmp_path / "out")] == [f"{n:02}.png" for n in range(60)]


def test_a_device_that_is_not_there_is_refused_before_anything_is_made(lines, tmp_path, capsys):
    command = ["transcribe", str(lines), "--output", str(tmp_path / "out"), "--device", "warp"]
    assert main(command) == 2
    assert "device 'warp' is not there" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_it_can_stop_at_an_image_that_cannot_be_read(lines, tmp_path, capsys):
    out = str(tmp_path / "out")
    assert main(["transcribe", str(lines), "--output", out, "--on-error", "stop"]) == 2
    assert "Cannot read broken.png" in capsys.readouterr().err


def test_help_teaches(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["transcribe", "--help"])
    assert stop.value.code == 0
    assert "examples:" in capsys.readouterr().out


@pytest.mark.parametrize(
    "option", [["--num-workers", "8"], ["--num-gpus-per-worker", "0.5"], ["--ray-address", "auto"]]
)
def test_an_option_of_workers_needs_their_engine(lines, tmp_path, capsys, option):
    assert main(["transcribe", str(lines), "--output", str(tmp_path / "out"), *option]) == 2
    assert f"{' '.join(option)} is for the workers of --engine ray" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_a_worker_has_no_negative_part_of_a_gpu(lines, tmp_path, capsys):
    with pytest.raises(SystemExit):
        main(["transcribe", str(lines), "--output", "out", "--num-gpus-per-worker", "-1"])
    assert "-1.0 is too small, use 0 or more" in capsys.readouterr().err
