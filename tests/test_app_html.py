import base64
import json
import math
import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path
from urllib.parse import unquote

import pytest
from PIL import Image

import hwr_hf
from hwr_hf.app_html import (
    alternatives_html,
    diff_html,
    downloads_html,
    message_html,
    notes_html,
    result_html,
    steps_html,
    words_html,
)
from hwr_hf.app_reading import LineReading, Step

CSS = Path(hwr_hf.__file__).parent.joinpath("app_files", "app.css").read_text(encoding="utf-8")
WORDS = [
    {"text": "by", "score": 0.9, "box": [0, 0, 9, 9]},
    {"text": "the", "score": 0.6, "box": [9, 0, 19, 9]},
    {"text": "sea", "score": 0.05, "box": [19, 0, 29, 9]},
]
READINGS = [
    {"generated_text": "by the sea", "score": 0.5, "fused_score": -1.25, "words": WORDS},
    {"generated_text": "by the <b>", "score": 0.25, "fused_score": -3.0, "words": WORDS[:2]},
]


class Elements(HTMLParser):
    """The start tags of a page, as (name, attributes), and its text."""

    def __init__(self, page):
        super().__init__()
        self.tags, self.text = [], ""
        self.feed(page)

    def handle_starttag(self, name, attributes):
        self.tags.append((name, dict(attributes)))

    def handle_data(self, data):
        self.text += data

    def attributes(self, name):
        return [attributes for tag, attributes in self.tags if tag == name]


def colours(theme):
    """The custom properties of `:root` or `.dark` in the style sheet."""
    block = re.search(rf"^{re.escape(theme)} {{(.*?)^}}", CSS, flags=re.M | re.S).group(1)
    return dict(re.findall(r"--hwr-([\w-]+): (#[0-9a-f]{6});", block))


def luminance(colour):
    """Relative luminance of `#rrggbb`, https://www.w3.org/TR/WCAG22/#dfn-relative-luminance"""
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return sum(weight * c for weight, c in zip((0.2126, 0.7152, 0.0722), linear, strict=True))


def contrast(one, other):
    dark, light = sorted((luminance(one), luminance(other)))
    return (light + 0.05) / (dark + 0.05)


def test_the_contrast_of_black_and_white_is_21():
    assert contrast("#000000", "#ffffff") == pytest.approx(21)


@pytest.mark.parametrize("theme", [":root", ".dark"])
@pytest.mark.parametrize("kind", ["sure", "unsure", "doubtful", "muted"])
def test_every_ink_stands_out_from_its_paper_in_both_themes(theme, kind):
    values = colours(theme)
    assert contrast(values[f"{kind}-ink"], values[f"{kind}-paper"]) >= 4.5


@pytest.mark.parametrize("theme", [":root", ".dark"])
@pytest.mark.parametrize("kind", ["sure", "unsure", "doubtful"])
def test_the_line_under_a_word_stands_out_from_its_paper(theme, kind):
    values = colours(theme)
    assert contrast(values[f"{kind}-line"], values[f"{kind}-paper"]) >= 3


def test_confidences_differ_in_more_than_their_colour():
    lines = re.findall(r"border-bottom: 3px (\w+) var\(--hwr-(\w+)-line\)", CSS)
    assert dict((kind, line) for line, kind in lines).keys() == {"sure", "unsure", "doubtful"}
    assert len({line for line, _ in lines}) == 3


def test_a_word_has_the_class_of_its_score_and_its_number():
    page = Elements(words_html(WORDS, 0.5))
    classes = [attributes["class"] for attributes in page.attributes("li")]
    assert classes == ["hwr-word hwr-sure", "hwr-word hwr-unsure", "hwr-word hwr-doubtful"]
    assert "by 90 %" in page.text and "the 60 %" in page.text and "sea 5 %" in page.text
    assert "The whole text: 50 %" in page.text


@pytest.mark.parametrize(
    ("score", "shown"),
    [(0.0, "0 %"), (0.0049, "< 1 %"), (0.0051, "1 %"), (0.885, "88 %"), (1.0, "100 %")],
)
def test_a_score_is_shown_in_whole_percent(score, shown):
    assert f"The whole text: {shown}." in Elements(words_html([], score)).text


