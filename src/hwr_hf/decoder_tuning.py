"""Chooses the settings of the beam search on validation lines, and stores them in the n-gram.

In: logits and true texts of lines that neither the model nor the n-gram has learnt from. Out: CER
and WER of every combination on a grid, with the greedy ones beside. Logits that
`line_logits.cached_logits` keeps in a file make another grid cost no more than its decoding.
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np

from .json_files import utc_now
from .metrics import edit_counts
from .resnet_bilstm.beam_resnet_bilstm import BeamSearchDecoder
from .resnet_bilstm.ctc_resnet_bilstm import greedy_decode
from .resnet_bilstm.ngram_resnet_bilstm import CharacterNgram

GRID = {
    "lm_weight": (0.4, 0.5, 0.6, 0.7),
    "length_bonus": (0.4, 0.8, 1.2, 1.6),
    "word_bonus": (0.0, 0.5),
}


def tune_decoder(
    logits: Sequence[np.ndarray | None],
    texts: Sequence[str],
    token_ids: Mapping[str, int],
    ngram: CharacterNgram,
    grid: Mapping[str, Sequence[float]] = GRID,
    blank_id: int = 0,
) -> dict:
    """CER and WER of every combination of settings.

    Args:
        logits: One array `(frames, vocab_size)` a line, None for a line without ink.
        texts: The true ones.
        token_ids: Label id of each character.
        ngram: The language model.
        grid: Values to try, by the setting's name.
        blank_id: Id of the CTC blank.

    Returns:
        `greedy`, `best` (lowest CER, then WER) and `rows`, all with `cer` and `wer`; `best` and
        `rows` with their settings; `lines` and `lines_per_second` of one process.

    Raises:
        ValueError: There is no line, or not as many texts.
    """
    if not texts or len(texts) != len(logits):
        raise ValueError(
            f"{len(logits)} lines and {len(texts)} texts given; give one text for every line, and "
            "one line at least."
        )
    character_of = {id_: character for character, id_ in token_ids.items()}

    def rates(labels_of_lines) -> dict:
        read = ["".join(character_of[id_] for id_ in labels) for labels in labels_of_lines]
        counts = edit_counts(list(texts), read)
        return {"cer": round(counts.cer, 5), "wer": round(counts.wer, 5)}

    greedy = rates([] if line is None else greedy_decode(line, blank_id) for line in logits)
    rows, start = [], time.perf_counter()
    for values in product(*grid.values()):
        settings = dict(zip(grid, values, strict=True))
        decoder = BeamSearchDecoder(token_ids, blank_id, ngram, settings)
        labels = [[] if line is None else decoder.decode(line)[0].labels for line in logits]
        rows.append({**settings, **rates(labels)})
    seconds = time.perf_counter() - start
    return {
        "greedy": greedy,
        "best": min(rows, key=lambda row: (row["cer"], row["wer"])),
        "lines": len(texts),
        "lines_per_second": round(len(texts) * len(rows) / seconds, 1),
        "rows": rows,
        "date": utc_now(),
    }
