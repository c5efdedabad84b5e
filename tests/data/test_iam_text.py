import pytest

from hwr_hf.data.iam_text import (
    detokenize,
    detokenize_lines,
    form_id,
    is_image_id,
    line_id,
    natural_texts,
    parse_rows,
    parse_writers,
)

LINE = "a01-000u-00 {flag} 154 3 40 70 300 60 {text}"
WORD = "a01-000u-00-03 {flag} 154 40 70 90 60 NN {text}"


@pytest.mark.parametrize(
    ("tokens", "text"),
    [
        pytest.param("no , that 's her hat .", "no, that's her hat.", id="comma-and-full-stop"),
        pytest.param("why ? oh ! so : a ; b", "why? oh! so: a; b", id="other-stops"),
        pytest.param("I 'm , you 're , he 'd", "I'm, you're, he'd", id="contractions"),
        pytest.param("we 'll , they 've", "we'll, they've", id="more-contractions"),
        pytest.param("do n't", "don't", id="split-negation"),
        pytest.param("HE 'S", "HE'S", id="contraction-in-capitals"),
        pytest.param("tell 'em of the '30s", "tell 'em of the '30s", id="clipped-words-stay-apart"),
        pytest.param("Mr. Fox 's", "Mr. Fox's", id="abbreviation"),
        pytest.param("tea ( hot ) .", "tea (hot).", id="brackets"),
        pytest.param("a door - green", "a door - green", id="dash-stands-free"),
        pytest.param("well-made hay- stack", "well-made hay- stack", id="hyphen-in-a-token"),
        pytest.param("well ... no", "well... no", id="ellipsis"),
        pytest.param("Fox & Co.", "Fox & Co.", id="ampersand"),
        pytest.param("a # word", "a # word", id="crossed-out-word"),
        pytest.param('the " hat " fits', 'the "hat" fits', id="double-quotes"),
        pytest.param("the ' hat ' fits", "the 'hat' fits", id="single-quotes"),
        pytest.param('he said : " No . "', 'he said: "No."', id="quoted-sentence"),
        pytest.param("she : \" He said , ' No ' . \"", "she: \"He said, 'No'.\"", id="nested"),
        pytest.param('this " , he said', 'this", he said', id="stop-after-a-quote-closes-it"),
        pytest.param('we left . "', 'we left."', id="quote-after-the-last-stop-closes"),
        pytest.param('( " hat " )', '("hat")', id="quotes-in-brackets"),
        pytest.param('"', '"', id="lone-quote"),
        pytest.param("", "", id="no-tokens"),
    ],
)
def test_detokenize(tokens, text):
    assert detokenize(tokens.split()) == text


def test_detokenize_keeps_spaces_inside_a_token():
    assert detokenize(["the", "B B C", "."]) == "the B B C."


def test_quotation_runs_over_line_ends():
    lines = [["an", '"', "old"], ["hat", '"', "fits"]]
    assert detokenize_lines(lines) == ['an "old', 'hat" fits']


def test_quote_at_a_line_start_after_a_full_stop_opens():
    lines = [["a", '"', "hat", "."], ['"', "Yes", ",", '"', "he", "said"]]
    assert detokenize_lines(lines) == ['a "hat.', '"Yes," he said']


def test_natural_texts_reads_the_lines_of_a_form_together_and_forms_apart():
    rows = parse_rows(
        "\n".join(
            f"{i} ok 154 3 40 70 300 60 {text}"
            for i, text in [
                ("a01-003-00", 'new|"|shoe'),
                ("a01-000u-01", 'hat|"|fits'),
                ("a01-000u-00", 'an|"|old'),
            ]
        ),
        "lines",
    )
    assert natural_texts(rows.values()) == {
        "a01-000u-00": 'an "old',
        "a01-000u-01": 'hat" fits',
        "a01-003-00": 'new "shoe',
    }


@pytest.mark.parametrize(
    ("flag", "segmentation_ok"),
    [
        pytest.param("ok", True, id="ok"),
        pytest.param("err", False, id="err"),
        pytest.param("er", False, id="er"),
    ],
)
@pytest.mark.parametrize(
    ("unit", "row"),
    [pytest.param("lines", LINE, id="line"), pytest.param("words", WORD, id="word")],
)
def test_both_spellings_of_the_error_flag_are_read(unit, row, flag, segmentation_ok):
    (parsed,) = parse_rows(row.format(flag=flag, text="hat"), unit).values()
    assert parsed.segmentation_ok is segmentation_ok


def test_word_text_is_the_ninth_column_and_all_after_it():
    rows = parse_rows(WORD.format(flag="ok", text="B B C's"), "words")
    assert rows["a01-000u-00-03"].tokens == ("B B C's",)


def test_line_tokens_are_separated_by_bars_and_can_hold_spaces():
    rows = parse_rows(LINE.format(flag="ok", text="the|B B C|'s"), "lines")
    assert rows["a01-000u-00"].tokens == ("the", "B B C", "'s")


def test_comments_blank_lines_and_windows_line_ends_are_skipped():
    text = f"# lines.txt\r\n\r\n{LINE.format(flag='ok', text='hat')}\r\n"
    assert parse_rows(text, "lines")["a01-000u-00"].tokens == ("hat",)


@pytest.mark.parametrize(
    "row",
    [
        pytest.param("a01-000u-00 ok 154 3 40 70 300 60", id="no-text"),
        pytest.param(LINE.format(flag="fine", text="hat"), id="unknown-flag"),
        pytest.param(WORD.format(flag="ok", text="hat"), id="row-of-words.txt"),
    ],
)
def test_broken_row_is_named_by_number(row):
    with pytest.raises(ValueError, match=r"Line 2 of lines\.txt"):
        parse_rows(f"#\n{row}", "lines")


def test_empty_label_file_is_an_error():
    with pytest.raises(ValueError, match="no rows"):
        parse_rows("# nothing but a comment\n", "lines")


def test_parse_writers():
    assert parse_writers("#\na01-000u 000 2 prt 7 5 52 36\n") == {"a01-000u": "000"}


def test_ids():
    assert form_id("a01-000u-00-03") == form_id("a01-000u-00") == "a01-000u"
    assert line_id("a01-000u-00-03") == "a01-000u-00"
    assert is_image_id("a01-003-00", "lines") and not is_image_id("a01-003-00", "words")
    assert is_image_id("a01-003-00-01", "words") and not is_image_id("._a01-003-00-01", "words")
