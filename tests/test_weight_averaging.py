import pytest
import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel
from transformers import TrainingArguments

from hwr_hf.weight_averaging import TRAINED_WEIGHTS, WeightAveragingTrainer, ema_with_warm_up


class Scale(nn.Module):
    """One weight, pulled towards each target in turn."""

    def __init__(self):
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(1))

    def forward(self, labels):
        return {"loss": ((self.weight - labels) ** 2).mean(), "logits": self.weight.detach()}


def make_trainer(folder, decay=0.5, steps=4, **options):
    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=steps,
        learning_rate=0.25,
        lr_scheduler_type="constant",
        optim="sgd",
        max_grad_norm=0.0,
        per_device_train_batch_size=1,
        save_steps=2,
        report_to="none",
        use_cpu=True,
        disable_tqdm=True,
        **options,
    )
    arguments.ema_decay = decay
    data = [{"labels": torch.tensor([8.0])}] * 8
    return WeightAveragingTrainer(Scale(), arguments, train_dataset=data, eval_dataset=data)


def averages_by_hand(weights, decay):
    """The average after each step, worked out from its definition."""
    average, averages = None, []
    for step, weight in enumerate(weights):
        used = min(decay, (1 + step) / (10 + step))
        average = weight if average is None else used * average + (1 - used) * weight
        averages.append(average)
    return averages


# The gradient of (w - 8)^2 is 2 (w - 8): each step of 0.25 halves the distance to 8.
WEIGHTS = [4.0, 6.0, 7.0, 7.5]


def test_the_average_follows_its_definition():
    weights = nn.Linear(1, 1, bias=False)
    averaged = AveragedModel(weights, multi_avg_fn=ema_with_warm_up(0.3))
    seen = []
    for value in WEIGHTS:
        nn.init.constant_(weights.weight, value)
        averaged.update_parameters(weights)
        seen.append(averaged.module.weight.item())
    assert seen == pytest.approx(averages_by_hand(WEIGHTS, 0.3))


def test_training_ends_with_the_average(tmp_path):
    trainer = make_trainer(tmp_path)
    trainer.train()
    assert trainer.model.weight.item() == pytest.approx(WEIGHTS[-1])
    trainer.finish_average()
    assert trainer.model.weight.item() == pytest.approx(averages_by_hand(WEIGHTS, 0.5)[-1])


@pytest.mark.parametrize("best", [None, "checkpoint-lost"])
def test_training_ends_with_the_average_where_no_best_checkpoint_is_left(tmp_path, best):
    delayed = {"eval_strategy": "steps", "eval_steps": 2, "eval_delay": 100}
    trainer = make_trainer(tmp_path, load_best_model_at_end=True, **delayed)
    trainer.train()
    trainer.state.best_model_checkpoint = best and str(tmp_path / best)
    trainer.finish_average()
    assert trainer.model.weight.item() == pytest.approx(averages_by_hand(WEIGHTS, 0.5)[-1])


def test_evaluation_sees_the_average_and_training_goes_on_with_the_weights(tmp_path):
    trainer = make_trainer(tmp_path, eval_strategy="steps", eval_steps=1, label_names=["labels"])
    trainer.train()
    losses = [e["eval_loss"] for e in trainer.state.log_history if "eval_loss" in e]
    expected = [(average - 8) ** 2 for average in averages_by_hand(WEIGHTS, 0.5)]
    assert losses == pytest.approx(expected)


def test_a_checkpoint_holds_the_average_and_the_weights_beside_it(tmp_path):
    from safetensors.torch import load_file

    make_trainer(tmp_path).train()
    folder = tmp_path / "checkpoint-4"
    assert load_file(folder / TRAINED_WEIGHTS)["weight"].item() == pytest.approx(WEIGHTS[-1])
    average = averages_by_hand(WEIGHTS, 0.5)[-1]
    assert load_file(folder / "model.safetensors")["weight"].item() == pytest.approx(average)


def test_a_resumed_run_ends_as_one_that_was_not_interrupted(tmp_path):
    whole = make_trainer(tmp_path / "whole")
    whole.train()
    make_trainer(tmp_path / "parts", steps=2).train()
    resumed = make_trainer(tmp_path / "parts")
    resumed.train(resume_from_checkpoint=str(tmp_path / "parts" / "checkpoint-2"))
    assert resumed.model.weight.item() == pytest.approx(whole.model.weight.item())
    for trainer in (whole, resumed):
        trainer.finish_average()
    assert resumed.model.weight.item() == pytest.approx(whole.model.weight.item())


def test_without_a_decay_nothing_is_averaged(tmp_path):
    trainer = make_trainer(tmp_path, decay=0.0)
    trainer.train()
    trainer.finish_average()
    assert trainer.model.weight.item() == pytest.approx(WEIGHTS[-1])
    assert not list(tmp_path.glob(f"**/{TRAINED_WEIGHTS}"))


@pytest.mark.parametrize("decay", [1.0, -0.1])
def test_a_decay_that_is_none_is_named(tmp_path, decay):
    with pytest.raises(ValueError, match=r"ema_decay=.* use 0"):
        make_trainer(tmp_path, decay=decay)
