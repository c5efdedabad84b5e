import json
import math
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from drawing import draw_text_line
from locked_folder import lock
from ngram_miniature import save_ngram

from hwr_hf import correction
from hwr_hf.cli import find_images, main
from hwr_hf.correction import Correction, Edit

TEXTS = {"one.png": "a house", "two.jpg": "the cat sat on the mat", "sub/three.png": "it"}


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Folder `scans` of three images, one in a sub-folder, and a text file; the working folder."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans" / "sub").mkdir(parents=True)
    for name, text in TEXTS.items():
        draw_text_line(text).save(tmp_path / "scans" / name)
    (tmp_path / "scans" / "notes.txt").write_text("no image")
    return tmp_path


@pytest.fixture
def read(tiny_model_dir, capsys):
    """Run `hwr-hf read` with the tiny model: exit code, standard output, standard error."""

    def run(*arguments):
        code = main(["read", "--model", str(tiny_model_dir), "--device", "cpu", *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_one_image_prints_its_text_alone(folder, read):
    code, out, _ = read("scans/one.png")
    assert code == 0
    assert out.count("\n") == 1
    assert "\t" not in out


def test_a_folder_of_one_image_prints_its_name_too(folder, read):
    code, out, _ = read("scans/sub")
    assert code == 0
    assert out.startswith("scans/sub/three.png\t") and out.count("\n") == 1


def test_a_tiff_of_several_pages_is_named_as_such(folder, read):
    pages = [draw_text_line(text) for text in ("one", "two")]
    pages[0].save(folder / "scans" / "pages.tif", save_all=True, append_images=pages[1:])
    code, out, err = read("scans")
    assert code == 1 and len(out.splitlines()) == 3
    assert "has 2 pages" in err and "Save each page as an image of its own" in err


def test_folder_prints_name_and_text_of_each_image(folder, read):
    code, out, _ = read("scans")
    assert code == 0
    lines = out.splitlines()
    assert [line.split("\t")[0] for line in lines] == [
        "scans/one.png",
        "scans/two.jpg",
        "scans/sub/three.png",
    ]
    assert lines[0].split("\t")[1] == read("scans/one.png")[1].rstrip("\n")


def test_batch_size_does_not_change_the_output(folder, read):
    assert read("scans", "--batch-size", "1")[1] == read("scans", "--batch-size", "3")[1]


def test_views_change_the_scores(folder, read):
    def scores(*options):
        out = read("--json", "scans", *options)[1]
        return [json.loads(line)["score"] for line in out.splitlines()]

    assert scores("--num-views", "1") == scores()
    assert scores("--num-views", "3") == scores("--tta", "3") != scores()


def test_json_lines_hold_text_score_and_words_with_boxes(folder, read):
    code, out, _ = read("--json", "scans")
    assert code == 0
    rows = [json.loads(line) for line in out.splitlines()]
    assert len(rows) == 3
    for row in rows:
        assert row.keys() == {"file", "text", "score", "words"}
        assert 0 <= row["score"] <= 1
        assert [word["text"] for word in row["words"]] == row["text"].split()
        assert all(len(word["box"]) == 4 for word in row["words"])


def test_the_beam_prints_the_best_texts_with_their_scores(folder, read):
    save_ngram("ngram.safetensors")
    options = ["--decoder", "beam", "--ngram", "ngram.safetensors"]
    code, out, _ = read("scans/one.png", *options, "--n-best", "3")
    assert code == 0
    scores, texts = zip(*(line.split("\t") for line in out.splitlines()), strict=True)
    assert len(set(texts)) == 3
    assert all(0 <= float(score) <= 1 for score in scores)
    assert read("scans/one.png", *options)[1] == texts[0] + "\n"
    code, out, _ = read("scans", *options, "--n-best", "2")
    assert [line.split("\t")[0] for line in out.splitlines()] == [
        f"scans/{name}" for name in TEXTS for _ in range(2)
    ]


def test_json_of_the_beam_holds_the_fused_score_and_the_alternatives(folder, read):
    options = ["--json", "--decoder", "beam", "--lm-weight", "0", "--beam-width", "8"]
    row = json.loads(read("scans/one.png", *options, "--n-best", "3")[1])
    assert row.keys() == {"file", "text", "score", "words", "fused_score", "alternatives"}
    assert len(row["alternatives"]) == 2
    assert row["alternatives"][0].keys() == {"text", "score", "words", "fused_score"}
    assert row["fused_score"] >= row["alternatives"][0]["fused_score"]
    alone = json.loads(read("scans/one.png", *options)[1])
    assert alone == {name: value for name, value in row.items() if name != "alternatives"}


class Exclaimer:
    """A corrector that adds an exclamation mark, of which the recogniser thinks nothing at all."""

    def correct(self, texts, scorers):
        return [
            Correction(text, f"{text}!", (Edit(0, len(text), text, f"{text}!", 1.0, -math.inf),))
            for text in texts
        ]


def test_a_corrected_text_is_printed_and_json_has_both(folder, read, monkeypatch):
    plain = read("scans/one.png")[1]
    asked = []
    monkeypatch.setattr(
        correction, "load_corrector", lambda *arguments: asked.append(arguments) or Exclaimer()
    )
    assert read("scans/one.png", "--correct")[1] == plain.rstrip("\n") + "!\n"
    _, out, _ = read("--json", "scans/one.png", "--corrector", "user/corrector")
    row = json.loads(out, parse_constant=pytest.fail)  # -Infinity is no JSON
    assert row.keys() == {"file", "text", "score", "words", "recognised_text", "edits"}
    assert row["text"] == row["recognised_text"] + "!" == plain.rstrip("\n") + "!"
    assert row["edits"][0]["new"] == row["text"]
    assert row["edits"][0]["recogniser_change"] is None
    assert [place for _, place, _ in asked] == [None, "user/corrector"]


def test_the_corrector_beside_the_model_is_found(folder, model_with_corrector, capsys):
    arguments = ["read", "--model", str(model_with_corrector), "--json", "scans", "--correct"]
    assert main(arguments) == 0
    rows = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert len(rows) == 3
    assert all("recognised_text" in row for row in rows)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--correct"], "has no corrector beside it.*--corrector FOLDER_OR_ID"),
        (["--corrector", "./nowhere"], r"There is no folder \./nowhere"),
    ],
)
def test_a_missing_corrector_is_said_in_one_line(folder, read, options, message):
    code, out, err = read("scans/one.png", *options)
    assert (code, out, err.count("\n")) == (2, "", 1)
    assert re.search(message, err)


