"""What the arms' texts say: error rates, differences with intervals, and the verdict.

In: true texts, who wrote each line, and the texts of every arm, a list a seed. Out: plain
dictionaries for `results.json`. Seeds are averaged line by line, so they are no further lines.
Intervals are 95 % percentile bootstraps by writer (Bisani & Ney, 2004,
https://doi.org/10.1109/ICASSP.2004.1326009), paired where two arms are compared. The p-value counts
the resamples on the other side of zero, plus one (Davison & Hinkley, 1997,
https://doi.org/10.1017/CBO9780511802843); Holm (1979), https://www.jstor.org/stable/4615733,
adjusts those of many comparisons.
"""

from collections.abc import Hashable, Sequence

import numpy as np
from rapidfuzz.distance import Levenshtein

from ..metrics import EditCounts, bootstrap_interval, bootstrap_rates, edit_counts
from .plan import DECISIVE, Comparison

NUM_RESAMPLES = 10_000
SIGNIFICANCE = 0.05
EDITS_AND_TOTALS = {"cer": ("character_edits", "characters"), "wer": ("word_edits", "words")}

TextsBySeed = Sequence[Sequence[str]]


def measure_arm(
    references: Sequence[str],
    writers: Sequence[Hashable],
    recognised: Sequence[str],
    texts_by_seed: TextsBySeed,
) -> dict:
    """Error rates of an arm, and what it did to the recognised words.

    Args:
        references: True texts, one a line.
        writers: Who wrote each line.
        recognised: What was read without any correction.
        texts_by_seed: The arm's texts of each seed; one list for an arm that is not trained.

    Returns:
        `cer` and `wer`, fractions pooled over the lines and averaged over the seeds, each with its
        `_interval`; `word_accuracy`, the share of reference words that are read right;
        `words_repaired`, reference words that were recognised wrong and are right now, and
        `words_broken`, the reverse, both a mean over the seeds; and `seeds`, the rates of each.

    Raises:
        ValueError: The lists differ in length, there is no seed, or fewer than two writers.
    """
    counts = _counts_by_seed(references, texts_by_seed)
    measured: dict = {}
    for rate in EDITS_AND_TOTALS:
        edits, totals = _mean_edits(counts, rate)
        interval = bootstrap_interval(edits, totals, writers, num_resamples=NUM_RESAMPLES)
        measured[rate] = float(np.mean([getattr(of_seed, rate) for of_seed in counts]))
        measured[f"{rate}_interval"] = list(interval)
    was_right = words_right(references, recognised)
    is_right = np.array([words_right(references, texts) for texts in texts_by_seed])
    num_seeds = len(texts_by_seed)
    return measured | {
        "word_accuracy": float(is_right.mean()) if was_right.size else 0.0,
        "words_repaired": float((is_right & ~was_right).sum() / num_seeds),
        "words_broken": float((~is_right & was_right).sum() / num_seeds),
        "seeds": [{"cer": of_seed.cer, "wer": of_seed.wer} for of_seed in counts],
    }


def compare_arms(
    references: Sequence[str],
    writers: Sequence[Hashable],
    texts_by_seed: TextsBySeed,
    other_texts_by_seed: TextsBySeed,
    rate: str = "wer",
) -> dict:
    """How an arm's error rate differs from another's on the same lines.

    Args:
        references: True texts, one a line.
        writers: Who wrote each line.
        texts_by_seed: The arm's texts of each seed.
        other_texts_by_seed: The other arm's, with as many seeds or not.
        rate: `"wer"` or `"cer"`.

    Returns:
        `difference`, the arm's rate minus the other's as a fraction, so negative where the arm
        makes fewer errors; its 95 % `interval`; and the two-sided `p_value`.

    Raises:
        ValueError: As `measure_arm`.
    """
    # The same seed and writers draw the same resamples: that is what pairs them.
    (edits, totals), (other_edits, _) = (
        _mean_edits(_counts_by_seed(references, texts), rate)
        for texts in (texts_by_seed, other_texts_by_seed)
    )
    rates, other_rates = (
        bootstrap_rates(of_arm, totals, writers, num_resamples=NUM_RESAMPLES)
        for of_arm in (edits, other_edits)
    )
    differences = rates - other_rates  # (resamples,)
    low, high = np.quantile(differences, [0.025, 0.975])
    num_beyond = min((differences <= 0).sum(), (differences >= 0).sum())
    return {
        "difference": float((edits - other_edits).sum() / max(totals.sum(), 1)),
        "interval": [float(low), float(high)],
        "p_value": min(1.0, float(2 * (num_beyond + 1) / (NUM_RESAMPLES + 1))),
    }