def test_alternatives_are_ranked_with_both_scores():
    page = alternatives_html(READINGS)
    cells = re.findall(r"<td>(.*?)</td>", page)
    assert cells[:4] == ["1", "by the sea", "50 %", "-1.2"]
    assert cells[4:] == ["2", "by the &lt;b&gt;", "25 %", "-3.0"]


@pytest.mark.parametrize(
    ("before", "after", "shown"),
    [
        ("a bg day", "a big day", "a <del>bg</del><ins>big</ins> day"),
        ("in deed so", "indeed so", "<del>in deed</del><ins>indeed</ins> so"),
        ("we go", "we go home", "we go<ins> home</ins>"),
        ("we we go", "we go", "<del>we </del>we go"),
        ("<i>", "&", "<del>&lt;i&gt;</del><ins>&amp;</ins>"),
    ],
)
def test_a_correction_is_struck_out_and_inserted(before, after, shown):
    assert diff_html(before, after) == f'<p class="hwr-diff">{shown}</p>'


def test_a_correction_that_changes_nothing_says_so():
    assert "Nothing to correct." in diff_html("a day", "a day")


def test_everything_that_was_read_is_escaped():
    evil = "<img src=x onerror=alert(1)>"
    reading = {"generated_text": evil, "score": 1.0, "fused_score": 0.0}
    reading["words"] = [{"text": evil, "score": 1.0, "box": [0, 0, 1, 1]}]
    shown = result_html(LineReading([reading], "beam", corrected_text=evil + evil))
    page = (
        shown
        + message_html(evil)
        + notes_html([evil])
        + steps_html([Step(evil, Image.new("L", (4, 4)))])
    )
    assert all(
        attributes["src"].startswith("data:") for attributes in Elements(page).attributes("img")
    )
    assert "<img src=x" not in page


def test_greedy_decoding_shows_no_alternatives_and_no_correction():
    page = result_html(LineReading(READINGS[:1], "greedy"))
    assert "Best readings" not in page and "Correction" not in page


@pytest.mark.parametrize("uses_ngram", [True, False])
def test_a_language_model_is_told_of_only_where_the_search_has_one(uses_ngram):
    page = result_html(LineReading(READINGS, "beam", uses_ngram=uses_ngram))
    assert "Best readings" in page
    assert ("language model" in page) == uses_ngram


def test_downloads_hold_the_final_text_and_the_whole_record():
    reading = LineReading(READINGS, "beam", corrected_text="by the sea & sand")
    links = Elements(downloads_html(reading)).attributes("a")
    files = {link["download"]: unquote(link["href"].split(",", 1)[1]) for link in links}
    assert files["reading.txt"] == "by the sea & sand\n"
    assert json.loads(files["reading.json"]) == {
        "decoder": "beam",
        "text": "by the sea & sand",
        "recognised_text": "by the sea",
        "score": 0.5,
        "fused_score": -1.25,
        "words": WORDS,
        "alternatives": [
            {"text": "by the <b>", "score": 0.25, "fused_score": -3.0, "words": WORDS[:2]}
        ],
    }


def test_a_download_holds_no_number_that_json_lacks():
    impossible = [{"generated_text": "a", "score": 0.0, "fused_score": -math.inf}] * 2
    (_, link) = Elements(downloads_html(LineReading(impossible, "beam"))).attributes("a")

    def refuse(constant):
        raise AssertionError(f"{constant} is no JSON")

    record = json.loads(unquote(link["href"].split(",", 1)[1]), parse_constant=refuse)
    assert record["fused_score"] is None
    assert record["alternatives"] == [{"text": "a", "score": 0.0, "fused_score": None}]


def test_steps_are_pictures_with_captions():
    steps = [
        Step("First", Image.new("L", (30, 10), 255)),
        Step("Second", Image.new("L", (5, 7)), False),
    ]
    page = Elements(steps_html(steps))
    pictures = page.attributes("img")
    assert [picture["alt"] for picture in pictures] == ["First", "Second"]
    sizes = [
        Image.open(BytesIO(base64.b64decode(picture["src"].split(",")[1]))).size
        for picture in pictures
    ]
    assert sizes == [(30, 10), (5, 7)]
    assert "Second (to compare)" in page.text and "First (to compare)" not in page.text


def test_messages_are_spoken_by_screen_readers():
    assert 'role="alert"' in message_html("Oh")
    assert 'role="status"' in notes_html(["Mind"])
