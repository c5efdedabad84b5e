"""The same images in the same order, wherever they are."""

import io
import os
import tarfile

import datasets
import pyarrow
import pyarrow.parquet
import pytest
from drawing import draw_text_line
from locked_folder import lock

from hwr_hf.image_files import open_image
from hwr_hf.transcription.sources import open_source

TEXTS = ["one", "two", "three"]


def png(text):
    buffer = io.BytesIO()
    draw_text_line(text).save(buffer, "PNG")
    return buffer.getvalue()


@pytest.fixture(scope="module")
def pngs():
    return [png(text) for text in TEXTS]


def contents(source, **options):
    """The images of a source as pixels, twice, to see that it starts again."""
    opened = open_source(str(source), **options)
    first, second = (
        [open_image(item.image).tobytes() for item in opened.items()] for _ in range(2)
    )
    assert first == second
    return first


@pytest.fixture
def pixels(pngs):
    return [open_image(png).tobytes() for png in pngs]


def test_a_folder_in_the_order_of_its_names(tmp_path, pngs, pixels):
    (tmp_path / "b").mkdir()
    (tmp_path / "a.png").write_bytes(pngs[0])
    (tmp_path / "b" / "1.PNG").write_bytes(pngs[1])
    (tmp_path / "b" / "2.png").write_bytes(pngs[2])
    (tmp_path / "b" / "notes.txt").write_text("none")
    assert [i.id for i in open_source(str(tmp_path)).items()] == ["a.png", "b/1.PNG", "b/2.png"]
    assert contents(tmp_path) == pixels


@pytest.mark.parametrize("name", ["lines.tar", "lines.tar.gz", "lines.tgz"])
def test_an_archive_in_its_own_order(tmp_path, pngs, pixels, name):
    write_archive(tmp_path / name, pngs)
    items = list(open_source(str(tmp_path / name)).items())
    assert [item.id for item in items] == ["in/2.png", "in/1.png", "in/0.png"]
    assert contents(tmp_path / name) == pixels[::-1]


def write_archive(path, pngs):
    with tarfile.open(path, "w:gz" if path.suffix != ".tar" else "w") as archive:
        for number in reversed(range(len(pngs))):
            member = tarfile.TarInfo(f"in/{number}.png")
            member.size = len(pngs[number])
            archive.addfile(member, io.BytesIO(pngs[number]))


@pytest.mark.parametrize("as_folder", [False, True])
def test_parquet_of_bytes(tmp_path, pngs, pixels, as_folder):
    table = pyarrow.table({"name": TEXTS, "scan": pngs})
    path = tmp_path / "data" / "lines.parquet"
    path.parent.mkdir()
    pyarrow.parquet.write_table(table, path)
    assert contents(path.parent if as_folder else path) == pixels


def test_tables_in_a_linked_folder_are_read(tmp_path, pngs, pixels):
    (tmp_path / "disk").mkdir()
    (tmp_path / "data").mkdir()
    pyarrow.parquet.write_table(pyarrow.table({"scan": pngs}), tmp_path / "disk" / "a.parquet")
    (tmp_path / "data" / "more").symlink_to(tmp_path / "disk")
    (tmp_path / "data" / "around").symlink_to(tmp_path / "data")
    assert contents(tmp_path / "data") == pixels
    assert next(open_source(str(tmp_path / "data")).items()).id == "more/a.parquet#0"


def test_tables_beside_a_folder_that_cannot_be_listed_are_refused(tmp_path, pngs, monkeypatch):
    (tmp_path / "locked").mkdir()
    pyarrow.parquet.write_table(pyarrow.table({"scan": pngs}), tmp_path / "a.parquet")
    lock(tmp_path / "locked", monkeypatch)
    with pytest.raises(PermissionError, match="locked"):
        open_source(str(tmp_path))


def test_a_folder_of_tables_and_images_is_refused_with_one_of_each_named(tmp_path, pngs):
    pyarrow.parquet.write_table(pyarrow.table({"scan": pngs}), tmp_path / "lines.parquet")
    (tmp_path / "more").mkdir()
    (tmp_path / "more" / "0.png").write_bytes(pngs[0])
    with pytest.raises(ValueError, match=r"Parquet files and images.*more/0.png"):
        open_source(str(tmp_path))


