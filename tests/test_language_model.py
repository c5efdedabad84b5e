import lzma
import math
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from safetensors.numpy import load_file

from hwr_hf.language_model import (
    bits_per_character,
    clean_corpus,
    estimate_ngram,
    iam_corpus,
    ngram_report,
    read_corpus,
    vocabulary,
)
from hwr_hf.resnet_bilstm.ngram_resnet_bilstm import CharacterNgram

TEXT = "the cat sat on the mat and that cat sat on that hat " * 3 + "a rat ran"


def ngram_of(*texts, characters=" ab", **options):
    corpora = [clean_corpus(f"text {i}", text, 1.0, characters) for i, text in enumerate(texts)]
    options = {"order": 2, "min_counts": (1,), "num_words": 0} | options
    return estimate_ngram(corpora, characters=characters, **options)


def probability(ngram, context, character):
    state = ngram.start
    for c in context:
        _, state = ngram.step(state, ngram.token_of[c])
    return math.exp(ngram.step(state, ngram.token_of[character])[0])


def stored_ngrams(ngram, path):
    """N-grams of a saved file; a node's children follow those of the node before it."""
    ngram.save(path)
    arrays = load_file(path)
    tokens, num_children = arrays["tokens"].tolist(), arrays["num_children"].tolist()
    texts, first = [""], 1
    for node, count in enumerate(num_children):
        texts += [texts[node] + ngram.characters[token] for token in tokens[first : first + count]]
        first += count
    assert len(texts) == len(tokens)
    return texts[1:]


def occurrences(text, ngram):
    return sum(text.startswith(ngram, start) for start in range(len(text)))


def test_a_hand_worked_corpus():
    # 'abab': 2 a, 2 b of 2 kinds; after 'a' 2 b of 1 kind; after 'b' 1 a of 1 kind.
    ngram = ngram_of("abab")
    p_a = p_b = (2 + 2 / 3) / (4 + 2)
    p_space = (0 + 2 / 3) / (4 + 2)
    expected = {
        ("a", "b"): (2 + p_b) / (2 + 1),
        ("a", "a"): p_a / (2 + 1),
        ("a", " "): p_space / (2 + 1),
        ("b", "a"): (1 + p_a) / (1 + 1),
        ("b", "b"): p_b / (1 + 1),
        ("b", " "): p_space / (1 + 1),
        ("", "a"): p_a,  # nothing was seen after the space
    }
    found = {key: probability(ngram, *key) for key in expected}
    assert found == pytest.approx(expected, rel=2e-3)  # stored as float16


def test_a_weight_multiplies_the_counts_of_its_corpus():
    weighted = estimate_ngram(
        [clean_corpus("x", "abab", 3.0, " ab"), clean_corpus("y", "bb", 1.0, " ab")],
        order=2,
        min_counts=(1,),
        characters=" ab",
    )
    # Weighted counts: a 6, b 6 + 2; after 'b' a 3 and b 1, of 2 kinds.
    p_a = (6 + 2 / 3) / (14 + 2)
    assert probability(weighted, "b", "a") == pytest.approx((3 + 2 * p_a) / (4 + 2), rel=2e-3)


def test_corpora_do_not_run_into_each_other(tmp_path):
    assert stored_ngrams(ngram_of("aa", "bb"), tmp_path / "n.safetensors") == [
        " ", "a", "b", "aa", "bb"
    ]  # fmt: skip


@pytest.mark.parametrize("order", [1, 3, 6, 9])
def test_ngrams_are_those_of_the_text(tmp_path, order):
    characters = " " + "".join(sorted(set(TEXT) - {" "}))
    ngram = ngram_of(TEXT, characters=characters, order=order)
    expected = {
        TEXT[start : start + n] for n in range(1, order + 1) for start in range(len(TEXT) - n + 1)
    }
    stored = stored_ngrams(ngram, tmp_path / "n.safetensors")
    assert len(stored) == len(set(stored)) == len(ngram)
    assert set(stored) == expected
    assert ngram.order == order


