import datasets
import pytest
from iam_miniature import LINES, SPLITS, WRITERS, image_files

from hwr_hf.data.iam import Iam, load_iam

ALL_SPLITS = ("train", "validation", "test")


def all_ids(dataset):
    return sorted(image_id for split in dataset.values() for image_id in split["id"])


@pytest.fixture
def texts(make_iam, cache_dir):
    """Function that loads a whole miniature and returns its texts by id."""

    def load(**options):
        dataset = load_iam(make_iam(), cache_dir=cache_dir, **options)
        return {row["id"]: row["text"] for split in dataset.values() for row in split}

    return load


@pytest.mark.parametrize("packing", ["archives", "folders", "bare", "flat"])
@pytest.mark.parametrize("unit", ["lines", "words"])
def test_every_packing_gives_the_same_rows(make_iam, cache_dir, packing, unit):
    dataset = load_iam(make_iam(packing), unit=unit, cache_dir=cache_dir)
    assert list(dataset) == list(ALL_SPLITS)
    for name, file_name in zip(ALL_SPLITS, SPLITS, strict=True):
        ids = SPLITS[file_name]
        if unit == "words":
            ids = [f"{i}-{n:02d}" for i in ids for n in range(len(LINES[i][1].split("|")))]
        assert sorted(dataset[name]["id"]) == ids


def test_columns_of_a_line(make_iam, cache_dir):
    dataset = load_iam(make_iam(), cache_dir=cache_dir)
    row = dataset["test"][0]
    image = row.pop("image")
    assert row == {
        "id": "c04-110-00",
        "text": "Rain again!",
        "writer_id": WRITERS["c04-110"],
        "form_id": "c04-110",
        "segmentation_ok": False,
    }
    assert (image.mode, image.getextrema()[0] < 255) == ("L", True)


@pytest.mark.parametrize("packing", ["archives", "folders"])
def test_image_bytes_pass_through_unchanged(make_iam, cache_dir, packing):
    dataset = load_iam(make_iam(packing), cache_dir=cache_dir)
    stored = dataset["validation"].cast_column("image", datasets.Image(decode=False))[0]["image"]
    assert stored["bytes"] == image_files()["lines"]["c04/c04-156/c04-156-00.png"]


def test_text_is_natural_by_default(texts):
    assert texts() == {
        "a01-000u-00": "No, that's her \"hat",
        "a01-000u-01": '", said # (B B C).',
        "a01-003-00": "Three ducks: Tom's.",
        "c04-156-00": "A green - door?",
        "c04-110-00": "Rain again!",
        "c04-110-01": "Tea",
    }


def test_tokens_are_joined_by_spaces(texts):
    loaded = texts(text="tokens")
    assert loaded["a01-000u-00"] == "No , that 's her \" hat"
    assert loaded["a01-000u-01"] == '" , said # ( B B C ) .'


def test_lowercase(texts):
    assert texts(lowercase=True)["a01-000u-01"] == '", said # (b b c).'


@pytest.mark.parametrize("text", ["natural", "tokens"])
def test_text_of_a_word_is_its_token(texts, text):
    loaded = texts(unit="words", text=text)
    assert [loaded[f"a01-000u-01-{n:02d}"] for n in (0, 3, 5)] == ['"', "#", "B B C"]
    assert loaded["a01-000u-00-03"] == "'s"


def test_word_without_a_box_is_loaded(texts):
    assert texts(unit="words")["a01-003-00-01"] == "ducks"


def test_lines_flagged_err_stay_unless_left_out_on_request(make_iam, cache_dir):
    folder = make_iam()
    everything = load_iam(folder, cache_dir=cache_dir)
    only_ok = load_iam(folder, segmentation="ok", cache_dir=cache_dir)
    assert everything["test"]["id"][:] == ["c04-110-00", "c04-110-01"]
    assert only_ok["test"]["id"][:] == ["c04-110-01"]


