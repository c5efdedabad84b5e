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

LOG_NEVER = -1e6  # as good as -inf, and a sum of such can be subtracted again
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


def check_finite(logits: torch.Tensor) -> None:
    """Raises ValueError for scores that are no numbers: decoded they would be no text, certainly.

    Args:
        logits: Of any shape.
    """
    if not logits.isfinite().all():
        raise ValueError(
            "The logits are NaN or infinite: the model's weights are damaged, its training "
            f"diverged, or its numbers are too large for {logits.dtype}. Get the model again, "
            "train it with a lower learning rate, or load it with dtype=torch.float32."
        )


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

    states, log_may_skip = _states(labels, blank_id)
    emissions = log_probabilities[:, states]  # (frames, states)
    # Two states of certainly nothing come before the first, for those that step and skip from them.
    scores = np.full((num_frames, 2 + len(states)), -np.inf)
    scores[0, 2:4] = emissions[0, :2]
    for frame in range(1, num_frames):
        before, now = scores[frame - 1], scores[frame, 2:]
        np.add(before[:-2], log_may_skip, out=now)
        np.maximum(now, before[1:-1], out=now)
        np.maximum(now, before[2:], out=now)
        now += emissions[frame]

    state = len(states) - 1 if scores[-1, -1] > scores[-1, -2] else len(states) - 2
    path = np.empty(num_frames, dtype=np.int64)
    path[-1] = state
    for frame in range(num_frames - 2, -1, -1):
        skip, step, stay = scores[frame, state : state + 3].tolist()
        skip += log_may_skip[state]
        if skip > max(step, stay):
            state -= 2
        elif step > stay:
            state -= 1
        path[frame] = state

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
    log_probabilities = line_log_probabilities(logits).numpy()  # (frames, vocab_size)
    num_frames, vocab_size = log_probabilities.shape
    _check_labels(labels, vocab_size, blank_id)
    if num_frames < min_ctc_frames(labels):
        return [-float("inf")] * len(segments)
    if num_frames == 0 or not segments:
        return [0.0] * len(segments)
    arrivals, departures, log_probability = _log_passes(log_probabilities, labels, blank_id)
    starts, ends = np.array(segments).T
    log_before = _log_any_after(log_probabilities, labels, starts, arrivals)  # held, free
    log_posteriors = []
    for start, end, held, free in zip(starts, ends, *log_before, strict=True):
        # The gap, whatever it holds, ends with the line or where the label after it begins.
        if end == len(labels):
            log_any = np.logaddexp(held[-1], free[-1])
        else:
            merges = start > 0 and labels[start - 1] == labels[end]  # the two would be one label
            before = free if merges else np.logaddexp(held, free)
            log_any = np.logaddexp.reduce(before[:-1] + departures[:, end])
        log_posteriors.append(min(0.0, float(log_probability - log_any)))
    return log_posteriors


def _log_any_after(
    log_probabilities: np.ndarray,
    labels: Sequence[int],
    starts: np.ndarray,
    arrivals: np.ndarray,
) -> tuple[np.ndarray, np.ndarray]:
    """Log-probabilities of `labels[:start]` and then anything, after so many frames.

    Returns:
        Two arrays `(starts, frames + 1)`: the last of these labels still lasts; it has ended, and
        anything may have come.
    """
    num_frames = len(log_probabilities)
    held = np.full((len(starts), num_frames + 1), -np.inf)
    free = np.full((len(starts), num_frames + 1), -np.inf)
    free[starts == 0] = 0.0
    inner = starts > 0
    last = starts[inner] - 1  # among the labels
    last_ids = np.array(labels, dtype=np.int64)[last]
    log_lasts = np.maximum(log_probabilities[:, last_ids].T, LOG_NEVER)  # (inner, frames)
    with np.errstate(divide="ignore"):  # a label that lasts with certainty stops with log 0
        log_stops = np.log1p(-np.exp(log_lasts))
    # held[t + 1] is the sum of arrivals[t] and of what lasts of held[t], a running sum once what
    # lasts of an arrival from there to the end is taken out of each.
    log_lasted = log_lasts.cumsum(axis=1)
    arrived = arrivals[:, last].T
    after = log_lasted + np.logaddexp.accumulate(arrived - log_lasted, axis=1)
    held[inner, 1:] = after
    free[inner, 2:] = np.logaddexp.accumulate(after[:, :-1] + log_stops[:, 1:], axis=1)
    return held, free


def _log_passes(
    log_probabilities: np.ndarray, labels: Sequence[int], blank_id: int
) -> tuple[np.ndarray, np.ndarray, float]:
    """The forward pass and, side by side with it, the backward pass.

    Returns:
        `(frames, labels)`: label `n` is first emitted at frame `t`, all before it being right;
        `(frames, labels)`: label `n` is last emitted at frame `t`, all after it being right; and
        the log-probability of the labels.
    """
    states, forward_may_skip = _states(labels, blank_id)
    _, backward_may_skip = _states(labels[::-1], blank_id)
    log_may_skip = np.stack([forward_may_skip, backward_may_skip])  # (2, states)
    emissions = log_probabilities[:, states]  # (frames, states)
    emissions = np.stack([emissions, emissions[::-1, ::-1]], axis=1)  # (frames, 2, states)
    # Two states of certainly nothing come before the first, for those that step and skip from them.
    scores = np.full((2, 2 + len(states)), -np.inf)
    stay, step, skip = scores[:, 2:], scores[:, 1:-1], scores[:, :-2]
    stay[:, :2] = emissions[0, :, :2]
    entered = np.full(emissions.shape, -np.inf)
    entered[0, :, 1:2] = stay[:, 1:2]
    for emission, enters in zip(emissions[1:], entered[1:], strict=True):
        np.logaddexp(step, skip + log_may_skip, out=enters)
        np.logaddexp(stay, enters, out=stay)
        stay += emission
        enters += emission
    arrivals, departures = entered[:, 0, 1::2], entered[::-1, 1, ::-1][:, 1::2]
    ends = stay[0, -2:]
    return arrivals, departures, float(np.logaddexp.reduce(ends))


def _states(labels: Sequence[int], blank_id: int) -> tuple[np.ndarray, np.ndarray]:
    """The states blank, label, blank, ..., label, blank, and 0 where one may be skipped to.

    A path stays, goes one state on, or skips the blank between two different labels; to the other
    states the second array has -inf, the logarithm of never.
    """
    states = np.full(2 * len(labels) + 1, blank_id)
    states[1::2] = labels
    log_may_skip = np.full(len(states), -np.inf)
    log_may_skip[3::2][states[3::2] != states[1:-2:2]] = 0.0
    return states, log_may_skip


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
