"""Pairs of recognised and true text, and their batches."""

import pytest
from tiny_bert import save_tiny_bert
from transformers import AutoTokenizer

from hwr_hf.correction.encoding import IGNORED
from hwr_hf.correction.noise import ConfusionModel
from hwr_hf.correction.pairs import NoisyPairs, Pair, PairCollator, pairs_of_lines
from hwr_hf.data.corpus import TextLines
from hwr_hf.metrics import cer

NOISE = ConfusionModel({"a": {"o": 0.3}, "e": {"c": 0.3}}, {}, cer=0.05)
READ = [Pair("hcllo thcre", "hello there")]


@pytest.fixture(scope="module")
def texts(tmp_path_factory):
    path = tmp_path_factory.mktemp("texts") / "text.txt"
    path.write_text("a man came at last to a gate where the late rain had made a lake\n" * 20)
    return TextLines([path], min_length=20)


def of_text(texts, **options):
    return NoisyPairs(texts, NOISE, **{"length": 400, "read_share": 0.0} | options)


def test_a_pair_is_a_piece_of_text_and_its_noise(texts):
    for pair in list(of_text(texts, length=20)):
        assert pair.recognised != pair.text
        assert pair.recognised.replace("o", "").replace("c", "").replace("a", "").replace(
            "e", ""
        ) == pair.text.replace("o", "").replace("c", "").replace("a", "").replace("e", "")


def test_pairs_are_the_same_at_every_start_and_others_for_another_seed(texts):
    first, second = of_text(texts, seed=1), of_text(texts, seed=1)
    assert [first[i] for i in range(9)] == [second[i] for i in reversed(range(9))][::-1]
    assert first[0] != of_text(texts, seed=2)[0]


def test_error_rates_are_in_their_range(texts):
    low, high = (
        cer([p.text for p in pairs], [p.recognised for p in pairs])
        for pairs in (
            [of_text(texts, cer_range=(rate, rate))[i] for i in range(400)] for rate in (0.02, 0.1)
        )
    )
    assert high / low == pytest.approx(5, rel=0.25)


def test_a_share_of_the_pairs_are_lines_that_were_read(texts):
    pairs = of_text(texts, read_pairs=READ, read_share=0.25)
    read = sum(pair in READ for pair in (pairs[i] for i in range(400)))
    assert read / 400 == pytest.approx(0.25, abs=0.07)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"cer_range": (0.0, 0.1)}, "no range of error rates"),
        ({"cer_range": (0.2, 0.1)}, "no range of error rates"),
        ({"read_share": 1.5, "read_pairs": READ}, r"read_share=1\.5 is no share"),
        ({"read_share": 0.5}, "from no lines"),
    ],
)
def test_what_cannot_be_drawn_is_refused(texts, options, message):
    with pytest.raises(ValueError, match=message):
        of_text(texts, **options)


def test_context_is_the_recognised_line_before_of_the_same_form():
    lines = [
        {"id": "a-0", "form_id": "a", "text": "one", "recognised": "onc"},
        {"id": "a-1", "form_id": "a", "text": "two", "recognised": "tuo"},
        {"id": "b-0", "form_id": "b", "text": "three", "recognised": "thrce"},
    ]
    assert pairs_of_lines(lines, with_context=True) == [
        Pair("onc", "one"),
        Pair("tuo", "two", "onc"),
        Pair("thrce", "three"),
    ]
    assert [pair.context for pair in pairs_of_lines(lines)] == ["", "", ""]


def test_a_batch_is_padded_and_its_labels_do_not_count_padding(tmp_path):
    folder = save_tiny_bert(tmp_path, ["hello", "there", "one"])
    tokenizer = AutoTokenizer.from_pretrained(folder)
    batch = PairCollator(tokenizer)([Pair("hello there", "hello"), Pair("one", "one there")])
    start, end, padding = 2, 3, 0  # [CLS], [SEP], [PAD]
    hello, there, one = 5, 6, 7
    assert batch["input_ids"].tolist() == [
        [start, hello, there, end],
        [start, one, end, padding],
    ]
    assert batch["attention_mask"].tolist() == [[1, 1, 1, 1], [1, 1, 1, 0]]
    assert batch["labels"].tolist() == [[hello, end, IGNORED], [one, there, end]]
