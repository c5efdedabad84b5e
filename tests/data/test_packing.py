import json
import os
import unicodedata

import datasets
import pyarrow.parquet as pq
import pytest
from drawing import draw_text_line
from page_miniature import draw_page, page_xml, text_line

from hwr_hf.data import packing
from hwr_hf.data.packing import (
    PackingOptions,
    PackingStoppedError,
    model_alphabet,
    normalise_text,
    pack_folder,
)

LETTERS = frozenset("abcdefghijklmnopqrstuvwxyz 0123456789")


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def make_folder(tmp_path):
    """Function that writes images with texts, by name without suffix, and returns their folder."""

    def make(texts):
        for name, text in texts.items():
            path = tmp_path / "user" / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            draw_text_line("x", font_size=12, margin=2).save(path)
            if text is not None:
                path.with_suffix(".txt").write_text(text, encoding="utf-8")
        return tmp_path / "user"

    return make


@pytest.fixture
def pack(tmp_path):
    """Function that packs a folder into `out`; options by keyword."""

    def run(folder, *, overwrite=False, report=lambda fault: None, **options):
        return pack_folder(
            folder,
            tmp_path / "out",
            PackingOptions(**options),
            alphabet=LETTERS,
            overwrite=overwrite,
            report=report,
        )

    return run


def skipped(folder):
    rows = (folder / "skipped.tsv").read_text(encoding="utf-8").splitlines()
    assert rows[0] == "file\treason"
    return dict(row.split("\t") for row in rows[1:])


def test_datasets_reads_what_was_packed(make_folder, pack, tmp_path):
    folder = make_folder({f"line{number}": f"text {number}" for number in range(10)})
    pack(folder)
    splits = datasets.load_dataset(str(tmp_path / "out"))
    assert {name: len(split) for name, split in splits.items()} == {
        "train": 8,
        "validation": 1,
        "test": 1,
    }
    assert splits["train"].features == datasets.Features(
        {
            "id": datasets.Value("string"),
            "image": datasets.Image(),
            "text": datasets.Value("string"),
        }
    )
    texts = {row["id"]: row["text"] for split in splits.values() for row in split}
    assert texts == {f"line{number}": f"text {number}" for number in range(10)}
    assert splits["train"][0]["image"].size == draw_text_line("x", font_size=12, margin=2).size


def test_image_bytes_are_kept(make_folder, pack, tmp_path):
    folder = make_folder({"a": "x"})
    pack(folder, validation=0, test=0)
    (row,) = pq.read_table(tmp_path / "out" / "data" / "train-00000-of-00001.parquet").to_pylist()
    assert row["image"] == {"bytes": (folder / "a.png").read_bytes(), "path": "a.png"}


def test_shards_are_begun_when_the_one_before_is_full(make_folder, pack, tmp_path, monkeypatch):
    monkeypatch.setattr(packing, "ROW_GROUP_LINES", 2)
    folder = make_folder({f"{number}": "x" for number in range(7)})
    size = len((folder / "0.png").read_bytes()) + 1
    pack(folder, validation=0, test=0, max_shard_size=4 * size)
    files = sorted((tmp_path / "out" / "data").iterdir())
    assert [file.name for file in files] == [
        "train-00000-of-00002.parquet",
        "train-00001-of-00002.parquet",
    ]
    assert [pq.read_metadata(file).num_rows for file in files] == [4, 3]
    assert len(datasets.load_dataset(str(tmp_path / "out"), split="train")) == 7


def test_at_most_a_row_group_of_images_is_in_memory(make_folder, pack, monkeypatch):
    monkeypatch.setattr(packing, "ROW_GROUP_LINES", 3)
    held = []
    add = packing._ShardWriter.add

    def counting_add(self, row):
        add(self, row)
        held.append(len(self.rows))

    monkeypatch.setattr(packing._ShardWriter, "add", counting_add)
    pack(make_folder({f"{number}": "x" for number in range(10)}), validation=0, test=0)
    assert max(held) == 2