def test_broken_and_missing_files_are_named_and_the_rest_is_read(folder, read):
    (folder / "scans" / "empty.png").touch()
    code, out, err = read("scans", "gone.png")
    assert code == 1
    assert len(out.splitlines()) == 3
    assert "cannot read scans/empty.png: cannot identify image file" in err
    assert "cannot read gone.png: no such file" in err
    assert "Traceback" not in err


def test_image_the_pipeline_refuses_costs_only_itself(folder, read, monkeypatch):
    from hwr_hf import cli

    load_pipeline = cli._load_pipeline

    def picky_pipeline(arguments):
        reader = load_pipeline(arguments)

        def read_narrow(images, **options):
            if any(image.width > 200 for image in images):
                raise RuntimeError("too wide")
            return reader(images, **options)

        return read_narrow

    monkeypatch.setattr(cli, "_load_pipeline", picky_pipeline)
    code, out, err = read("scans")
    assert code == 1
    assert [line.split("\t")[0] for line in out.splitlines()] == [
        "scans/one.png",
        "scans/sub/three.png",
    ]
    assert "cannot read scans/two.jpg: too wide" in err


def test_nothing_matched_is_a_usage_error(folder, read):
    code, out, err = read("scans/*.gif")
    assert (code, out) == (2, "")
    assert "No image. scans/*.gif: no such file, and no image in it or matching it. Give" in err


@pytest.mark.parametrize(
    ("path", "files"),
    [
        pytest.param(
            "scans",
            ["scans/one.png", "scans/two.jpg", "scans/sub/three.png"],
            id="folder-with-its-sub-folders",
        ),
        pytest.param("scans/*.png", ["scans/one.png"], id="pattern"),
        pytest.param(
            "scans/**/*.png", ["scans/one.png", "scans/sub/three.png"], id="recursive-pattern"
        ),
        pytest.param("scans/notes.txt", ["scans/notes.txt"], id="named-file-of-any-suffix"),
    ],
)
def test_find_images(folder, path, files):
    assert find_images([path]) == (files, [])


