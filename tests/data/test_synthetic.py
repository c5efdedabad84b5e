import itertools
import json
import os
import shutil
from pathlib import Path

import datasets
import matplotlib
import numpy as np
import pytest
import torch
from iam_miniature import write_tree
from test_pen_words import make_line

from hwr_hf.data.corpus import TextLines
from hwr_hf.data.fonts import HandwritingFonts
from hwr_hf.data.synthetic import SyntheticLines, load_plain_pen_lines, load_synthetic

FONTS = f"{matplotlib.get_data_path()}/fonts/ttf"
LINES = [make_line("cat on", [0, 13, 26, 66, 79]), make_line("so it", [0, 13, 60, 73])]


@pytest.fixture
def text_file(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("So it was that the cat sat on the mat, and it was so.\n" * 3)
    return path


@pytest.fixture
def fonts(tmp_path):
    folder = tmp_path / "fonts"
    folder.mkdir()
    (folder / "sans.ttf").write_bytes(open(f"{FONTS}/DejaVuSans.ttf", "rb").read())
    return folder


def drawn(lines):
    return [(line["text"], line["kind"], line["image"].tobytes()) for line in lines]


def test_an_example_is_a_grey_picture_and_its_text(fonts, text_file):
    lines = SyntheticLines(LINES, HandwritingFonts(fonts), TextLines([text_file]), num_lines=20)
    examples = list(lines)
    assert len(examples) == 20
    assert {example["kind"] for example in examples} == {"strokes", "sentences", "fonts"}
    for example in examples:
        assert example["image"].dtype == np.uint8
        assert example["image"].ndim == 2
        assert example["text"].strip() == example["text"] != ""


def test_the_same_seed_draws_the_same_lines():
    first, second, other = (
        drawn(SyntheticLines(LINES, num_lines=5, seed=seed)) for seed in (1, 1, 2)
    )
    assert first == second != other


def test_worker_processes_share_the_lines():
    alone = drawn(SyntheticLines(LINES, num_lines=7))
    loader = torch.utils.data.DataLoader(
        SyntheticLines(LINES, num_lines=7), num_workers=2, batch_size=None, collate_fn=lambda x: x
    )
    assert sorted(drawn(loader)) == sorted(alone)


def test_without_a_number_there_is_no_end():
    endless = iter(SyntheticLines(LINES))
    assert len(list(itertools.islice(endless, 12))) == 12


def test_words_come_alone_as_often_as_asked():
    words = SyntheticLines(LINES, num_lines=20, word_share=1.0)
    assert all(len(line["text"].split()) == 1 for line in words)
    lines = SyntheticLines(LINES, num_lines=20, word_share=0.0)
    assert all(len(line["text"].split()) == 2 for line in lines if line["kind"] == "strokes")


def test_sentences_use_the_text_where_its_words_were_written(tmp_path):
    path = tmp_path / "text.txt"
    path.write_text("so it on cat so it on cat\n")
    texts = TextLines([path])
    lines = SyntheticLines(LINES, texts=texts, num_lines=60, word_share=0.0)
    sentences = {line["text"] for line in lines if line["kind"] == "sentences"}
    assert any("so it on" in sentence for sentence in sentences)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({}, "There is nothing to draw"),
        ({"handwriting_fonts": object()}, "Fonts have nothing to say"),
        ({"pen_lines": LINES, "word_share": 2}, "word_share=2 is not allowed"),
    ],
)
def test_a_source_that_cannot_draw_is_refused(options, message):
    with pytest.raises(ValueError, match=message):
        SyntheticLines(**options)


