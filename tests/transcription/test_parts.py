"""The output folder: whole parts only, and never two jobs in one."""

import json
import re

import datasets
import pytest
from filelock import FileLock
from stub_job import row_of

from hwr_hf.transcription.command import EPILOG
from hwr_hf.transcription.parts import FORMATS, Parts

SETTINGS = {"format": "jsonl", "decoder": "greedy"}
ROW = row_of("a.png") | {"words": [{"text": "Ä", "score": 0.25, "box": [0, 1, 2, 3]}]}
BROKEN = dict.fromkeys(ROW) | {"id": "b.png", "error": "broken", "model": "stub"}


@pytest.mark.parametrize("format_", ["jsonl", "parquet"])
def test_rows_come_back_as_written(tmp_path, format_):
    parts = Parts(tmp_path / "out", {"format": format_})
    parts.write(3, [ROW, BROKEN])
    assert parts.is_complete(3)
    assert not parts.is_complete(0)
    assert parts.numbers() == [3]
    assert list(parts.rows(3)) == [ROW, BROKEN]


@pytest.mark.parametrize("format_", ["jsonl", "parquet"])
def test_datasets_reads_the_folder_as_the_help_says(tmp_path, monkeypatch, format_):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    monkeypatch.chdir(tmp_path)
    parts = Parts("OUT", {"format": format_})
    for number in range(3):
        parts.write(number, [ROW, BROKEN])
    calls = re.findall(r"load_dataset\(.*?\)", EPILOG)
    assert len(calls) == 2
    call = calls[FORMATS.index(format_)]
    loaded = eval(call, {"load_dataset": datasets.load_dataset})
    assert loaded["train"].column_names == list(ROW)
    assert loaded["train"]["id"][:] == ["a.png", "b.png"] * 3


def test_other_settings_are_refused_and_named(tmp_path):
    Parts(tmp_path / "out", SETTINGS).write(0, [{"id": "a"}])
    Parts(tmp_path / "out", SETTINGS)
    with pytest.raises(ValueError, match="was made with decoder 'greedy' and not 'beam'"):
        Parts(tmp_path / "out", SETTINGS | {"decoder": "beam"})


def test_settings_of_a_job_that_came_to_nothing_may_be_corrected(tmp_path):
    Parts(tmp_path / "out", SETTINGS)
    corrected = SETTINGS | {"decoder": "beam"}
    Parts(tmp_path / "out", corrected)
    assert json.loads((tmp_path / "out" / "job.json").read_text()) == corrected


def test_a_folder_of_something_else_is_not_touched(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(ValueError, match="holds other files"):
        Parts(tmp_path, SETTINGS)
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_a_file_is_no_output(tmp_path):
    (tmp_path / "out").write_text("")
    with pytest.raises(ValueError, match="is a file"):
        Parts(tmp_path / "out", SETTINGS)


def test_only_one_job_at_a_time_has_a_folder(tmp_path):
    first = Parts(tmp_path / "out", SETTINGS)
    half_written = tmp_path / "out" / ".part-000000-1"
    half_written.touch()
    with pytest.raises(ValueError, match="Another process is writing"):
        Parts(tmp_path / "out", SETTINGS)
    assert half_written.exists()
    del first
    assert Parts(tmp_path / "out", SETTINGS).numbers() == []


def test_a_folder_that_cannot_be_locked_is_warned_of(tmp_path, monkeypatch, caplog):
    def refuse(lock, timeout):
        raise PermissionError("read-only")

    Parts(tmp_path / "out", SETTINGS).write(0, [ROW])
    monkeypatch.setattr(FileLock, "acquire", refuse)
    assert Parts(tmp_path / "out", SETTINGS).numbers() == [0]
    assert "cannot be locked (read-only)" in caplog.text


def test_what_a_killed_job_left_over_is_removed(tmp_path):
    Parts(tmp_path / "out", SETTINGS)
    (tmp_path / "out" / ".part-000001-77").write_text("half a")
    Parts(tmp_path / "out", SETTINGS)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".lock", "job.json"]


def test_a_job_killed_before_its_first_file_was_whole_starts_again(tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / ".job-77").write_text('{"form')
    Parts(tmp_path / "out", SETTINGS)
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == [".lock", "job.json"]
