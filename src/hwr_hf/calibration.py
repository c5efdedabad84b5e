"""Temperature scaling: makes the score of a text the probability that all of it is right.

In: a CTC model and labelled images it was not trained on. Out: one temperature, by which logits are
divided before a text is scored, and how well the scores then keep their word: expected calibration
error (ECE) and reliability diagram.

Methods: temperature scaling and ECE, Guo et al. (2017), https://arxiv.org/abs/1706.04599; bins of
equal count, Nguyen & O'Connor (2015), https://doi.org/10.18653/v1/D15-1182. Here what has a score
is a text, not a frame: its probability is CTC's sum over all alignments.
"""

from __future__ import annotations

import io
from collections.abc import Hashable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from PIL import Image
from rapidfuzz.distance import Levenshtein
from torch.nn import functional as F

from .json_files import made_with
from .model_folders import edit_config
from .resnet_bilstm.ctc_resnet_bilstm import ctc_segment_log_posteriors, greedy_decode
from .resnet_bilstm.image_transforms_resnet_bilstm import UNREADABLE_IMAGE
from .resnet_bilstm.modeling_resnet_bilstm import CERTAINLY_NOT
from .resnet_bilstm.pipeline_resnet_bilstm import collate_lines, word_segments
from .weights_files import weights_sha256

if TYPE_CHECKING:
    from datasets import Dataset

NUM_BINS = 15
# 3 % apart: the ECE does not feel a smaller step.
TEMPERATURES = np.geomspace(0.5, 8.0, 95)
MIN_PROBABILITY = 1e-12  # keeps the loss of a text that cannot be right finite


@dataclass(frozen=True)
class ReadText:
    """One image as the model reads it, greedily.

    `logits` is `(frames, vocab_size)`, `words` are `(start, end)` among the labels, `right_words`
    says of each whether a shortest edit to the true text keeps it.
    """

    logits: np.ndarray
    labels: list[int]
    right: bool
    words: list[tuple[int, int]]
    right_words: list[bool]
    writer_id: Hashable


def calibration_bins(
    scores: Sequence[float], right: Sequence[bool], num_bins: int = NUM_BINS
) -> list[dict]:
    """Mean score and share of right texts in bins of equal count, lowest scores first.

    Args:
        scores: Probability of each text, by the model.
        right: Whether it is right.
        num_bins: Bins; their counts differ by one at most, and none is empty.

    Returns:
        `{"score", "right", "count"}` for each bin.

    Raises:
        ValueError: There is no text, or the lengths differ.
    """
    scores, right = np.asarray(scores, dtype=float), np.asarray(right, dtype=float)
    if len(scores) != len(right) or len(scores) == 0:
        raise ValueError(
            f"{len(scores)} scores and {len(right)} judgements given. "
            "Give both for every text, and one text at least."
        )
    order = np.argsort(scores, kind="stable")
    return [
        {
            "score": float(scores[part].mean()),
            "right": float(right[part].mean()),
            "count": len(part),
        }
        for part in np.array_split(order, min(num_bins, len(order)))
    ]


def expected_calibration_error(
    scores: Sequence[float], right: Sequence[bool], num_bins: int = NUM_BINS
) -> float:
    """Mean distance of the bins' mean score from their share of right texts, weighted by count.

    >>> expected_calibration_error([0.2, 0.4, 0.9, 0.9], [False, False, True, True], num_bins=2)
    0.2
    """
    bins = calibration_bins(scores, right, num_bins)
    distances = sum(part["count"] * abs(part["score"] - part["right"]) for part in bins)
    return distances / len(scores)


def chance_calibration_error(
    scores: Sequence[float], num_bins: int = NUM_BINS, num_draws: int = 500, seed: int = 0
) -> float:
    """ECE to expect of scores that are true probabilities, from the number of texts alone.

    Whether a text is right is drawn `num_draws` times with its score as the probability; few texts
    a bin leave an error that no calibration can remove.
    """
    scores = np.asarray(scores, dtype=float)
    rng = np.random.default_rng(seed)
    errors = [
        expected_calibration_error(scores, rng.random(len(scores)) < scores, num_bins)
        for _ in range(num_draws)
    ]
    return float(np.mean(errors))


