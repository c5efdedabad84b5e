import math
from itertools import pairwise

import numpy as np
import pytest
from test_iam_ondb import box

from hwr_hf.data.iam_ondb import PenLine
from hwr_hf.data.pen_words import PenWords, split_words


def make_line(text, starts, width=10):
    return PenLine("l", "f", text, [box(x, width) for x in starts])


def test_words_are_cut_at_the_widest_gaps():
    # Three letters, a gap of 30 units, two letters; letters are 3 units apart.
    words = split_words(make_line("cat on", [0, 13, 26, 66, 79]))
    assert [(word.text, len(word.strokes)) for word in words] == [("cat", 3), ("on", 2)]
    assert [float(word.strokes[0][:, 0].min()) for word in words] == [0.0, 0.0]


def test_a_late_stroke_belongs_to_the_word_below_it():
    line = make_line("it so", [0, 13, 60, 73])
    dot = box(2, width=4, height=4, y=-12)
    words = split_words(PenLine("l", "f", "it so", [*line.strokes, dot]))
    assert [len(word.strokes) for word in words] == [3, 2]


@pytest.mark.parametrize(
    ("text", "starts"),
    [
        pytest.param("cat on", [0, 13, 26, 39, 52], id="no-gap-is-wider"),
        pytest.param("a b c d", [0, 40], id="fewer-gaps-than-words"),
        pytest.param("cat someone", [0, 13, 26, 39, 52, 65, 78, 130], id="gap-in-the-wrong-place"),
    ],
)
def test_a_doubtful_line_is_not_cut(text, starts):
    assert split_words(make_line(text, starts)) is None


@pytest.fixture
def words():
    return PenWords(
        [
            make_line("cat on", [0, 13, 26, 66, 79]),
            make_line("so it", [0, 13, 60, 73]),
        ]
    )


def test_a_composed_line_has_the_strokes_of_its_words(words):
    text, strokes = words.compose(["so", "cat"], np.random.default_rng(0))
    assert text == "so cat"
    assert len(strokes) == 2 + 3
    # From left to right, with a gap after "so" that no word's letters have.
    edges = [(float(s[:, 0].min()), float(s[:, 0].max())) for s in strokes]
    gaps = [b[0] - a[1] for a, b in pairwise(edges)]
    assert int(np.argmax(gaps)) == 1
    assert all(math.isfinite(gap) for gap in gaps)


def test_a_word_nobody_wrote_cannot_be_composed(words):
    assert words.compose(["so", "dog"], np.random.default_rng(0)) is None


def test_the_longest_known_run_is_found(words):
    assert words.known_run("so dog it on cat the".split()) == ["it", "on", "cat"]
    assert words.known_run(["dog"]) == []


def test_shuffled_words_are_of_one_form(words):
    text, _ = words.shuffle(3, np.random.default_rng(1))
    assert len(text.split()) == 3
    assert set(text.split()) <= {"cat", "on", "so", "it"}


def test_words_need_a_line_that_can_be_cut():
    with pytest.raises(ValueError, match="No line could be cut into words"):
        PenWords([make_line("cat on", [0, 13, 26, 39, 52])])
