"""Lines to show: sentences of the project's own, misread as a recogniser would, and corrected.

In: a corrector and the recogniser's confusions. Out: lines in which words were repaired, and lines
in which words were broken. Lines of IAM may not be passed on, so none is shown.
"""

from collections.abc import Sequence

import numpy as np

from ..correction.corrector import BertCorrector
from ..correction.noise import ConfusionModel
from .statistics import words_right

MOST_SHOWN = 6
SENTENCES = (
    "The kettle had boiled dry before Martha woke.",
    "We counted 14 swallows on the telegraph wire.",
    "Nobody in Dunwick remembers the old ferry.",
    "He folded the map and put it in his coat.",
    "Rain fell on the orchard for nine days.",
    "Mrs. Pellow keeps bees behind the chapel.",
    "The lamp, which leaked, was sold for 3 pounds.",
    "A narrow path leads down to the harbour.",
    "Can you hear the mill wheel from the road?",
    "The accounts for 1947 were never found.",
    "Oliver said that the bridge would not hold.",
    "Her brother mends clocks in Lisbon.",
    "The children painted every gate green.",
    "It was too cold to sit by the window.",
    "Bring two ropes, a spade and some bread.",
    "The committee met on Tuesday and agreed.",
    "Snow covered the tracks within an hour.",
    "I have read your letter of 6 March twice.",
    "The doctor arrived late, without his bag.",
    "An owl has lived in the barn since spring.",
    "They built the wall from stones of the field.",
    "Mr. Tarrant would rather walk than wait.",
    "The price of wool rose again last month.",
    "She planted beans along the southern fence.",
    '"Leave the door open," whispered Edwin.',
    "The train to Carlow stops at every village.",
    "Some of the apples were already brown.",
    "Our guide spoke slowly and pointed north.",
    "The baker's daughter plays the violin.",
    "No ship has used this channel for 20 years.",
    "A letter for Agnes lay under the mat.",
    "The judge asked the same question again.",
    "Smoke rose from the far side of the valley.",
    "He paid the rent in coins, as always.",
    "The library closes at noon on Saturdays.",
    "Three of the witnesses had left the town.",
    "The soup needs salt, pepper and patience.",
    "Hannah drew the lighthouse from memory.",
    "The engine stopped just outside Redmoor.",
    "It is hard to say who began the quarrel.",
    "The teacher wrote one word on the board.",
    "Their boat, the Linnet, was painted white.",
    "A strong wind broke 11 panes of glass.",
    "The new mayor promised cheaper bread.",
    "We slept badly and started before dawn.",
    "The parcel was heavier than it looked.",
    "Few people knew that Samuel could swim.",
    "The river is deepest near the willow.",
    "She laughed, but she did not answer him.",
    "The museum bought the chair in 1962.",
    "Please return the key to room 27 by nine.",
    "The dog barked at every passing cart.",
    "Even the oldest farmers were surprised.",
    "His speech was short; the applause was not.",
    "The carpenter measured the table again.",
    "Clouds gathered over the western hills.",
    "The queue reached as far as the market.",
    "Ellen carried the lantern up the stairs.",
    "The garden was quiet after the wedding.",
    "That winter the well froze for a week.",
)


def examples(
    corrector: BertCorrector, confusions: ConfusionModel, cer: float, seed: int = 0
) -> dict[str, list[dict]]:
    """The first lines whose words were repaired, and the first whose words were broken.

    Args:
        corrector: Corrects from the text alone, as there is no image.
        confusions: What the recogniser mistakes for what.
        cer: Error rate of the lines, as a fraction.
        seed: Of the errors.

    Returns:
        `repaired` and `broken`, at most `MOST_SHOWN` lines each, with `true`, `recognised` and
        `corrected`. A line with both is `broken`.

    Raises:
        ValueError: `cer` is not a rate, or the confusions hold no error.
    """
    rng = np.random.default_rng(seed)
    recognised = [confusions.corrupt(sentence, rng, cer) for sentence in SENTENCES]
    corrected = [correction.corrected for correction in corrector.correct(recognised)]
    return sort_lines(SENTENCES, recognised, corrected)


def sort_lines(
    true: Sequence[str], recognised: Sequence[str], corrected: Sequence[str]
) -> dict[str, list[dict]]:
    """Lines by what their correction did; those without a repaired or broken word are left out."""
    shown: dict[str, list[dict]] = {"repaired": [], "broken": []}
    for texts in zip(true, recognised, corrected, strict=True):
        was_right, is_right = (words_right(texts[:1], [text]) for text in texts[1:])
        line = dict(zip(("true", "recognised", "corrected"), texts, strict=True))
        if (was_right & ~is_right).any():
            shown["broken"].append(line)
        elif (~was_right & is_right).any():
            shown["repaired"].append(line)
    return {kind: lines[:MOST_SHOWN] for kind, lines in shown.items()}