def test_find_images_names_each_file_once_and_what_matches_nothing(folder):
    found = find_images(["scans/one.png", "scans/*.png", "nowhere", "scans/sub/*.tif"])
    nothing = "no such file, and no image in it or matching it"
    assert found == (["scans/one.png"], [("nowhere", nothing), ("scans/sub/*.tif", nothing)])


def test_a_folder_that_cannot_be_listed_is_told_and_the_others_are_read(folder, read, monkeypatch):
    lock(folder / "scans" / "sub", monkeypatch)
    code, out, err = read("scans")
    assert code == 1
    assert [line.split("\t")[0] for line in out.splitlines()] == ["scans/one.png", "scans/two.jpg"]
    assert "cannot read scans/sub: Permission denied" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        pytest.param([], "required: command", id="no-command"),
        pytest.param(["reed", "x.png"], "invalid choice: 'reed'", id="unknown-command"),
        pytest.param(["read"], "required: PATH", id="no-path"),
        pytest.param(["read", "x", "--batch-size", "0"], "use 1 or more", id="no-batch"),
        pytest.param(["read", "x", "--num-views", "99"], "invalid choice: 99", id="too-many-views"),
        pytest.param(["evaluate", "--iam", "x"], "required: --output", id="no-output"),
        pytest.param(["push", "x"], "required: --repo", id="no-repository"),
    ],
)
def test_wrong_call_exits_with_2_and_says_why(arguments, message, capsys):
    with pytest.raises(SystemExit) as exit_:
        main(arguments)
    assert exit_.value.code == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("options", "message"),
    [
        pytest.param(
            ["--model", "no/such/folder"], "no model folder no/such/folder", id="no-model"
        ),
        pytest.param(["--model", "scans"], "config.json is missing", id="folder-without-model"),
        pytest.param(["--device", "warp"], "device 'warp' is not there", id="no-such-device"),
        pytest.param(["--decoder", "beam"], "needs ngram.safetensors", id="no-ngram"),
        pytest.param(
            ["--decoder", "beam", "--ngram", "scans/notes.txt"],
            "scans/notes.txt is no character n-gram",
            id="wrong-ngram",
        ),
        pytest.param(["--n-best", "2"], "--n-best is an option of the beam", id="n-best-greedy"),
        pytest.param(["--lm-weight", "1"], "Add --decoder beam", id="lm-weight-greedy"),
    ],
)
def test_user_mistakes_get_a_sentence_and_no_stack_trace(folder, read, options, message):
    code, out, err = read("scans/one.png", *options)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_damaged_weights_get_a_sentence(folder, tiny_model_dir, capsys):
    weights = Path(shutil.copytree(tiny_model_dir, "model"), "model.safetensors")
    weights.write_bytes(weights.read_bytes()[:1000])
    assert main(["read", "--model", "model", "--device", "cpu", "scans/one.png"]) == 2
    assert "The model's weights are damaged" in capsys.readouterr().err


def test_help_teaches_commands_and_examples(capsys):
    with pytest.raises(SystemExit) as exit_:
        main(["--help"])
    assert exit_.value.code == 0
    out = capsys.readouterr().out
    assert all(f"hwr-hf {command}" in out for command in ("read", "train", "evaluate", "push"))


@pytest.mark.parametrize("command", ["read", "evaluate", "push"])
def test_help_of_a_command_gives_examples(command, capsys):
    with pytest.raises(SystemExit) as exit_:
        main([command, "--help"])
    assert exit_.value.code == 0
    assert f"examples:\n  hwr-hf {command} " in capsys.readouterr().out


def test_module_runs_as_the_command():
    ran = subprocess.run(
        [sys.executable, "-m", "hwr_hf", "--version"], capture_output=True, text=True, check=True
    )
    assert ran.stdout.startswith("hwr-hf ")


def test_missing_library_is_named_with_the_command_that_installs_it(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "hwr_hf.training", None)
    assert main(["train"]) == 2
    assert "hwr_hf.training is not installed. Run: pip install 'hwr_hf[train]'" in (
        capsys.readouterr().err
    )


def test_train_gets_its_own_arguments(monkeypatch):
    from hwr_hf import training

    given = []
    monkeypatch.setattr(training, "main", lambda argv: given.extend(argv))
    assert main(["train", "--output_dir", "runs/x"]) == 0
    assert given == ["--output_dir", "runs/x"]