def log_scores(
    logits: np.ndarray | torch.Tensor,
    labels: Sequence[int],
    temperatures: Sequence[float],
    blank_id: int = 0,
) -> np.ndarray:
    """Log-probability of a labelling at several temperatures, `(temperatures,)`.

    Args:
        logits: One line, `(frames, vocab_size)`.
        labels: Label ids without blanks, which the frames can spell.
        temperatures: Each divides the logits.
        blank_id: Id of the CTC blank.
    """
    scale = torch.as_tensor(np.asarray(temperatures), dtype=torch.float32)[:, None]
    scaled = torch.as_tensor(logits).float()[:, None] / scale  # (frames, temperatures, vocab_size)
    losses = F.ctc_loss(
        scaled.log_softmax(dim=-1),
        torch.tensor([list(labels)], dtype=torch.long).expand(len(temperatures), len(labels)),
        input_lengths=torch.full((len(temperatures),), len(scaled)),
        target_lengths=torch.full((len(temperatures),), len(labels)),
        blank=blank_id,
        reduction="none",
    )
    return np.minimum(0.0, -losses.numpy().astype(float))


def fit_temperature(
    log_scores_of_texts: np.ndarray,
    right: Sequence[bool],
    temperatures: np.ndarray = TEMPERATURES,
) -> float:
    """The temperature under which scores predict best which texts are right.

    The loss is the logarithmic one (cross-entropy of right against wrong), least where scores are
    probabilities.

    Args:
        log_scores_of_texts: `(texts, temperatures)`, from `log_scores`.
        right: Whether each text is right.
        temperatures: Those tried.

    Returns:
        One of `temperatures`.

    Raises:
        ValueError: The best is the lowest or the highest tried, so a better one may lie beyond.
    """
    right = np.asarray(right, dtype=bool)[:, None]
    probabilities = np.exp(log_scores_of_texts).clip(MIN_PROBABILITY, 1 - MIN_PROBABILITY)
    losses = -np.log(np.where(right, probabilities, 1 - probabilities))  # (texts, temperatures)
    best = int(losses.mean(axis=0).argmin())
    if best in (0, len(temperatures) - 1):
        raise ValueError(
            f"No temperature between {temperatures[0]:.2g} and {temperatures[-1]:.2g} fits best. "
            "Check that model and texts belong together, and that some texts are read right and "
            "some wrong."
        )
    return float(temperatures[best])


def leave_writers_out(
    log_scores_of_texts: np.ndarray,
    right: Sequence[bool],
    writer_ids: Sequence[Hashable],
    temperatures: np.ndarray = TEMPERATURES,
) -> np.ndarray:
    """For each text the temperature fitted to the texts of all other writers, `(texts,)`.

    Raises:
        ValueError: There are fewer than two writers.
    """
    writers, number = np.unique(np.asarray(writer_ids, dtype=str), return_inverse=True)
    if len(writers) < 2:
        raise ValueError(
            f"{len(writers)} writer given; leaving one out needs 2. Calibrate on more writers."
        )
    right = np.asarray(right, dtype=bool)
    fitted = [
        fit_temperature(log_scores_of_texts[number != i], right[number != i], temperatures)
        for i in range(len(writers))
    ]
    return np.array(fitted)[number]


def read_texts(reader, dataset: Dataset, batch_size: int = 16) -> list[ReadText]:
    """What a pipeline reads in a data set; images that do not decode are left out.

    Args:
        reader: A `ResNetBiLstmPipeline`.
        dataset: Columns `image`, `text` and `writer_id`.
        batch_size: Images read at once.
    """
    from datasets import Image as ImageFeature
    from tqdm import tqdm

    files = dataset.cast_column("image", ImageFeature(decode=False))
    texts = []
    for start in tqdm(range(0, len(files), batch_size), unit="batch"):
        items, rows = [], []
        for row in files.select(range(start, min(start + batch_size, len(files)))):
            image = _open(row["image"])
            if image is not None:
                items.append(reader.preprocess(image))
                rows.append(row)
        if items:
            outputs = reader.forward(collate_lines(items))
            for item, logits, row in zip(items, outputs["logits"], rows, strict=True):
                num_frames = reader.model.num_frames(int(item["pixel_mask"].sum()))
                logits = logits[:num_frames].float().numpy()
                if not item["has_ink"]:  # the pipeline's answer is "" with certainty
                    logits = np.full((1, logits.shape[1]), CERTAINLY_NOT, dtype=np.float32)
                    logits[:, reader.tokenizer.pad_token_id] = 0.0
                texts.append(judge_text(logits, row["text"], row["writer_id"], reader.tokenizer))
    return texts


