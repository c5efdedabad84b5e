import math
import pickle

import numpy as np
import pytest
from ngram_miniature import save_ngram
from safetensors import safe_open
from safetensors.numpy import save_file

from hwr_hf.resnet_bilstm.ngram_resnet_bilstm import CharacterNgram, find_ngram

# By hand: the alphabet " ab"; 'b' follows 'a' with 1/2, anything else backs off to the single
# characters' 1/5, 2/5, 2/5; after 'b', 'ab' and ' ' there is nothing but these.
TRIE = {
    "tokens": [0, 0, 1, 2, 2],  # root, ' ', 'a', 'b', 'ab'
    "num_children": [3, 0, 1],
    "log_probabilities": np.log([1, 0.2, 0.4, 0.4, 0.5]),
    "log_backoffs": np.log([1, (1 - 0.5) / (1 - 0.4)]),
}


def trie(**changes):
    arrays = {name: np.array(values) for name, values in (TRIE | changes).items()}
    return CharacterNgram(" ab", **arrays)


@pytest.fixture
def ngram(tmp_path):
    return CharacterNgram.load(save_ngram(tmp_path / "ngram.safetensors"))


def test_a_known_character_gets_its_own_probability_and_another_the_backed_off_one():
    ngram = trie()
    _, after_a = ngram.step(ngram.start, 1)
    probabilities = [math.exp(ngram.step(after_a, token)[0]) for token in range(3)]
    backoff = 0.5 / 0.6
    assert probabilities == pytest.approx([backoff * 0.2, backoff * 0.4, 0.5])


def test_probability_of_a_text_is_the_product_over_its_characters():
    backoff = 0.5 / 0.6
    expected = 0.4 * 0.5 * 0.4 * (backoff * 0.2)  # a, b after a, a after b, space after a
    assert math.exp(trie().log_probability("aba ")) == pytest.approx(expected)


def test_an_unknown_character_is_as_unlikely_as_the_rarest_and_resets_the_context():
    ngram = trie()
    assert math.exp(ngram.log_probability("a?b")) == pytest.approx(0.4 * 0.2 * 0.4)


def test_order_and_length_count_the_ngrams():
    assert (trie().order, len(trie())) == (2, 4)


@pytest.mark.parametrize("context", ["", "the ca", "mouse", "zzz", "The m", "Q"])
def test_probabilities_of_the_next_character_sum_to_one(ngram, context):
    state = ngram.start
    for character in context:
        _, state = ngram.step(state, ngram.token_of[character])
    total = sum(math.exp(ngram.step(state, token)[0]) for token in range(len(ngram.characters)))
    assert total == pytest.approx(1, abs=2e-3)  # float16


def test_what_is_remembered_does_not_change_the_answers(ngram):
    text = "the house of the mouse"
    first = ngram.log_probability(text)
    assert ngram.log_probability(text) == first
    ngram._steps.clear()
    assert ngram.log_probability(text) == first


def test_saved_and_loaded_it_is_the_same(ngram, tmp_path):
    ngram.save(tmp_path / "again.safetensors")
    again = CharacterNgram.load(tmp_path / "again.safetensors")
    assert again.log_probability("A quick test, 42.") == ngram.log_probability("A quick test, 42.")
    assert (again.words, again.settings, again.order) == (ngram.words, ngram.settings, 4)
    assert (tmp_path / "again.safetensors").read_bytes() == ngram.path.read_bytes()


def test_it_can_be_sent_to_another_process(ngram):
    again = pickle.loads(pickle.dumps(ngram))
    assert again.log_probability("the cat") == ngram.log_probability("the cat")


def test_words_are_known_in_lower_case_and_as_sentences_begin(ngram):
    assert ngram.knows_word("the") and ngram.knows_word("The")
    assert not ngram.knows_word("teh") and not ngram.knows_word("")


def test_the_file_is_safetensors_of_plain_arrays(ngram):
    with safe_open(ngram.path, framework="np") as file:
        assert set(file.keys()) == {
            "tokens", "num_children", "log_probabilities", "log_backoffs", "words"
        }  # fmt: skip


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(b"", id="empty"),
        pytest.param(b"\\data\\\nngram 1=3\n", id="arpa"),
        pytest.param(b"\x80\x04not a tensor file" * 9, id="pickle"),
    ],
)
def test_a_file_that_is_no_ngram_is_named_with_what_was_needed(tmp_path, content):
    path = tmp_path / "lm.arpa"
    path.write_bytes(content)
    with pytest.raises(ValueError, match=r"lm\.arpa is no character n-gram.*train_ngram\.py"):
        CharacterNgram.load(path)


def test_the_weights_of_a_model_are_no_ngram(tmp_path):
    save_file({"weight": np.zeros(3)}, tmp_path / "model.safetensors", {"format": "pt"})
    with pytest.raises(ValueError, match=r"model\.safetensors is no .*header does not say"):
        CharacterNgram.load(tmp_path / "model.safetensors")


def test_a_cut_off_file_is_refused(ngram, tmp_path):
    cut = tmp_path / "cut.safetensors"
    cut.write_bytes(ngram.path.read_bytes()[:-100])
    with pytest.raises(ValueError, match=r"cut\.safetensors is no character n-gram"):
        CharacterNgram.load(cut)


def test_a_missing_file_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"gone\.safetensors. Needed"):
        CharacterNgram.load(tmp_path / "gone.safetensors")


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"num_children": [3, 0, 2]}, id="a-child-too-many"),
        pytest.param({"log_backoffs": [0.0]}, id="a-backoff-too-few"),
        pytest.param({"tokens": [0, 1, 0, 2, 2]}, id="characters-out-of-order"),
    ],
)
def test_arrays_that_do_not_fit_are_refused(changes):
    with pytest.raises(ValueError, match="no n-grams over 3 characters"):
        trie(**changes)


def test_find_ngram_looks_beside_the_model(ngram, tmp_path):
    (tmp_path / "empty").mkdir()
    assert find_ngram(tmp_path) == str(tmp_path / "ngram.safetensors")
    assert find_ngram(tmp_path / "empty") is None
    assert find_ngram(str(tmp_path / "no" / "such")) is None
    assert find_ngram("") is None
