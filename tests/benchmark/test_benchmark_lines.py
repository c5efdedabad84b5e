from pathlib import Path

import datasets
import pytest
from PIL import Image

from hwr_hf.benchmark.lines import draw_lines, iam_lines


def test_drawn_lines_are_files_with_ink_and_their_texts(tmp_path):
    lines = draw_lines(3, tmp_path)
    assert len({line.path for line in lines}) == len({line.text for line in lines}) == 3
    for line in lines:
        with Image.open(line.path) as image:
            assert image.getextrema() == (0, 255)
            assert image.width > 10 * len(line.text)


def test_the_same_seed_draws_the_same_lines(tmp_path):
    def drawn(name, seed):
        (tmp_path / name).mkdir()
        lines = draw_lines(2, tmp_path / name, seed=seed)
        return [(line.text, Path(line.path).read_bytes()) for line in lines]

    assert drawn("a", 1) == drawn("b", 1)
    assert drawn("c", 2) != drawn("a2", 1)


@pytest.mark.parametrize(("asked", "given"), [(1, 1), (None, 1), (9, 1)])
def test_iam_gives_lines_of_its_validation_split(make_iam, tmp_path, monkeypatch, asked, given):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    lines = iam_lines(make_iam(), asked, tmp_path)
    assert len(lines) == given
    assert all(line.text and Image.open(line.path).width > 1 for line in lines)
