"""The arms at work: each is fitted on validation lines and then reads any lines.

In: the `Readings` of validation lines, and a language model. Out: a `FittedArm`, which turns
`Readings` into texts. An arm's weights and thresholds have the lowest error rate on the validation
lines; nothing of an arm depends on the lines that it reads afterwards.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product

from rapidfuzz.distance import Levenshtein

from hwr_hf.bert_hypothesis.spelling_checker import SpellingChecker
from hwr_hf.bert_hypothesis.statistics import words_right
from hwr_hf.correction.corrector import BertCorrector
from hwr_hf.correction.edits import Correction, Edit, apply_edits
from hwr_hf.correction.masked_lm import MaskedLmScorer
from hwr_hf.correction.ranking import Candidate, best_candidate, fit_ranking
from hwr_hf.correction.readings import Readings
from hwr_hf.metrics import edit_counts
from hwr_hf.resnet_bilstm.ngram_resnet_bilstm import CharacterNgram

NUM_CANDIDATES = 8  # texts of a beam search that are ranked anew
# Searched one after the other, each with the best values of those before.
NGRAM_GRID = {
    "lm_weight": (0.4, 0.6, 0.8, 1.0),
    "length_bonus": (0.8, 1.2, 1.6, 2.0, 2.4),
    "word_bonus": (0.0, 0.5, 1.0),
}
LEXICON_GRID = {"word_bonus": (0.5, 1.0, 2.0, 3.0, 4.0), "length_bonus": (0.0, 0.4)}
SPELLING_GRID = {"max_distance": (1, 2), "min_length": (3, 4, 5, 6, 8)}


@dataclass(frozen=True)
class FittedArm:
    """An arm that has its settings.

    Attributes:
        read: Turns lines into texts.
        settings: What was chosen on the validation lines.
    """

    read: Callable[[Readings], list[str]]
    settings: dict = field(default_factory=dict)


def greedy_arm() -> FittedArm:
    """The recogniser alone."""
    return FittedArm(Readings.greedy_texts)


def beam_arm() -> FittedArm:
    """Beam search without a language model."""
    return FittedArm(Readings.beam_texts)


def ngram_arm(validation: Readings, ngram: CharacterNgram) -> FittedArm:
    """Beam search fused with a character n-gram."""
    return _beam_arm(validation, ngram, NGRAM_GRID, {"length_bonus": 1.2, "word_bonus": 0.0})


def lexicon_arm(validation: Readings, ngram: CharacterNgram) -> FittedArm:
    """Beam search with a bonus for the words of the n-gram's vocabulary, and no n-gram."""
    return _beam_arm(validation, ngram, LEXICON_GRID, {"lm_weight": 0.0, "length_bonus": 0.0})


def _beam_arm(
    validation: Readings,
    ngram: CharacterNgram,
    grid: Mapping[str, Sequence[float]],
    start: Mapping[str, float],
) -> FittedArm:
    settings = dict(start)
    for name, values in grid.items():
        settings[name] = min(
            values,
            key=lambda value, name=name: _errors(
                validation, validation.beam_texts(ngram, {**settings, name: value})
            ),
        )
    return FittedArm(lambda readings: readings.beam_texts(ngram, settings), settings)


def spelling_arm(validation: Readings, word_counts: Counter[str]) -> FittedArm:
    """SymSpell on the greedy text."""

    def read(readings: Readings, settings: Mapping[str, int]) -> list[str]:
        checker = SpellingChecker(word_counts, **settings)
        return [checker.correct(text) for text in readings.greedy_texts()]

    choices = [
        dict(zip(SPELLING_GRID, values, strict=True)) for values in product(*SPELLING_GRID.values())
    ]
    settings = min(choices, key=lambda choice: _errors(validation, read(validation, choice)))
    return FittedArm(lambda readings: read(readings, settings), settings)


def masked_lm_arm(validation: Readings, masked_lm: MaskedLmScorer) -> FittedArm:
    """The texts of a beam search without a language model, ranked by BERT's pseudo-likelihood."""

    def candidates(readings: Readings) -> list[list[Candidate]]:
        lines = readings.n_best(NUM_CANDIDATES)
        scores = iter(masked_lm.log_likelihoods([text for line in lines for text, _ in line]))
        return [[Candidate(text, ctc, next(scores)) for text, ctc in line] for line in lines]

    weight, length_bonus = fit_ranking(candidates(validation), validation.references)

    def read(readings: Readings) -> list[str]:
        return [
            line[best_candidate(line, weight, length_bonus)].text for line in candidates(readings)
        ]

    return FittedArm(read, {"weight": weight, "length_bonus": length_bonus})


def n_best_oracle() -> FittedArm:
    """Of the same texts of a beam search the one nearest to the truth."""

    def read(readings: Readings) -> list[str]:
        return [
            min(
                (text for text, _ in line),
                key=lambda text, reference=reference: Levenshtein.distance(
                    reference.split(), text.split()
                ),
            )
            for line, reference in zip(
                readings.n_best(NUM_CANDIDATES), readings.references, strict=True
            )
        ]

    return FittedArm(read)


def corrections(
    readings: Readings, texts: Sequence[str], corrector: BertCorrector
) -> list[Correction]:
    """All edits that a corrector proposes for lines read as `texts`, scored by image and text."""
    return corrector.correct(texts, readings.scorers())


def all_edits(proposed: Sequence[Correction]) -> list[str]:
    """The texts with every edit taken."""
    return [apply_edits(line.recognised, line.edits) for line in proposed]


def edits_of_wrong_words(proposed: Sequence[Correction], references: Sequence[str]) -> list[str]:
    """The texts with the edits that a perfect detector of errors lets through.

    An edit is let through where not all words that it replaces are right.
    """
    return [
        apply_edits(
            line.recognised,
            [edit for edit in line.edits if not _is_right(line.recognised, edit, reference)],
        )
        for line, reference in zip(proposed, references, strict=True)
    ]


def _is_right(recognised: str, edit: Edit, reference: str) -> bool:
    """Whether the words that an edit replaces stand in the reference, in an alignment of words."""
    first = len(recognised[: edit.start].split())
    right = words_right([recognised], [reference])  # of each recognised word
    return bool(right[first : first + len(edit.old.split())].all())


def _errors(readings: Readings, texts: Sequence[str]) -> tuple[float, float]:
    counts = edit_counts(readings.references, texts)
    return counts.wer, counts.cer
