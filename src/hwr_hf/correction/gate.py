"""Which of a corrector's edits are taken.

In: an edit with how much more probable it makes the line, once for the corrector and, where there
is an image, once for the recogniser. Out: the same edit with its score, and whether it is taken.
The score is the recogniser's change in log-probability plus `weight` times the corrector's: a noisy
channel, in which the recogniser vouches for the image and the corrector for the language (Kernighan
et al., 1990, https://aclanthology.org/C90-2036/). Without an image it is the corrector's alone, on
another scale, so that it has a threshold of its own.
"""

import json
import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

from hwr_hf.json_files import write_json

from .edits import Correction, Edit, apply_edits

GATE_FILE = "gate.json"


@dataclass(frozen=True)
class GateSettings:
    """What an edit's score is made of, and how high it must be.

    `gate_fitting.fit_gate` chooses them on validation lines.

    Attributes:
        weight: Of the corrector's change in log-probability against the recogniser's, 0 or more.
        threshold: Least score of an edit that is taken, where the recogniser has scored it; in
            natural logarithms. Infinity takes none.
        text_threshold: The same where only the text is known.

    Raises:
        ValueError: One is no number, or `weight` is negative or infinite.
    """

    weight: float = 1.0
    threshold: float = 0.0
    text_threshold: float = 0.0

    def __post_init__(self) -> None:
        for field in fields(self):
            value = getattr(self, field.name)
            if isinstance(value, bool) or not isinstance(value, (int, float)) or math.isnan(value):
                raise ValueError(f"The gate's {field.name} is {value!r}; it is a number.")
        if not 0 <= self.weight < math.inf:
            raise ValueError(f"The gate's weight is {self.weight}; it is 0 or more, and finite.")

    def judge(self, edit: Edit) -> Edit:
        """The edit with its score, and whether it is taken."""
        if edit.corrector_change is None:
            raise ValueError(f"{edit} has no corrector_change. Score it before it is judged.")
        if edit.recogniser_change is None:
            score, threshold = edit.corrector_change, self.text_threshold
        else:
            score = edit.recogniser_change + self.weight * edit.corrector_change
            threshold = self.threshold
        # What cannot be written under the image is not taken, however low the threshold.
        accepted = score >= threshold and score > -math.inf
        return replace(edit, score=score, accepted=accepted)

    def save(self, path: str | Path) -> None:
        """Write them as JSON; a threshold that takes nothing is null there."""
        values = {
            name: None if value == math.inf else value for name, value in asdict(self).items()
        }
        write_json(path, values)

    @classmethod
    def load(cls, path: str | Path) -> "GateSettings":
        """Read what `save` wrote.

        Raises:
            ValueError: The file holds something else.
        """
        try:
            values = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls(**{n: math.inf if v is None else v for n, v in values.items()})
        except (ValueError, TypeError, AttributeError) as error:
            names = ", ".join(field.name for field in fields(cls))
            raise ValueError(
                f"{path} holds no settings of a gate ({error}). It is a JSON object with {names}."
            ) from error


def gated_edits(proposed: Sequence[Correction], gate: GateSettings) -> list[str]:
    """The texts with the edits that a gate takes."""
    return [
        apply_edits(line.recognised, [edit for edit in line.edits if gate.judge(edit).accepted])
        for line in proposed
    ]
