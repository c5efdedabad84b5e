"""Chooses a gate's settings on lines whose true text is known.

In: corrections with all their edits scored, and the true texts. Out: the `GateSettings` with the
lowest CER, among those that raise the CER of no group of lines; where nothing lowers it, settings
that take no edit. Lines that the corrector was trained on would flatter it: use others.
"""

import math
from collections.abc import Callable, Hashable, Sequence
from functools import cache
from itertools import groupby

from rapidfuzz.distance import Levenshtein

from .edits import Correction, Edit, apply_edits
from .gate import GateSettings

WEIGHTS = (0.0, 0.1, 0.2, 0.35, 0.5, 0.75, 1.0, 1.5, 2.0, 3.0, 5.0, 10.0)


def fit_gate(
    corrections: Sequence[Correction],
    references: Sequence[str],
    groups: Sequence[Hashable] | None = None,
    weights: Sequence[float] = WEIGHTS,
) -> GateSettings:
    """The settings with the lowest CER on these lines.

    Args:
        corrections: As `BertCorrector.correct` returns them; what its gate decided has no effect.
        references: True texts, in the same order.
        groups: Of each line, such as the noise it was read under; in none may the CER rise.
        weights: To choose from.

    Returns:
        Of equally good settings, those that take fewest edits. `threshold` takes nothing where no
        edit has the recogniser's change.

    Raises:
        ValueError: The lists differ in length.
    """
    groups = [None] * len(references) if groups is None else groups
    if not len(corrections) == len(references) == len(groups):
        raise ValueError(
            f"{len(corrections)} corrections, {len(references)} references and {len(groups)} "
            "groups are given. Give one of each for every line."
        )

    @cache
    def errors(line: int, accepted: frozenset[Edit]) -> int:
        text = apply_edits(corrections[line].recognised, accepted)
        return Levenshtein.distance(references[line].strip(), text.strip())

    proposed = [
        (line, edit) for line, correction in enumerate(corrections) for edit in correction.edits
    ]
    seen = [item for item in proposed if item[1].recogniser_change is not None]

    def fit(items: list[tuple[int, Edit]], score: Callable[[Edit], float]) -> tuple[int, float]:
        return _lowest_threshold(
            [(score(edit), line, edit) for line, edit in items], groups, errors
        )

    _, text_threshold = fit(proposed, lambda edit: edit.corrector_change)
    fitted = []
    for weight in weights:
        change, threshold = fit(
            seen, lambda e, weight=weight: e.recogniser_change + weight * e.corrector_change
        )
        fitted.append((change, weight, threshold))
    _, weight, threshold = min(fitted, key=lambda item: item[0])
    return GateSettings(weight, threshold, text_threshold)


def _lowest_threshold(
    scored: list[tuple[float, int, Edit]],
    groups: Sequence[Hashable],
    errors: Callable[[int, frozenset[Edit]], int],
) -> tuple[int, float]:
    """Change in errors, 0 or below, and the threshold that brings it.

    Edits are taken one after the other, highest score first.
    """
    finite = [item for item in scored if math.isfinite(item[0])]
    finite.sort(key=lambda item: -item[0])
    steps = [(score, list(items)) for score, items in groupby(finite, key=lambda item: item[0])]
    accepted = {line: frozenset() for _, line, _ in finite}
    changes = {groups[line]: 0 for line in accepted}
    best, threshold = 0, math.inf
    for index, (score, items) in enumerate(steps):
        for _, line, edit in items:
            before = errors(line, accepted[line])
            accepted[line] |= {edit}
            changes[groups[line]] += errors(line, accepted[line]) - before
        total = sum(changes.values())
        if total < best and max(changes.values()) <= 0:
            # Half-way to the next edit, which is not taken.
            following = steps[index + 1][0] if index + 1 < len(steps) else score
            best, threshold = total, (score + following) / 2
    return best, threshold