@pytest.mark.parametrize("options", [{}, {"max_megabytes": 0.0047}, {"min_counts": (1, 2, 3)}])
@pytest.mark.parametrize("context", ["", "the ", "that c", "zz", "ran"])
def test_probabilities_sum_to_one_pruned_or_not(options, context):
    ngram = ngram_of(TEXT, characters=" abcdehmnorstz", order=5, **options)
    total = sum(probability(ngram, context, c) for c in ngram.characters)
    assert total == pytest.approx(1, abs=2e-3)


def test_only_ngrams_that_occur_often_enough_are_kept(tmp_path):
    ngram = ngram_of(TEXT, characters=" acdehmnorst", order=5, min_counts=(1, 1, 2, 4))
    stored = stored_ngrams(ngram, tmp_path / "n.safetensors")
    least = {1: 1, 2: 1, 3: 2, 4: 4, 5: 4}
    expected = {
        TEXT[start : start + n]
        for n in least
        for start in range(len(TEXT) - n + 1)
        if occurrences(TEXT, TEXT[start : start + n]) >= least[n]
    }
    # One that is foretold as well without its first character is no loss.
    assert set(stored) <= expected
    assert {n for n in expected if len(n) <= 2} <= set(stored)


def test_a_smaller_file_foretells_worse_but_keeps_every_character(tmp_path):
    sizes, bits = [], []
    for megabytes in (1.0, 0.0052, 0.0045):
        ngram = ngram_of(
            TEXT, characters=" abcdehmnorst", order=6, max_megabytes=megabytes, num_words=10
        )
        path = tmp_path / "n.safetensors"
        stored = stored_ngrams(ngram, path)
        assert path.stat().st_size <= megabytes * 1e6
        assert set(" abcdehmnorst") <= set(stored)
        assert all(n[:-1] in stored for n in stored if len(n) > 1)
        sizes.append(len(stored))
        bits.append(bits_per_character(ngram, TEXT))
    assert sizes == sorted(sizes, reverse=True) and sizes[0] > sizes[-1]
    assert bits == sorted(bits) and bits[0] < bits[-1]


def test_long_texts_are_counted_in_parts(monkeypatch, tmp_path):
    import hwr_hf.language_model as module

    whole = ngram_of(TEXT, characters=" abcdehmnorst", order=4)
    monkeypatch.setattr(module, "CHUNK", 7)
    parts = ngram_of(TEXT, characters=" abcdehmnorst", order=4)
    assert parts.log_probability(TEXT) == whole.log_probability(TEXT)


def test_cross_entropy_of_a_fair_coin_is_one_bit():
    rng = np.random.default_rng(0)
    coin = "".join(rng.choice(["a", "b"], 4000))
    ngram = ngram_of(coin, order=1)
    assert bits_per_character(ngram, coin[:2000]) == pytest.approx(1, abs=0.01)


def test_characters_outside_the_alphabet_are_dropped_and_counted():
    corpus = clean_corpus("prices", "caf\u00e9 at £5 or 5€\n“No” \u2014 it\u2019s  5%…")
    assert corpus.text == 'cafe at 5 or 5 "No" - it\'s 5...'
    assert corpus.dropped == Counter({"\u0301": 1, "£": 1, "€": 1, "%": 1})


@pytest.mark.parametrize(
    ("given", "clean"),
    [("no--yes", "no - yes"), ("one -- two", "one - two"), ("half-way", "half-way")],
)
def test_dashes_stand_free_and_hyphens_stay(given, clean):
    assert clean_corpus("x", given).text == clean