def judge_text(logits: np.ndarray, true_text: str, writer_id: Hashable, tokenizer) -> ReadText:
    """Greedy text of a line and which of it is right; spaces around the text do not count."""
    labels = greedy_decode(logits, tokenizer.pad_token_id)
    words = word_segments(labels, tokenizer.convert_tokens_to_ids(" "))
    read = [tokenizer.decode(labels[start:end], group_tokens=False) for start, end in words]
    kept = {
        position
        for edit in Levenshtein.opcodes(true_text.split(), read)
        if edit.tag == "equal"
        for position in range(edit.dest_start, edit.dest_end)
    }
    right_words = [position in kept for position in range(len(read))]
    text = tokenizer.decode(labels, group_tokens=False)
    return ReadText(
        logits, labels, text.strip() == true_text.strip(), words, right_words, writer_id
    )


def calibration_report(
    texts_of_units: dict[str, list[ReadText]], blank_id: int = 0, seed: int = 0
) -> dict:
    """Fits the temperature to all texts together, and says for each unit how well it does.

    Args:
        texts_of_units: Texts by unit, such as `"lines"` and `"words"`.
        blank_id: Id of the CTC blank.
        seed: Of the draws behind `ece_of_chance`.

    Returns:
        `temperature`, and for each unit and for `"all"` of them the number of `texts`, the share
        `right`, `ece_before` (temperature 1), `ece` (fitted and measured on the same texts),
        `ece_cross_fitted` (each writer with the temperature fitted to the others),
        `ece_of_chance` (see `chance_calibration_error`), and `bins_before` and `bins`. The same,
        without a cross-fit, for the `"words of lines"`, whose scores take the rest of their line
        as right. No text of the data.
    """
    texts = [text for unit in texts_of_units.values() for text in unit]
    table = np.stack(
        [log_scores(text.logits, text.labels, [1.0, *TEMPERATURES], blank_id) for text in texts]
    )  # (texts, 1 + temperatures)
    log_before, table = table[:, 0], table[:, 1:]
    right = np.array([text.right for text in texts])
    writer_ids = [text.writer_id for text in texts]
    temperature = fit_temperature(table, right)
    column = np.searchsorted(TEMPERATURES, temperature)
    columns = np.searchsorted(TEMPERATURES, leave_writers_out(table, right, writer_ids))
    cross_fitted = np.exp(table[np.arange(len(texts)), columns])

    report = {
        "temperature": round(temperature, 4),
        "temperatures_cross_fitted": [
            round(float(TEMPERATURES[i]), 4) for i in (columns.min(), columns.max())
        ],
        "bins": f"{NUM_BINS} of equal count",
    }
    units = np.repeat(list(texts_of_units), [len(unit) for unit in texts_of_units.values()])
    for name in ["all", *texts_of_units]:
        part = np.flatnonzero((units == name) | (name == "all"))
        report[name] = _before_and_after(
            np.exp(log_before[part]), np.exp(table[part, column]), right[part], seed
        ) | {
            "ece_cross_fitted": round(
                expected_calibration_error(cross_fitted[part], right[part]), 5
            ),
            "writers": len({writer_ids[i] for i in part}),
        }
    if "lines" in texts_of_units:
        lines = texts_of_units["lines"]
        report["words of lines"] = _before_and_after(
            word_scores(lines, 1.0, blank_id),
            word_scores(lines, temperature, blank_id),
            np.array([right for line in lines for right in line.right_words]),
            seed,
        )
    return report


def word_scores(lines: Sequence[ReadText], temperature: float, blank_id: int = 0) -> np.ndarray:
    """Score of every word of every line, the rest of its line being taken as right, `(words,)`."""
    return np.exp(
        [
            log_posterior
            for line in lines
            for log_posterior in ctc_segment_log_posteriors(
                line.logits / temperature, line.labels, line.words, blank_id
            )
        ]
    )


