"""Chooses the settings of the beam search on validation lines, and stores them in the n-gram.

In: logits and true texts of lines that neither the model nor the n-gram has learnt from. Out: CER
and WER of every combination on a grid, with the greedy ones beside. The logits are computed once
and kept in a file, so that another grid costs no more than its decoding.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from datetime import datetime, timezone
from itertools import product
from pathlib import Path

import numpy as np

from .data.code_fingerprint import code_fingerprint
from .evaluation import line_logits, load_recogniser
from .metrics import edit_counts
from .resnet_bilstm import image_transforms_resnet_bilstm, tones_resnet_bilstm
from .resnet_bilstm.beam_resnet_bilstm import BeamSearchDecoder
from .resnet_bilstm.ctc_resnet_bilstm import greedy_decode
from .resnet_bilstm.ngram_resnet_bilstm import CharacterNgram
from .weights_files import weights_sha256

GRID = {
    "lm_weight": (0.4, 0.5, 0.6, 0.7),
    "length_bonus": (0.4, 0.8, 1.2, 1.6),
    "word_bonus": (0.0, 0.5),
}


def cached_logits(
    path: str | Path, model: str | Path, dataset, **options
) -> tuple[list[np.ndarray | None], list[str], list[int]]:
    """Logits and texts of a data set's lines, from the file at `path` or computed and kept there.

    Args:
        path: An `.npz` file. It is taken only if it was made with these weights and settings of
            the model and this code that prepares images, and of lines with these texts.
        model: Folder of the model.
        dataset: With the columns `image` and `text`.
        **options: As `line_logits`.

    Returns:
        For each line that can be read its logits `(frames, vocab_size)`, None for one without ink,
        its text, and its row in the data set.
    """
    path = Path(path)
    texts = list(dataset["text"])
    code = code_fingerprint(image_transforms_resnet_bilstm, tones_resnet_bilstm)
    key = "\n".join([weights_sha256(model) or str(model), settings_text(model), code, *texts])
    key = hashlib.sha256(key.encode()).hexdigest()
    if path.is_file():
        with np.load(path) as file:
            if file["key"] == key:
                rows = file["rows"].tolist()
                logits = [file[f"line_{row}"] for row in rows]
                logits = [line if len(line) else None for line in logits]
                return logits, [texts[row] for row in rows], rows
    recogniser, processor = load_recogniser(model, {})
    found = dict(line_logits(recogniser, processor, dataset, range(len(texts)), **options))
    rows = sorted(found)
    logits = [None if found[row] is None else found[row].numpy() for row in rows]
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {
        f"line_{row}": np.empty(0, np.float32) if line is None else line.astype(np.float32)
        for row, line in zip(rows, logits, strict=True)
    }
    unfinished = path.with_name(f".{path.name}")  # savez would add its suffix to another one
    np.savez(unfinished, key=key, rows=np.array(rows), **arrays)
    unfinished.replace(path)
    return logits, [texts[row] for row in rows], rows


def settings_text(model: str | Path) -> str:
    """What besides the weights decides a folder's logits, `""` of a model on the Hub."""
    files = (Path(model) / name for name in ("config.json", "processor_config.json"))
    return "\n".join(file.read_text(encoding="utf-8") for file in files if file.is_file())


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
        "date": datetime.now(timezone.utc).isoformat(timespec="seconds"),
    }
