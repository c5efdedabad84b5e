"""A transcription ends with each image exactly once, whatever stops it on the way."""

import errno
import multiprocessing
import random
import signal
import time
from pathlib import Path

import pytest
from stub_job import row_of, rows_of, run

from hwr_hf.transcription.job import Counts
from hwr_hf.transcription.parts import Parts


@pytest.fixture
def folder(tmp_path):
    """83 files with names of images: 17 parts, the last of them short."""
    folder = tmp_path / "images"
    folder.mkdir()
    for number in range(83):
        (folder / f"{number:03}.png").touch()
    return folder


def rows_in(output, format_="jsonl"):
    parts = Parts(output, {"format": format_})
    return [row for number in parts.numbers() for row in parts.rows(number)]


@pytest.mark.parametrize("format_", ["jsonl", "parquet"])
def test_killed_at_any_moment_it_ends_with_each_image_once(folder, tmp_path, format_):
    rng = random.Random(0)
    forking = multiprocessing.get_context("fork")  # starts in no time
    exit_codes = []
    while 0 not in exit_codes:
        job = forking.Process(target=run, args=(folder, tmp_path / "out", format_))
        job.start()
        if len(exit_codes) < 12:
            time.sleep(rng.uniform(0, 0.05))
            job.kill()
        job.join()
        exit_codes.append(job.exitcode)
    assert len(exit_codes) > 4
    assert set(exit_codes[:-1]) == {-signal.SIGKILL}
    names = [f"{number:03}.png" for number in range(83)]
    assert rows_in(tmp_path / "out", format_) == [row_of(name) for name in names]
    assert [path.name for path in (tmp_path / "out").glob(".*")] == [".lock"]


def test_a_part_that_is_there_is_not_read_again(folder, tmp_path):
    assert run(folder, tmp_path / "out") == Counts(images=83)
    asked = []

    def read(items):
        asked.extend(item.id for item in items)
        return rows_of(items)

    (tmp_path / "out" / "part-000001.jsonl").unlink()
    assert run(folder, tmp_path / "out", read_rows=read) == Counts(images=83, resumed=78)
    assert asked == [f"{number:03}.png" for number in range(5, 10)]


def test_progress_counts_every_image_once(folder, tmp_path):
    steps = []
    run(folder, tmp_path / "out", advance=steps.append)
    assert sum(steps) == 83


@pytest.mark.parametrize("change", ["another", "fewer", "more"])
def test_a_source_that_has_changed_is_noticed(folder, tmp_path, change):
    run(folder, tmp_path / "out")
    if change == "another":
        (folder / "007.png").rename(folder / "007a.png")
    elif change == "fewer":
        for file in sorted(folder.iterdir())[40:]:
            file.unlink()
    else:
        (folder / "082a.png").touch()
    with pytest.raises(ValueError, match="changed since"):
        run(folder, tmp_path / "out")
    assert len(rows_in(tmp_path / "out")) == 83


def failing(items):
    rows = rows_of(items)
    for row in rows:
        if row["id"] == "012.png":
            row |= {"text": None, "error": "broken."}
    return rows


def test_an_image_that_cannot_be_read_is_a_row_and_counted(folder, tmp_path):
    assert run(folder, tmp_path / "out", read_rows=failing) == Counts(images=83, failed=1)
    assert rows_in(tmp_path / "out")[12]["error"] == "broken."
    assert run(folder, tmp_path / "out") == Counts(images=83, failed=1, resumed=83)


def test_it_can_stop_at_the_first_such_image(folder, tmp_path):
    with pytest.raises(ValueError, match=r"Cannot read 012\.png: broken\."):
        run(folder, tmp_path / "out", read_rows=failing, stop_at_error=True)
    assert len(rows_in(tmp_path / "out")) == 10
    assert run(folder, tmp_path / "out").images == 83


def test_a_full_disk_loses_nothing(folder, tmp_path, monkeypatch):
    replace = Path.replace

    def full(self, target):
        if Path(target).name == "part-000003.jsonl":
            raise OSError(errno.ENOSPC, "No space left on device")
        return replace(self, target)

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", full)
        with pytest.raises(OSError, match=r"part-000003\.jsonl could not .* make room and start"):
            run(folder, tmp_path / "out")
    assert len(rows_in(tmp_path / "out")) == 15
    assert not list((tmp_path / "out").glob(".part*"))
    assert run(folder, tmp_path / "out") == Counts(images=83, resumed=15)


def test_a_source_without_images_is_refused(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(ValueError, match="There is no image in"):
        run(tmp_path / "empty", tmp_path / "out")
