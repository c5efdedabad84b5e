from collections import Counter

import datasets
import pytest
from huggingface_hub import DatasetCard

from hwr_hf.data.packing_card import list_characters, name_character, write_card


def card(**changes):
    features = {"id": datasets.Value("string"), "image": datasets.Image()}
    features["text"] = datasets.Value("string")
    splits = datasets.splits.SplitDict()
    splits.add(datasets.SplitInfo("train", num_bytes=900, num_examples=1500))
    splits.add(datasets.SplitInfo("test", num_bytes=90, num_examples=20))
    info = datasets.DatasetInfo(features=datasets.Features(features), splits=splits)
    values = {
        "name": "Letters",
        "path": "mine",
        "info": info,
        "license": "unknown",
        "language": ["en"],
        "characters": {"train": Counter("a house"), "test": Counter("é")},
        "unknown": Counter("é"),
        "splitting": "Drawn.",
        "is_cut": False,
    }
    return write_card(**(values | changes))


def test_the_metadata_says_what_the_hub_asks():
    data = DatasetCard(card(language=["en", "de"])).data.to_dict()
    assert data["license"] == "unknown"
    assert data["language"] == ["en", "de"]
    assert data["task_categories"] == ["image-to-text"]
    assert data["size_categories"] == "1K<n<10K"
    assert data["configs"] == [
        {
            "config_name": "default",
            "data_files": [
                {"split": "train", "path": "data/train-*"},
                {"split": "test", "path": "data/test-*"},
            ],
        }
    ]
    assert [split["num_examples"] for split in data["dataset_info"]["splits"]] == [1500, 20]


def test_the_table_counts_lines_and_characters():
    text = card()
    assert "1520 lines of handwriting" in text
    assert "| train | 1500 | 7 |\n| test | 20 | 1 |" in text
    assert "8 different ones" in text


@pytest.mark.parametrize(
    ("license", "words"),
    [
        ("unknown", "all rights are reserved"),
        ("other", "Ask the owner"),
        ("cc-by-4.0", "`cc-by-4.0`, as stated"),
    ],
)
def test_the_licence_is_said_in_words(license, words):
    assert words in card(license=license)


def test_characters_are_ranked_by_their_number():
    assert list_characters(Counter("abb "), "{} {}") == "`b` 2, space 1, `a` 1"


@pytest.mark.parametrize(
    ("character", "name"),
    [
        ("a", "`a`"),
        ("`", "`` ` ``"),
        ("\u2019", "`\u2019` U+2019"),
        ("\u0301", "U+0301"),
        ("\u200b", "U+200B"),
        ("\x07", "U+0007"),
    ],
)
def test_characters_are_named_so_that_they_can_be_told_apart(character, name):
    assert name_character(character) == name