def test_pages_are_never_in_two_splits(tmp_path, pack):
    folder = tmp_path / "user"
    for number in range(12):
        draw_page(folder / f"p{number}.png")
        lines = "".join(text_line(f"l{line}", "one") for line in range(5))
        body = f'<TextRegion id="r">{lines}</TextRegion>'
        (folder / f"p{number}.xml").write_text(page_xml(body, image=f"p{number}.png"))
    result = pack(folder)
    splits = datasets.load_dataset(str(tmp_path / "out"))
    pages = {name: {i.split("/")[0] for i in split["id"]} for name, split in splits.items()}
    assert {name: len(found) for name, found in pages.items()} == {
        "train": 10,
        "validation": 1,
        "test": 1,
    }
    assert len(set.union(*pages.values())) == 12
    assert (result.format, result.skipped.total()) == ("page", 0)


def test_lines_of_a_group_found_in_the_id_stay_together(make_folder, pack, tmp_path):
    names = {f"page{page}-{line}": "x" for page in range(10) for line in range(4)}
    pack(make_folder(names), group=r"(.*)-\d+", validation=0.2, test=0)
    splits = datasets.load_dataset(str(tmp_path / "out"))
    pages = {name: {i.split("-")[0] for i in split["id"]} for name, split in splits.items()}
    assert len(pages["validation"]) == 2
    assert pages["train"].isdisjoint(pages["validation"])


def test_writers_found_in_the_id_are_a_column_and_stay_together(make_folder, pack, tmp_path):
    names = {f"{writer}_{line}": "x" for writer in ("ann", "bob", "cy") for line in range(3)}
    pack(make_folder(names), writer="([a-z]+)_", validation=0.3, test=0)
    splits = datasets.load_dataset(str(tmp_path / "out"))
    (validation_writer,) = set(splits["validation"]["writer_id"])
    assert set(splits["train"]["writer_id"]) == {"ann", "bob", "cy"} - {validation_writer}


def test_splits_of_the_folder_are_kept(make_folder, pack, tmp_path):
    names = {"train/a": "x", "train/b": "x", "val/c": "x", "test/d": "x"}
    pack(make_folder(names), validation=0.5)
    splits = datasets.load_dataset(str(tmp_path / "out"))
    assert {name: split["id"][:] for name, split in splits.items()} == {
        "train": ["train/a", "train/b"],
        "validation": ["val/c"],
        "test": ["test/d"],
    }


@pytest.mark.parametrize(
    ("table", "delimiter"), [("lines.csv", ","), ("lines.tsv", "\t"), ("metadata.jsonl", None)]
)
def test_sub_folders_of_a_tables_images_are_never_in_two_splits(
    make_folder, pack, tmp_path, table, delimiter
):
    images = [f"page{page}/{line}" for page in range(5) for line in range(3)]
    folder = make_folder(dict.fromkeys(images))
    rows = [{"file": f"{image}.png", "text": "x"} for image in images]
    if delimiter:
        lines = ["file,text", *(",".join(row.values()) for row in rows)]
        content = "\n".join(lines).replace(",", delimiter)
    else:
        content = "\n".join(map(json.dumps, rows))
    (folder / table).write_text(content)
    pack(folder, validation=0.2, test=0.2)
    splits = datasets.load_dataset(str(tmp_path / "out"))
    pages = {name: {i.split("/")[0] for i in split["id"]} for name, split in splits.items()}
    assert {name: len(found) for name, found in pages.items()} == {
        "train": 3,
        "validation": 1,
        "test": 1,
    }
    assert len(set.union(*pages.values())) == 5


@pytest.mark.parametrize(
    ("rows", "sentence"),
    [
        pytest.param(
            [("ann", "test"), ("ann", ""), ("bob", ""), ("cy", "")],
            "Lines that the original folder names a split for are in it, whatever their writer; "
            "the others were drawn with seed 0, and of those, lines of one writer are in one "
            "split.",
            id="some-named",
        ),
        pytest.param(
            [("", "test"), ("", ""), ("", "")],
            "Lines that the original folder names a split for are in it; the others were drawn "
            "line by line with seed 0.",
            id="some-named-no-writers",
        ),
        pytest.param(
            [("ann", "test"), ("ann", "train")],
            "Lines are in the split that the original folder has them in.",
            id="all-named",
        ),
        pytest.param(
            [("ann", ""), ("bob", "")],
            "The splits were drawn with seed 0; lines of one writer are in one split.",
            id="none-named",
        ),
    ],
)
def test_the_card_says_how_the_splits_came_about(make_folder, pack, tmp_path, rows, sentence):
    folder = make_folder({f"{number}": None for number in range(len(rows))})
    table = [f"{number}.png,x,{writer},{split}" for number, (writer, split) in enumerate(rows)]
    (folder / "lines.csv").write_text("\n".join(["file,text,writer,split", *table]))
    pack(folder)
    assert f"\n\n{sentence}\n\n" in (tmp_path / "out" / "README.md").read_text()


