"""Memory of a training step: against what must be held, and against other batches."""

import pytest
import torch

from hwr_hf import ResNetBiLstmConfig, ResNetBiLstmForCTC
from hwr_hf.benchmark import training_memory
from hwr_hf.benchmark.training_memory import Step, memory_table, peak_bytes


def test_a_step_holds_weights_adamw_and_the_first_feature_maps():
    parameters = ResNetBiLstmForCTC(ResNetBiLstmConfig.small()).num_parameters()
    weights_and_averages = 3 * 4 * parameters
    # Of 2 lines: 32 channels on half of 48 rows and of 640 columns, after the stem and its ReLU.
    stem = 2 * 2 * 32 * 24 * 320 * 4
    assert peak_bytes(Step("small", 1280)) > weights_and_averages + stem


def test_more_lines_need_more_and_half_the_bits_less():
    one, two = (peak_bytes(Step("small", columns)) for columns in (640, 1280))
    held = 3 * 4 * ResNetBiLstmForCTC(ResNetBiLstmConfig.small()).num_parameters()
    assert two - held == pytest.approx(2 * (one - held), rel=0.1)
    assert peak_bytes(Step("small", 1280, "bfloat16")) < two


def test_computing_activations_again_saves_memory():
    assert peak_bytes(Step("small", 1280, checkpointing=True)) < peak_bytes(Step("small", 1280))


def test_a_step_that_does_not_fit_is_a_row_without_a_peak(monkeypatch):
    def too_much(step, device):
        if step.batch_columns > 640:
            raise torch.OutOfMemoryError
        return 3 * training_memory.GIB // 2

    monkeypatch.setattr(training_memory, "peak_bytes", too_much)
    rows = memory_table([Step("small", 640), Step("small", 6400)])
    assert [row["peak_gib"] for row in rows] == [1.5, None]
    assert rows[1]["batch_columns"] == 6400


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
def test_the_default_training_fits_into_4_gib_of_a_gpu():
    steps = [Step("small", 10240), Step("base", 10240, "bfloat16")]
    assert all(row["peak_gib"] for row in memory_table(steps, "cuda", limit_gib=4))
