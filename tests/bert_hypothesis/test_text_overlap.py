import pytest

from hwr_hf.bert_hypothesis.text_overlap import text_overlap


def test_shared_runs_are_counted_by_hand():
    """Runs of three: `a b c`, `b c d`, `p q r`, `q r s`; the corpus has two of the four."""
    counts = text_overlap("x a b c y p q r t z", ["a b c d", "p q r s"], n=3)
    assert counts == {
        "n": 3,
        "ngrams": 4,
        "shared": 2,
        "lines": 2,
        "lines_touched": 2,
        "lines_contained": 0,
    }


def test_a_line_that_stands_in_the_corpus_is_contained():
    counts = text_overlap("once the cat sat on the mat again", ["the cat sat on", "a dog ran"], n=2)
    assert (counts["shared"], counts["ngrams"]) == (3, 5)
    assert (counts["lines_touched"], counts["lines_contained"]) == (1, 1)


@pytest.mark.parametrize(
    "line",
    [
        pytest.param("THE Cat Sat", id="case"),
        pytest.param('"The cat, sat!"', id="punctuation"),
        pytest.param("the cat-sat", id="hyphen"),
    ],
)
def test_case_and_punctuation_do_not_count(line):
    assert text_overlap("So the cat sat.", [line], n=3)["shared"] == 1


@pytest.mark.parametrize("apostrophe", ["'", "’"])
def test_an_apostrophe_keeps_its_word_whole(apostrophe):
    counts = text_overlap(f"we don{apostrophe}t know", ["We don't know"], n=3)
    assert (counts["shared"], counts["ngrams"]) == (1, 1)


def test_runs_do_not_go_beyond_a_line_but_beyond_the_corpus_own_lines():
    assert text_overlap("a b c d", ["a b", "c d"], n=3)["ngrams"] == 0
    assert text_overlap("a b\nc d", ["a b c"], n=3)["shared"] == 1


def test_short_lines_have_no_runs_and_are_not_counted():
    counts = text_overlap("a b c", ["a", "", "a b c"], n=3)
    assert (counts["lines"], counts["lines_contained"]) == (1, 1)


def test_a_run_that_comes_twice_counts_once():
    counts = text_overlap("a b c a b c", ["a b c", "a b c"], n=3)
    assert (counts["ngrams"], counts["shared"], counts["lines_touched"]) == (1, 1, 2)


@pytest.mark.parametrize(("corpus", "lines"), [("", ["a b c"]), ("a b c", [])])
def test_nothing_shares_nothing(corpus, lines):
    assert text_overlap(corpus, lines, n=3)["shared"] == 0


def test_a_run_of_no_words_is_refused():
    with pytest.raises(ValueError, match="n=0 words"):
        text_overlap("a", ["a"], n=0)