def holm(p_values: Sequence[float]) -> list[float]:
    """P-values adjusted for as many comparisons, in their order.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    adjusted = [0.0] * len(p_values)
    highest = 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        highest = max(highest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = highest
    return adjusted


def verdicts(comparisons: Sequence[dict]) -> list[dict]:
    """Whether BERT helps in each regime, by `plan.DECISION_RULE`.

    Args:
        comparisons: Entries with `regime`, `arm`, `against`, `difference`, `interval`, `p_holm`.

    Returns:
        One for each regime, in the order in which they come up: `regime`; `bert_helps`, True or
        False, or None where a comparison that decides was not made and the others are won; and
        `reasons`, a sentence for each that decides.
    """
    return [
        {"regime": regime, **_verdict([c for c in comparisons if c["regime"] == regime])}
        for regime in dict.fromkeys(comparison["regime"] for comparison in comparisons)
    ]


def is_won(comparison: dict) -> bool:
    """Whether the arm makes fewer word errors than the other, beyond what chance explains."""
    is_below = comparison["difference"] < 0 and comparison["interval"][1] < 0
    return is_below and comparison["p_holm"] < SIGNIFICANCE


def is_lost(comparison: dict) -> bool:
    """Whether the arm makes more word errors than the other, beyond what chance explains."""
    is_above = comparison["difference"] > 0 and comparison["interval"][0] > 0
    return is_above and comparison["p_holm"] < SIGNIFICANCE


def words_right(references: Sequence[str], texts: Sequence[str]) -> np.ndarray:
    """Which reference words stand unchanged in the texts, by an alignment with the fewest edits.

    Args:
        references: True texts, one a line.
        texts: What is compared with each.

    Returns:
        Boolean array over the words of all references, in their order.
    """
    is_right: list[bool] = []
    for reference, text in zip(references, texts, strict=True):
        for tag, start, end, *_ in Levenshtein.opcodes(reference.split(), text.split()).as_list():
            is_right += [tag == "equal"] * (end - start)
    return np.array(is_right, dtype=bool)


def _counts_by_seed(references: Sequence[str], texts_by_seed: TextsBySeed) -> list[EditCounts]:
    if len(texts_by_seed) == 0:
        raise ValueError("An arm has no texts. Give a list of texts for each of its seeds.")
    return [edit_counts(references, texts) for texts in texts_by_seed]


def _mean_edits(counts: Sequence[EditCounts], rate: str) -> tuple[np.ndarray, np.ndarray]:
    """Edits of each line, averaged over the seeds, and its reference length."""
    edits, totals = EDITS_AND_TOTALS[rate]
    mean_edits = np.mean([getattr(of_seed, edits) for of_seed in counts], axis=0)
    return mean_edits, getattr(counts[0], totals)


def _verdict(of_regime: Sequence[dict]) -> dict:
    found = {(comparison["arm"], comparison["against"]): comparison for comparison in of_regime}
    decisive = [found.get((planned.arm.name, planned.against.name)) for planned in DECISIVE]
    is_decided = None not in decisive
    won = [is_won(comparison) for comparison in decisive if comparison is not None]
    return {
        "bert_helps": all(won) if is_decided or not all(won) else None,
        "reasons": [
            _reason(planned, comparison)
            for planned, comparison in zip(DECISIVE, decisive, strict=True)
        ],
    }


def _reason(planned: Comparison, comparison: dict | None) -> str:
    pair = f"{planned.arm.name} against {planned.against.name}"
    if comparison is None:
        return f"{pair}: not compared."
    low, high = (100 * end for end in comparison["interval"])
    outcome = "the difference is not settled"
    if is_won(comparison):
        outcome = "fewer word errors"
    elif is_lost(comparison):
        outcome = "more word errors"
    return (
        f"{pair}: {outcome}, {100 * comparison['difference']:+.2f} points of WER "
        f"({low:+.2f} to {high:+.2f}), p = {comparison['p_holm']:.4f} after Holm."
    )