@pytest.mark.parametrize("packed", [False, True])
def test_a_text_file_is_read_plain_or_packed(tmp_path, packed):
    path = tmp_path / ("x.txt.xz" if packed else "x.txt")
    content = b"One line.\nAnother.\n"
    path.write_bytes(lzma.compress(content) if packed else content)
    corpus = read_corpus(path, 2.0)
    assert (corpus.text, corpus.weight) == ("One line. Another.", 2.0)
    assert corpus.name == path.name


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("empty.txt", b"", r"empty\.txt is empty.*Give a file of English text"),
        ("greek.txt", "αβγ".encode(), r"greek\.txt is empty"),
        ("image.txt", b"\x89PNG\xff\xfe", r"image\.txt is no text.*UTF-8"),
        ("plain.txt.xz", b"not packed", r"plain\.txt\.xz is no text"),
    ],
)
def test_a_file_without_english_text_is_named(tmp_path, name, content, message):
    (tmp_path / name).write_bytes(content)
    with pytest.raises(ValueError, match=message):
        read_corpus(tmp_path / name)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.txt"):
        read_corpus(tmp_path / "gone.txt")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"order": 0}, "Order 0 was asked for; choose one from 1 to 9"),
        ({"order": 10}, "Order 10 was asked for"),
        ({"characters": "".join(map(chr, range(32, 170)))}, "127 are the most"),
    ],
)
def test_wrong_options_are_named(options, message):
    corpus = clean_corpus("x", "a b")
    with pytest.raises(ValueError, match=message):
        estimate_ngram([corpus], **options)


def test_no_corpus_and_no_weight_are_refused():
    with pytest.raises(ValueError, match="No corpus was given"):
        estimate_ngram([])
    with pytest.raises(ValueError, match=r"weight 0 of x is not positive"):
        clean_corpus("x", "text", 0)


def test_only_the_subsets_lines_are_read_detokenised(make_iam):
    folder = make_iam("archives")
    train = iam_corpus(folder, "train", 5.0)
    assert train.text == "No, that's her \"hat \", said # (B B C). Three ducks: Tom's."
    assert (train.weight, train.name) == (5.0, "IAM aachen train")
    assert iam_corpus(folder, "validation").text == "A green - door?"
    for word in ("green", "Rain", "Stray", "Tea"):
        assert word not in train.text


def test_a_text_that_several_writers_copied_counts_once(make_iam):
    folder = make_iam("folders")
    lines = folder / "ascii" / "lines.txt"
    row = next(row for row in lines.read_text().splitlines() if row.startswith("a01-003-00"))
    copy = row.replace("a01-003-00", "a01-003x-00").replace("|.", "")
    lines.write_text(lines.read_text() + copy + "\n")
    split = folder / "splits" / "aachen" / "tr.lst"
    split.write_text(split.read_text() + "\na01-003x-00")
    assert iam_corpus(folder, "train").text.count("Three ducks") == 1


def test_a_folder_that_is_not_iam_and_a_wrong_subset_are_named(tmp_path, make_iam):
    with pytest.raises(FileNotFoundError, match=r"No lines\.txt in"):
        iam_corpus(tmp_path)
    with pytest.raises(ValueError, match="no subset 'dev', only train, validation, test"):
        iam_corpus(make_iam(), "dev")


def test_the_vocabulary_has_frequent_words_as_they_are_mostly_written():
    corpora = [
        clean_corpus("x", "The cat. The dog. the cat, the end. London's fog " * 3),
        clean_corpus("y", "Paris " * 3 + "the rare", 0.1),
    ]
    # 'rare' occurs once; 'Paris' weighs least.
    assert vocabulary(corpora, 10) == ["London's", "Paris", "cat", "dog", "end", "fog", "the"]
    assert vocabulary(corpora, 2) == ["cat", "the"]


def test_the_report_says_what_the_ngram_is_made_of_and_its_perplexity(tmp_path):
    corpus = clean_corpus("x", "abab b§a", 2.0, " ab")
    ngram = estimate_ngram([corpus], order=2, characters=" ab")
    ngram.save(tmp_path / "n.safetensors")
    unseen = clean_corpus("y", "abba", 1.0, " ab")
    report = ngram_report(ngram, [corpus], tmp_path / "n.safetensors", unseen)
    about = CharacterNgram.load(tmp_path / "n.safetensors").about
    assert about["corpora"] == {"x": 2.0} and about["order"] == 2
    assert report["corpora"] == [
        {"name": "x", "characters": 7, "weight": 2.0, "dropped_characters": 1}
    ]
    assert (report["order"], report["validation_characters"]) == (2, 4)
    product = math.prod(probability(ngram, before, after) for before, after in pairwise(" abba"))
    assert report["perplexity"] == pytest.approx(product**-0.25, abs=1e-3)
    assert 2 ** report["bits_per_character"] == pytest.approx(report["perplexity"], abs=1e-3)
