"""The images that a transcription is measured on."""

import io
import tarfile

import numpy as np
from PIL import Image

from hwr_hf.transcription.drawn_images import drawn_png, write_archive


def pixels(png):
    return np.asarray(Image.open(io.BytesIO(png)))


def test_grain_is_on_the_paper_and_makes_files_larger():
    plain, grained = drawn_png("rain", 24), drawn_png("rain", 24, grain=8)
    assert (pixels(plain)[0] == 255).all()
    assert pixels(grained)[0].std() > 1
    assert len(grained) > 2 * len(plain)


def test_a_seed_draws_the_same_grain_again():
    assert drawn_png("rain", 24, grain=8, seed=1) == drawn_png("rain", 24, grain=8, seed=1)
    assert drawn_png("rain", 24, grain=8, seed=1) != drawn_png("rain", 24, grain=8, seed=2)


def test_an_archive_has_as_many_images_as_asked_for(tmp_path):
    images = [drawn_png("rain", 24), drawn_png("post", 24)]
    write_archive(tmp_path / "words.tar", images, 5)
    with tarfile.open(tmp_path / "words.tar") as archive:
        contents = [archive.extractfile(member).read() for member in archive]
        names = archive.getnames()
    assert len(set(names)) == 5
    assert contents == [images[0], images[1], images[0], images[1], images[0]]
