import pytest

from hwr_hf.data.iam_splits import random_split, read_split_lists, words_of_lines


@pytest.mark.parametrize(
    ("split", "sizes"),
    [
        pytest.param("aachen", (6161, 966, 2915), id="aachen"),
        pytest.param("aachen_b", (6482, 976, 2915), id="aachen_b"),
        pytest.param("large_writer_independent", (6161, 900 + 940, 1861), id="large"),
    ],
)
def test_package_lists_have_the_published_sizes(tmp_path, split, sizes):
    lists = read_split_lists(tmp_path, split)
    assert tuple(len(lists[name]) for name in ("train", "validation", "test")) == sizes


def test_aachen_and_aachen_b_share_their_test_lines(tmp_path):
    aachen, aachen_b = (read_split_lists(tmp_path, name) for name in ("aachen", "aachen_b"))
    assert set(aachen["test"]) == set(aachen_b["test"])
    assert set(aachen["train"]) < set(aachen_b["train"])


def write_lists(tmp_path, lists):
    folder = tmp_path / "splits" / "aachen"
    folder.mkdir(parents=True)
    for name, text in lists.items():
        (folder / name).write_text(text)


def test_users_lists_replace_those_of_the_package(tmp_path):
    write_lists(
        tmp_path,
        {
            "tr.lst": "a01-000u-00\n\na01-000u-00\r\n",
            "va1.lst": "a01-000u-01\n",
            "va2.lst": "a01-000u-02",
            "te.lst": "a01-003-00",
        },
    )
    assert read_split_lists(tmp_path, "aachen") == {
        "train": ["a01-000u-00"],
        "validation": ["a01-000u-01", "a01-000u-02"],
        "test": ["a01-003-00"],
    }


def test_missing_list_is_named(tmp_path):
    write_lists(tmp_path, {"tr.lst": "a01-000u-00", "te.lst": "a01-003-00"})
    with pytest.raises(ValueError, match=r"no va\.lst"):
        read_split_lists(tmp_path, "aachen")


def test_line_in_two_splits_is_an_error(tmp_path):
    write_lists(
        tmp_path, {"tr.lst": "a01-000u-00", "va.lst": "a01-003-00", "te.lst": "a01-000u-00"}
    )
    with pytest.raises(ValueError, match="a01-000u-00 is in train and in test"):
        read_split_lists(tmp_path, "aachen")


def test_words_are_in_the_split_of_their_line():
    words = ["a01-000u-00-00", "a01-003-00-00", "a01-000u-00-01", "z99-001-00-00"]
    lines = {"train": ["a01-000u-00"], "test": ["a01-003-00"]}
    assert words_of_lines(words, lines) == {
        "train": ["a01-000u-00-00", "a01-000u-00-01"],
        "test": ["a01-003-00-00"],
    }


IDS = [f"a01-{form:03d}-{line:02d}" for form in range(100) for line in range(100)]


def test_random_split_is_about_80_to_20_and_complete():
    ids = random_split(IDS)
    # 10,000 draws at 0.8 have a standard deviation of 40
    assert len(ids["train"]) == pytest.approx(8000, abs=160)
    assert sorted(ids["train"] + ids["test"]) == IDS


def test_random_split_of_a_partial_copy_keeps_every_id_on_its_side():
    assert set(random_split(IDS[::7])["test"]) == set(random_split(IDS)["test"]) & set(IDS[::7])
