"""CER and WER of a saved model on a labelled data set, as a JSON report.

In: a model folder (or Hub id) and a `datasets.Dataset` with the columns `image` and `text`, and
where they are known `id` and `writer_id` (`hwr_hf.data.iam.load_iam` gives all four).
Out: `EvaluationResult`; `write_report` writes what may be published: numbers, no text, no image.
Decoding is greedy (the best id of each frame, repeats merged, blanks dropped: Graves et al., 2006)
or a beam search with the n-gram beside the model.
"""

from __future__ import annotations

import shlex
import time
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from rapidfuzz.distance import Levenshtein

from .json_files import made_with, short_path, write_json
from .line_logits import image_processor_settings, line_logits, load_recogniser
from .metrics import EditCounts, bootstrap_interval, edit_counts
from .resnet_bilstm.beam_resnet_bilstm import load_beam_decoder
from .weights_files import weights_sha256

if TYPE_CHECKING:
    import torch
    from datasets import Dataset

NUM_RESAMPLES = 2000  # of the bootstrap
NUM_CONFUSIONS = 30  # in a report
NUM_WORST = 20  # lines in a report


@dataclass(frozen=True)
class EvaluationResult:
    """What a model read on every line, in the data set's order.

    `rows` are the lines' positions in the data set, `broken` the ids of images that do not decode
    (they are in no rate), `image_processor` the settings the images were prepared with.
    """

    model: str
    rows: list[int]
    ids: list[str]
    references: list[str]
    predictions: list[str]
    writer_ids: list[str] | None
    broken: list[str]
    lowercase: bool
    image_processor: dict
    dtype: str
    device: str
    seconds: float
    seed: int = 0
    num_samples: int | None = None
    num_views: int = 1
    decoder: str = "greedy"
    decoder_settings: dict | None = None

    @cached_property
    def counts(self) -> EditCounts:
        """Edits and lengths of every line."""
        return edit_counts(self.references, self.predictions)

    @property
    def cer(self) -> float:
        """Pooled character error rate, as a fraction."""
        return self.counts.cer

    @property
    def wer(self) -> float:
        """Pooled word error rate, as a fraction."""
        return self.counts.wer

    @property
    def cer_interval(self) -> tuple[float, float] | None:
        """95 % bootstrap interval by writer; None where fewer than two writers are known."""
        return self._interval(self.counts.character_edits, self.counts.characters)

    @property
    def wer_interval(self) -> tuple[float, float] | None:
        """95 % bootstrap interval by writer; None where fewer than two writers are known."""
        return self._interval(self.counts.word_edits, self.counts.words)

    def _interval(self, edits: np.ndarray, totals: np.ndarray) -> tuple[float, float] | None:
        if self.writer_ids is None or len(set(self.writer_ids)) < 2:
            return None
        return bootstrap_interval(
            edits, totals, self.writer_ids, num_resamples=NUM_RESAMPLES, seed=self.seed
        )


