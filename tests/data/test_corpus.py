import lzma
import re

import numpy as np
import pytest

from hwr_hf.data.corpus import TextLines, plain_text
from hwr_hf.resnet_bilstm.tokenization_resnet_bilstm import DEFAULT_CHARACTERS

WORDS = "the river ran past a quiet house where nobody had lived for many years".split()


@pytest.fixture
def story(tmp_path):
    """300 sentences of 8 to 14 of the words."""
    rng = np.random.default_rng(0)
    path = tmp_path / "story.txt"
    sentences = [" ".join(rng.choice(WORDS, rng.integers(8, 15))) + "." for _ in range(300)]
    path.write_text("\n".join(sentences))
    return path


def samples(lines, count, seed=0):
    rng = np.random.default_rng(seed)
    return [lines.sample(rng) for _ in range(count)]


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        pytest.param("“Yes,” he said.", '"Yes," he said.', id="double-quotes"),
        pytest.param("it’s ‘here’", "it's 'here'", id="single-quotes"),
        pytest.param("well—perhaps – not", "well - perhaps - not", id="dashes"),
        pytest.param("wait--no", "wait - no", id="typewritten-dash"),
        pytest.param("half‐way", "half-way", id="hyphen"),
        pytest.param("and…", "and...", id="ellipsis"),
        pytest.param("Café naïve Œuvre", "Cafe naive OEuvre", id="accents-and-ligatures"),
        pytest.param('the " study " at', 'the "study" at', id="spaces-inside-a-quotation"),
        pytest.param('" In this light', '"In this light', id="quotation-that-stays-open"),
        pytest.param('have none ", he', 'have none", he', id="quotation-opened-before"),
        pytest.param('"Yes," he said, "no"', '"Yes," he said, "no"', id="two-quotations"),
        pytest.param("[sic]  two\tspaces ", "(sic) two spaces", id="brackets-and-spaces"),
    ],
)
def test_plain_text(text, plain):
    assert plain_text(text) == plain


def test_pieces_keep_to_the_alphabet_and_the_bounds(story):
    lines = TextLines([story], min_length=5, max_length=50)
    for piece in samples(lines, 500):
        assert 5 <= len(piece) <= 50
        assert set(piece) <= set(DEFAULT_CHARACTERS)
        assert piece == " ".join(piece.split())


def test_most_pieces_are_running_words_of_the_text(story):
    text = " ".join(story.read_text().split())
    pieces = samples(TextLines([story]), 500)
    found = sum(piece in text for piece in pieces)
    assert 0.65 * 500 < found < 0.9 * 500  # a quarter is rewritten


def test_pieces_are_as_long_as_iam_lines(story):
    lengths = np.array([len(piece) for piece in samples(TextLines([story]), 1000)])
    assert 40 < lengths.mean() < 47
    assert 6 < lengths.std() < 14
    assert 0.02 < (lengths < 25).mean() < 0.15


def test_rewriting_brings_digits_capitals_and_rare_punctuation(story):
    pieces = samples(TextLines([story]), 3000)
    text = "".join(pieces)
    assert set("0123456789") <= set(text)
    assert set("ABCDEFGHIJKLMNOPQRSTUVWXYZ") <= set(text)
    assert set("!?;:\"'()*/&#+-,.") <= set(text)
    assert any(re.search(r"\b[A-Z]\.[A-Z]\.", piece) for piece in pieces)
    # IAM's Aachen training lines have 4 % of capitals and digits; prose alone has none here.
    assert 0.01 < sum(c.isupper() or c.isdigit() for c in text) / len(text) < 0.08


def test_rewriting_adds_no_character_outside_a_smaller_alphabet(story):
    characters = " .abcdefghijklmnopqrstuvwxyz"
    for piece in samples(TextLines([story], characters=characters), 500):
        assert set(piece) <= set(characters)


def test_the_same_seed_gives_the_same_pieces_and_another_seed_others(story):
    lines = TextLines([story])
    assert samples(lines, 20, seed=1) == samples(lines, 20, seed=1)
    assert samples(lines, 20, seed=1) != samples(lines, 20, seed=2)