def test_words_flagged_er_are_left_out_on_request(make_iam, cache_dir):
    dataset = load_iam(make_iam(), unit="words", segmentation="ok", cache_dir=cache_dir)
    assert dataset["test"]["id"][:] == ["c04-110-01-00"]


def test_line_in_no_list_is_in_no_split(texts):
    assert "z99-001-00" not in texts()


def test_random_split_has_train_and_test_and_all_lines(make_iam, cache_dir):
    dataset = load_iam(make_iam(), split="random_80_20", unit="words", cache_dir=cache_dir)
    num_words = sum(len(tokens.split("|")) for _, tokens in LINES.values())
    assert list(dataset) == ["train", "test"]
    assert len(set(all_ids(dataset))) == num_words


def test_package_lists_serve_a_folder_without_lists(make_iam, cache_dir):
    dataset = load_iam(make_iam(own_splits=False), cache_dir=cache_dir)
    assert {name: len(dataset[name]) for name in ALL_SPLITS} == {
        "train": 3,
        "validation": 1,
        "test": 2,
    }


DAMAGE = {
    "a01-000u-00": b"",
    "a01-000u-01": b"\x89PNG\r\n\x1a\n and no more",
    "a01-003-00": None,
}


@pytest.mark.parametrize("packing", ["archives", "folders"])
def test_bad_images_are_skipped_counted_and_listed(make_iam, cache_dir, caplog, packing):
    dataset = load_iam(make_iam(packing, DAMAGE), cache_dir=cache_dir)
    assert {name: len(dataset[name]) for name in ALL_SPLITS} == {
        "train": 0,
        "validation": 1,
        "test": 2,
    }
    (log_path,) = cache_dir.rglob("skipped-train.tsv")
    (message,) = caplog.messages
    assert message.startswith("IAM train: 3 left out (")
    assert {"1 empty file", "1 does not decode", "1 no image"} == set(
        message[message.index("(") + 1 : message.index(")")].split(", ")
    )
    assert str(log_path) in message
    rows = dict(line.split("\t", 1) for line in log_path.read_text().splitlines())
    assert rows["a01-000u-00"] == "empty file"
    assert rows["a01-000u-01"].startswith("does not decode")
    assert rows["a01-003-00"] == "no image"


def test_warning_comes_again_when_the_cache_is_used(make_iam, cache_dir, caplog):
    folder = make_iam(damage=DAMAGE)
    load_iam(folder, cache_dir=cache_dir)
    load_iam(folder, cache_dir=cache_dir)
    assert len(caplog.messages) == 2 and len(set(caplog.messages)) == 1


def test_on_missing_error_names_the_first_and_the_count(make_iam, cache_dir):
    folder = make_iam(damage=DAMAGE)
    for _ in ("cold", "warm"):
        with pytest.raises(ValueError, match=r"3 left out.*first is a01-000u-00: empty file"):
            load_iam(folder, on_missing="error", cache_dir=cache_dir)


def test_on_missing_error_is_content_with_a_complete_copy(make_iam, cache_dir):
    dataset = load_iam(make_iam(), on_missing="error", cache_dir=cache_dir)
    assert len(dataset["train"]) == 3


def test_listed_line_without_a_transcription_is_skipped(make_iam, cache_dir, caplog):
    folder = make_iam()
    with (folder / "splits" / "aachen" / "va.lst").open("a") as file:
        file.write("\nr06-022-03\n")
    dataset = load_iam(folder, cache_dir=cache_dir)
    assert dataset["validation"]["id"][:] == ["c04-156-00"]
    assert "1 no transcription" in caplog.text


def test_edited_label_is_noticed(make_iam, cache_dir):
    folder = make_iam()
    load_iam(folder, cache_dir=cache_dir)
    lines = folder / "ascii" / "lines.txt"
    lines.write_text(lines.read_text().replace("Rain", "Snow"))
    assert load_iam(folder, cache_dir=cache_dir)["test"]["text"][0] == "Snow again!"


