"""CER, WER and their confidence intervals, from reference and predicted texts.

Both rates are pooled: edits summed over all lines, over reference characters (or words) summed
over all lines; never the mean of the lines' own rates. Words are what stands between spaces.
Nothing is normalised but the spaces around a line, which do not count (as in jiwer).
The interval resamples writers, not lines, because lines of one hand are not independent:
Bisani & Ney (2004), https://doi.org/10.1109/ICASSP.2004.1326009
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass

import numpy as np
from rapidfuzz.distance import Levenshtein

UNREADABLE = "\ue000"  # of Unicode's private ones: no model has it in its alphabet


@dataclass(frozen=True)
class EditCounts:
    """What each line adds to the pooled rates; every field an int array of shape `(lines,)`."""

    character_edits: np.ndarray
    characters: np.ndarray
    word_edits: np.ndarray
    words: np.ndarray

    @property
    def cer(self) -> float:
        """Character error rate over all lines, as a fraction."""
        return _rate(self.character_edits, self.characters)

    @property
    def wer(self) -> float:
        """Word error rate over all lines, as a fraction."""
        return _rate(self.word_edits, self.words)


def edit_counts(references: Sequence[str], predictions: Sequence[str]) -> EditCounts:
    """Insertions, deletions and substitutions of every line, with the reference's length.

    Args:
        references: True texts, one a line.
        predictions: Recognised texts in the same order.

    Returns:
        One entry a line; a line with an empty reference counts its insertions.

    Raises:
        ValueError: The two differ in number, or one is a single string.
    """
    if isinstance(references, str) or isinstance(predictions, str):
        raise ValueError(
            "References and predictions are lists of texts. Wrap a single text: [text]."
        )
    if len(references) != len(predictions):
        raise ValueError(
            f"{len(references)} references cannot be compared with {len(predictions)} predictions. "
            "Give one prediction for each reference, in the same order."
        )
    characters = [(r.strip(), p.strip()) for r, p in zip(references, predictions, strict=True)]
    words = [(r.split(), p.split()) for r, p in characters]
    return EditCounts(
        character_edits=np.array([Levenshtein.distance(r, p) for r, p in characters], dtype=int),
        characters=np.array([len(r) for r, _ in characters], dtype=int),
        word_edits=np.array([Levenshtein.distance(r, p) for r, p in words], dtype=int),
        words=np.array([len(r) for r, _ in words], dtype=int),
    )


def cer(references: Sequence[str], predictions: Sequence[str]) -> float:
    """Pooled character error rate: sum of edits / sum of reference characters.

    A fraction that can exceed 1. Where no reference has a character it is the number of
    insertions (jiwer's convention), so 0.0 only if nothing was read.

    >>> cer(["a house", "it"], ["a mouse", "it"])  # 1 edit in 9 characters
    0.1111111111111111
    """
    return edit_counts(references, predictions).cer


def wer(references: Sequence[str], predictions: Sequence[str]) -> float:
    """Pooled word error rate: sum of word edits / sum of reference words, split on spaces.

    >>> wer(["a house", "it"], ["a mouse", "it"])  # 1 edit in 3 words
    0.3333333333333333
    """
    return edit_counts(references, predictions).wer


def bootstrap_rates(
    edits: np.ndarray,
    totals: np.ndarray,
    writers: Sequence[Hashable],
    *,
    num_resamples: int = 2000,
    seed: int = 0,
) -> np.ndarray:
    """Pooled error rates of resampled writers, shape `(resamples,)`.

    The same writers in the same order and the same seed give the same draws, so the difference of
    two systems' rates, read on the same lines, is that of a paired bootstrap.

    Args:
        edits: Edits of each line, shape `(lines,)`.
        totals: Reference characters (or words) of each line, shape `(lines,)`.
        writers: Who wrote each line.
        num_resamples: How often as many writers as there are get drawn, with replacement.
        seed: Of the random draws.

    Raises:
        ValueError: The lengths differ, or there are fewer than two writers.
    """
    if not len(edits) == len(totals) == len(writers):
        raise ValueError(
            f"{len(edits)} edits, {len(totals)} totals and {len(writers)} writers do not match. "
            "Give all three for every line."
        )
    number_of = {writer: number for number, writer in enumerate(dict.fromkeys(writers))}
    num_writers = len(number_of)
    if num_writers < 2:
        raise ValueError(
            f"An interval by writer needs at least 2 writers, not {num_writers}. "
            "Evaluate on lines of more writers, or report the rate alone."
        )
    writer_numbers = [number_of[writer] for writer in writers]
    edits_by_writer = np.bincount(writer_numbers, weights=edits)  # (writers,)
    totals_by_writer = np.bincount(writer_numbers, weights=totals)  # (writers,)
    uniform = np.full(num_writers, 1 / num_writers)
    draws = np.random.default_rng(seed).multinomial(num_writers, uniform, size=num_resamples)
    return (draws @ edits_by_writer) / np.maximum(draws @ totals_by_writer, 1)  # (resamples,)


def bootstrap_interval(
    edits: np.ndarray,
    totals: np.ndarray,
    writers: Sequence[Hashable],
    *,
    confidence: float = 0.95,
    num_resamples: int = 2000,
    seed: int = 0,
) -> tuple[float, float]:
    """Percentile bootstrap interval of a pooled error rate, resampled by writer.

    Args:
        edits: Edits of each line, shape `(lines,)`.
        totals: Reference characters (or words) of each line, shape `(lines,)`.
        writers: Who wrote each line.
        confidence: Share of the resampled rates inside the interval.
        num_resamples: How often as many writers as there are get drawn, with replacement.
        seed: Of the random draws.

    Returns:
        Lower and upper end, as fractions.

    Raises:
        ValueError: The lengths differ, or there are fewer than two writers.
    """
    rates = bootstrap_rates(edits, totals, writers, num_resamples=num_resamples, seed=seed)
    low, high = np.quantile(rates, [(1 - confidence) / 2, (1 + confidence) / 2])
    return float(low), float(high)


def make_compute_metrics(tokenizer) -> Callable[..., dict[str, float]]:
    """`compute_metrics` for `Trainer`, whose predictions are already the best id of each frame.

    Use with `preprocess_logits_for_metrics=lambda logits, labels: logits.argmax(-1)`.

    Args:
        tokenizer: Decodes frame ids with CTC collapse, labels with `group_tokens=False`.

    Returns:
        A function of `predictions` `(lines, frames)` and `label_ids` `(lines, label_length)`,
        both padded with negative ids, to `{"cer": ..., "wer": ...}`.
    """

    def compute_metrics(evaluation) -> dict[str, float]:
        predictions, labels = (
            np.where(ids < 0, tokenizer.pad_token_id, ids)
            for ids in (np.asarray(evaluation.predictions), np.asarray(evaluation.label_ids))
        )
        references = tokenizer.batch_decode(labels, group_tokens=False)
        counts = edit_counts(
            # The mark in place of a character that the model lacks is not what was written there.
            references=[text.replace(tokenizer.unk_token, UNREADABLE) for text in references],
            predictions=tokenizer.batch_decode(predictions),
        )
        return {"cer": counts.cer, "wer": counts.wer}

    return compute_metrics


def _rate(edits: np.ndarray, totals: np.ndarray) -> float:
    return float(edits.sum() / max(totals.sum(), 1))
