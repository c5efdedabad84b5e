import string

import pytest

from hwr_hf.resnet_bilstm.tokenization_resnet_bilstm import (
    DEFAULT_CHARACTERS,
    ResNetBiLstmTokenizer,
)


@pytest.fixture
def tokenizer():
    return ResNetBiLstmTokenizer()


def test_alphabet_is_the_space_and_the_78_characters_of_iam():
    iam = set(string.ascii_letters + string.digits + "!\"#&'()*+,-./:;?")
    assert len(iam) == 78
    assert sorted(DEFAULT_CHARACTERS) == sorted(iam | {" "})


def test_ids_are_blank_unknown_and_the_characters_in_order(tokenizer):
    assert len(tokenizer) == tokenizer.vocab_size == 81
    assert (tokenizer.pad_token_id, tokenizer.unk_token_id) == (0, 1)
    assert tokenizer(DEFAULT_CHARACTERS).input_ids == list(range(2, 81))


@pytest.mark.parametrize(
    "text",
    [
        *DEFAULT_CHARACTERS,
        DEFAULT_CHARACTERS,
        "hello, Hello & HELLO",
        "bookkeeper aaa 1000",
        "two  spaces   three",
        " at the edges ",
        "an \ufffd read back",
        "",
    ],
)
def test_labels_round_trip(tokenizer, text):
    assert tokenizer.decode(tokenizer(text).input_ids, group_tokens=False) == text


def test_a_batch_round_trips(tokenizer):
    texts = ["all well", "", "A  b"]
    labels = tokenizer(texts).input_ids
    assert tokenizer.batch_decode(labels, group_tokens=False) == texts


def test_decoding_collapses_a_path(tokenizer):
    letter = dict(zip("helo", tokenizer("helo").input_ids, strict=True)) | {"-": 0}
    path = [letter[character] for character in "-hhe-ll-loo--"]
    assert tokenizer.decode(path) == "hello"
    assert tokenizer.batch_decode([path, [0, 0]]) == ["hello", ""]


def test_labels_padded_with_the_ignored_label_decode(tokenizer):
    labels = [*tokenizer("ll").input_ids, -100, -100]
    assert tokenizer.decode(labels, group_tokens=False) == "ll"


def test_an_unknown_character_stays_visible(tokenizer):
    labels = tokenizer("caf\u00e9").input_ids
    assert labels[-1] == tokenizer.unk_token_id
    assert tokenizer.decode(labels, group_tokens=False) == "caf\ufffd"
    assert tokenizer.decode(labels, group_tokens=False, skip_special_tokens=True) == "caf\ufffd"


def test_unknown_characters_are_counted_and_warned_of_once(tokenizer, caplog):
    tokenizer("known")
    tokenizer("caf\u00e9")
    tokenizer(["na\u00efve", "\u00e9\u00e9"])
    assert tokenizer.unknown_characters == {"\u00e9": 3, "\u00ef": 1}
    (warning,) = caplog.messages
    assert "U+00E9" in warning and "caf\u00e9" in warning


def test_text_that_reads_like_the_blank_is_no_blank(tokenizer):
    assert tokenizer("<pad>").input_ids == [1, *tokenizer("pad").input_ids, 1]


@pytest.mark.parametrize("characters", [DEFAULT_CHARACTERS, "ba c"])
def test_saved_and_loaded_it_is_the_same(tmp_path, characters):
    tokenizer = ResNetBiLstmTokenizer(characters)
    tokenizer.save_pretrained(tmp_path)
    loaded = ResNetBiLstmTokenizer.from_pretrained(tmp_path)
    assert loaded.get_vocab() == tokenizer.get_vocab()
    text = "a  cab <pad>"
    assert loaded(text).input_ids == tokenizer(text).input_ids
    assert loaded.decode(loaded(text).input_ids) == tokenizer.decode(tokenizer(text).input_ids)


def test_a_repeated_character_in_the_alphabet_is_refused():
    with pytest.raises(ValueError, match="'a' more than once"):
        ResNetBiLstmTokenizer("abca")