def _before_and_after(before: np.ndarray, after: np.ndarray, right: np.ndarray, seed: int) -> dict:
    return {
        "texts": len(right),
        "right": round(float(right.mean()), 5),
        "ece_before": round(expected_calibration_error(before, right), 5),
        "ece": round(expected_calibration_error(after, right), 5),
        "ece_of_chance": round(chance_calibration_error(after, seed=seed), 5),
        "bins_before": _rounded(calibration_bins(before, right)),
        "bins": _rounded(calibration_bins(after, right)),
    }


def _rounded(bins: list[dict]) -> list[dict]:
    return [{name: round(value, 5) for name, value in part.items()} for part in bins]


def calibrate(
    model_dir: str | Path,
    datasets: dict[str, Dataset],
    *,
    batch_size: int = 16,
    device: str | None = None,
) -> dict:
    """Fits the temperature of a model and stores it in the model's `config.json`.

    Args:
        model_dir: Folder of the model; its weights stay as they are.
        datasets: By unit (`"lines"`, `"words"`) images that the model was not trained on, with the
            columns `image`, `text` and `writer_id`.
        batch_size: Images read at once.
        device: `"cpu"`, `"cuda"`, ...; None lets the library choose.

    Returns:
        `calibration_report` and what it was measured with.

    Raises:
        ValueError: `model_dir` is no folder with a `config.json`, or see `fit_temperature`.
    """
    from transformers import pipeline

    _check_config(model_dir)
    reader = pipeline("image-to-text", model=str(model_dir), device=device, dtype=torch.float32)
    texts = {unit: read_texts(reader, dataset, batch_size) for unit, dataset in datasets.items()}
    report = calibration_report(texts, reader.tokenizer.pad_token_id)
    store_temperature(model_dir, report["temperature"])
    return report | {
        "decoder": "greedy",
        "model_sha256": weights_sha256(model_dir),
        **made_with("torch", "transformers"),
    }


def store_temperature(model_dir: str | Path, temperature: float) -> None:
    """Writes `temperature` into the `config.json` of a model's folder and leaves the rest.

    Raises:
        ValueError: The folder has no `config.json`.
    """
    _check_config(model_dir)
    edit_config(model_dir, temperature=temperature)


def draw_calibration(report: dict, path: str | Path) -> None:
    """Reliability diagram: share of right texts over their mean score, before and after scaling.

    Args:
        report: From `calibration_report`.
        path: Of the PNG that is written.
    """
    from matplotlib.figure import Figure

    names = [name for name in ("lines", "words", "words of lines") if name in report]
    figure = Figure(figsize=(4 * len(names), 4.4), dpi=120, layout="constrained")
    for axis, name in zip(figure.subplots(1, len(names), squeeze=False)[0], names, strict=True):
        part = report[name]
        axis.plot([0, 1], [0, 1], color="0.8", linewidth=1)
        for bins, error, style, label in (
            ("bins_before", "ece_before", {"color": "0.6", "marker": "o"}, "before"),
            ("bins", "ece", {"color": "tab:blue", "marker": "o"}, "after"),
        ):
            axis.plot(
                [one["score"] for one in part[bins]],
                [one["right"] for one in part[bins]],
                markersize=4,
                label=f"{label}: ECE {part[error]:.3f}",
                **style,
            )
        axis.set(
            title=f"{part['texts']} {name}",
            xlabel="mean score",
            ylabel="share right",
            xlim=(-0.02, 1.02),
            ylim=(-0.02, 1.02),
            aspect="equal",
        )
        axis.legend(loc="upper left", frameon=False)
    figure.suptitle(f"temperature {report['temperature']:.2f}, bins: {report['bins']}")
    figure.savefig(path)


def _check_config(model_dir: str | Path) -> None:
    if not Path(model_dir, "config.json").is_file():
        raise ValueError(
            f"{model_dir} is no model folder: config.json is missing. The temperature is stored "
            "there; save a model of the Hub to a folder first."
        )


def _open(file: dict | None) -> Image.Image | None:
    """The image of a data set's row, or None where it does not decode."""
    try:
        image = Image.open(file["path"] if file["bytes"] is None else io.BytesIO(file["bytes"]))
        image.load()
    except (*UNREADABLE_IMAGE, TypeError):
        return None
    return image