def test_a_data_set_holds_the_lines_of_the_stream(fonts, text_file, tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    dataset = load_synthetic(18, fonts_dir=fonts, text_paths=[text_file], seed=3)
    stream = SyntheticLines(
        (), HandwritingFonts(fonts), TextLines([text_file]), num_lines=18, seed=3
    )
    assert dataset["text"][:] == [line["text"] for line in stream]
    assert np.array_equal(np.asarray(dataset[17]["image"]), stream.line(17)["image"])
    assert set(dataset.column_names) == {"image", "text", "kind"}


@pytest.fixture
def drawn_file(fonts, text_file, tmp_path, monkeypatch):
    """Function that draws two lines of all sources and returns the file that holds them."""
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    letters = [[x, 0, 0, 20, 10, 0, 0, -20] for x in (0, 16, 70, 86)]
    row = {"id": "f01-01", "form": "f01", "text": "on it", "strokes": letters}
    (tmp_path / "strokes.jsonl").write_text(json.dumps(row))

    def draw():
        return load_synthetic(2, tmp_path, fonts, [text_file]).cache_files[0]["filename"]

    return draw


def test_lines_are_drawn_anew_when_a_text_says_something_else(
    fonts, text_file, tmp_path, monkeypatch
):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    load_synthetic(3, fonts_dir=fonts, text_paths=[text_file])
    text_file.write_text("Other words stand here now, and no old ones.\n" * 3)
    lines = load_synthetic(3, fonts_dir=fonts, text_paths=[text_file])
    stream = SyntheticLines((), HandwritingFonts(fonts), TextLines([text_file]), num_lines=3)
    assert lines["text"][:] == [line["text"] for line in stream]


@pytest.mark.parametrize("name", ["text.txt", "fonts/sans.ttf", "strokes.jsonl"])
@pytest.mark.parametrize("change", ["size", "time"])
def test_lines_are_drawn_anew_when_a_file_changes(drawn_file, tmp_path, name, change):
    first = drawn_file()
    if change == "size":
        time = (tmp_path / name).stat().st_mtime_ns
        with (tmp_path / name).open("ab") as file:
            file.write(b"\n")
        os.utime(tmp_path / name, ns=(time, time))
    else:
        os.utime(tmp_path / name, ns=(1, 1))
    assert drawn_file() != first


def test_lines_are_drawn_once_in_whatever_order_a_folder_lists_its_files(
    drawn_file, fonts, monkeypatch
):
    shutil.copy(f"{FONTS}/DejaVuSerif.ttf", fonts)
    first = drawn_file()
    glob = Path.glob
    monkeypatch.setattr(Path, "glob", lambda *args: iter([*glob(*args)][::-1]))
    assert drawn_file() == first


def test_lines_are_drawn_anew_when_an_extracted_download_changes(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    strokes = "".join(
        f'<Stroke><Point x="{x}" y="0"/><Point x="{x}" y="9"/><Point x="{x + 9}" y="9"/></Stroke>'
        for x in (0, 16, 70, 86)
    )
    write_tree(
        tmp_path / "ondb",
        {
            "lineStrokes/a01/a01-000/a01-000u-01.xml": f"<a>{strokes}</a>".encode(),
            "ascii/a01/a01-000/a01-000u.txt": b"CSR:\n\non it\n",
        },
    )
    first = load_synthetic(1, tmp_path / "ondb").cache_files
    os.utime(tmp_path / "ondb" / "ascii/a01/a01-000/a01-000u.txt", ns=(1, 1))
    assert load_synthetic(1, tmp_path / "ondb").cache_files != first


def test_a_wrong_path_is_named_before_anything_is_drawn(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"lineStrokes-all\.tar\.gz"):
        load_synthetic(5, iam_ondb_path=tmp_path)


def write_strokes(path, num_forms, texts=None):
    letters = [[x, 0, 0, 20, 10, 0, 0, -20] for x in (0, 16, 70, 86)]
    texts = texts or {}
    rows = [
        {"id": f"f{n:02}-01", "form": f"f{n:02}", "text": texts.get(n, "on it"), "strokes": letters}
        for n in range(num_forms)
    ]
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


def test_plain_lines_are_of_forms_that_are_not_trained_on(tmp_path):
    dataset = load_plain_pen_lines(write_strokes(tmp_path / "strokes.jsonl", 20))
    assert dataset["form_id"][:] == ["f19"]
    assert dataset["text"][:] == ["on it"]
    image = np.asarray(dataset[0]["image"])
    assert image.shape[0] == 96
    assert image.min() == 0


def test_too_few_forms_leave_none_to_read(tmp_path):
    with pytest.raises(ValueError, match="too few forms"):
        load_plain_pen_lines(write_strokes(tmp_path / "strokes.jsonl", 3))


def test_no_form_is_drawn_from_that_is_measured_on_or_must_not_be_seen(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    names = [
        "".join(pair) for pair in itertools.islice(itertools.product("abcdefgh", repeat=2), 60)
    ]
    texts = {number: f"{name} it" for number, name in enumerate(names)}
    path = write_strokes(tmp_path / "strokes.jsonl", 60, texts | {3: f"{names[3]} it as it is"})
    measured_on = set(load_plain_pen_lines(path)["text"])
    assert measured_on == {texts[19], texts[39], texts[59]}
    lines = load_synthetic(400, iam_ondb_path=path, unseen_texts=[f"{names[3]} it, as it is."])
    drawn = {word for text in lines["text"] for word in text.split()} & set(names)
    assert drawn == set(names) - {names[number] for number in (3, 19, 39, 59)}


def test_no_text_is_drawn_that_must_not_be_seen_though_it_was_before(
    fonts, text_file, tmp_path, monkeypatch
):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    with text_file.open("a") as file:
        file.write("red hats fly over seven hills\n" * 3)
    before, after = (
        " ".join(load_synthetic(20, None, fonts, [text_file], unseen)["text"])
        for unseen in ([], ["Red hats fly over seven roofs."])
    )
    assert "hats" in before and "hats" not in after
