import math
from itertools import product

import numpy as np
import pytest
import torch

from hwr_hf.resnet_bilstm.ctc_resnet_bilstm import (
    ctc_align,
    ctc_collapse,
    ctc_log_probability,
    ctc_segment_log_posteriors,
    greedy_decode,
    min_ctc_frames,
)

NUM_FRAMES, VOCAB_SIZE = 5, 4


@pytest.fixture
def logits():
    return torch.randn(NUM_FRAMES, VOCAB_SIZE, generator=torch.Generator().manual_seed(0))


def probability_of_paths(logits, is_wanted):
    """Sum over every path of the line whose collapsed labels are wanted."""
    probabilities = logits.double().softmax(dim=-1).numpy()
    frames, vocab_size = probabilities.shape
    return sum(
        math.prod(probabilities[frame, id_] for frame, id_ in enumerate(path))
        for path in product(range(vocab_size), repeat=frames)
        if is_wanted(ctc_collapse(path))
    )


def one_hot_logits(path, vocab_size=VOCAB_SIZE, certainty=8.0):
    return certainty * torch.nn.functional.one_hot(torch.tensor(path), vocab_size).float()


@pytest.mark.parametrize(
    ("path", "labels"),
    [
        pytest.param([7, 7, 4], [7, 4], id="repeat-is-one-letter"),
        pytest.param([7, 0, 7], [7, 7], id="blank-keeps-a-double-letter"),
        pytest.param([0, 0], [], id="blanks-are-nothing"),
        pytest.param([], [], id="no-frames"),
    ],
)
def test_ctc_collapse(path, labels):
    assert ctc_collapse(path, blank_id=0) == labels


@pytest.mark.parametrize(
    ("labels", "frames"), [([], 0), ([3, 4], 2), ([3, 3], 3), ([3, 3, 3, 4, 4], 8)]
)
def test_min_ctc_frames_is_one_each_and_a_blank_between_equals(labels, frames):
    assert min_ctc_frames(labels) == frames


@pytest.mark.parametrize(
    "as_type", [torch.Tensor.numpy, torch.Tensor.clone], ids=["numpy", "torch"]
)
def test_greedy_decode_collapses_the_best_path(as_type):
    assert greedy_decode(as_type(one_hot_logits([2, 2, 0, 2, 3]))) == [2, 2, 3]


def test_greedy_decode_takes_another_blank():
    assert greedy_decode(one_hot_logits([3, 1, 3, 0]), blank_id=3) == [1, 0]


def test_a_batch_is_refused():
    with pytest.raises(ValueError, match="one by one"):
        greedy_decode(torch.zeros(2, NUM_FRAMES, VOCAB_SIZE))


@pytest.mark.parametrize("labels", [[], [1], [1, 2], [1, 1], [2, 2, 2], [3, 1, 2, 1, 3]])
def test_probability_is_the_sum_over_all_paths(logits, labels):
    expected = probability_of_paths(logits, lambda found: found == labels)
    assert math.exp(ctc_log_probability(logits, labels)) == pytest.approx(expected, rel=1e-9)


def test_too_few_frames_have_probability_zero(logits):
    assert ctc_log_probability(logits, [1, 1, 1, 1]) == -math.inf


def test_certain_blanks_after_the_line_change_no_probability(logits):
    padding = torch.full((3, VOCAB_SIZE), -1e4)
    padding[:, 0] = 0.0
    padded = torch.cat([logits, padding])
    assert ctc_log_probability(padded, [1, 2]) == pytest.approx(ctc_log_probability(logits, [1, 2]))


@pytest.mark.parametrize("label", [0, VOCAB_SIZE, -100])
def test_a_label_outside_the_alphabet_is_refused(logits, label):
    with pytest.raises(ValueError, match=f"Label {label} given"):
        ctc_log_probability(logits, [1, label])


def test_alignment_of_a_certain_path():
    assert ctc_align(one_hot_logits([0, 2, 2, 0, 2, 3]), [2, 2, 3]) == [(1, 3), (4, 5), (5, 6)]


@pytest.mark.parametrize("labels", [[1], [1, 2], [1, 1], [3, 1, 2, 1, 3]])
def test_alignment_is_the_most_probable_path(logits, labels):
    log_probabilities = logits.log_softmax(dim=-1)

    def score(path):
        return sum(log_probabilities[frame, id_].item() for frame, id_ in enumerate(path))

    paths = product(range(VOCAB_SIZE), repeat=NUM_FRAMES)
    best = max((path for path in paths if ctc_collapse(path) == labels), key=score)
    path = [0] * NUM_FRAMES
    for label, (start, end) in zip(labels, ctc_align(logits, labels), strict=True):
        path[start:end] = [label] * (end - start)
    assert path == list(best)


def test_nothing_aligns_with_nothing(logits):
    assert ctc_align(logits, []) == []


def test_alignment_without_enough_frames_says_how_many_are_needed(logits):
    with pytest.raises(ValueError, match="need 7"):
        ctc_align(logits, [1, 1, 1, 1])


@pytest.mark.parametrize("labels", [[1, 2, 3], [1, 2, 1], [1, 1, 2], [2, 1, 1], [1, 2]])
@pytest.mark.parametrize(("start", "end"), [(0, 1), (1, 2), (0, 2), (1, 1), (2, 2)])
def test_segment_posterior_is_the_share_among_all_paths_with_the_same_rest(
    logits, labels, start, end
):
    before, after = labels[:start], labels[end:]

    def has_the_rest(found):
        enough = len(found) >= len(before) + len(after)
        return enough and found[:start] == before and found[len(found) - len(after) :] == after

    right = probability_of_paths(logits, lambda found: found == labels)
    expected = right / probability_of_paths(logits, has_the_rest)
    (log_posterior,) = ctc_segment_log_posteriors(logits, labels, [(start, end)])
    assert math.exp(log_posterior) == pytest.approx(expected, rel=1e-9)


def test_segment_of_all_labels_has_the_probability_of_the_text(logits):
    labels = [1, 2, 2]
    (log_posterior,) = ctc_segment_log_posteriors(logits, labels, [(0, 3)])
    assert log_posterior == pytest.approx(ctc_log_probability(logits, labels))


def test_segment_posteriors_stay_finite_where_a_label_is_certain():
    log_posteriors = ctc_segment_log_posteriors(
        np.array([[0.0, -1e4], [-1e4, 0.0], [-1e4, 0.0]]), [1], [(0, 1), (1, 1)]
    )
    assert log_posteriors == pytest.approx([0.0, 0.0])
