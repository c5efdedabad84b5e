import pytest
from bert_miniature import make_tokenizer

from hwr_hf.correction.encoding import (
    can_spell,
    decode_target,
    encode_lines,
    encode_targets,
    is_cased,
    pad,
)


@pytest.fixture
def tokenizer(tmp_path):
    return make_tokenizer(tmp_path)


def tokens(tokenizer, sequences):
    return [" ".join(tokenizer.convert_ids_to_tokens(ids)) for ids in sequences]


def test_a_line_stands_between_the_marks(tokenizer):
    encoded = encode_lines(tokenizer, ["The house", ""])
    assert tokens(tokenizer, encoded) == ["[CLS] the house [SEP]", "[CLS] [SEP]"]


def test_the_text_before_a_line_comes_first(tokenizer):
    encoded = encode_lines(tokenizer, ["the house", "the post"], ["a letter of", ""])
    assert tokens(tokenizer, encoded) == [
        "[CLS] a letter of [SEP] the house [SEP]",
        "[CLS] the post [SEP]",
    ]


@pytest.mark.parametrize(
    ("max_length", "expected"),
    [
        (8, "[CLS] a letter of [SEP] the house [SEP]"),
        (7, "[CLS] letter of [SEP] the house [SEP]"),
        (6, "[CLS] of [SEP] the house [SEP]"),
        (5, "[CLS] the house [SEP]"),
        (3, "[CLS] the house [SEP]"),
    ],
)
def test_what_is_too_long_loses_the_start_of_its_context(tokenizer, max_length, expected):
    encoded = encode_lines(tokenizer, ["the house"], ["a letter of"], max_length)
    assert tokens(tokenizer, encoded) == [expected]


def test_targets_end_with_the_mark_and_decode_to_their_text(tokenizer):
    (ids,) = encode_targets(tokenizer, ["the house, 'of' Londres"])
    assert tokens(tokenizer, [ids]) == ["the house , ' of ' l ##o ##n ##d ##r ##e ##s [SEP]"]
    written = [tokenizer.cls_token_id, *ids, tokenizer.pad_token_id]
    assert decode_target(tokenizer, written).replace(" ", "") == "thehouse,'of'londres"


def test_what_has_no_end_has_no_text(tokenizer):
    assert decode_target(tokenizer, [tokenizer.cls_token_id, 9, 9]) is None


def test_what_has_no_spelling_shows(tokenizer):
    (ids,) = encode_targets(tokenizer, ["the λόγος"])
    assert decode_target(tokenizer, ids) == "the \ufffd"
    assert not can_spell(tokenizer, "λόγος") and can_spell(tokenizer, "Londres")


def test_text_that_reads_like_a_mark_is_text(tokenizer):
    assert tokenizer.sep_token_id not in encode_targets(tokenizer, ["[SEP]"])[0][:-1]


def test_an_uncased_vocabulary_is_known(tokenizer):
    assert not is_cased(tokenizer)


def test_no_text_gives_no_ids(tokenizer):
    assert encode_lines(tokenizer, []) == encode_targets(tokenizer, []) == []


def test_shorter_sequences_are_filled_up_on_the_right():
    assert pad([[1, 2, 3], [4]], -100).tolist() == [[1, 2, 3], [4, -100, -100]]
