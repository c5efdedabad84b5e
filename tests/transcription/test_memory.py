"""What the measurement of memory measures."""

import tarfile

import pytest

from hwr_hf.transcription import memory


def test_an_archive_has_as_many_images_as_asked_for(tmp_path):
    memory.write_words(tmp_path / "words.tar", 20)
    with tarfile.open(tmp_path / "words.tar") as archive:
        names = archive.getnames()
    assert len(set(names)) == 20


def test_a_run_is_measured():
    (row,) = memory.measure_memory([3])
    assert row["images"] == 3
    assert 100 < row["peak_megabytes"] < 4000  # torch alone takes more than 100
    assert row["images_per_second"] == pytest.approx(3 / row["seconds"], rel=0.2)


def test_a_run_that_fails_is_no_measurement():
    with pytest.raises(ChildProcessError, match="3 images"):
        memory.measure_memory([3], output_format="none")
