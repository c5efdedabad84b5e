"""The report says what the numbers say, whichever way they came out."""

import copy

import pytest

from hwr_hf.ma2023.report import report_page, summarize
from hwr_hf.ma2023.study import BUDGETS, HONEST, IMAGENET, LEAKY, Run


def result(edits: int, title: str, weights: str = "scratch", last_loss: float = 0.5) -> dict:
    """Three writers with 100 characters and 50 words each, all read equally badly."""
    test = {
        "words": 150,
        "writers": 3,
        "cer": edits / 100,
        "cer_interval": [edits / 100, edits / 100],
        "wer": edits / 50,
        "wer_interval": [edits / 50, edits / 50],
        "by_writer": {writer: [edits, 100, edits, 50] for writer in "abc"},
    }
    return {
        "settings": {"seed": 7},
        "network": title,
        "parameters": 10,
        "initial_weights": weights,
        "text": "lower case",
        "train_words": 1234,
        "steps": 5,
        "seconds": 90.0,
        "device": "cpu",
        "threads": 1,
        "losses": [[1, 2.0], [2, last_loss]],
        "tests": {LEAKY: test, HONEST: copy.deepcopy(test)},
    }


def page(cnn: int, cnn_rnn: int, weights: str = "scratch", budget: str = "cpu") -> str:
    both = (LEAKY, HONEST)
    results = {
        Run(both, "cnn", 2, weights): result(cnn, "CNN", weights),
        Run(both, "cnn_rnn", 2, weights): result(cnn_rnn, "CNN-RNN", weights, last_loss=1.5),
    }
    missing = [Run(both, "cnn_rnn", 1, weights)]
    return report_page(summarize(results, BUDGETS[budget], "IAM subset", missing))


def test_head_gives_the_conditions():
    head = page(30, 10).split("## Error rates")[0]
    assert "Data: IAM subset; 1,234 training words." in head
    assert "honest: 150 words of 3 writers" in head
    assert "112x112 pixels, 3.5 passes" in head
    assert "seed 7, cpu with 1 thread(s) a training, 3 minutes of training in all" in head


def test_costs_are_shown_when_they_were_measured():
    summary = summarize(
        {Run((LEAKY, HONEST), "cnn", 2, "scratch"): result(30, "CNN")}, BUDGETS["cpu"], "IAM subset"
    )
    cost = {
        "budget": "full",
        "device": "cpu",
        "threads": 1,
        "train_words": 34826,
        "networks": {"cnn": {"hours": 61.78}, "cnn_rnn": {"hours": 76.12}},
        "hours": 746.9,
    }
    assert "## Cost" not in report_page(summary)
    row = "| full | cpu, 1 thread(s) | 34,826 | CNN 61.8, CNN-RNN 76.1 | 746.9 |"
    assert row in report_page(summary, costs=[cost])


@pytest.mark.parametrize(
    ("cnn", "cnn_rnn", "finding"),
    [
        pytest.param(27, 10, "17.0 points better (gain 17.0 to 17.0)", id="better"),
        pytest.param(10, 27, "17.0 points worse (gain -17.0 to -17.0)", id="worse"),
    ],
)
def test_finding_follows_the_numbers(cnn, cnn_rnn, finding):
    assert f"The CNN-RNN against the CNN, leaky, CER: {finding}" in page(cnn, cnn_rnn)


def test_the_gain_of_the_paper_is_held_against_the_interval():
    """17 points of CER and 34 of WER: the paper's 17 are inside, its 26 are not."""
    text = page(27, 10)
    assert "The paper's gain of 17 points lies inside the interval." in text
    assert "The paper's gain of 26 points lies outside the interval." in text


@pytest.mark.parametrize(("edits", "verdict"), [(5, "reached"), (6, "not reached")])
def test_the_rates_of_the_paper_are_reached_or_not(edits, verdict):
    """5 edits are 5 % CER and 10 % WER, 6 are 6 % and 12 %; the paper has 5.13 % and 12.04 %."""
    assert f"5.13% CER and 12.04% WER are {verdict} by the CNN-RNN" in page(30, edits)


def test_reasons_name_what_was_not_done():
    assert "so what they bring was not measured" in page(30, 10)
    assert "so what they bring was not measured" not in page(30, 10, IMAGENET, "full")
    assert "The paper trains a whole ResNet-34" in page(30, 10)
    assert "The paper trains a whole ResNet-34" not in page(30, 10, budget="full")


def test_every_rate_is_in_the_table_with_its_interval():
    assert "| CNN | leaky | lower case | moment, 2 times | scratch | 30.0% (30.0% to 30.0%) |" in (
        page(30, 10)
    )


def test_a_cnn_rnn_that_is_behind_is_explained_by_its_training_loss():
    reason = "After 2 steps the CNN-RNN's training loss is 1.500, still falling, the CNN's 0.500"
    assert reason in page(10, 27)
    assert "The BiLSTM learns later" not in page(27, 10)


def test_a_leak_that_cannot_be_seen_is_called_so():
    """Both tests of a run have the same rates here."""
    assert "by 0.0 to 0.0 points" in page(30, 10)
    assert "0 of 4 have an interval above 0" in page(30, 10)


def test_runs_that_are_missing_are_named():
    assert "still to be trained: `leaky_honest-cnn_rnn-deskew1`." in page(30, 10)
