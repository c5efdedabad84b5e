import shutil

import pytest

from hwr_hf.ma2023.study import HONEST, LEAKY
from hwr_hf.ma2023.words import load_words


def writers(dataset):
    return set(dataset["writer_id"][:])


def test_honest_words_come_from_other_writers_in_every_set(words_iam):
    words = load_words(words_iam, (HONEST,))
    assert writers(words["train"]) == {"000", "002", "011"}
    assert writers(words["validation"]) == {"131", "132", "133"}
    assert writers(words[HONEST]) == {"126", "127", "128"}


def test_leaky_words_are_drawn_from_all(words_iam):
    words = load_words(words_iam, (LEAKY,))
    train, test = set(words["train"]["id"]), set(words[LEAKY]["id"])
    assert not train & test
    assert len(train | test) == 9 * 8
    assert writers(words[LEAKY]) & writers(words["train"])


def test_a_training_for_both_knows_no_test_word_of_either(words_iam):
    words = load_words(words_iam, (LEAKY, HONEST))
    alone = {protocol: load_words(words_iam, (protocol,)) for protocol in (LEAKY, HONEST)}
    train = set(words["train"]["id"])
    assert train == set(alone[LEAKY]["train"]["id"]) & set(alone[HONEST]["train"]["id"])
    assert set(words[LEAKY]["id"]) == set(alone[HONEST]["train"]["id"]) - train
    assert words[HONEST]["id"][:] == alone[HONEST][HONEST]["id"][:]


def test_a_copy_without_test_words_is_refused(words_iam, tmp_path):
    copy = tmp_path / "iam"
    shutil.copytree(words_iam, copy)
    (copy / "splits" / "aachen" / "te.lst").write_text("z99-999-00\n")
    with pytest.raises(ValueError, match="no word image for the honest set"):
        load_words(str(copy), (HONEST,))
