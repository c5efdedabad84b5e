"""Trainings that must end alike: on two processes, in smaller batches, after a kill."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
from safetensors.torch import load_file

WORKER = Path(__file__).with_name("training_worker.py")
FOUR_LINES, TWO_LINES = 4 * 64, 2 * 64  # columns of a batch
# float32 sums taken in another order; Adam divides by the root of tiny squares and enlarges it
WEIGHT_NOISE = 1e-4


def start(folder, num_processes=1, **options):
    """Runs the worker and returns how it ended."""
    launcher = [sys.executable]
    if num_processes > 1:
        launcher += ["-m", "torch.distributed.run", "--standalone"]
        launcher += [f"--nproc_per_node={num_processes}"]
    environment = os.environ | {"OMP_NUM_THREADS": "1", "HF_HUB_OFFLINE": "1"}
    command = [*launcher, str(WORKER), str(folder), json.dumps(options)]
    return subprocess.run(command, env=environment, capture_output=True, text=True)


def run(folder, **options):
    """Runs the worker to its end and returns its losses and weights."""
    ended = start(folder, **options)
    assert ended.returncode == 0, ended.stderr[-5000:]
    weights = load_file(folder / "weights.safetensors")
    return json.loads((folder / "losses.json").read_text()), weights


def assert_alike(first, second):
    (first_losses, first_weights), (second_losses, second_weights) = first, second
    assert first_losses == pytest.approx(second_losses, abs=1e-4)
    assert len(set(first_losses)) > 1  # something was learnt
    for name, weight in first_weights.items():
        assert (weight - second_weights[name]).abs().max() < WEIGHT_NOISE, name


@pytest.fixture(scope="module")
def four_at_once(tmp_path_factory):
    """Four steps of four lines each, batch norm frozen so that a line does not see its batch."""
    return run(
        tmp_path_factory.mktemp("runs") / "four",
        batch_columns=FOUR_LINES,
        max_steps=4,
        freeze_batch_norm=True,
    )


def test_two_processes_train_as_one_with_twice_the_batch(four_at_once, tmp_path):
    two = run(
        tmp_path / "two",
        num_processes=2,
        batch_columns=TWO_LINES,
        max_steps=4,
        freeze_batch_norm=True,
    )
    assert_alike(two, four_at_once)


def test_gradients_gathered_over_two_batches_are_those_of_both_at_once(four_at_once, tmp_path):
    gathered = run(
        tmp_path / "gathered",
        batch_columns=TWO_LINES,
        gradient_accumulation_steps=2,
        max_steps=4,
        freeze_batch_norm=True,
    )
    assert_alike(gathered, four_at_once)


def test_a_killed_run_ends_with_the_weights_of_an_uninterrupted_one(tmp_path):
    # With dropout, shuffled batches, running batch-norm statistics and the average of the weights.
    options = {"batch_columns": TWO_LINES, "max_steps": 7, "save_steps": 2, "dropout": 0.2}
    whole = run(tmp_path / "whole", **options)
    killed = start(tmp_path / "killed", kill_at=5, **options)
    assert killed.returncode == -signal.SIGKILL, killed.stderr[-5000:]
    assert not (tmp_path / "killed" / "weights.safetensors").exists()
    resumed = run(tmp_path / "killed", **options)
    assert_alike(resumed, whole)


def test_two_processes_killed_within_an_epoch_go_on_within_it(tmp_path):
    # An epoch has two steps of two lines each; the checkpoint is of the third epoch's first one.
    options = {"num_processes": 2, "batch_columns": 64, "max_steps": 7, "save_steps": 5}
    whole = run(tmp_path / "whole", **options)
    killed = start(tmp_path / "killed", kill_at=6, **options)
    assert killed.returncode != 0
    assert not (tmp_path / "killed" / "weights.safetensors").exists()
    assert_alike(run(tmp_path / "killed", **options), whole)