def test_mended_image_is_noticed(make_iam, cache_dir):
    folder = make_iam(damage=DAMAGE)
    assert len(load_iam(folder, cache_dir=cache_dir)["train"]) == 0
    name = "a01/a01-000u/a01-000u-00.png"
    (folder / "lines" / name).write_bytes(image_files()["lines"][name])
    assert load_iam(folder, cache_dir=cache_dir)["train"]["id"][:] == ["a01-000u-00"]


def test_unchanged_data_are_generated_once(make_iam, cache_dir, monkeypatch):
    folder = make_iam("archives")
    first = load_iam(folder, cache_dir=cache_dir)
    monkeypatch.setattr(Iam, "_generate_examples", None)
    second = load_iam(folder, on_missing="error", cache_dir=cache_dir)
    assert all_ids(second) == all_ids(first)


@pytest.mark.parametrize("packing", ["archives", "folders"])
def test_streaming_gives_the_same_rows(make_iam, cache_dir, packing):
    folder = make_iam(packing)
    prepared = load_iam(folder, cache_dir=cache_dir)
    streamed = load_iam(folder, streaming=True, cache_dir=cache_dir)
    assert isinstance(streamed, datasets.IterableDatasetDict)
    for name in ALL_SPLITS:
        rows = zip(prepared[name], streamed[name], strict=True)
        assert all(row == streamed_row for row, streamed_row in rows)


def test_streaming_reports_bad_images_at_the_end_of_a_split(make_iam, cache_dir, caplog):
    folder = make_iam(damage=DAMAGE)
    assert list(load_iam(folder, streaming=True, cache_dir=cache_dir)["train"]) == []
    assert "3 left out" in caplog.text
    strict = load_iam(folder, streaming=True, on_missing="error", cache_dir=cache_dir)
    with pytest.raises(ValueError, match="3 left out"):
        list(strict["train"])


def test_without_forms_the_writer_is_none(make_iam, cache_dir, caplog):
    folder = make_iam()
    (folder / "ascii" / "forms.txt").unlink()
    dataset = load_iam(folder, cache_dir=cache_dir)
    assert dataset["train"]["writer_id"][:] == [None] * 3
    assert "no forms.txt" in caplog.text


def test_folder_that_is_not_there_says_so(tmp_path, cache_dir):
    with pytest.raises(FileNotFoundError, match=r"no such folder.*ascii\.tgz.*register at"):
        load_iam(tmp_path / "nowhere", cache_dir=cache_dir)


@pytest.mark.parametrize("unit", ["lines", "words"])
def test_wrong_folder_says_what_was_looked_for(tmp_path, cache_dir, unit):
    with pytest.raises(FileNotFoundError) as caught:
        load_iam(tmp_path, unit=unit, cache_dir=cache_dir)
    for part in (f"it has no {unit}.txt", f"{unit}.tgz", "ascii.tgz", "register at https://"):
        assert part in str(caught.value)


def test_folder_without_images_says_so(make_iam, cache_dir):
    folder = make_iam("archives")
    (folder / "words.tgz").unlink()
    with pytest.raises(FileNotFoundError, match="it has no word image"):
        load_iam(folder, unit="words", cache_dir=cache_dir)


def test_broken_archive_is_named_and_leaves_no_cache(make_iam, cache_dir):
    folder = make_iam("archives")
    content = (folder / "lines.tgz").read_bytes()
    (folder / "lines.tgz").write_bytes(content[: len(content) // 2])
    with pytest.raises(ValueError, match=r"lines\.tgz is broken"):
        load_iam(folder, cache_dir=cache_dir)
    assert not list(cache_dir.rglob("*.arrow"))


@pytest.mark.parametrize(
    ("option", "value"),
    [
        ("unit", "pages"),
        ("split", "aachen-b"),
        ("text", "raw"),
        ("lowercase", "yes"),
        ("segmentation", "err"),
        ("on_missing", "ignore"),
    ],
)
def test_unknown_option_lists_the_known_ones(make_iam, cache_dir, option, value):
    with pytest.raises(ValueError, match=f"{option}='{value}' is not one of "):
        load_iam(make_iam(), cache_dir=cache_dir, **{option: value})
