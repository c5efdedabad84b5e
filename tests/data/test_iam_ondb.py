import json
import lzma
import math
from itertools import pairwise

import numpy as np
import pytest

from hwr_hf.data.iam_ondb import (
    PenLine,
    PenWords,
    WritingFrame,
    hold_out_forms,
    read_iam_ondb,
    split_words,
)


def box(x, width=10, height=20, y=0):
    """A stroke around a rectangle, a point at each unit of its way."""
    corners = [(x, y), (x + width, y), (x + width, y + height), (x, y + height), (x, y)]
    points = [np.linspace(start, end, 12) for start, end in pairwise(corners)]
    return np.concatenate(points).astype(np.float32)


def row(id="a01-000u-01", text="on it", strokes=((0, 0, 10, 0), (40, 0, 5, 5)), form="a01-000u"):
    return {"id": id, "form": form, "text": text, "strokes": [list(s) for s in strokes]}


@pytest.fixture
def write(tmp_path):
    def write(*rows, name="strokes.jsonl"):
        content = "".join((r if isinstance(r, str) else json.dumps(r)) + "\n" for r in rows)
        path = tmp_path / name
        path.write_bytes(
            lzma.compress(content.encode()) if name.endswith("xz") else content.encode()
        )
        return path

    return write


@pytest.mark.parametrize("name", ["strokes.jsonl", "strokes.jsonl.xz"])
def test_strokes_are_sums_of_their_steps(write, name):
    path = write(row(strokes=[(3, 4, 1, 2, -5, 6)]), name=name)
    (line,) = read_iam_ondb(path)
    assert (line.id, line.form_id, line.text) == ("a01-000u-01", "a01-000u", "on it")
    assert line.strokes[0].tolist() == [[3, 4], [4, 6], [-1, 12]]


def test_the_folder_does_as_well_as_the_file(write, tmp_path):
    write(row(), name="strokes.jsonl.xz")
    assert len(read_iam_ondb(tmp_path)) == 1


def test_tokens_are_put_together_as_they_are_written(write):
    (line,) = read_iam_ondb(write(row(text="They 'll stop , Mr . Day")))
    assert line.text == "They'll stop, Mr. Day"


def test_lines_without_ink_or_with_unknown_characters_are_left_out(write, caplog):
    rows = [row(), row(id="2", strokes=()), row(id="3", text="a [b]"), row(id="4", text=" ")]
    assert len(read_iam_ondb(write(*rows))) == 1
    assert "3 of 4 lines" in caplog.text


@pytest.mark.parametrize(
    "line",
    [
        "no json",
        "[]",
        json.dumps({"id": "1", "form": "1", "text": "a"}),
        json.dumps(row(strokes=[(1, 2, 3)])),
        json.dumps(row(strokes=[()])),
        json.dumps(row(text=5)),
    ],
)
def test_a_wrong_line_is_named(write, line):
    with pytest.raises(ValueError, match=r"Line 2 of .*strokes\.jsonl is not what is needed"):
        read_iam_ondb(write(row(), line))


def test_a_file_cut_short_is_named(write):
    path = write(*[row(id=str(n)) for n in range(500)], name="strokes.jsonl.xz")
    path.write_bytes(path.read_bytes()[:-20])
    with pytest.raises(ValueError, match=r"strokes\.jsonl\.xz is broken after"):
        read_iam_ondb(path)


def test_a_folder_without_strokes_says_what_was_looked_for(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"looked for strokes\.jsonl\.xz and strokes\.jsonl"
    ):
        read_iam_ondb(tmp_path)


def test_a_file_without_usable_lines_is_refused(write):
    with pytest.raises(ValueError, match="holds no line with ink"):
        read_iam_ondb(write(row(text="[")))


def test_held_out_forms_share_no_form_with_the_rest():
    lines = [PenLine(f"{form}-{n}", f"{form:03}", "a", []) for form in range(40) for n in (1, 2)]
    kept, held_out = hold_out_forms(lines)
    assert {line.form_id for line in held_out} == {"019", "039"}
    assert len(kept) + len(held_out) == 80
    assert not {line.form_id for line in kept} & {"019", "039"}


def climbing(strokes, slope):
    return [s + np.stack([np.zeros(len(s)), slope * s[:, 0]], axis=1) for s in strokes]


def zigzag(num_letters=30, height=20.0):
    """Strokes up and down between y = 0 and y = 20, their points spread evenly over the height."""
    y = np.tile(np.concatenate([np.linspace(0, height, 11), np.linspace(height, 0, 11)]), 5)
    x = np.arange(len(y)) * 1.0
    letter = np.stack([x, y], axis=1).astype(np.float32)
    return [letter + np.float32([n * (len(y) + 5), 0]) for n in range(num_letters)]


def test_the_frame_follows_the_letters():
    frame = WritingFrame.of(climbing(zigzag(), 0.1))
    assert frame.slope == pytest.approx(0.1, abs=0.002)
    assert frame.middle == pytest.approx(10, abs=1)
    assert frame.x_height == pytest.approx(1.6 * 11, rel=0.1)  # the quartiles are about 11 apart


def test_a_normalised_stroke_forgets_place_slope_and_size():
    strokes = zigzag()
    moved = [3 * s + np.float32([100, 50]) for s in climbing(strokes, 0.05)]
    first, second = (
        WritingFrame.of(s).normalize(s[0], left=float(s[0][:, 0].min())) for s in (strokes, moved)
    )
    assert np.abs(first - second).max() < 0.05


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