def dataset_of(pngs):
    rows = {"image": [{"bytes": png, "path": None} for png in pngs], "text": TEXTS}
    features = {"image": datasets.Image(), "text": datasets.Value("string")}
    return datasets.Dataset.from_dict(rows, datasets.Features(features))


def test_parquet_of_datasets(tmp_path, pngs, pixels):
    dataset_of(pngs).to_parquet(tmp_path / "lines.parquet")
    assert contents(tmp_path / "lines.parquet") == pixels


def test_a_saved_data_set_and_its_splits(tmp_path, pngs, pixels):
    dataset_of(pngs).save_to_disk(tmp_path / "one")
    assert contents(tmp_path / "one") == pixels
    splits = {"train": dataset_of(pngs), "test": dataset_of(pngs).select([2])}
    datasets.DatasetDict(splits).save_to_disk(tmp_path / "two")
    assert contents(tmp_path / "two", split="test") == pixels[2:]
    with pytest.raises(ValueError, match=r"no split 'dev'\. Choose --split from train, test"):
        contents(tmp_path / "two", split="dev")


def test_a_data_set_on_the_hub_is_streamed(monkeypatch, pngs, pixels):
    asked = []

    def load_dataset(*arguments, **options):
        asked.append((arguments, options))
        return dataset_of(pngs).to_iterable_dataset()

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    assert contents("user/lines", split="test") == pixels
    assert asked[0] == (("user/lines",), {"split": "test", "streaming": True})


@pytest.mark.parametrize("kept", [600, 2000, 3 * 1536])
def test_an_archive_that_is_cut_off_is_noticed(tmp_path, pngs, kept):
    write_archive(tmp_path / "lines.tar", pngs)  # members of 512 + 1024 bytes
    content = (tmp_path / "lines.tar").read_bytes()
    (tmp_path / "lines.tar").write_bytes(content[:kept])
    with pytest.raises(ValueError, match=f"damaged after {kept // 1536} images"):
        list(open_source(str(tmp_path / "lines.tar")).items())


