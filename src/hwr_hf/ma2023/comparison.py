"""What the study's numbers say: differences between runs with intervals, and verdicts in words.

In: results of runs (`training.train_and_test`). Out: plain dictionaries for `summary.json` and the
report. Intervals are 95 % percentile bootstraps by writer (Bisani and Ney, 2004,
https://doi.org/10.1109/ICASSP.2004.1326009); two networks tested on the same words are compared by
a paired one.
"""

import dataclasses
from collections.abc import Iterable, Mapping
from functools import partial

import numpy as np

from hwr_hf.ma2023.study import (
    HONEST,
    IMAGENET,
    LEAKY,
    PAPER_PASSES,
    SCRATCH,
    Run,
)
from hwr_hf.metrics import bootstrap_rates

RATES = {"cer": (0, 1), "wer": (2, 3)}  # columns of edits and totals in `by_writer`
SETS = (LEAKY, HONEST)


def difference(
    test: dict, other: dict, rate: str, *, is_paired: bool
) -> tuple[float, tuple[float, float] | None]:
    """How much lower the rate of `test` is than that of `other`.

    Args:
        test, other: Entries of a result's `tests`.
        rate: `"cer"` or `"wer"`.
        is_paired: Both were read on the same words.

    Returns:
        The difference as a fraction, and its 95 % interval; None with fewer than two writers.

    Raises:
        ValueError: They are to be paired and have other writers.
    """
    if is_paired and test["by_writer"].keys() != other["by_writer"].keys():
        raise ValueError("Only results on the same words can be paired: the writers differ.")
    gain = other[rate] - test[rate]
    if min(len(test["by_writer"]), len(other["by_writer"])) < 2:
        return gain, None
    # The same seed and writers draw the same resamples: that is what pairs them.
    rates, other_rates = (
        _resampled(entry, rate, seed) for entry, seed in ((test, 0), (other, int(not is_paired)))
    )
    low, high = np.quantile(other_rates - rates, [0.025, 0.975])
    return gain, (float(low), float(high))


def _resampled(test: dict, rate: str, seed: int) -> np.ndarray:
    edits, totals = RATES[rate]
    sums = np.array(list(test["by_writer"].values()))
    return bootstrap_rates(sums[:, edits], sums[:, totals], list(test["by_writer"]), seed=seed)


def first_runs(results: Iterable[Run]) -> dict[str, Run]:
    """Of each network the first run, which is the main one."""
    runs: dict[str, Run] = {}
    for run in results:
        runs.setdefault(run.network, run)
    return runs


def comparisons(results: Mapping[Run, dict]) -> list[dict]:
    """All that the study compares, one entry for each pair, test set and rate.

    Returns:
        Entries with `question`, `better` and `other` (names of the two), `test_set`, `rate`,
        `gain`, `interval`, and `verdict`: `"yes"` when the interval lies above 0, `"no"` when it
        lies below, `"open"` otherwise.
    """
    entries = []
    for run in results:
        for question, other_run in _opponents(run):
            if other_run in results:
                entries += _entries(question, results, run, other_run)
    entries += _leak_entries(results)
    return entries


def _opponents(run: Run) -> list[tuple[str, Run]]:
    """What a run is compared with, and what is asked."""

    other = partial(dataclasses.replace, run)
    opponents = []
    if run.num_deskew_passes == PAPER_PASSES:
        if run.network == "cnn_rnn":
            opponents.append(("Does the BiLSTM help?", other(network="cnn")))
            opponents += [
                ("Does deskewing twice help?", other(num_deskew_passes=passes)) for passes in (0, 1)
            ]
        if run.network == "cnn_rnn_ctc":
            opponents.append(("Does CTC beat the CNN-RNN?", other(network="cnn_rnn")))
            opponents.append(("Does CTC beat the CNN?", other(network="cnn")))
        if run.network == "default":
            opponents += [
                (
                    "Does keeping the width help?",
                    other(network="cnn_rnn_ctc", initial_weights=weights),
                )
                for weights in (SCRATCH, IMAGENET)
            ]
    if run.initial_weights == IMAGENET:
        opponents.append(("Does ImageNet help?", other(initial_weights=SCRATCH)))
    return opponents


def _entries(question: str, results: Mapping[Run, dict], run: Run, other_run: Run) -> list[dict]:
    tests, other_tests = results[run]["tests"], results[other_run]["tests"]
    return [
        _entry(
            question,
            (run.name, other_run.name),
            test_set,
            rate,
            *difference(tests[test_set], other_tests[test_set], rate, is_paired=True),
        )
        for test_set in SETS
        if test_set in tests
        for rate in RATES
    ]


def _leak_entries(results: Mapping[Run, dict]) -> list[dict]:
    """The leaky test against the honest one, for the same network and factors."""
    entries = []
    for run, result in results.items():
        if LEAKY not in run.protocols:
            continue
        honest_run = run
        if HONEST not in run.protocols:
            honest_run = Run((HONEST,), run.network, run.num_deskew_passes, run.initial_weights)
        if honest_run not in results:
            continue
        leaky, honest = result["tests"][LEAKY], results[honest_run]["tests"][HONEST]
        entries += [
            _entry(
                "How much does the leak flatter?",
                (f"{run.name}, {LEAKY}", f"{honest_run.name}, {HONEST}"),
                f"{LEAKY} against {HONEST}",
                rate,
                *difference(leaky, honest, rate, is_paired=False),
            )
            for rate in RATES
        ]
    return entries


def _entry(
    question: str,
    names: tuple[str, str],
    test_set: str,
    rate: str,
    gain: float,
    interval: tuple[float, float] | None,
) -> dict:
    verdict = "open"
    if interval is not None and interval[0] > 0:
        verdict = "yes"
    elif interval is not None and interval[1] < 0:
        verdict = "no"
    return {
        "question": question,
        "better": names[0],
        "other": names[1],
        "test_set": test_set,
        "rate": rate,
        "gain": round(gain, 5),
        "interval": None if interval is None else [round(end, 5) for end in interval],
        "verdict": verdict,
    }
