import json
import platform
from datetime import datetime, timedelta, timezone

import pytest
import torch

from hwr_hf.json_files import check_inputs, check_writable, complete_file, made_with, write_json


def test_a_report_is_written_into_a_new_folder_and_nothing_else(tmp_path):
    write_json(tmp_path / "new" / "report.json", {"name": "Ä", "values": [1, 2.5]})
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["report.json"]
    text = (tmp_path / "new" / "report.json").read_text(encoding="utf-8")
    assert json.loads(text) == {"name": "Ä", "values": [1, 2.5]}
    assert "Ä" in text and text.endswith("}\n")


def test_what_cannot_be_written_leaves_what_was_there(tmp_path):
    write_json(tmp_path / "report.json", {"old": 1})
    with pytest.raises(TypeError):
        write_json(tmp_path / "report.json", {"new": object()})
    assert json.loads((tmp_path / "report.json").read_text()) == {"old": 1}


def test_a_file_has_its_name_only_when_it_is_complete(tmp_path):
    path = tmp_path / "new" / "lines.txt"
    with complete_file(path) as unfinished:
        unfinished.write_text("a")
        assert not path.exists()
    assert path.read_text() == "a"
    with pytest.raises(KeyboardInterrupt), complete_file(path) as unfinished:
        unfinished.write_text("b")
        raise KeyboardInterrupt
    assert path.read_text() == "a"
    assert list(path.parent.iterdir()) == [path]


@pytest.mark.parametrize("path", ["folder", "file/report.json", "file/deep/report.json"])
def test_what_cannot_be_written_is_named_and_leaves_nothing(tmp_path, path):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    for write in (check_writable, lambda path: write_json(path, {"cer": 0.5})):
        with pytest.raises(OSError):
            write(tmp_path / path)
        assert {found.name for found in tmp_path.iterdir()} == {"folder", "file"}
    with pytest.raises(OSError, match=f"Cannot write {tmp_path / path}: .* another path"):
        check_writable(tmp_path / path)


def test_a_report_tells_the_versions_of_what_is_installed_and_the_time():
    made = made_with("torch", "no-such-library")
    assert made["versions"] == {
        "python": platform.python_version(),
        "torch": torch.__version__.partition("+")[0],
    }
    age = datetime.now(timezone.utc) - datetime.fromisoformat(made["date"])
    assert timedelta(0) <= age < timedelta(minutes=1)


def test_a_check_makes_the_folder_and_keeps_what_was_there(tmp_path):
    check_writable(tmp_path / "new" / "report.json")
    assert list((tmp_path / "new").iterdir()) == []
    write_json(tmp_path / "report.json", {"old": 1})
    check_writable(tmp_path / "report.json")
    assert json.loads((tmp_path / "report.json").read_text()) == {"old": 1}


def test_the_same_inputs_go_on_and_others_are_named(tmp_path):
    inputs = {"folds": 2, "sizes": (1, 2)}
    check_inputs(tmp_path / "work", inputs)
    check_inputs(tmp_path / "work", inputs)
    with pytest.raises(ValueError, match="begun with folds 2 and not 3; split None and not 'x'"):
        check_inputs(tmp_path / "work", inputs | {"folds": 3, "split": "x"})