def test_a_compressed_archive_that_is_cut_off_is_noticed(tmp_path, pngs):
    write_archive(tmp_path / "lines.tar.gz", pngs)
    content = (tmp_path / "lines.tar.gz").read_bytes()
    (tmp_path / "lines.tar.gz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match="damaged after"):
        list(open_source(str(tmp_path / "lines.tar.gz")).items())


def test_two_columns_of_images_have_to_be_told_apart(tmp_path, pngs, pixels):
    table = pyarrow.table({"front": pngs, "back": pngs[::-1]})
    pyarrow.parquet.write_table(table, tmp_path / "lines.parquet")
    with pytest.raises(ValueError, match="of these front, back hold image files"):
        contents(tmp_path / "lines.parquet")
    assert contents(tmp_path / "lines.parquet", image_column="back") == pixels[::-1]


@pytest.mark.parametrize("column", [None, "text"])
def test_a_table_without_images_is_refused(tmp_path, column):
    pyarrow.parquet.write_table(pyarrow.table({"text": TEXTS}), tmp_path / "texts.parquet")
    with pytest.raises(ValueError, match="Its columns are text; of these none hold image files"):
        contents(tmp_path / "texts.parquet", image_column=column)


@pytest.mark.parametrize("name", ["notes.txt", "lines.zip"])
def test_another_kind_of_file_is_refused(tmp_path, name):
    (tmp_path / name).write_text("")
    with pytest.raises(ValueError, match=r"is no source of images\. Give a folder of images"):
        open_source(str(tmp_path / name))


@pytest.mark.parametrize("name", ["none", "/no/such/folder", "tests/none"])
def test_a_mistyped_path_is_not_asked_of_the_hub(name):
    with pytest.raises(FileNotFoundError, match="There is no"):
        open_source(name)


def test_parquet_that_is_none(tmp_path):
    (tmp_path / "lines.parquet").write_text("no")
    with pytest.raises(ValueError, match="no Parquet file"):
        contents(tmp_path / "lines.parquet")


def test_hidden_files_are_no_images(tmp_path, pngs):
    (tmp_path / "._a.png").write_bytes(b"what macOS leaves beside a.png")
    (tmp_path / "a.png").write_bytes(pngs[0])
    assert [item.id for item in open_source(str(tmp_path)).items()] == ["a.png"]
    archive = tmp_path / "lines.tar"
    with tarfile.open(archive, "w") as file:
        file.add(tmp_path / "._a.png", "in/._a.png")
        file.add(tmp_path / "a.png", "in/a.png")
    assert [item.id for item in open_source(str(archive)).items()] == ["in/a.png"]


def test_a_folder_that_cannot_be_listed_is_an_item_without_image(tmp_path, pngs, monkeypatch):
    for number, png in enumerate(pngs[:2]):
        (tmp_path / str(number)).mkdir()
        (tmp_path / str(number) / "a.png").write_bytes(png)
    lock(tmp_path / "0", monkeypatch)
    locked, readable = sorted(open_source(str(tmp_path)).items(), key=lambda item: item.id)
    assert (locked.id, locked.image) == ("0/", None)
    assert "cannot be listed: Permission denied" in locked.missing
    assert readable.id == "1/a.png"


def test_a_name_that_is_not_utf_8_can_be_written(tmp_path, pngs):
    path = os.path.join(os.fsencode(tmp_path), b"caf\xe9.png")
    with open(path, "wb") as file:
        file.write(pngs[0])
    (item,) = open_source(str(tmp_path)).items()
    assert item.id == r"caf\xe9.png"
    item.id.encode()
    open_image(item.image)


def test_a_link_in_an_archive_is_an_item_without_image(tmp_path, pngs):
    (tmp_path / "a.png").write_bytes(pngs[0])
    os.link(tmp_path / "a.png", tmp_path / "b.png")
    (tmp_path / "c.png").symlink_to("a.png")
    with tarfile.open(tmp_path / "lines.tar", "w") as archive:
        for name in ("a.png", "b.png", "c.png"):
            archive.add(tmp_path / name, name)
    items = list(open_source(str(tmp_path / "lines.tar")).items())
    assert [(item.id, item.image is None) for item in items] == [
        ("a.png", False), ("b.png", True), ("c.png", True)
    ]  # fmt: skip
    assert "a link to a.png" in items[1].missing and "--hard-dereference" in items[1].missing


def test_the_output_folder_is_no_part_of_the_source_around_it(tmp_path, pngs, pixels):
    output = tmp_path / "texts"
    output.mkdir()
    pyarrow.parquet.write_table(pyarrow.table({"id": ["a"]}), output / "part-000000.parquet")
    (tmp_path / "a.png").write_bytes(pngs[0])
    assert contents(tmp_path, without=output) == pixels[:1]
    (tmp_path / "sub").mkdir()
    assert contents(tmp_path, without=tmp_path / "sub" / ".." / output.name) == pixels[:1]
    with pytest.raises(ValueError, match="holds Parquet files and images"):
        open_source(str(tmp_path))


@pytest.mark.parametrize("option", [{"split": "test"}, {"image_column": "photo"}])
@pytest.mark.parametrize("kind", ["folder", "archive"])
def test_an_option_that_chooses_nothing_is_refused(tmp_path, pngs, kind, option):
    (tmp_path / "scans").mkdir()
    (tmp_path / "scans" / "a.png").write_bytes(pngs[0])
    write_archive(tmp_path / "lines.tar", pngs)
    source = tmp_path / {"folder": "scans", "archive": "lines.tar"}[kind]
    with pytest.raises(ValueError, match=r"--(split test|image-column photo) chooses nothing here"):
        open_source(str(source), **option)


def test_a_split_of_parquet_files_is_chosen_by_giving_them(tmp_path, pngs):
    for name in ("train-0.parquet", "test-0.parquet"):
        pyarrow.parquet.write_table(pyarrow.table({"image": pngs}), tmp_path / name)
    with pytest.raises(ValueError, match=r"holds Parquet files\. Give one of the files, or a"):
        open_source(str(tmp_path), split="test")


def test_a_source_is_the_same_in_another_folder(tmp_path, pngs, monkeypatch):
    (tmp_path / "scans").mkdir()
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "scans" / "a.png").write_bytes(pngs[0])
    monkeypatch.chdir(tmp_path)
    source = open_source("scans")
    monkeypatch.chdir(tmp_path / "elsewhere")
    (item,) = source.items()
    assert item.id == "a.png" and open(item.image, "rb").read() == pngs[0]
