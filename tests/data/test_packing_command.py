import pytest
from drawing import draw_text_line

from hwr_hf.cli import main


@pytest.fixture
def pack(tmp_path, monkeypatch, tiny_model_dir, capsys):
    """Run `hwr-hf dataset pack scans` beside three lines: exit code, standard output and error."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "scans").mkdir()
    for name in "abc":
        draw_text_line("x").save(tmp_path / "scans" / f"{name}.png")
        (tmp_path / "scans" / f"{name}.txt").write_text("a house")

    def run(*arguments):
        model = ["--model", str(tiny_model_dir)]
        code = main(["dataset", "pack", "scans", "--output", "mine", *model, *arguments])
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return run


def test_a_whole_folder_packs_with_exit_code_0(pack):
    assert pack() == (0, "mine: 1 train, 1 validation, 1 test (read as text)\n", "")


def test_what_is_skipped_is_named_and_the_exit_code_is_1(pack, tmp_path):
    (tmp_path / "scans" / "a.txt").write_text("")
    (tmp_path / "scans" / "b.txt").write_text("d\u00e9j\u00e0 \u00e9t\u00e9")
    code, out, err = pack("--validation", "0", "--test", "0")
    assert code == 1
    assert err == "hwr-hf: skipped a.png: empty text\n"
    assert out == (
        "mine: 2 train (read as text)\n"
        "skipped 1, listed in mine/skipped.tsv:\n"
        "       1 empty text\n"
        "characters the model does not have (see --on-unknown): "
        "`\u00e9` U+00E9 3, `\u00e0` U+00E0 1\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--format", "page"], "has no PAGE XML"),
        (["--test", "1.5"], "leave nothing for training"),
        (["--group", "x"], "groups in brackets"),
        (["--model", "no/such/folder/anywhere"], "no/such/folder/anywhere"),
    ],
)
def test_a_mistake_ends_with_a_sentence_and_exit_code_2(pack, arguments, message):
    code, out, err = pack(*arguments)
    assert (code, out) == (2, "")
    assert message in err
    assert "Traceback" not in err


def test_strict_stops_at_the_first(pack, tmp_path):
    (tmp_path / "scans" / "b.txt").write_text("")
    code, _, err = pack("--strict")
    assert code == 2
    assert "b.png: empty text. Correct it" in err
    assert not (tmp_path / "mine").exists()


def test_help_teaches_the_formats(capsys):
    with pytest.raises(SystemExit) as stop:
        main(["dataset", "pack", "--help"])
    assert stop.value.code == 0
    out = capsys.readouterr().out
    assert "examples:\n  hwr-hf dataset pack scans/ --output mine" in out
    assert "file_name, filename, file" in out
    assert "lines go there, whatever their writer; the others are drawn" in " ".join(out.split())
