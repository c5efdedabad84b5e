import json
import lzma
from itertools import pairwise

import numpy as np
import pytest

from hwr_hf.data.iam_ondb import PenLine, WritingFrame, hold_out_forms, read_iam_ondb


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
    with pytest.raises(FileNotFoundError, match=r"looked for lineStrokes-all"):
        read_iam_ondb(tmp_path)


def test_a_file_without_usable_lines_is_refused(write):
    with pytest.raises(ValueError, match="holds no line that can be used"):
        read_iam_ondb(write(row(text="[")))


def test_held_out_forms_share_no_form_with_the_rest():
    lines = [PenLine(f"{form}-{n}", f"{form:03}", "a", []) for form in range(40) for n in (1, 2)]
    kept, held_out = hold_out_forms(lines)
    assert {line.form_id for line in held_out} == {"019", "039"}
    assert len(kept) + len(held_out) == 80
    assert not {line.form_id for line in kept} & {"019", "039"}


def test_forms_are_held_out_whichever_others_there_are():
    """Those that share a text with IAM never counted where models were trained."""
    names = [f"b02-{n:03}z" for n in range(100, 140)]
    assert "b02-116z" in names
    lines = [PenLine(f"{form}-01", form, "a", []) for form in names]
    _, held_out = hold_out_forms(lines)
    assert [line.form_id for line in held_out] == ["b02-120z"]
    _, held_out = hold_out_forms([line for line in lines if line.form_id != "b02-116z"])
    assert [line.form_id for line in held_out] == ["b02-120z"]


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
