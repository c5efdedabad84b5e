"""From CTC logits to label ids, and from label ids back to probabilities and frames.

In: logits (or log-probabilities) of one line, `(frames, vocab_size)`, numpy or torch; time runs
left to right over the line image, and `blank_id` is the tokenizer's `pad_token_id`.
Out: label ids, the probability of a labelling, the frames of each label.

Reference: Graves et al. (2006), https://doi.org/10.1145/1143844.1143891
"""

from collections.abc import Iterable, Sequence
from itertools import groupby, pairwise

import numpy as np
import torch
from torch.nn import functional as F

IGNORED_LABEL = -100  # pads labels; the losses of PyTorch and transformers leave it out


def ctc_collapse(path: Iterable[int], blank_id: int = 0) -> list[int]:
    """Labels of a path: one id a frame, repeats merged, then blanks dropped.

    >>> ctc_collapse([7, 7, 0, 7, 4])
    [7, 7, 4]
    """
    return [int(label) for label, _ in groupby(path) if label != blank_id]


def min_ctc_frames(labels: Sequence[int]) -> int:
    """Fewest frames that can spell `labels`: one each, and a blank between equal neighbours."""
    return len(labels) + sum(left == right for left, right in pairwise(labels))


def greedy_decode(logits: np.ndarray | torch.Tensor, blank_id: int = 0) -> list[int]:
    """Labels of the best path: the most probable id of every frame, collapsed.

    Args:
        logits: One line, `(frames, vocab_size)`.
        blank_id: Id of the CTC blank.

    Returns:
        Label ids without blanks; `[]` for a line of blanks.

    Raises:
        ValueError: `logits` is not two-dimensional.
    """
    return ctc_collapse(_line(logits).argmax(dim=-1).tolist(), blank_id)


def ctc_log_probability(
    logits: np.ndarray | torch.Tensor, labels: Sequence[int], blank_id: int = 0
) -> float:
    """Log-probability of a labelling: all paths that collapse to it, summed (the forward pass).

    Args:
        logits: One line, `(frames, vocab_size)`.
        labels: Label ids without blanks; may be empty.
        blank_id: Id of the CTC blank.

    Returns:
        Natural logarithm, at most 0; `-inf` when the frames are too few for the labels.

    Raises:
        ValueError: `logits` is not two-dimensional, or a label is the blank or no id of the
            vocabulary.
    """
    log_probabilities = line_log_probabilities(logits)  # (frames, vocab_size)
    num_frames, vocab_size = log_probabilities.shape
    _check_labels(labels, vocab_size, blank_id)
    if num_frames < min_ctc_frames(labels):
        return -float("inf")
    if num_frames == 0:
        return 0.0  # no frame spells the empty text, and nothing else
    loss = F.ctc_loss(
        log_probabilities[:, None],  # (frames, batch, vocab_size)
        torch.tensor([list(labels)], dtype=torch.long).reshape(1, len(labels)),
        input_lengths=torch.tensor([num_frames]),
        target_lengths=torch.tensor([len(labels)]),
        blank=blank_id,
        reduction="sum",
    )
    return min(0.0, -loss.item())  # rounding may leave a loss of -1e-17


def ctc_align(
    logits: np.ndarray | torch.Tensor, labels: Sequence[int], blank_id: int = 0
) -> list[tuple[int, int]]:
    """Frames of each label on the most probable path that collapses to `labels`.

    This is forced (Viterbi) alignment: the forward pass with a maximum in place of the sum.

    Args:
        logits: One line, `(frames, vocab_size)`.
        labels: Label ids without blanks; may be empty.
        blank_id: Id of the CTC blank.

    Returns:
        `(start, end)` for each label, in frames, `end` exclusive. Frames in no span are blank.

    Raises:
        ValueError: The frames are too few for the labels, `logits` is not two-dimensional, or a
            label is the blank or not in the vocabulary.
    """
    log_probabilities = line_log_probabilities(logits).numpy()  # (frames, vocab_size)
    num_frames, vocab_size = log_probabilities.shape
    _check_labels(labels, vocab_size, blank_id)
    needed = min_ctc_frames(labels)
    if num_frames < needed:
        raise ValueError(
            f"{num_frames} frames cannot spell {len(labels)} labels, which need {needed}. "
            "Align a shorter text or a wider image."
        )
    if not labels:
        return []

    states, may_skip = _states(labels, blank_id)
    emissions = log_probabilities[:, states]  # (frames, states)
    scores = _first_scores(emissions)
    moves = np.zeros(emissions.shape, dtype=np.int64)  # states gone forward to get here: 0, 1 or 2
    for frame in range(1, num_frames):
        candidates = np.stack([scores, _shift(scores, 1), _skip(scores, may_skip)])  # (3, states)
        moves[frame] = candidates.argmax(axis=0)
        scores = candidates.max(axis=0) + emissions[frame]

    state = len(states) - 1 if scores[-1] > scores[-2] else len(states) - 2
    path = np.empty(num_frames, dtype=np.int64)
    for frame in range(num_frames - 1, -1, -1):
        path[frame] = state
        state -= moves[frame, state]

    spans = []
    for index in range(len(labels)):
        frames = np.flatnonzero(path == 2 * index + 1)
        spans.append((int(frames[0]), int(frames[-1]) + 1))
    return spans