def test_the_same_folder_and_seed_give_the_same_files(make_folder, pack, tmp_path):
    folder = make_folder({f"{number}": "x" for number in range(20)})

    def packed(**options):
        pack(folder, overwrite=True, **options)
        return {path.name: path.read_bytes() for path in (tmp_path / "out" / "data").iterdir()}

    assert packed() == packed()
    assert packed() != packed(seed=1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("cafe\u0301\n", "caf\u00e9"),
        ("  a \t house\u00a0here ", "a house here"),
        ("\n\none line\n\n", "one line"),
    ],
)
def test_texts_are_normalised(text, expected):
    assert normalise_text(text) == expected
    assert unicodedata.is_normalized("NFC", normalise_text(text))


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        (" \n ", "empty text"),
        ("one\ntwo", "several lines of text: 2"),
        ("caf\udce9", "not UTF-8"),
    ],
)
def test_texts_of_no_line_are_refused(text, reason):
    with pytest.raises(ValueError, match=reason):
        normalise_text(text)


def test_everything_left_out_is_listed_counted_and_reported(make_folder, pack, tmp_path):
    folder = make_folder({"good": "x", "empty": "", "lone": None, "two": "a\nb"})
    (folder / "broken.png").write_bytes(b"no image")
    (folder / "broken.txt").write_text("x")
    (folder / "orphan.txt").write_text("x")
    draw_text_line("x").save(folder / "good.jpg")
    reported = []
    result = pack(folder, report=reported.append, validation=0, test=0)
    reasons = skipped(tmp_path / "out")
    assert {file: reason.split(":")[0] for file, reason in reasons.items()} == {
        "broken.png": "does not decode",
        "empty.png": "empty text",
        "good.png": "id is there twice",
        "lone.png": "no text",
        "orphan.txt": "no image of this name beside it",
        "two.png": "several lines of text",
    }
    assert {fault.file: fault.reason for fault in reported} == reasons
    assert result.skipped.total() == 6
    assert json.loads((tmp_path / "out" / "packing.json").read_text())["skipped"] == result.skipped
    assert result.splits["train"].lines == 1


@pytest.mark.parametrize(
    "row",
    [
        pytest.param(b"a.png,caf\xe9,ann", id="text"),
        pytest.param(b"a.png,x,andr\xe9", id="writer"),
        pytest.param(b"caf\xe9.png,x,ann", id="file-name"),
    ],
)
def test_a_row_that_is_not_utf_8_costs_only_itself(make_folder, pack, row):
    folder = make_folder({"a": None, "b": None, os.fsdecode(b"caf\xe9"): None})
    (folder / "lines.csv").write_bytes(b"file,text,writer\n" + row + b"\nb.png,x,bob\n")
    reported = []
    result = pack(folder, report=reported.append, validation=0, test=0)
    assert result.splits["train"].lines == 1
    assert [f.reason.split(":")[0] for f in reported if "csv:2" in f.file] == ["not UTF-8"]


def test_outlines_outside_the_page_are_left_out(tmp_path, pack):
    draw_page(tmp_path / "user" / "page.png")
    lines = text_line("in", "one") + text_line("out", "two", "300,10 400,10 400,50")
    body = f'<TextRegion id="r">{lines}</TextRegion>'
    (tmp_path / "user" / "page.xml").write_text(page_xml(body))
    pack(tmp_path / "user")
    assert skipped(tmp_path / "out")["page.xml#out"].startswith("outside the image: columns 300")


def test_unknown_characters_are_counted_and_kept(make_folder, pack, tmp_path):
    result = pack(make_folder({"a": "éé x", "b": "x"}), validation=0, test=0)
    assert result.unknown == {"é": 2}
    assert result.splits["train"].lines == 2
    assert "`é` U+00E9 (2)" in (tmp_path / "out" / "README.md").read_text(encoding="utf-8")


