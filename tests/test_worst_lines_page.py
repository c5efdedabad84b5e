import base64
import io
import re

import pytest
from drawing import draw_text_line
from PIL import Image
from test_evaluation import TEXTS, dataset_of, png

from hwr_hf.evaluation import evaluate_model
from hwr_hf.worst_lines_page import mark_differences, write_worst_lines


@pytest.fixture(scope="module")
def lines():
    ids = [f"line-{i}" for i in range(len(TEXTS))]
    return dataset_of([png(draw_text_line(text)) for text in TEXTS], TEXTS, id=ids)


@pytest.fixture(scope="module")
def result(tiny_model_dir, lines):
    return evaluate_model(tiny_model_dir, lines, progress=False)


def test_worst_lines_come_first_with_their_images(result, lines, tmp_path):
    write_worst_lines(result, lines, tmp_path / "new" / "page.html", num_lines=2)
    page = (tmp_path / "new" / "page.html").read_text()
    edits = [int(number) for number in re.findall(r"(\d+) edits", page)]
    assert edits == sorted(result.counts.character_edits.tolist(), reverse=True)[:2]
    worst = result.ids[result.counts.character_edits.argmax()]
    shown, encoded = re.search(r"<h2>(line-\d).*?base64,([^\"]+)", page, re.DOTALL).groups()
    assert shown == worst
    image = Image.open(io.BytesIO(base64.b64decode(encoded)))
    assert image.size == draw_text_line(TEXTS[int(worst[-1])]).size


def test_lines_without_errors_are_not_among_the_worst(tiny_model_dir, lines, result, tmp_path):
    agreeing = lines.remove_columns("text").add_column("text", result.predictions)
    again = evaluate_model(tiny_model_dir, agreeing, progress=False)
    write_worst_lines(again, agreeing, tmp_path / "page.html")
    assert "<article>" not in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("reference", "prediction", "marked"),
    [
        pytest.param(
            "house", "mouse", ("<mark>h</mark>ouse", "<mark>m</mark>ouse"), id="substitution"
        ),
        pytest.param("a b", "ab", ("a<mark> </mark>b", "ab"), id="lost-space"),
        pytest.param("it", "it's", ("it", "it<mark>&#x27;s</mark>"), id="insertion"),
        pytest.param("<b>", "<b>", ("&lt;b&gt;", "&lt;b&gt;"), id="markup-is-text"),
        pytest.param("", "", ("", ""), id="empty"),
    ],
)
def test_mark_differences(reference, prediction, marked):
    assert mark_differences(reference, prediction) == marked
