"""The errors of a recogniser, counted in what it read, to make more of the same.

In: true texts and what was read in their place. Out: a `ConfusionModel`, which changes any text as
the recogniser would have: characters taken for others, left out or added, words split and joined,
and neighbours mistaken together (`rn` for `m`). Some lines are read worse than others, so errors
come in a varying number a line: gamma-distributed rates, fitted by the method of moments (Anscombe,
1950, https://doi.org/10.1093/biomet/37.3-4.358).
"""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from rapidfuzz.distance import Levenshtein

from hwr_hf.json_files import write_json

LONGEST = 3  # characters of a run that is mistaken as one; longer ones are taken apart
HIGHEST_RATE = 0.9  # of any run being mistaken, however much noise is asked for
FORMAT = 1


@dataclass(frozen=True)
class Confusion:
    """What was read in place of a run of characters; `start` is its index in the true text."""

    start: int
    true: str
    read: str


@dataclass(frozen=True)
class ConfusionModel:
    """What a recogniser mistakes for what, and how often.

    Attributes:
        confusions: For every run of 1 to `LONGEST` true characters that was ever mistaken: what was
            read, each with its probability where the run occurs and no longer run is mistaken.
        insertions: What was read where nothing stands, with the probability before any character
            and at the end.
        cer: Error rate of the lines that it was counted in, as a fraction.
        dispersion: Variance of a line's own factor on all rates, whose mean is 1; 0: all alike.
    """

    confusions: Mapping[str, Mapping[str, float]]
    insertions: Mapping[str, float]
    cer: float
    dispersion: float = 0.0

    @classmethod
    def fit(cls, references: Sequence[str], predictions: Sequence[str]) -> ConfusionModel:
        """Counts the confusions of lines that were not trained on.

        Args:
            references: True texts, one a line.
            predictions: What was read of each.

        Raises:
            ValueError: The two differ in number, or no character was given.
        """
        if len(references) != len(predictions):
            raise ValueError(
                f"{len(references)} true texts and {len(predictions)} read ones do not match. "
                "Give one of each a line."
            )
        num_characters = sum(map(len, references))
        if num_characters == 0:
            raise ValueError(
                "There is no true text to count errors in. Give lines that a recogniser has read."
            )
        occurrences: Counter[str] = Counter()
        counts: dict[str, Counter[str]] = defaultdict(Counter)
        for reference, prediction in zip(references, predictions, strict=True):
            confusions = list(confusions_between(reference, prediction))
            for confusion in confusions:
                counts[confusion.true][confusion.read] += 1
            occurrences.update(_runs_tried(reference, confusions))
        num_gaps = num_characters + len(references)
        insertions = {read: count / num_gaps for read, count in counts.pop("", {}).items()}
        lengths = np.array([len(text) for text in references])
        edits = np.array(
            [Levenshtein.distance(*pair) for pair in zip(references, predictions, strict=True)]
        )
        return cls(
            confusions={
                true: {read: count / occurrences[true] for read, count in reads.items()}
                for true, reads in counts.items()
            },
            insertions=insertions,
            cer=float(edits.sum() / num_characters),
            dispersion=_dispersion(edits, lengths),
        )

    def corrupt(self, text: str, rng: np.random.Generator, cer: float | None = None) -> str:
        """The text as the recogniser might have read it.

        Args:
            text: One line.
            rng: Random generator.
            cer: Error rate to aim at, as a fraction, the mean over many lines; None: that of the
                lines the model was counted in.

        Raises:
            ValueError: `cer` is not a rate, or the model has no errors to make.
        """
        factor = self._factor(cer)
        if self.dispersion > 0:
            factor *= rng.gamma(1 / self.dispersion, self.dispersion)
        read, position = [], 0
        while position < len(text):
            read.append(_draw(self.insertions, factor, rng) or "")
            for length in range(min(LONGEST, len(text) - position), 0, -1):
                run = text[position : position + length]
                mistaken = _draw(self.confusions.get(run, {}), factor, rng)
                if mistaken is not None:
                    read.append(mistaken)
                    position += length
                    break
            else:
                read.append(text[position])
                position += 1
        read.append(_draw(self.insertions, factor, rng) or "")
        return " ".join("".join(read).split())

    def _factor(self, cer: float | None) -> float:
        if cer is None:
            return 1.0
        if not 0 <= cer <= 1:
            raise ValueError(f"cer={cer} is no rate. Give a fraction such as 0.15.")
        if cer > 0 and self.cer == 0:
            raise ValueError(
                f"The confusions were counted in lines without errors, so none can be made at a "
                f"rate of {cer}. Count them in lines that the recogniser reads less well."
            )
        return cer / self.cer if cer else 0.0

    def save(self, path: str | Path) -> None:
        """Writes JSON: rates of characters, no line of the texts it was counted in."""
        content = {
            "format": FORMAT,
            "cer": self.cer,
            "dispersion": self.dispersion,
            "insertions": dict(self.insertions),
            "confusions": {true: dict(reads) for true, reads in self.confusions.items()},
        }
        write_json(path, content)

    @classmethod
    def load(cls, path: str | Path) -> ConfusionModel:
        """Reads what `save` wrote.

        Raises:
            FileNotFoundError: There is no such file.
            ValueError: The file holds something else.
        """
        try:
            content = json.loads(Path(path).read_text(encoding="utf-8"))
            if content.pop("format") != FORMAT:
                raise KeyError("format")
            return cls(**content)
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise ValueError(
                f"{path} holds no confusions ({error}). Give a file that ConfusionModel.save wrote."
            ) from error


