"""Chooses among the candidate texts of a line by the recogniser and a masked language model.

In: for each line its candidates, as a beam search lists them, each with the log-probabilities of
both. Out: the index of the best; or the weights that make fewest errors on validation lines.
N-best rescoring with pseudo-log-likelihoods, and a reward for length, without which the language
model favours short texts: Salazar et al. (2020), https://aclanthology.org/2020.acl-main.240/
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import product

import numpy as np

from ..metrics import edit_counts

WEIGHTS = (0.0, 0.05, 0.1, 0.15, 0.2, 0.3, 0.4, 0.5, 0.75, 1.0, 1.5, 2.0)
LENGTH_BONUSES = (0.0, 0.1, 0.2, 0.3, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0)


@dataclass(frozen=True)
class Candidate:
    """One text that a line may hold.

    Attributes:
        text: The candidate.
        ctc: Log-probability that the recogniser gives it.
        masked_lm: Its pseudo-log-likelihood (`MaskedLmScorer`).
    """

    text: str
    ctc: float
    masked_lm: float


def best_candidate(
    candidates: Sequence[Candidate], weight: float, length_bonus: float = 0.0
) -> int:
    """Index of the candidate with the highest `ctc + weight * masked_lm + length_bonus * length`.

    Args:
        candidates: Of one line; the first of equally good ones is taken, so the recogniser's
            favourite should stand first.
        weight: Of the masked language model; 0.0 leaves it out.
        length_bonus: For each character of the text.

    Raises:
        ValueError: There is no candidate, or a score is not a number.
    """
    return int(_best_candidates(candidates, np.array([[weight, length_bonus]]))[0])


def fit_ranking(
    lines: Sequence[Sequence[Candidate]],
    references: Sequence[str],
    weights: Sequence[float] = WEIGHTS,
    length_bonuses: Sequence[float] = LENGTH_BONUSES,
) -> tuple[float, float]:
    """The weight and the length bonus with the lowest WER on these lines, and then the lowest CER.

    Args:
        lines: Candidates of each line.
        references: True texts, in the same order.
        weights, length_bonuses: To choose from; of equally good ones the first is taken, so the
            smallest should stand first.

    Raises:
        ValueError: The lists differ in length or are empty, or a line has no candidate.
    """
    if not lines or len(lines) != len(references):
        raise ValueError(
            f"{len(lines)} lines and {len(references)} references are given. Give one reference "
            "for each line, and one line at least."
        )
    settings = np.array(list(product(weights, length_bonuses)))  # (settings, 2)
    if not len(settings):
        raise ValueError("There is nothing to choose from. Give a weight and a length bonus.")
    word_edits, character_edits = np.zeros((2, len(settings)), dtype=int)
    for candidates, reference in zip(lines, references, strict=True):
        best = _best_candidates(candidates, settings)  # (settings,)
        texts = [candidate.text for candidate in candidates]
        counts = edit_counts([reference] * len(texts), texts)
        word_edits += counts.word_edits[best]
        character_edits += counts.character_edits[best]
    weight, length_bonus = settings[np.lexsort((character_edits, word_edits))[0]].tolist()
    return weight, length_bonus


def _best_candidates(candidates: Sequence[Candidate], settings: np.ndarray) -> np.ndarray:
    """Index of the best candidate under each setting, `(settings, 2)` -> `(settings,)`."""
    if not candidates:
        raise ValueError("A line has no candidate. Give it one at least, such as an empty text.")
    ctc = np.array([candidate.ctc for candidate in candidates])
    other = np.array([[candidate.masked_lm, len(candidate.text)] for candidate in candidates])
    scores = ctc + settings @ other.T  # (settings, candidates)
    if np.isnan(scores).any():
        raise ValueError(
            f"The candidates of a line, {candidates[0].text!r} first, have no score. Give numbers "
            "for ctc, masked_lm, weight and length bonus."
        )
    return scores.argmax(axis=1)
