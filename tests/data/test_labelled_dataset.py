import datasets
import pytest
from drawing import draw_text_line

from hwr_hf.data.labelled_dataset import load_labelled, readable
from hwr_hf.data.packing import PackingOptions, pack_folder


@pytest.fixture(autouse=True)
def own_cache(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.fixture
def make_dataset():
    """Function that makes a data set of one image and other columns."""

    def make(**columns):
        columns.setdefault("text", [f"text {number}" for number in range(20)])
        length = len(next(iter(columns.values())))
        image = draw_text_line("x", font_size=12, margin=2)
        dataset = datasets.Dataset.from_dict({"image": [image] * length, **columns})
        return dataset.cast_column("image", datasets.Image())

    return make


def sizes(splits):
    return {name: len(split) for name, split in splits.items()}


def test_a_packed_folder_is_loaded_with_its_splits(tmp_path):
    (tmp_path / "user").mkdir()
    for name in "abcdef":
        draw_text_line("x").save(tmp_path / "user" / f"{name}.png")
        (tmp_path / "user" / f"{name}.txt").write_text(name)
    pack_folder(tmp_path / "user", tmp_path / "out", PackingOptions(validation=0.3, test=0.3))
    splits = load_labelled(str(tmp_path / "out"))
    assert sizes(splits) == {"train": 2, "validation": 2, "test": 2}
    assert splits["train"].column_names == ["id", "image", "text"]


def test_a_folder_of_save_to_disk_is_loaded(make_dataset, tmp_path):
    saved = datasets.DatasetDict({"train": make_dataset(), "val": make_dataset(text=["x"])})
    saved.save_to_disk(tmp_path / "saved")
    assert sizes(load_labelled(str(tmp_path / "saved"))) == {"train": 20, "validation": 1}


def test_an_imagefolder_is_loaded(tmp_path):
    (tmp_path / "train").mkdir()
    draw_text_line("x").save(tmp_path / "train" / "a.png")
    (tmp_path / "train" / "metadata.jsonl").write_text('{"file_name": "a.png", "text": "x"}')
    splits = load_labelled(str(tmp_path), validation_share=0)
    assert splits["train"]["text"][:] == ["x"]


def test_validation_is_drawn_where_there_is_none_the_same_every_time(make_dataset, tmp_path):
    make_dataset().save_to_disk(tmp_path / "saved")
    splits = load_labelled(str(tmp_path / "saved"), validation_share=0.2)
    assert sizes(splits) == {"train": 16, "validation": 4}
    again = load_labelled(str(tmp_path / "saved"), validation_share=0.2)
    assert splits["validation"]["text"][:] == again["validation"]["text"][:]
    assert set(splits["train"]["text"]).isdisjoint(splits["validation"]["text"])


def test_validation_is_drawn_by_writer(make_dataset, tmp_path):
    make_dataset(writer_id=[number // 5 for number in range(20)]).save_to_disk(tmp_path / "saved")
    splits = load_labelled(str(tmp_path / "saved"), validation_share=0.25)
    assert sizes(splits) == {"train": 15, "validation": 5}
    assert len(set(splits["validation"]["writer_id"])) == 1


def test_validation_of_one_writer_is_drawn_line_by_line(make_dataset, tmp_path):
    make_dataset(writer_id=["me"] * 20).save_to_disk(tmp_path / "saved")
    splits = load_labelled(str(tmp_path / "saved"), validation_share=0.25)
    assert sizes(splits) == {"train": 15, "validation": 5}


def test_lines_without_text_are_left_out_and_counted(make_dataset, tmp_path, caplog):
    make_dataset(text=["a", None, " ", "b"]).save_to_disk(tmp_path / "saved")
    splits = load_labelled(str(tmp_path / "saved"), validation_share=0)
    assert splits["train"]["text"][:] == ["a", "b"]
    assert "2 lines of" in caplog.text


def test_numbers_as_ids_become_strings_and_other_columns_go(make_dataset, tmp_path):
    make_dataset(id=list(range(20)), year=[1900] * 20).save_to_disk(tmp_path / "saved")
    split = load_labelled(str(tmp_path / "saved"), validation_share=0)["train"]
    assert split.column_names == ["id", "image", "text"]
    assert split[3]["id"] == "3"


@pytest.mark.parametrize(
    ("columns", "message"),
    [
        ({"image": ["a.png"], "text": ["x"]}, "is Value.*no datasets.Image"),
        ({"image": ["a.png"], "words": ["x"]}, "has the columns image, words; needed are image"),
    ],
)
def test_other_columns_are_refused(tmp_path, columns, message):
    datasets.Dataset.from_dict(columns).save_to_disk(tmp_path / "saved")
    with pytest.raises(ValueError, match=message):
        load_labelled(str(tmp_path / "saved"))


@pytest.mark.parametrize("name", ["nowhere", "./no/folder", "../up/and/away"])
def test_a_folder_that_is_not_there_asks_nothing_of_the_network(name):
    with pytest.raises(FileNotFoundError, match=f"There is no folder {name}"):
        load_labelled(name)


def test_a_folder_of_scans_says_how_to_make_a_data_set(tmp_path):
    (tmp_path / "user").mkdir()
    draw_text_line("x").save(tmp_path / "user" / "a.png")
    (tmp_path / "user" / "a.txt").write_text("x")
    with pytest.raises(ValueError, match="hwr-hf dataset pack"):
        load_labelled(str(tmp_path / "user"))


def test_a_name_of_the_hub_is_asked_for_and_its_absence_told(monkeypatch):
    asked = []

    def unreachable(name):
        asked.append(name)
        raise ConnectionError("no route to the Hub")

    monkeypatch.setattr(datasets, "load_dataset", unreachable)
    with pytest.raises(FileNotFoundError, match="No data set user/letters could be had: no route"):
        load_labelled("user/letters")
    assert asked == ["user/letters"]


def test_a_damaged_file_is_told_with_the_reason(tmp_path):
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "train-00000-of-00001.parquet").write_bytes(b"PAR1 and no more")
    with pytest.raises(ValueError, match=r"cannot be loaded as a data set: .*[Pp]arquet"):
        load_labelled(str(tmp_path))


def test_broken_images_are_left_out_and_named(make_dataset, caplog):
    good = draw_text_line("x")
    dataset = datasets.Dataset.from_dict(
        {
            "id": ["a", "b", "c"],
            "image": [good, {"bytes": b"no image", "path": None}, None],
            "text": ["x", "y", "z"],
        },
        features=datasets.Features(
            {
                "id": datasets.Value("string"),
                "image": datasets.Image(),
                "text": datasets.Value("string"),
            }
        ),
    )
    assert readable(dataset, "mine, train")["id"][:] == ["a"]
    assert "2 of the 3 images of mine, train cannot be read" in caplog.text
    assert "b: does not decode" in caplog.text
    assert "c: no image" in caplog.text


def test_a_split_without_lines_has_no_broken_images(make_dataset):
    assert len(readable(make_dataset().select([]), "mine, validation")) == 0