def test_packed_and_plain_files_are_read_alike(story, tmp_path):
    packed = tmp_path / "story.txt.xz"
    packed.write_bytes(lzma.compress(story.read_bytes()))
    assert samples(TextLines([packed]), 20) == samples(TextLines([story]), 20)


def test_lines_with_foreign_characters_are_dropped_and_counted(tmp_path):
    path = tmp_path / "prices.txt"
    path.write_text("It costs 5$ or 4€ or 6$.\nIt costs nothing.\n\nGreek: α\n", encoding="utf-8")
    lines = TextLines([path])
    assert (lines.num_lines, lines.num_words, lines.num_dropped) == (1, 3, 2)
    assert lines.unmapped_characters == {"$": 1, "€": 1, "α": 1}


def test_other_alphabets_than_ascii(tmp_path):
    path = tmp_path / "greek.txt"
    path.write_text("αβγ αβ γαβ βα αα\n" * 20, encoding="utf-8")
    pieces = samples(TextLines([path], characters=" αβγ", max_length=12), 100)
    assert {word for piece in pieces for word in piece.split()} == set("αβγ αβ γαβ βα αα".split())


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no text file .*nowhere"):
        TextLines([tmp_path / "nowhere.txt"])


@pytest.mark.parametrize(
    "passage",
    [
        pytest.param("Red hats fly over seven doors.", id="in-a-line"),
        pytest.param("He said: red hats\nfly, over SEVEN", id="across-lines"),
        pytest.param("red\nhats\nfly\nover\nseven", id="a-word-a-line"),
    ],
)
def test_text_that_is_not_to_be_seen_is_not_drawn(tmp_path, passage):
    path = tmp_path / "corpus.txt"
    path.write_text(f"red hats fly over the hill\n{passage}\nso it was", encoding="utf-8")
    lines = TextLines([path], unseen_texts=["Réd hats fly over seven green hills", "so it"])
    drawn = " ".join(samples(lines, 300)).lower()
    assert lines.num_unseen == 1
    assert not re.search(r"red\W+hats\W+fly\W+over\W+seven", drawn)
    assert "fly over the hill" in drawn and "so it was" in drawn


@pytest.mark.parametrize(
    "content",
    [
        pytest.param("", id="empty"),
        pytest.param("\n \n", id="blank"),
        pytest.param("αβγ\n", id="foreign"),
        pytest.param("x" * 80, id="a-word-longer-than-a-line"),
    ],
)
def test_a_corpus_without_a_usable_line_is_refused(tmp_path, content):
    path = tmp_path / "corpus.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(ValueError, match=r"corpus\.txt: no usable line"):
        TextLines([path])


@pytest.mark.parametrize("name", ["noise.txt", "noise.txt.xz"])
def test_a_file_that_is_no_text_is_refused(tmp_path, name):
    path = tmp_path / name
    path.write_bytes(b"\xff\xfe\x00\x91")
    with pytest.raises(ValueError, match=f"{name} cannot be read as text"):
        TextLines([path])


def test_a_cut_off_archive_is_refused(story, tmp_path):
    path = tmp_path / "half.txt.xz"
    path.write_bytes(lzma.compress(story.read_bytes())[:-40])
    with pytest.raises(ValueError, match="cannot be read as text"):
        TextLines([path])


def test_no_files_and_impossible_bounds_are_refused(story):
    with pytest.raises(ValueError, match="No text file"):
        TextLines([])
    with pytest.raises(ValueError, match="min_length=9 and max_length=3"):
        TextLines([story], min_length=9, max_length=3)


def test_a_text_too_short_for_the_bounds_is_refused_when_sampled(tmp_path):
    path = tmp_path / "short.txt"
    path.write_text("no\n")
    with pytest.raises(ValueError, match="no piece of 60 to 75 characters"):
        TextLines([path], min_length=60).sample(np.random.default_rng(0))


def test_text_of_which_nothing_may_be_seen_is_refused(tmp_path):
    path = tmp_path / "same.txt"
    path.write_text("red hats fly over seven\n")
    with pytest.raises(ValueError, match="1 share five words in a row with unseen texts"):
        TextLines([path], unseen_texts=["red hats fly over seven hills"])