def evaluate_model(
    model_dir: str | Path,
    dataset: Dataset,
    *,
    batch_size: int = 16,
    device: str | None = None,
    dtype: str = "float32",
    image_processor_options: dict | None = None,
    lowercase: bool = False,
    num_samples: int | None = None,
    num_workers: int = 0,
    num_views: int = 1,
    decoder: str = "greedy",
    decoder_options: dict | None = None,
    seed: int = 0,
    progress: bool = True,
) -> EvaluationResult:
    """Read every image of a data set, in batches sorted by width, and compare with its text.

    Args:
        model_dir: Folder or Hub id of a `ResNetBiLstmForCTC` with its processor.
        dataset: Columns `image` and `text`; `id` and `writer_id` are used where present.
        batch_size: Lines read at once.
        device: `"cpu"`, `"cuda"`, ...; None takes the GPU if there is one.
        dtype: `"bfloat16"` or `"float16"` computes under autocast; the weights stay `float32`.
        image_processor_options: Image-processor settings to use instead of the saved ones, such
            as `{"do_deskew": False}`.
        lowercase: Compare without regard to case (Ma, 2023, does).
        num_samples: Read only so many lines, drawn at random with `seed`.
        num_workers: Processes that prepare images; 0 prepares them in this one.
        num_views: Changed views of each image whose mean is decoded; 1 reads it as it is.
        decoder: `"greedy"` or `"beam"`.
        decoder_options: With `"beam"`, as `load_beam_decoder`: `ngram`, `lm_weight`, ...
        seed: Of the drawn lines and of the bootstrap.
        progress: Show a progress bar on standard error.

    Returns:
        Texts, edit counts and settings; images that do not decode are in `broken`.

    Raises:
        ValueError: A column is missing, an option is not the image processor's or the decoder's,
            there is no n-gram to search with, no line or no readable image, or the model's weights
            are damaged.
    """
    import torch

    for column in ("image", "text"):
        if column not in dataset.column_names:
            raise ValueError(
                f"The data set has no column {column!r}, only {', '.join(dataset.column_names)}. "
                "Rename the one that holds it: dataset.rename_column(old, new)."
            )
    rows = _sample(len(dataset), num_samples, seed)
    if not rows:
        raise ValueError("There is no line to read. Choose another split, subset or num_samples.")
    device = device or ("cuda" if torch.cuda.is_available() else "cpu")
    model, processor = load_recogniser(model_dir, image_processor_options or {})
    decode, decoder_settings = _decode_function(
        decoder, decoder_options or {}, model_dir, processor.tokenizer
    )

    start = time.perf_counter()
    lines = line_logits(
        model.to(device),
        processor,
        dataset,
        rows,
        batch_size=batch_size,
        dtype=dtype,
        num_workers=num_workers,
        num_views=num_views,
        progress=progress,
    )
    texts = {row: "" if logits is None else decode(logits) for row, logits in lines}
    seconds = time.perf_counter() - start

    known = dataset.remove_columns("image").select(rows).to_dict()
    ids = known.get("id") or [str(row) for row in rows]
    writers = known.get("writer_id", [None])
    if not texts:
        raise ValueError(
            f"None of the {len(rows)} images can be read (the first is {ids[0]}). "
            "Check that the image files are complete."
        )
    good = [i for i, row in enumerate(rows) if row in texts]
    case = str.lower if lowercase else str
    return EvaluationResult(
        model=str(model_dir),
        rows=[rows[i] for i in good],
        ids=[ids[i] for i in good],
        references=[case(known["text"][i]) for i in good],
        predictions=[case(texts[rows[i]]) for i in good],
        writer_ids=None if None in writers else [writers[i] for i in good],
        broken=[ids[i] for i, row in enumerate(rows) if row not in texts],
        lowercase=lowercase,
        image_processor=image_processor_settings(processor.image_processor),
        dtype=dtype,
        device=str(device),
        seconds=seconds,
        seed=seed,
        num_samples=num_samples,
        num_views=num_views,
        decoder=decoder,
        decoder_settings=decoder_settings,
    )


