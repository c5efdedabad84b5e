import json

import pytest
from torch.utils.tensorboard import SummaryWriter

from hwr_hf.training_summary import (
    compare_trainings,
    continue_summary,
    summarize_training,
    training_minutes,
)

LOG = [
    {"step": 1, "loss": 3.0, "learning_rate": 0.5},
    {"step": 2, "loss": 2.0, "learning_rate": 1.0},
    {"step": 2, "eval_lines_cer": 0.5, "eval_lines_wer": 0.75, "eval_lines_loss": 2.0},
    {"step": 2, "eval_words_cer": 0.25},
    {"step": 3, "loss": 1.0, "learning_rate": 0.1},
]


def write_run(folder, starts):
    (folder / "trainer_state.json").write_text(json.dumps({"global_step": 3, "log_history": LOG}))
    for number, times in enumerate(starts):
        with SummaryWriter(folder / "runs" / str(number)) as writer:
            for step, time in enumerate(times):
                writer.add_scalar("loss", 1.0, step, walltime=time)
    return folder


def test_summary_has_steps_peak_rate_and_one_entry_an_evaluation(tmp_path):
    summary = summarize_training(write_run(tmp_path, []))
    assert summary["steps"] == 3
    assert summary["learning_rate"] == 1.0
    assert summary["curve"] == [{"step": 2, "lines_cer": 0.5, "lines_wer": 0.75, "words_cer": 0.25}]


def test_a_folder_without_a_training_is_refused(tmp_path):
    with pytest.raises(ValueError, match=r"trainer_state.json is missing"):
        summarize_training(tmp_path)


def test_minutes_of_a_resumed_training_are_summed(tmp_path):
    write_run(tmp_path, [[1000.0, 1120.0], [5000.0, 5060.0]])
    assert training_minutes(tmp_path) == pytest.approx(3.0)


def test_two_trainings_make_one_curve():
    first = {
        "steps": 30,
        "minutes": 2.5,
        "learning_rate": 0.1,
        "curve": [{"step": 20, "a_cer": 0.5}],
    }
    second = {
        "steps": 10,
        "minutes": 1.0,
        "learning_rate": 0.3,
        "curve": [{"step": 5, "a_cer": 0.2}],
    }
    assert continue_summary(first, second) == {
        "steps": 40,
        "minutes": 3.5,
        "learning_rate": 0.3,
        "curve": [{"step": 20, "a_cer": 0.5}, {"step": 35, "a_cer": 0.2}],
    }


def write_recipe(folder, **arguments):
    recipe = {"Data": {"iam": "iam"}, "Arguments": {"seed": 1} | arguments}
    (folder / "training_recipe.json").write_text(json.dumps(recipe))


def test_trainings_are_compared_after_the_same_step_with_what_differs(tmp_path):
    taught, alone = tmp_path / "taught", tmp_path / "alone"
    for folder in (taught, alone):
        folder.mkdir()
        write_run(folder, [])
    write_recipe(taught, teacher="default", betas=[0.9, 0.99])
    write_recipe(alone, betas=[0.9, 0.99])  # of a version without a teacher
    rates = {"step": 2, "lines_cer": 0.5, "lines_wer": 0.75, "words_cer": 0.25}
    assert compare_trainings([taught, alone], 2) == [
        {"settings": {"teacher": "default"}} | rates,
        {"settings": {"teacher": None}} | rates,
    ]


def test_a_step_without_an_evaluation_is_refused(tmp_path):
    write_recipe(write_run(tmp_path, []))
    with pytest.raises(ValueError, match=r"no evaluation after step 3, but after 2\. Choose"):
        compare_trainings([tmp_path], 3)
