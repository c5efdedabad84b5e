import io

import datasets
import pytest
from drawing import draw_text_line

from hwr_hf.data.iam import load_iam
from hwr_hf.data.iam_hub import is_hub_name, load_hub_copy


@pytest.fixture
def hub(monkeypatch, tmp_path):
    """Stands in for the Hub: `load_dataset` gives parquet files with `image` and `text`."""
    images = []
    for text in ("No", "Rain"):
        buffer = io.BytesIO()
        draw_text_line(text).save(buffer, "PNG", compress_level=0)  # not what datasets would write
        images.append({"bytes": buffer.getvalue(), "path": None})
    rows = {
        "image": images,
        "text": ['No , that \'s her " hat " .', "Rain again !"],
    }
    features = datasets.Features({"image": datasets.Image(), "text": datasets.Value("string")})
    path = str(tmp_path / "test.parquet")
    datasets.Dataset.from_dict(rows, features=features).to_parquet(path)
    load_dataset = datasets.load_dataset

    def load_from_hub(name, streaming, cache_dir):
        if name != "Teklia/IAM-line":
            raise datasets.exceptions.DatasetNotFoundError(f"Dataset '{name}' doesn't exist")
        return load_dataset(
            "parquet",
            data_files={"test": path},
            streaming=streaming,
            cache_dir=cache_dir or str(tmp_path / "cache"),
        )

    monkeypatch.setattr(datasets, "load_dataset", load_from_hub)


@pytest.mark.parametrize("streaming", [False, True], ids=["prepared", "streaming"])
def test_hub_copy_is_loaded_by_name(hub, cache_dir, streaming):
    copy = load_iam("Teklia/IAM-line", streaming=streaming, cache_dir=cache_dir)
    rows = list(copy["test"])
    assert [row["id"] for row in rows] == ["test-00000", "test-00001"]
    assert [row["text"] for row in rows] == ['No, that\'s her "hat".', "Rain again!"]
    assert rows[0]["image"].size == draw_text_line("No").size


def test_image_bytes_of_a_hub_copy_pass_through_unchanged(hub, cache_dir):
    undecoded = datasets.Image(decode=False)
    uploaded = datasets.load_dataset("Teklia/IAM-line", streaming=False, cache_dir=None)["test"]
    loaded = load_iam("Teklia/IAM-line", cache_dir=cache_dir)["test"]
    images = [copy.cast_column("image", undecoded)[0]["image"] for copy in (uploaded, loaded)]
    assert images[0]["bytes"] == images[1]["bytes"]


def test_hub_copy_keeps_its_tokens_on_request(hub, cache_dir):
    copy = load_iam("Teklia/IAM-line", text="tokens", lowercase=True, cache_dir=cache_dir)
    assert copy["test"]["text"][1] == "rain again !"


@pytest.mark.parametrize(
    "options", [{"segmentation": "ok"}, {"split": "random_80_20"}], ids=["segmentation", "split"]
)
def test_what_a_hub_copy_cannot_give_is_an_error(hub, options):
    with pytest.raises(ValueError, match="IAM's own files"):
        load_iam("Teklia/IAM-line", **options)


def test_name_that_the_hub_does_not_have_says_how_to_get_iam(hub):
    with pytest.raises(FileNotFoundError, match=r"no folder nobody/nothing.*register at"):
        load_iam("nobody/nothing")


def test_hub_dataset_without_text_is_an_error(monkeypatch):
    images = datasets.DatasetDict(test=datasets.Dataset.from_dict({"image": ["a.png"]}))
    monkeypatch.setattr(datasets, "load_dataset", lambda name, **_: images)
    with pytest.raises(ValueError, match="needed are image and text"):
        load_hub_copy("owner/name", detokenized=True, lowercase=False)


def test_path_below_an_existing_folder_is_no_hub_name(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    assert is_hub_name("data/iam")
    (tmp_path / "data").mkdir()
    assert not is_hub_name("data/iam")


@pytest.mark.parametrize("path", ["iam", "./iam", "../data", "/data/iam", "~/iam", "a/b/c"])
def test_path_is_no_hub_name(path):
    assert not is_hub_name(path)


def test_words_of_a_hub_copy_are_refused():
    with pytest.raises(ValueError, match="holds the unit it was uploaded with"):
        load_iam("owner/iam-copy", unit="words")