def confusions_between(reference: str, prediction: str) -> Iterator[Confusion]:
    """What was mistaken for what in one line, by an alignment with the fewest edits.

    Edits that touch are one confusion, unless it would span more than `LONGEST` characters.

    >>> list(confusions_between("a corner", "a comer"))
    [Confusion(start=4, true='rn', read='m')]
    """
    spans: list[list[int]] = []  # start and end in the reference, start and end in the prediction
    for tag, *span in Levenshtein.opcodes(reference, prediction).as_list():
        if tag == "equal":
            continue
        if spans and spans[-1][1] == span[0] and spans[-1][3] == span[2]:
            spans[-1][1], spans[-1][3] = span[1], span[3]
        else:
            spans.append(span)
    for start, end, read_start, read_end in spans:
        true, read = reference[start:end], prediction[read_start:read_end]
        if max(len(true), len(read)) <= LONGEST:
            yield Confusion(start, true, read)
            continue
        for place in range(max(len(true), len(read))):
            character = true[place : place + 1]
            yield Confusion(min(start + place, end), character, read[place : place + 1])


def _runs_tried(text: str, confusions: Sequence[Confusion]) -> Iterator[str]:
    """The runs that `corrupt` would have had to draw for, had it made these confusions."""
    mistaken = {confusion.start: confusion.true for confusion in confusions if confusion.true}
    position = 0
    while position < len(text):
        run_mistaken = mistaken.get(position, "")
        shortest = max(1, len(run_mistaken))
        for length in range(min(LONGEST, len(text) - position), shortest - 1, -1):
            yield text[position : position + length]
        position += shortest


def _draw(chances: Mapping[str, float], factor: float, rng: np.random.Generator) -> str | None:
    """One of the chances, or None when none of them comes true."""
    if not chances:
        return None
    total = sum(chances.values())
    scaled = min(total * factor, HIGHEST_RATE)
    place = rng.random()
    if place >= scaled:
        return None
    place *= total / scaled
    for outcome, chance in chances.items():
        place -= chance
        if place < 0:
            return outcome
    return outcome


def _dispersion(edits: np.ndarray, lengths: np.ndarray) -> float:
    """Variance of the lines' factors: what the edits vary more than independent ones would."""
    expected = lengths * (edits.sum() / lengths.sum())
    excess = ((edits - expected) ** 2 - expected).sum()
    return float(max(0.0, excess / max((expected**2).sum(), 1e-9)))