def ctc_segment_log_posteriors(
    logits: np.ndarray | torch.Tensor,
    labels: Sequence[int],
    segments: Sequence[tuple[int, int]],
    blank_id: int = 0,
) -> list[float]:
    """Log-probability of parts of a labelling, such as its words, given that the rest is right.

    This is the probability of `labels` over that of all labellings which start with
    `labels[:start]` and end with `labels[end:]`, whatever stands between. It sums over all
    alignments, so it does not depend on where a segment begins and ends in the image; the segment
    that spans all of `labels` gets `ctc_log_probability(logits, labels)`.

    Args:
        logits: One line, `(frames, vocab_size)`.
        labels: Label ids without blanks.
        segments: `(start, end)` of each part among the labels, `end` exclusive.
        blank_id: Id of the CTC blank.

    Returns:
        Natural logarithm for each segment, at most 0; `-inf` if the frames are too few.

    Raises:
        ValueError: As `ctc_log_probability`.
    """
    log_probability = ctc_log_probability(logits, labels, blank_id)
    if log_probability == -float("inf") or len(logits) == 0:
        return [log_probability] * len(segments)
    log_probabilities = line_log_probabilities(logits).numpy()  # (frames, vocab_size)
    arrivals = _log_arrivals(log_probabilities, labels, blank_id)  # (frames, labels)
    departures = _log_arrivals(log_probabilities[::-1], labels[::-1], blank_id)[::-1, ::-1]
    return [
        min(
            0.0,
            log_probability
            - _log_any_between(log_probabilities, labels, start, end, arrivals, departures),
        )
        for start, end in segments
    ]


def _log_any_between(
    log_probabilities: np.ndarray,
    labels: Sequence[int],
    start: int,
    end: int,
    arrivals: np.ndarray,
    departures: np.ndarray,
) -> float:
    """Log-probability of all labellings `labels[:start]`, anything, `labels[end:]`.

    Args:
        arrivals: `(frames, labels)`: label `n` begins at frame `t`, all before it being right.
        departures: `(frames, labels)`: label `n` ends with frame `t`, all after it being right.
    """
    num_frames = len(log_probabilities)
    # After n frames, either the last label before the gap still lasts, or anything may have come.
    log_held = np.full(num_frames + 1, -np.inf)
    log_free = np.full(num_frames + 1, 0.0 if start == 0 else -np.inf)
    if start > 0:
        log_lasts = log_probabilities[:, labels[start - 1]]
        with np.errstate(divide="ignore"):  # a label that lasts with certainty stops with log 0
            log_stops = np.log1p(-np.exp(log_lasts))
        for frame in range(num_frames):
            log_free[frame + 1] = np.logaddexp(log_free[frame], log_held[frame] + log_stops[frame])
            log_held[frame + 1] = np.logaddexp(
                arrivals[frame, start - 1], log_held[frame] + log_lasts[frame]
            )
    if end == len(labels):
        return float(np.logaddexp(log_held[-1], log_free[-1]))
    log_before = log_free
    if start == 0 or labels[start - 1] != labels[end]:  # else the two would merge into one label
        log_before = np.logaddexp(log_held, log_free)
    return float(np.logaddexp.reduce(log_before[:-1] + departures[:, end]))


def _log_arrivals(
    log_probabilities: np.ndarray, labels: Sequence[int], blank_id: int
) -> np.ndarray:
    """Log-probability that exactly the labels before it are spelt when a label begins.

    Returns:
        `(frames, labels)`: that label `n` is first emitted at frame `t`.
    """
    states, may_skip = _states(labels, blank_id)
    emissions = log_probabilities[:, states]  # (frames, states)
    scores = _first_scores(emissions)
    arrivals = np.full((len(emissions), len(labels)), -np.inf)
    arrivals[0, :1] = scores[1:2]
    for frame in range(1, len(emissions)):
        entered = np.logaddexp(_shift(scores, 1), _skip(scores, may_skip)) + emissions[frame]
        scores = np.logaddexp(scores + emissions[frame], entered)
        arrivals[frame] = entered[1::2]
    return arrivals


def _states(labels: Sequence[int], blank_id: int) -> tuple[np.ndarray, np.ndarray]:
    """The states blank, label, blank, ..., label, blank, and which may follow the one before last.

    A path stays, goes one state on, or skips the blank between two different labels.
    """
    states = np.full(2 * len(labels) + 1, blank_id)
    states[1::2] = labels
    may_skip = np.zeros(len(states), dtype=bool)
    may_skip[3::2] = states[3::2] != states[1:-2:2]
    return states, may_skip


def _first_scores(emissions: np.ndarray) -> np.ndarray:
    """Scores after one frame: a path starts with the blank or with the first label."""
    scores = np.full(emissions.shape[1], -np.inf)
    scores[:2] = emissions[0, :2]
    return scores


def _shift(scores: np.ndarray, by: int) -> np.ndarray:
    return np.concatenate((np.full(by, -np.inf), scores))[: len(scores)]


def _skip(scores: np.ndarray, may_skip: np.ndarray) -> np.ndarray:
    return np.where(may_skip, _shift(scores, 2), -np.inf)


def line_log_probabilities(logits: np.ndarray | torch.Tensor) -> torch.Tensor:
    """Logits of one line as normalised float64 log-probabilities on the CPU."""
    return _line(logits).to("cpu", torch.float64).log_softmax(dim=-1)


def _line(logits: np.ndarray | torch.Tensor) -> torch.Tensor:
    logits = torch.as_tensor(logits)
    if logits.ndim != 2:
        raise ValueError(
            f"Logits of shape {tuple(logits.shape)} given; one line is (frames, vocab_size). "
            "Decode the lines of a batch one by one."
        )
    return logits.detach()


def _check_labels(labels: Sequence[int], vocab_size: int, blank_id: int) -> None:
    for label in labels:
        if label == blank_id or not 0 <= label < vocab_size:
            raise ValueError(
                f"Label {label} given; labels are ids from 0 to {vocab_size - 1} without the blank "
                f"{blank_id}. Drop padding and blanks from the labels first."
            )
