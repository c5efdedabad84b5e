import numpy as np
import pytest

from hwr_hf.ma2023.comparison import comparisons, difference
from hwr_hf.ma2023.study import HONEST, IMAGENET, LEAKY, Run


def rates(**edits_by_writer):
    """A test in which every writer has 100 characters and 20 words, and so many edits of both."""
    by_writer = {name: [edits, 100, edits, 20] for name, edits in edits_by_writer.items()}
    total = sum(edits_by_writer.values())
    return {
        "cer": total / (100 * len(by_writer)),
        "wer": total / (20 * len(by_writer)),
        "by_writer": by_writer,
    }


def result(**tests):
    return {"tests": tests}


def test_difference_is_that_of_the_pooled_rates():
    gain, _ = difference(rates(a=1, b=3), rates(a=5, b=9), "cer", is_paired=True)
    assert gain == pytest.approx(14 / 200 - 4 / 200)


def test_pairing_sees_a_gain_that_every_writer_shares():
    """Writers differ by far more than the networks; every writer gains exactly two points."""
    easy, hard = rates(a=1, b=60, c=10), rates(a=3, b=62, c=12)
    _, paired = difference(easy, hard, "cer", is_paired=True)
    _, unpaired = difference(easy, hard, "cer", is_paired=False)
    assert paired == pytest.approx((0.02, 0.02))
    assert unpaired[0] < 0 < unpaired[1]


def test_paired_interval_is_that_of_all_resamples_of_two_writers():
    """Of two writers with gains of 0 and 10 points, a resample has 0, 5 or 10."""
    _, interval = difference(rates(a=5, b=5), rates(a=5, b=15), "cer", is_paired=True)
    assert interval == pytest.approx((0.0, 0.1))


def test_other_writers_are_not_paired():
    with pytest.raises(ValueError, match="the writers differ"):
        difference(rates(a=1), rates(b=1), "wer", is_paired=True)


def test_one_writer_gives_no_interval():
    assert difference(rates(a=1), rates(a=2), "wer", is_paired=True) == (0.05, None)


@pytest.mark.parametrize(
    ("edits", "verdict"), [((2, 3, 2), "yes"), ((9, 9, 9), "no"), ((1, 9, 5), "open")]
)
def test_verdict_follows_the_interval(edits, verdict):
    ours = rates(**dict(zip("abc", edits, strict=True)))
    entries = comparisons(
        {
            Run((HONEST,), "cnn"): result(honest=rates(a=5, b=5, c=5)),
            Run((HONEST,), "cnn_rnn"): result(honest=ours),
        }
    )
    answers = {
        entry["rate"]: entry["verdict"] for entry in entries if "BiLSTM" in entry["question"]
    }
    assert answers == {"cer": verdict, "wer": verdict}


def test_each_pair_differs_in_one_thing():
    runs = [
        Run((HONEST,), "cnn", 2, IMAGENET),
        Run((HONEST,), "cnn_rnn", 2, IMAGENET),
        Run((HONEST,), "cnn_rnn", 0, IMAGENET),
        Run((HONEST,), "cnn_rnn"),
        Run((HONEST,), "cnn_rnn_ctc", 2, IMAGENET),
        Run((HONEST,), "default"),
    ]
    test = rates(a=1, b=2)
    entries = comparisons({run: result(honest=test) for run in runs})
    pairs = {(entry["question"], entry["better"], entry["other"]) for entry in entries}
    assert pairs == {
        ("Does the BiLSTM help?", "honest-cnn_rnn-imagenet", "honest-cnn-imagenet"),
        (
            "Does deskewing twice help?",
            "honest-cnn_rnn-imagenet",
            "honest-cnn_rnn-deskew0-imagenet",
        ),
        ("Does ImageNet help?", "honest-cnn_rnn-imagenet", "honest-cnn_rnn"),
        ("Does CTC beat the CNN-RNN?", "honest-cnn_rnn_ctc-imagenet", "honest-cnn_rnn-imagenet"),
        ("Does CTC beat the CNN?", "honest-cnn_rnn_ctc-imagenet", "honest-cnn-imagenet"),
        ("Does keeping the width help?", "honest-default", "honest-cnn_rnn_ctc-imagenet"),
    }


def test_the_leak_is_measured_over_trainings_of_their_own_or_a_common_one():
    easy, hard = rates(a=1, b=1), rates(c=11, d=11)
    for results in (
        {Run((LEAKY, HONEST), "cnn"): result(leaky=easy, honest=hard)},
        {
            Run((LEAKY,), "cnn"): result(leaky=easy),
            Run((HONEST,), "cnn"): result(honest=hard),
        },
    ):
        entries = comparisons(results)
        assert [entry["gain"] for entry in entries] == pytest.approx([0.1, 0.5])
        assert np.array([entry["interval"] for entry in entries]) == pytest.approx(
            np.array([[0.1, 0.1], [0.5, 0.5]])
        )