def test_lines_of_unknown_characters_can_be_skipped(make_folder, pack, tmp_path):
    result = pack(make_folder({"a": "éé x", "b": "x"}), on_unknown="skip", validation=0, test=0)
    assert result.splits["train"].lines == 1
    assert result.unknown == {"é": 2}
    assert skipped(tmp_path / "out") == {"a.png": "characters the model does not have: `é` U+00E9"}


@pytest.mark.parametrize(
    ("text", "options", "message"),
    [
        ("é", {"on_unknown": "error"}, "a.png has characters that the model does not have: `é`"),
        ("", {"strict": True}, "a.png: empty text"),
    ],
)
def test_a_stop_names_the_line_and_leaves_nothing(
    make_folder, pack, tmp_path, text, options, message
):
    folder = make_folder({"a": text, "b": "x"})
    with pytest.raises(PackingStoppedError, match=message):
        pack(folder, **options)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["user"]


def test_a_sub_folder_that_is_not_looked_through_is_reported(make_folder, pack, tmp_path):
    (tmp_path / "disk").mkdir()
    folder = make_folder({"a": "one"})
    (folder / "more").symlink_to(tmp_path / "disk")
    result = pack(folder)
    assert result.skipped == {"link to a folder outside of this one": 1}
    assert "more/\tlink to a folder" in (tmp_path / "out" / "skipped.tsv").read_text()
    with pytest.raises(PackingStoppedError, match="more/: link to a folder"):
        pack(folder, overwrite=True, strict=True)


def test_a_folder_of_which_nothing_can_be_packed_is_told(make_folder, pack, tmp_path):
    with pytest.raises(ValueError, match="can be packed: 2 x empty text"):
        pack(make_folder({"a": "", "b": " "}))
    assert not (tmp_path / "out").exists()


def test_an_output_is_replaced_only_when_asked(make_folder, pack, tmp_path):
    folder = make_folder({"a": "x"})
    pack(folder, validation=0, test=0)
    with pytest.raises(ValueError, match="--overwrite"):
        pack(folder)
    (folder / "a.txt").write_text("y")
    pack(folder, overwrite=True, validation=0, test=0)
    assert datasets.load_dataset(str(tmp_path / "out"), split="train")["text"][:] == ["y"]
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "out", "user"]


def test_a_folder_of_other_things_is_never_replaced(make_folder, pack, tmp_path):
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / "thesis.tex").write_text("ten years of work")
    with pytest.raises(ValueError, match="was not made by"):
        pack(make_folder({"a": "x"}), overwrite=True)
    assert (tmp_path / "out" / "thesis.tex").read_text() == "ten years of work"


def test_the_old_output_stays_when_packing_fails(make_folder, pack, tmp_path):
    folder = make_folder({"a": "x"})
    pack(folder, validation=0, test=0)
    (folder / "a.txt").write_text("")
    with pytest.raises(ValueError, match="can be packed"):
        pack(folder, overwrite=True)
    assert datasets.load_dataset(str(tmp_path / "out"), split="train")["text"][:] == ["x"]


def test_an_output_in_the_folder_is_not_packed_again(make_folder):
    folder = make_folder({"a": "x"})
    for _ in range(2):
        options = PackingOptions(validation=0, test=0)
        result = pack_folder(folder, folder / "out", options, alphabet=LETTERS, overwrite=True)
        assert result.skipped.total() == 0


def test_the_folder_itself_is_no_output(make_folder):
    folder = make_folder({"a": "x"})
    with pytest.raises(ValueError, match="holds the images to pack"):
        pack_folder(folder, folder, alphabet=LETTERS)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"format": "pdf"}, "format='pdf' is not one of auto, text"),
        ({"cut": "circle"}, "cut='circle'"),
        ({"on_unknown": "x"}, "on_unknown='x'"),
        ({"test": 1.0}, "leave nothing for training"),
        ({"group": "("}, "is no pattern"),
        ({"group": "a"}, "has 0 groups in brackets"),
        ({"license": "My License!"}, "no identifier of the Hub"),
        ({"language": ("English",)}, "no code of ISO 639"),
        ({"max_shard_size": "big"}, "big"),
    ],
)
def test_wrong_options_are_refused(options, message):
    with pytest.raises(ValueError, match=message):
        PackingOptions(**options)


def test_the_alphabet_is_the_tokenizers_characters(tiny_model_dir):
    alphabet = model_alphabet(tiny_model_dir)
    assert {" ", "a", "Z", "9"} <= alphabet
    assert len(alphabet) == 79