def write_report(result: EvaluationResult, path: str | Path, about: dict) -> dict:
    """Write the rates, their intervals and all that is needed to measure them again, as JSON.

    The report holds no text and no image of the data set, so it can be published.

    Args:
        result: From `evaluate_model`.
        path: The JSON file; its folder is made.
        about: What was read, for the top of the report: `dataset`, `unit`, `split`, `subset`,
            `text` ("natural" or "tokens"), `segmentation`; `command` is the command line as a
            list, written with the folders outside the working folder left out.

    Returns:
        The report. Rates are fractions, `cer_interval` and `wer_interval` are 95 % bootstrap
        intervals resampled by writer (None where fewer than two writers are known). `confusions`
        are the most frequent edits, `worst_lines` those with most edits, without their text.
    """
    settings = result.image_processor
    passes = settings.get("num_deskew_passes", 0) if settings.get("do_deskew") else 0
    if settings.get("deskew_method") == "line":
        passes = min(passes, 1)  # it takes one, however many are asked for
    command = [_short_argument(argument) for argument in about.get("command", ())]
    report = {name: value for name, value in about.items() if name != "command"} | {
        "text_normalisation": "lower-cased" if result.lowercase else "none (case-sensitive)",
        "cer": round(result.cer, 5),
        "wer": round(result.wer, 5),
        "cer_interval": _rounded(result.cer_interval),
        "wer_interval": _rounded(result.wer_interval),
        "interval": f"95 % bootstrap by writer, {NUM_RESAMPLES} resamples",
        "lines": len(result.rows),
        "characters": int(result.counts.characters.sum()),
        "words": int(result.counts.words.sum()),
        "writers": None if result.writer_ids is None else len(set(result.writer_ids)),
        "broken_images": len(result.broken),
        "num_samples": result.num_samples,
        "cer_definition": "sum of edits / sum of reference characters",
        "wer_definition": "the same over words split on spaces",
        "decoder": result.decoder,
        "decoder_settings": result.decoder_settings,
        "num_views": result.num_views,
        "model": short_path(result.model),
        "model_sha256": weights_sha256(result.model),
        "deskew": settings["deskew_method"] if passes else "none",
        "num_deskew_passes": passes,
        "image_processor": settings,
        "seed": result.seed,
        "dtype": result.dtype,
        "device": result.device,
        "seconds": round(result.seconds, 1),
        **made_with("torch", "torchvision", "transformers", "datasets"),
        "command": shlex.join(command) or None,
        "confusions": confusions(result.references, result.predictions),
        "worst_lines": [
            {
                "id": result.ids[i],
                "edits": int(result.counts.character_edits[i]),
                "characters": int(result.counts.characters[i]),
            }
            for i in worst_rows(result.counts)[:NUM_WORST]
        ],
    }
    write_json(path, report)
    return report


def confusions(
    references: Sequence[str], predictions: Sequence[str], num_pairs: int = NUM_CONFUSIONS
) -> list[dict]:
    """The most frequent single edits between true and read texts.

    A shortest edit is not always unique: where several are, one of them is counted.

    Returns:
        `{"true", "read", "count"}`, most frequent first; a missed character has `read` `""`, an
        invented one `true` `""`.
    """
    pairs: Counter[tuple[str, str]] = Counter()
    for reference, prediction in zip(references, predictions, strict=True):
        reference, prediction = reference.strip(), prediction.strip()
        for edit in Levenshtein.editops(reference, prediction):
            true = "" if edit.tag == "insert" else reference[edit.src_pos]
            read = "" if edit.tag == "delete" else prediction[edit.dest_pos]
            pairs[true, read] += 1
    ranked = sorted(pairs.items(), key=lambda pair: (-pair[1], pair[0]))
    return [{"true": true, "read": read, "count": n} for (true, read), n in ranked[:num_pairs]]


def worst_rows(counts: EditCounts) -> list[int]:
    """Lines with an error by their edits, then by their error rate, worst first."""
    rates = counts.character_edits / np.maximum(counts.characters, 1)
    order = np.lexsort((-rates, -counts.character_edits))
    return [int(i) for i in order if counts.character_edits[i] > 0]


def _sample(num_rows: int, num_samples: int | None, seed: int) -> list[int]:
    if num_samples is None or num_samples >= num_rows:
        return list(range(num_rows))
    rows = np.random.default_rng(seed).choice(num_rows, size=max(num_samples, 0), replace=False)
    return sorted(rows.tolist())


def _decode_function(
    decoder: str, options: dict, model_dir: str | Path, tokenizer
) -> tuple[Callable[[torch.Tensor], str], dict | None]:
    """Logits of a line -> its text, and the decoder's settings for the report."""
    if decoder == "greedy":
        if options:
            raise ValueError(f"{next(iter(options))} is an option of the beam search alone.")
        return lambda logits: tokenizer.decode(logits.argmax(dim=-1).tolist()), None
    if decoder != "beam":
        raise ValueError(f"decoder={decoder!r} is not one of greedy, beam.")
    beam_search = load_beam_decoder(model_dir, tokenizer, **options)

    def decode(logits: torch.Tensor) -> str:
        return tokenizer.decode(beam_search.decode(logits)[0].labels, group_tokens=False)

    return decode, beam_search.describe()


def _short_argument(argument: str) -> str:
    option, equals, value = argument.rpartition("=")
    return option + equals + short_path(value)


def _rounded(interval: tuple[float, float] | None) -> list[float] | None:
    return None if interval is None else [round(end, 5) for end in interval]
